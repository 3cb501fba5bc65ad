"""What can go wrong: a class for each thing the caller can do about it."""

from __future__ import annotations

__all__ = [
    "Ambiguous",
    "Closed",
    "Error",
    "FilterError",
    "Invalid",
    "LoggingWarning",
    "MissingFile",
    "NotFound",
    "ParamConflict",
    "StoreError",
]


class Error(Exception):
    """What tracker raises; the message says what to do."""


class Invalid(Error, ValueError):
    """An argument is not acceptable. Nothing was done; mend the argument."""


class FilterError(Invalid):
    """A filter or a sort key cannot be understood.

    ``text`` is the whole of it, ``span`` the bytes of it that the message is about.
    """

    text: str = ""
    span: tuple[int, int] = (0, 0)


class NotFound(Error, KeyError):
    """No such run, metric or artifact.

    ``what`` was looked for, ``name`` is how it was called, ``near`` the nearest names there are.
    """

    what: str = ""
    name: str = ""
    near: list[str] = []

    def __str__(self) -> str:  # that of KeyError is the repr
        return Exception.__str__(self)


class Ambiguous(Error, LookupError):
    """A name or prefix stands for several runs: ``runs``, as ``id name``."""

    runs: list[str] = []


class ParamConflict(Error, ValueError):
    """The param ``key`` is ``old`` already and cannot become ``new``. The first value stays."""

    key: str = ""
    old: str = ""
    new: str = ""


class Closed(Error):
    """The run has ended and takes nothing more. Resume it first."""


class StoreError(Error):
    """The store cannot be read or written: the disk, its rights, its bytes, or it is none."""

    filename: str | None = None
    errno: int | None = None


class MissingFile(StoreError, FileNotFoundError):
    """There is no such file: ``filename``."""


class LoggingWarning(UserWarning):
    """Something was not logged, and the training goes on; given once for each reason.

    The disk refused it, and ``run.errors`` counts how often; or an integration was given what
    cannot be kept.
    """
