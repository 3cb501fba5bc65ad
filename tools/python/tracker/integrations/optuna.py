"""Optuna: each trial a run within the run of its study, by `TrackerCallback`.

::

    import optuna
    import tracker
    from tracker.integrations.optuna import TrackerCallback

    with TrackerCallback(experiment="search") as callback:

        @callback.track_in_run
        def objective(trial):
            x = trial.suggest_float("x", -1, 1)
            for step in range(10):
                tracker.log({"loss": x * x / (step + 1)})  # goes to the trial's run
            return x * x

        optuna.create_study().optimize(objective, n_trials=5, callbacks=[callback])

Then ``tracker best value`` is the best trial with its params.
"""

from __future__ import annotations

import contextlib
import functools
import math
import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from tracker import _logging
from tracker._errors import Error
from tracker.integrations._sink import Sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from tracker._logging import ActiveRun

__all__ = ["TrackerCallback"]


class TrackerCallback:
    """Logs the trials of studies: ``study.optimize(…, callbacks=[callback])``.

    The study's run is the one given, else the active one, else one of its own, with the study's
    name, directions, sampler and pruner as params, the series ``best_value`` by the number of the
    trial, and the tags ``best_trial`` and ``best_run``. An own one is ended when the ``with`` block
    is left, by `finish`, or when the callback is let go of; until then it is the active run.

    A trial's run has its params, its user attributes as tags, the series ``intermediate_value`` of
    what was reported, the metric ``value``, and as the tag ``state`` what Optuna says of it:
    ``complete``, ``pruned`` or ``fail``. The last two are failed runs, with the reason.

    - metric_name: instead of ``value``; a list for a study of several objectives, where
      ``values_0``, ``values_1`` are those without it. Names given to the study
      (``study.set_metric_names``) hold where none is given here
    - options: those of `tracker.start_run`, for a run of its own

    Threads (``n_jobs``) may share it. Raises TypeError and ValueError for options that are none.
    """

    def __init__(
        self,
        *,
        run: ActiveRun | None = None,
        metric_name: str | Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        self._sink = Sink(run, options)
        self._names = [metric_name] if isinstance(metric_name, str) else metric_name
        if self._names is not None and not all(isinstance(name, str) for name in self._names):
            raise TypeError(f"metric_name wants a name or a list of names, has {metric_name!r}")
        self._lock = threading.RLock()
        self._studies: weakref.WeakSet[Any] = weakref.WeakSet()
        #: Ids of the runs of trials by study and number.
        self._trials: dict[tuple[str, int], str] = {}
        #: The number of the best trial and the id of its run, by study.
        self._best: dict[str, tuple[int, str | None]] = {}
        #: The last step of ``best_value``, by study.
        self._steps: dict[str, int] = {}
        self._experiment: str | None = None

    def __call__(self, study: Any, trial: Any) -> None:
        """Optuna calls it after each trial."""
        run = self._run_of(study)
        if run is None:
            return
        if (study.study_name, trial.number) not in self._trials:
            of_trial = self._start(study, run, trial.number)
            if of_trial is not None:
                self._end(study, of_trial, trial, trial.state, trial.values, None)
        self._log_best(study, run, trial)

    def track_in_run(
        self, objective: Callable[[Any], Any] | None = None, /
    ) -> Callable[..., Any]:
        """Makes the trial's run the active one while the objective runs, in its thread.

        As ``@callback.track_in_run`` or with parentheses.
        """

        def decorate(objective: Callable[[Any], Any]) -> Callable[[Any], Any]:
            @functools.wraps(objective)
            def call(trial: Any) -> Any:
                return self._tracked(objective, trial)

            return call

        return decorate if objective is None else decorate(objective)

    def _tracked(self, objective: Callable[[Any], Any], trial: Any) -> Any:
        study = trial.study
        run = self._run_of(study)
        of_trial = None if run is None else self._start(study, run, trial.number)
        if of_trial is None:
            return objective(trial)
        try:
            result = objective(trial)
        except BaseException as error:
            is_pruned = isinstance(error, optuna.TrialPruned)
            state = TrialState.PRUNED if is_pruned else TrialState.FAIL
            self._end(study, of_trial, _frozen(study, trial), state, None, error)
            raise
        values, wrong = _values(study, result)
        state = TrialState.FAIL if wrong else TrialState.COMPLETE
        self._end(study, of_trial, _frozen(study, trial), state, values, wrong)
        return result

    def _run_of(self, study: Any) -> ActiveRun | None:
        """The study's run."""
        with self._lock:
            run = self._sink.run
            if run is None or study in self._studies:
                return run
            self._studies.add(study)
            self._experiment = run.read().experiment
            self._sink.params(
                {
                    "study": study.study_name,
                    "directions": [direction.name.lower() for direction in study.directions],
                    "sampler": type(study.sampler).__name__,
                    "pruner": type(study.pruner).__name__,
                }
            )
            for name, direction in zip(self._names_of(study), study.directions):
                self._tell_direction(run, name, direction)
            if len(study.directions) == 1:
                self._tell_direction(run, "best_value", study.direction)
            else:
                this = weakref.ref(study)
                run._last_words.append(lambda: _log_front(this(), run))
            return run

    def _tell_direction(self, run: ActiveRun, name: str, direction: Any) -> None:
        mode = "min" if direction == StudyDirection.MINIMIZE else "max"
        holds = run.better(name, mode)
        if holds != mode:
            self._sink.warn(
                f"direction of {name}",
                f"{name!r} is better {holds} in this store and {mode} in this study: ask with "
                f"`tracker best {name} --{mode}`, or give the metric a name of its own",
            )

    def _names_of(self, study: Any) -> list[str]:
        count = len(study.directions)
        for names in (self._names, study.metric_names):
            if names is not None and len(names) == count:
                return list(names)
        if self._names is not None:
            self._sink.warn("names", f"metric_name wants {count} names, has {len(self._names)}")
        return ["value"] if count == 1 else [f"values_{at}" for at in range(count)]

    def _start(self, study: Any, run: ActiveRun, number: int) -> ActiveRun | None:
        """The run of a trial, as the innermost of this thread."""
        try:
            of_trial = _logging.start_run(
                f"{run.name}-{number}",
                experiment=self._experiment,
                tags={"trial": number},
                parent=run.id,
                store=run.store,
                **self._sink._on_error(),
            )
        except Error as error:
            if self._sink.raises:
                raise
            self._sink.warn("trials", f"trial {number} is not logged: {error}")
            return None
        with self._lock:
            self._trials[study.study_name, number] = of_trial.id
        return of_trial

    def _end(
        self,
        study: Any,
        run: ActiveRun,
        trial: Any,
        state: Any,
        values: Sequence[float] | None,
        why: BaseException | str | None,
    ) -> None:
        """Logs what there is to a trial, and ends its run as the trial ended."""
        if not run._is_open:
            return  # the objective ended it
        sink = Sink(run, {})
        sink.params(trial.params)
        for key, value in trial.user_attrs.items():
            sink.tag(key, value)
        sink.tag("state", state.name.lower())
        for step, value in sorted(trial.intermediate_values.items()):
            sink.metrics({"intermediate_value": value}, step)
        if trial.datetime_start is not None and trial.datetime_complete is not None:
            spent = trial.datetime_complete - trial.datetime_start
            sink.metrics({"trial_time": spent.total_seconds()})
        # The value that Optuna keeps of a pruned trial is the last that was reported: it would
        # stand beside those of trials that were not.
        if state == TrialState.COMPLETE and values is not None:
            sink.metrics(dict(zip(self._names_of(study), values)))
        if state == TrialState.COMPLETE:
            run.finish()
        elif state == TrialState.PRUNED:
            last = trial.last_step
            run.finish("failed", "pruned" if last is None else f"pruned at step {last}")
        elif isinstance(why, BaseException):
            run.finish(*_logging._fate(why))
        else:
            run.finish("failed", why or "the trial failed")

    def _log_best(self, study: Any, run: ActiveRun, trial: Any) -> None:
        if len(study.directions) > 1:
            return
        with self._lock:
            try:
                best = study.best_trial
            except ValueError:  # none is complete
                return
            # Trials of several threads end in another order than they began, and the last step is
            # to tell the best of all.
            step = max(trial.number, self._steps.get(study.study_name, -1) + 1)
            self._steps[study.study_name] = step
            self._sink.metrics({"best_value": best.value}, step)
            told = best.number, self._trials.get((study.study_name, best.number))
            if told != self._best.get(study.study_name):
                self._best[study.study_name] = told
                self._sink.tag("best_trial", told[0])
                self._sink.tag("best_run", told[1] or "")

    def finish(self) -> None:
        """Ends the study's run if it was started here."""
        self._sink.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._sink.end()
        else:
            self._sink.fail(error)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # the interpreter may be half gone
            self._sink.end()


def _log_front(study: Any, run: ActiveRun) -> None:
    """Names the trials that no other is better than in all objectives."""
    if study is not None:
        numbers = sorted(trial.number for trial in study.best_trials)
        run.tag("best_trials", ", ".join(map(str, numbers)))


def _frozen(study: Any, trial: Any) -> Any:
    """The trial as the storage has it, with what was reported."""
    for frozen in reversed(study.get_trials(deepcopy=False)):
        if frozen.number == trial.number:
            return frozen
    return trial


def _values(study: Any, result: Any) -> tuple[list[float] | None, str | None]:
    """What an objective returned, or why Optuna takes the trial for failed."""
    wanted = len(study.directions)
    is_several = isinstance(result, Sequence) and not isinstance(result, str)
    results = list(result) if is_several else [result]
    values: list[float] = []
    for value in results:
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None, f"the objective returned {value!r}, which is no number"
        if math.isnan(number):
            return None, "the objective returned NaN"
        values.append(number)
    if len(values) != wanted:
        return None, f"the objective returned {len(values)} values for {wanted} objectives"
    return values, None
