"""Runs being logged: the context, the names that people know, and how a process ends.

Runs of a process that are not over stand in `_active`, the innermost last. Whatever ends the
process ends them: leaving the ``with`` block, ``finish``, the end of the program, SIGTERM. A process
that is killed ends none, and needs not: the kernel tells readers that the writer is gone.

A forked child inherits `_active`. What it logs goes to a writer of its own, and what it ends is that
writer, never its parent's run.
"""

from __future__ import annotations

import atexit
import builtins
import os
import signal
import sys
import threading

from tracker import _tracker
from tracker._errors import Closed
from tracker._errors import Error
from tracker._errors import LoggingWarning
from tracker._errors import NotFound
from tracker._errors import StoreError
from tracker._tracker import Writer

TYPE_CHECKING = False  # that of typing takes milliseconds to import
if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Mapping
    from types import FrameType
    from types import TracebackType
    from typing import Any
    from typing import NoReturn

    from tracker._tracker import Run
    from tracker._tracker import Series

#: The run that a program was started in by `tracker run`, or by a launcher for all its ranks.
_RUN_VARIABLE = "TRACKER_RUN_ID"

_active: list[ActiveRun] = []
#: Whether this process has logged to the run that it was started in.
_has_joined = False
#: What `sys.exit` raised last, and how far the runs had come.
_exit: tuple[BaseException, list[tuple[str, int]]] | None = None
_sys_exit = sys.exit


