"""Where an integration logs to: a run that is there, or one that it starts and ends itself."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from tracker import _logging
from tracker import _tracker
from tracker._errors import Closed
from tracker._errors import Error
from tracker._errors import Invalid
from tracker._errors import LoggingWarning
from tracker._errors import ParamConflict
from tracker._errors import StoreError

if TYPE_CHECKING:
    import os

    from tracker._logging import ActiveRun

_STARTED_WITH = frozenset(inspect.signature(_logging.start_run).parameters)


class Sink:
    """Takes what a training has to say, and never ends that training.

    The run is chosen when the first thing is logged: the one that was given, else the active one,
    else one that is started. Only the last is ended here, and taken up again if more is logged.

    - options: those of `tracker.start_run`
    - is_on: with False nothing is logged, as by the other ranks of a distributed job

    Raises TypeError and ValueError for options that `tracker.start_run` would not take, Closed for
    a run that has ended.
    """

    def __init__(self, run: ActiveRun | None, options: dict[str, Any], is_on: bool = True) -> None:
        unknown = sorted(set(options) - _STARTED_WITH)
        if unknown:
            raise TypeError(f"{unknown[0]!r} is none of the options of tracker.start_run")
        if run is not None and not isinstance(run, _logging.ActiveRun):
            kind = type(run).__name__
            raise TypeError(f"run wants what tracker.start_run returned, has a {kind}")
        if run is not None and not run._is_open:
            raise Closed(f"run {run.id[:8]} has ended: resume it first")
        self.raises = _logging._raises(options.get("on_error", "warn"))
        self.options = options
        self.is_on = is_on
        self.is_own = False
        self._given = run
        self._run = run
        self._place: tuple[str, Any] | None = None
        self._told: set[str] = set()

    @property
    def has_begun(self) -> bool:
        """Whether it has a run by now."""
        return self._run is not None or self._place is not None

    @property
    def run(self) -> ActiveRun | None:
        """The run to log to. None if nothing is to be logged, or the run that was given is over."""
        if not self.is_on:
            return None
        run = self._run
        if run is not None and run._is_open:
            return run
        if run is not None and self.is_own:
            self._run = _logging.start_run(resume=run.id, store=run.store, **self._on_error())
        elif self._place is not None:
            self._run = _logging._taken_along(*self._place, **self._on_error())
        elif self._given is None:
            self._run = self._found(run)
        if self._run is None or not self._run._is_open:
            self.warn("over", "the run has ended: what is logged from now on is not kept")
            return None
        return self._run

    def start_part(self) -> None:
        """Starts a run of its own, a part of the one that it would have logged to."""
        around = self._given or _logging.active_run()
        parent = {} if around is None else {"parent": around.id, "store": around.store}
        self._given = None
        self._run = _logging.start_run(**{**self.options, **parent})
        self.is_own = True

    def start_beside(self, run: ActiveRun) -> None:
        """Starts a run of its own, not a part of `run` though that is active."""
        if self.options.get("resume") is None and self.options.get("parent") is None:
            self.options["parent"] = run.read().parent or ""
        self._run = _logging.start_run(**self.options)
        self.is_own = True

    def _found(self, last: ActiveRun | None) -> ActiveRun:
        active = _logging.active_run() or last  # one that is over stays: it was somebody else's
        if active is not None:
            return active
        self.is_own = True
        return _logging.start_run(**self.options)

    def _on_error(self) -> dict[str, Any]:
        return {"on_error": self.options["on_error"]} if "on_error" in self.options else {}

    def metrics(self, values: Mapping[str, Any], step: Any = None, time: Any = None) -> None:
        """Logs the values of one step; what is no number is left out."""
        run = self.run
        if run is None:
            return
        if step is None:
            step = run.next_step
        try:
            run.log(values, step, time=time)
            return
        except (TypeError, OverflowError, Invalid) as error:
            if len(values) == 1:
                self.warn(f"metric {next(iter(values))}", f"not logged: {error}")
                return
        except Closed as error:
            self.warn("over", str(error))
            return
        for name, value in values.items():
            self.metrics({name: value}, step, time)

    def params(self, params: Any) -> None:
        """Sets params; one that has another value already keeps it."""
        run = self.run
        if run is None:
            return
        try:
            flat = _tracker.params(params)
        except Exception as error:  # whatever an object raises that is asked for its text
            self.warn("params", f"params are not logged: {error}")
            return
        for key, value in flat.items():
            try:
                run.param(key, value)
            except (ParamConflict, Invalid, Closed) as error:
                self.warn(f"param {key}", f"not logged: {error}")

    def tag(self, key: str, value: Any) -> None:
        """Sets a tag."""
        run = self.run
        if run is None:
            return
        try:
            run.tag(key, value)
        except (Invalid, Closed) as error:
            self.warn(f"tag {key}", f"not logged: {error}")

    def artifact(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Stores a file or folder."""
        run = self.run
        if run is None:
            return
        try:
            run.artifact(path, name)
        except Error as error:
            if self.raises and isinstance(error, StoreError):
                raise
            self.warn(f"artifact {path}", f"not stored: {error}")

    def bytes(self, name: str, data: bytes) -> None:
        """Stores bytes as an artifact."""
        run = self.run
        if run is None:
            return
        try:
            run.artifact_bytes(name, data)
        except Error as error:
            if self.raises and isinstance(error, StoreError):
                raise
            self.warn(f"artifact {name}", f"not stored: {error}")

    def end(self, status: str = "completed", reason: str | None = None) -> None:
        """Ends the run if it was started here and is not over."""
        if self.is_own and self._run is not None and self._run._is_open:
            self._run.finish(status, reason)

    def fail(self, error: BaseException) -> None:
        """Ends the run as that exception ends it."""
        self.end(*_logging._fate(error))

    def warn(self, about: str, text: str) -> None:
        """Says something, once, as a warning of the line that called into this package."""
        if about in self._told:
            return
        self._told.add(about)
        level, frame = 1, inspect.currentframe()
        while frame is not None and frame.f_globals.get("__name__", "").startswith("tracker."):
            level, frame = level + 1, frame.f_back
        warnings.warn(f"tracker: {text}", LoggingWarning, stacklevel=level)

    def __getstate__(self) -> dict[str, Any]:
        """Without the run, which belongs to a process: another one joins it."""
        state = dict(self.__dict__)
        run = self._run or _logging.active_run()
        if run is not None:
            state["_place"] = (run.id, run.store)
        state.update(_run=None, _given=None, is_own=False)
        return state
