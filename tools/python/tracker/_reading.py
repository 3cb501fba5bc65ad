"""Questions to a store."""

from __future__ import annotations

from tracker import _tracker

TYPE_CHECKING = False  # that of typing takes milliseconds to import
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from tracker._tracker import Run
    from tracker._tracker import Runs


def runs(
    filter: str | None = None,
    *,
    sort: str | Iterable[str] = (),
    limit: int | None = None,
    store: str | os.PathLike[str] | None = None,
) -> Runs:
    """The runs that a filter lets through, the newest first.

    - filter: ``metrics.acc > 0.9 and params.model = 'resnet'``; ``tracker query --help`` tells the
      whole language. None means all
    - sort: what to sort by, as ``-metrics.acc`` (largest first), or several of these
    - limit: at most so many

    Raises FilterError, with the place in the text; StoreError if there is no store.
    """
    keys = [sort] if isinstance(sort, str) else list(sort)
    return _tracker.runs(filter, keys, limit, store)


def run(text: str = "@last", *, store: str | os.PathLike[str] | None = None) -> Run:
    """The run that an id, the first digits of one, or a unique name stands for.

    ``@last`` is the run that started last, ``@best:METRIC`` the one whose last value is largest
    (``@best:-METRIC`` smallest).

    Raises NotFound (a KeyError, too), with the nearest names; Ambiguous.
    """
    return _tracker.run(text, store)


def best(
    metric: str,
    mode: str | None = None,
    *,
    filter: str | None = None,
    store: str | os.PathLike[str] | None = None,
) -> Run:
    """The run that is best by the last value of a metric.

    - mode: ``min`` or ``max``. None asks what the store remembers, else the name: losses, errors
      and times are better small, all else large
    - filter: only among the runs that it lets through

    Raises NotFound if no run has the metric.
    """
    return _tracker.best(metric, mode, filter, store)