class ActiveRun(Writer):
    """A run being logged, as `start_run` gives it. Threads may share it.

    As a context it ends with its block: completed, or failed with the traceback if an exception
    leaves it.
    """

    def __init__(self, *_args: Any, **_options: Any) -> None:
        self._is_open = True
        self._metric_steps: dict[str, int] = {}
        self._thread = threading.get_ident()
        self._last_words: list[Callable[[], object]] = []
        _active.append(self)
        _watch()

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_open:
            return  # it was finished by hand
        if error is None:
            self.finish()
            return
        status, reason = _fate(error)
        try:
            self.finish(status, reason)
        except Exception as second:  # the first error is what the caller has to hear
            error.add_note(f"and its run could not be finished: {second}")

    def finish(self, status: str = "completed", reason: str | None = None) -> None:
        """Ends the run.

        In a process that was forked, and for a run that was joined, only this writer ends: the run
        is somebody else's.

        - status: ``completed`` or ``failed``
        - reason: why it failed

        Raises Closed if it has ended.
        """
        if not self._is_open:
            raise Closed(f"run {self.id[:8]} has ended")
        self._say_last_words()
        self._is_open = False
        if self in _active:
            _active.remove(self)
        if not _active and sys.exit is _noting_exit:
            sys.exit = _sys_exit
        if self.is_forked():
            status, reason = "completed", None
        self._end(status, reason)

    def _say_last_words(self) -> None:
        """Logs what integrations know only when the run ends."""
        while self._last_words and not self.is_forked():
            try:
                self._last_words.pop()()
            except Exception as error:  # the run is to end all the same
                import warnings

                warnings.warn(f"{self!r}: {error}", LoggingWarning, stacklevel=3)

    def log_metric(self, name: str, value: Any, step: int | None = None) -> None:
        """Logs one value. Without a step it goes to the one after the last of this metric."""
        self.log_metrics({name: value}, step)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Logs values; without a step each goes to the one after the last of its own metric."""
        if step is not None:
            self.log(metrics, step)
            for name in metrics:
                self._metric_steps[name] = int(step) + 1
            return
        for name, value in metrics.items():
            step = self._metric_steps.get(name, 0)
            self.log({name: value}, step)
            self._metric_steps[name] = step + 1

    def read(self) -> Run:
        """The run as it is now, to be read."""
        return _tracker.run(self.id, self.store)

    def series(self, metric: str, **options: Any) -> Series:
        """The points of a metric so far; see `Run.series`."""
        return self.read().series(metric, **options)

    def __deepcopy__(self, _memo: dict[int, Any]) -> ActiveRun:
        return self  # a copy of what logs to it logs to it as well

    def __reduce__(self) -> tuple[Callable[..., ActiveRun], tuple[Any, ...]]:
        """In another process, as a worker that was spawned, it is a writer that joined the run."""
        return _taken_along, (self.id, self.store)

    def __repr__(self) -> str:
        state = "" if self._is_open else ", ended"
        return f"<tracker.ActiveRun {self.id[:8]} {self.name}{state}>"


def start_run(
    name: str | None = None,
    *,
    experiment: str | None = None,
    params: Any = None,
    tags: Mapping[str, Any] | None = None,
    note: str | None = None,
    author: str | None = None,
    resume: str | None = None,
    parent: str | None = None,
    store: str | os.PathLike[str] | None = None,
    on_error: str = "warn",
) -> ActiveRun:
    """Starts a run; use it in a ``with`` block.

    In a program that `tracker run` started, or where `TRACKER_RUN_ID` is the id of a run that is
    not over, the first run is that run: what is logged joins it, its name and experiment stay, and
    it is ended by who started it. So all ranks of a distributed job log to one run; see `join_run`.
    Inside the block of another run the new one is a part of that.

    - name: for people; a readable one is made up
    - experiment: it belongs to
    - params: inputs: a dict (nested ones join with ``.``), a dataclass or a namespace
    - tags, note: what else is to be said
    - author: git's user, else the login
    - resume: take up this run (an id, the first digits of one, or a unique name) instead; steps go
      on after the last
    - parent: the run it is a part of; an empty text is none, inside the block of another run too
    - store: the store's folder
    - on_error: ``warn`` counts in ``run.errors`` what the disk refuses, warns once, and the
      training goes on; ``raise`` raises StoreError

    Raises Invalid, ParamConflict, NotFound (for `resume`), StoreError: a run that cannot be started
    is always an error.
    """
    global _has_joined
    raises = _raises(on_error)
    around = _innermost()
    surrounding = _surrounding(store) if parent is None and around is None else None
    options: dict[str, Any] = {"store": store, "params": params, "raises": raises}
    if resume is not None:
        run = ActiveRun("resume", resume, **options)
    elif surrounding is not None and not _has_joined:
        run = ActiveRun("join", surrounding, **options)
        _has_joined = True
    else:
        if parent is None:
            parent = around.id if around is not None else surrounding
        run = ActiveRun(
            "start",
            None,
            name=name,
            experiment=experiment,
            author=author,
            parent=parent or None,
            **options,
        )
    _describe(run, tags, note)
    return run


def join_run(
    run: str,
    *,
    params: Any = None,
    tags: Mapping[str, Any] | None = None,
    store: str | os.PathLike[str] | None = None,
    on_error: str = "warn",
) -> ActiveRun:
    """Logs to a run that another process started and will end.

    The ranks of a distributed job log to one run when its id gets to them. Rank 0 starts the run
    and hands it on::

        import torch.distributed as dist

        rank = dist.get_rank()
        run = tracker.start_run("ddp") if rank == 0 else None
        told = [run.id if run else None]
        dist.broadcast_object_list(told)
        run = run or tracker.join_run(told[0])
        run.log({f"rank{rank}/loss": loss}, step)
        dist.barrier()  # until all have logged: rank 0 ends the run
        run.finish()

    Or whoever launches them has `TRACKER_RUN_ID` in the environment, and each calls `start_run`:
    ``tracker run -- torchrun --nproc-per-node 2 train.py``, or in a script ``export
    TRACKER_RUN_ID=$(tracker start)`` before and ``tracker finish`` after. Ranks that log the same
    metric log to one series of it; put the rank into the name of what each should keep for itself.

    A worker that was spawned and was sent the run (the ``Dataset`` of a ``DataLoader`` holds it,
    say) finds such a one in its place; one that was forked logs to the run as it is.

    - run: its id, the first digits of it, or a unique name

    `finish`, and the end of the process, end this writer and not the run. Raises NotFound.
    """
    joined = ActiveRun("join", run, store=store, params=params, raises=_raises(on_error))
    _describe(joined, tags, None)
    return joined


def _taken_along(run: str, store: str | os.PathLike[str], on_error: str = "warn") -> ActiveRun:
    """What an `ActiveRun` is after it was copied or sent to this process."""
    for active in _active:
        if active.id == run:
            return active
    return join_run(run, store=store, on_error=on_error)


def _raises(on_error: str) -> bool:
    if on_error not in ("warn", "raise"):
        raise ValueError(f'on_error wants "warn" or "raise", has {on_error!r}')
    return on_error == "raise"


def _describe(run: ActiveRun, tags: Mapping[str, Any] | None, note: str | None) -> None:
    try:
        for key, value in (tags or {}).items():
            run.tag(key, value)
        if note is not None:
            run.note(note)
    except BaseException as error:
        run.__exit__(type(error), error, error.__traceback__)
        raise


def _surrounding(store: str | os.PathLike[str] | None) -> str | None:
    """The run that this program was started in, if it lives in this store."""
    run = os.environ.get(_RUN_VARIABLE)
    if not run:
        return None
    try:
        return run if _tracker.run(run, store).status in ("running", "unknown") else None
    except Error:
        return None


def _innermost() -> ActiveRun | None:
    """The run to log to: the innermost of this thread, else of the main one, else of any."""
    if not _active:
        return None
    runs = _active[:]  # other threads start and end theirs
    if len(runs) > 1:
        for thread in (threading.get_ident(), threading.main_thread().ident):
            for run in reversed(runs):
                if run._thread == thread:
                    return run
    return runs[-1] if runs else None


def active_run() -> ActiveRun | None:
    """The run that `tracker.log` logs to: the innermost that has not ended. None if there is none.

    A thread that started runs has its own innermost; others share that of the main thread.
    """
    return _innermost()


def _current() -> ActiveRun:
    """The run to log to; one is started if there is none."""
    return _innermost() or start_run()


def track(
    function: Callable[..., Any] | None = None, /, **options: Any
) -> Callable[..., Any]:
    """Makes each call of a function a run, with its arguments as params.

    ::

        @tracker.track(experiment="mnist")
        def train(lr, depth=3): ...

    The options are those of `start_run`; the name is that of the function unless one is given.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        import functools
        import inspect

        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            chosen = {"name": function.__name__, **options}
            params = _tracker.params(chosen.pop("params", None) or {})
            params.update(_tracker.params(bound.arguments))
            with start_run(params=params, **chosen):
                return function(*args, **kwargs)

        return call

    return decorate if function is None else decorate(function)


# As Weights & Biases users type them.


def init(
    project: str | None = None,
    *,
    name: str | None = None,
    config: Any = None,
    tags: Iterable[str] | Mapping[str, Any] | None = None,
    notes: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    id: str | None = None,
    resume: bool | str | None = None,
    dir: str | os.PathLike[str] | None = None,
    on_error: str = "warn",
) -> ActiveRun:
    """Starts a run, with the names of `wandb.init`.

    - project: the experiment; config: the params; notes: the note
    - tags: words, each a tag with the text ``true``, or a mapping
    - group, job_type: kept as tags
    - id: the run's name where no other is given; with `resume` the run to take up: ``True`` and
      ``"allow"`` start one if there is none, ``"must"`` raises NotFound
    - dir: the folder that holds the store ``.tracker``
    """
    from collections.abc import Mapping

    all_tags: dict[str, Any] = {}
    if isinstance(tags, str):
        all_tags[tags] = "true"
    elif isinstance(tags, Mapping):
        all_tags.update(tags)
    elif tags is not None:
        all_tags.update((tag, "true") for tag in tags)
    if group is not None:
        all_tags["group"] = group
    if job_type is not None:
        all_tags["job_type"] = job_type
    store = None if dir is None else os.path.join(dir, ".tracker")
    options: dict[str, Any] = {
        "experiment": project,
        "params": config,
        "tags": all_tags,
        "note": notes,
        "store": store,
        "on_error": on_error,
    }
    if id is not None and resume not in (None, False, "never"):
        try:
            found = _tracker.run(id, store).id
        except (NotFound, StoreError):
            if resume == "must":
                raise
        else:
            return start_run(resume=found, **options)
    return start_run(name or id, **options)


def log(data: Mapping[str, Any], step: int | None = None, commit: bool = True) -> None:
    """Logs the values of one step to the active run, and starts one if there is none.

    See `ActiveRun.log`.
    """
    _current().log(data, step, commit=commit)


def finish(exit_code: int | None = None) -> None:
    """Ends the active run: failed if there is an exit code other than 0. Nothing if there is none."""
    run = _innermost()
    if run is None:
        return
    if exit_code:
        run.finish("failed", f"exit status {exit_code}")
    else:
        run.finish()


# As MLflow users type them.


def end_run(status: str = "FINISHED") -> None:
    """Ends the active run, if there is one: FINISHED, FAILED or KILLED."""
    run = _innermost()
    if run is not None:
        run.finish(status)


def log_param(key: str, value: Any) -> Any:
    """Sets a param of the active run and returns its value."""
    _current().param(key, value)
    return value


def log_params(params: Any) -> None:
    """Sets params of the active run; see `ActiveRun.params`."""
    _current().params(params)


def log_metric(key: str, value: Any, step: int | None = None) -> None:
    """Logs one value to the active run; without a step to the one after the metric's last."""
    _current().log_metric(key, value, step)


def log_metrics(metrics: Mapping[str, Any], step: int | None = None) -> None:
    """Logs values to the active run; without a step each to the one after its metric's last."""
    _current().log_metrics(metrics, step)


def log_series(name: str, steps: Any, values: Any) -> None:
    """Logs many points of one metric to the active run; see `ActiveRun.log_series`."""
    _current().log_series(name, steps, values)


def log_artifact(
    local_path: str | os.PathLike[str], artifact_path: str | None = None
) -> list[dict[str, Any]]:
    """Stores a file or folder with the active run, below `artifact_path` if that is given."""
    name = None
    if artifact_path is not None:
        own = os.path.basename(os.path.normpath(os.fspath(local_path)))
        name = f"{artifact_path.rstrip('/')}/{own}"
    return _current().artifact(local_path, name)


def log_artifacts(
    local_dir: str | os.PathLike[str], artifact_path: str | None = None
) -> list[dict[str, Any]]:
    """Stores all files of a folder with the active run, below `artifact_path` if that is given."""
    if artifact_path is not None:
        return _current().artifact(local_dir, artifact_path)
    stored = []
    for entry in sorted(os.scandir(local_dir), key=lambda entry: entry.name):
        stored += _current().artifact(entry.path)
    return stored


def log_input(
    path: str | os.PathLike[str], name: str | None = None
) -> list[dict[str, Any]]:
    """Notes that the active run reads a file or folder; the bytes stay where they are."""
    return _current().input(path, name)


def set_tag(key: str, value: Any) -> None:
    """Sets a tag of the active run."""
    _current().tag(key, value)


def set_tags(tags: Mapping[str, Any]) -> None:
    """Sets tags of the active run."""
    for key, value in tags.items():
        _current().tag(key, value)


track_params = log_params
track_metrics = log_metrics


def track_artifacts(*paths: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Stores files and folders with the active run."""
    return [stored for path in paths for stored in _current().artifact(path)]


# How a process ends.


def _fate(error: BaseException) -> tuple[str, str | None]:
    """How a run ends that an exception ends: its status, and why."""
    if isinstance(error, SystemExit):
        if error.code is None or error.code == 0:
            return "completed", None
        kind = "exit status" if isinstance(error.code, int) else "exit"
        return "failed", f"{kind} {error.code}"
    if isinstance(error, KeyboardInterrupt):
        return "failed", "interrupted (KeyboardInterrupt)"
    import traceback

    # What went wrong first: a line of a list has room for that alone.
    head = "".join(traceback.format_exception_only(error)).strip()
    text = "".join(traceback.format_exception(error)).strip()
    return "failed", f"{head}\n\n{text}"


def _end_all(status: str, reason: str | None) -> None:
    """Ends all runs that are not over, the innermost first, whatever happens."""
    while _active:
        run = _active[-1]
        try:
            run.finish(status, reason)
        except Exception as error:
            import warnings

            warnings.warn(f"{run!r} could not be finished: {error}", stacklevel=2)
        finally:
            if run in _active:
                _active.remove(run)


def _at_exit() -> None:
    """Ends what a program left open: failed if an exception or an exit status says so."""
    # At a prompt the last exception is one among many.
    if hasattr(sys, "ps1") or hasattr(builtins, "get_ipython"):
        _end_all("completed", None)
        return
    error: BaseException | None = getattr(sys, "last_value", None)
    if error is None and _exit is not None:
        error, logged = _exit
        # Somebody caught it, if the program went on to log.
        if logged != _logged():
            error = None
    if error is None:
        _end_all("completed", None)
    else:
        _end_all(*_fate(error))


def _logged() -> list[tuple[str, int]]:
    """How far the runs that are not over have come."""
    return [(run.id, run.next_step) for run in _active]


def _noting_exit(status: Any = None, /) -> NoReturn:
    """`sys.exit`, for Python tells nobody with what status it ends."""
    global _exit
    if threading.current_thread() is threading.main_thread():
        _exit = (SystemExit(status), _logged())
    _sys_exit(status)


def _on_sigterm(number: int, _frame: FrameType | None) -> None:
    """Ends all runs, and then the process as if nobody had caught the signal."""
    if signal.getsignal(number) is not _on_sigterm:
        return  # whoever took our place and calls us has something to save, and decides
    _end_all("failed", "terminated (SIGTERM)")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _watch() -> None:
    """Asks to be told of SIGTERM where nobody else is, and Python lets us: in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return
    # A handler of the user's knows best: it may save and go on. What it ends by `sys.exit` is
    # ended here at exit.
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)
    if sys.exit is _sys_exit:
        sys.exit = _noting_exit


def _in_child() -> None:
    """A forked child dies of SIGTERM at once, as it would without us."""
    if signal.getsignal(signal.SIGTERM) is _on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
