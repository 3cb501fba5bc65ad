"""scikit-learn: params, scores and searches.

::

    import numpy
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV
    from tracker.integrations.sklearn import log_search

    X = numpy.random.default_rng(0).normal(size=(60, 3))
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}).fit(X, X.sum(axis=1))
    candidates = log_search(search, experiment="ridge")

Then ``tracker best mean_test_score`` is the best candidate with its params, ``tracker query
'parent = "ID"' --sort -mean_test_score`` all of them.

All log to ``run=``, else to the active run, else to one that they start (with the options of
`tracker.start_run`) and end.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

import joblib
import numpy
from sklearn.base import BaseEstimator

from tracker import _logging
from tracker import _tracker
from tracker._errors import Error
from tracker.integrations._sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracker._logging import ActiveRun

__all__ = ["log_cross_validation", "log_estimator", "log_scores", "log_search"]

#: Params that a program hangs onto an estimator and that say nothing of its model.
_NO_PARAMS = ("callbacks",)


def log_estimator(
    estimator: Any,
    run: ActiveRun | None = None,
    *,
    prefix: str = "",
    log_model: bool | str = False,
    **options: Any,
) -> None:
    """Logs the params of an estimator or pipeline.

    - params: by the names of ``get_params(deep=True)``, as ``clf__C``; where one is an estimator,
      its class. ``estimator_name`` is the class of the whole
    - prefix: put before these names, with a dot
    - log_model: stores the estimator as it is now, as ``model.joblib``, or as a text says

    ::

        from sklearn.svm import SVC
        from tracker.integrations.sklearn import log_estimator

        log_estimator(SVC(C=10), name="svm")

    Raises TypeError for what has no params.
    """
    params = _params_of(estimator)
    with _logged_to(run, options) as sink:
        sink.params({f"{prefix}.{key}" if prefix else key: params[key] for key in params})
        _store(sink, estimator, log_model)


def log_scores(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    prefix: str = "test",
    scoring: Any = None,
    step: int | None = None,
    run: ActiveRun | None = None,
    **options: Any,
) -> dict[str, float]:
    """Scores a fitted estimator and logs that, as ``test/score``.

    - X, y: what is predicted, and what is true
    - scoring: as scikit-learn takes it: None is the estimator's own score, a name as ``f1_macro``
      logs ``test/f1_macro``, several of them in a list or dict all; or a function
    - returns: `{metric: score}`

    Raises what scikit-learn raises.
    """
    scores: dict[str, float] = {}
    for name, scorer in _scorers(estimator, scoring).items():
        score = scorer(estimator, X, y)
        if isinstance(score, Mapping):
            scores.update((f"{prefix}/{key}", float(value)) for key, value in score.items())
        else:
            scores[f"{prefix}/{name}"] = float(score)
    with _logged_to(run, options) as sink:
        sink.metrics(scores, step)
        _tell_scores(sink, list(scores))
    return scores


def log_cross_validation(
    results: Any,
    run: ActiveRun | None = None,
    *,
    estimator: Any = None,
    **options: Any,
) -> None:
    """Logs what ``cross_validate`` or ``cross_val_score`` returned.

    - results: each of its arrays is a series, one step a split (``test_score``, ``fit_time``), and
      its mean and deviation are ``mean_test_score`` and ``std_test_score``, as in a search
    - estimator: whose params are logged, too
    """
    if not isinstance(results, Mapping):
        results = {"test_score": results}
    series = {key: values for key, values in results.items() if _is_series(key)}
    params = {} if estimator is None else _params_of(estimator)
    with _logged_to(run, options) as sink:
        if params:
            sink.params(params)
        _log_splits(sink, series)
        values: dict[str, float] = {}
        for key, scores in series.items():
            values[f"mean_{key}"] = float(numpy.mean(scores))
            values[f"std_{key}"] = float(numpy.std(scores))
        sink.metrics(values, 0)
        _tell_scores(sink, [f"mean_{key}" for key in series if not key.endswith("_time")])


def log_search(
    search: Any,
    run: ActiveRun | None = None,
    *,
    log_model: bool | str = False,
    **options: Any,
) -> list[str]:
    """Logs a fitted search: ``GridSearchCV``, ``RandomizedSearchCV``, ``HalvingGridSearchCV``.

    Each candidate is a run within the run of the search, with its params and, by the names of
    ``cv_results_``, its mean scores, their deviations, ranks and times (``mean_test_score``; with
    several metrics ``mean_test_accuracy`` and so on). The scores of the splits are the series
    ``test_score``, one step a split. A candidate that has splits without a score is failed.

    The run of the search has the params of search and estimator, ``best_params.…``, ``best_index``,
    the metric ``best_score``, and the tag ``best_run``: the id of the best candidate.

    - log_model: stores ``best_estimator_``, as ``model.joblib`` or as a text says
    - returns: ids of the candidates' runs, in the order of ``cv_results_``

    Raises TypeError for what is no search, ValueError for one that is not fitted.
    """
    params = _params_of(search)
    if not hasattr(search, "get_params") or not hasattr(search, "refit"):
        raise TypeError(f"log_search wants a search, has a {type(search).__name__}")
    results = getattr(search, "cv_results_", None)
    if results is None:
        raise ValueError("the search has no results: fit it first")
    with _logged_to(run, options) as sink:
        sink.params(params)
        if sink.run is None:
            return []
        means = [key for key in results if key.startswith(("mean_test_", "mean_train_"))]
        _tell_scores(sink, means)
        for key in results:
            if key.startswith("rank_test_"):
                sink.run.better(key, "min")
        candidates = _log_candidates(sink, sink.run, results)
        _log_best(sink, search, results, candidates)
        if log_model and not hasattr(search, "best_estimator_"):
            sink.warn("model", "the search was not refitted: there is no best model to store")
        elif log_model:
            _store(sink, search.best_estimator_, log_model)
    return candidates


def _log_candidates(sink: Sink, parent: ActiveRun, results: Any) -> list[str]:
    experiment = parent.read().experiment
    own = [key for key in results if key.startswith(("mean_", "std_", "rank_"))]
    inputs = [key for key in ("iter", "n_resources") if key in results]
    splits = _splits(results)
    ids: list[str] = []
    for at, chosen in enumerate(results["params"]):
        params = _flat({**chosen, **{key: int(results[key][at]) for key in inputs}})
        try:
            candidate = _logging.start_run(
                f"{parent.name}-{at}",
                experiment=experiment,
                params=_tracker.params(params),
                parent=parent.id,
                store=parent.store,
                **sink._on_error(),
            )
        except Error as error:
            if sink.raises:
                raise
            sink.warn("candidates", f"candidates from {at} on are not logged: {error}")
            break
        of_candidate = Sink(candidate, {})
        _log_splits(of_candidate, {key: [scores[at] for scores in splits[key]] for key in splits})
        of_candidate.metrics({key: results[key][at] for key in own}, 0)
        missing = sorted(
            {
                split
                for scores in splits.values()
                for split, values in enumerate(scores)
                if math.isnan(values[at])
            }
        )
        if missing:
            where = ", ".join(map(str, missing))
            candidate.finish("failed", f"no score in split {where}: the fit or the scorer failed")
        else:
            candidate.finish()
        ids.append(candidate.id)
    return ids


def _log_best(sink: Sink, search: Any, results: Any, candidates: list[str]) -> None:
    values: dict[str, float] = {}
    for key in results:
        if key.startswith("mean_test_") and key != "mean_test_score":
            best = int(numpy.argmin(results[f"rank_{key.removeprefix('mean_')}"]))
            values[f"best_{key.removeprefix('mean_')}"] = results[key][best]
    _tell_scores(sink, list(values))
    at = getattr(search, "best_index_", None)
    if at is None:  # several metrics, and none was chosen by `refit`
        sink.metrics(values, 0)
        return
    at = int(at)
    score = getattr(search, "best_score_", None)
    if score is None and "mean_test_score" in results:  # chosen by a function
        score = results["mean_test_score"][at]
    values.update({} if score is None else {"best_score": score})
    sink.metrics(values, 0)
    sink.params({"best_index": at, "best_params": _flat(results["params"][at])})
    if at < len(candidates):
        sink.tag("best_run", candidates[at])


def _splits(results: Any) -> dict[str, list[Any]]:
    """Scores by metric (`test_score`), then split, then candidate."""
    found: dict[str, dict[int, Any]] = {}
    for key in results:
        match = re.fullmatch(r"split(\d+)_((?:test|train)_.+)", key)
        if match:
            found.setdefault(match[2], {})[int(match[1])] = results[key]
    return {key: [scores[split] for split in sorted(scores)] for key, scores in found.items()}


def _log_splits(sink: Sink, series: Mapping[str, Any]) -> None:
    """Logs `{metric: [splits]}`, one step a split."""
    for split in range(max(map(len, series.values()), default=0)):
        at = {key: scores[split] for key, scores in series.items() if split < len(scores)}
        sink.metrics(at, split)


def _is_series(key: str) -> bool:
    return key in ("fit_time", "score_time") or key.startswith(("test_", "train_"))


def _tell_scores(sink: Sink, names: list[str]) -> None:
    """Scores of scikit-learn are better large, however they are called."""
    if sink.run is not None:
        for name in names:
            sink.run.better(name, "max")


def _scorers(estimator: Any, scoring: Any) -> dict[str, Any]:
    from sklearn.metrics import check_scoring
    from sklearn.metrics import get_scorer

    if isinstance(scoring, Mapping):
        return {name: check_scoring(estimator, scorer) for name, scorer in scoring.items()}
    if isinstance(scoring, (list, tuple, set)):
        return {name: get_scorer(name) for name in scoring}
    name = scoring if isinstance(scoring, str) else "score"
    return {name: check_scoring(estimator, scoring)}


def _params_of(estimator: Any) -> dict[str, Any]:
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        kind = type(estimator).__name__ if not isinstance(estimator, type) else "class"
        raise TypeError(f"an estimator is wanted, with get_params: has a {kind}")
    return {"estimator_name": type(estimator).__name__, **_flat(estimator.get_params(deep=True))}


def _flat(params: Mapping[str, Any]) -> dict[str, Any]:
    """Params as they are stored: an estimator is its class, and its own params stand beside it."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if key in _NO_PARAMS or key.endswith("__callbacks"):
            continue
        flat[key] = _plain(value)
        if isinstance(value, BaseEstimator):
            for inner, of_inner in value.get_params(deep=True).items():
                flat.setdefault(f"{key}__{inner}", _plain(of_inner))  # set by name, it holds
    return flat


def _plain(value: Any) -> Any:
    """A value as a param: short, and the same in each process."""
    if isinstance(value, BaseEstimator):
        return type(value).__name__
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    distribution = getattr(value, "dist", None)
    if distribution is not None and hasattr(value, "args") and hasattr(value, "kwds"):
        # One of scipy, whose text is an address.
        given = [repr(item) for item in value.args]
        given += [f"{key}={item!r}" for key, item in value.kwds.items()]
        return f"{distribution.name}({', '.join(given)})"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, (bool, int, float, str, numpy.generic, numpy.ndarray, type(None))):
        return value
    return re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(str(value).split()))


def _store(sink: Sink, model: Any, log_model: bool | str) -> None:
    if not log_model:
        return
    out = io.BytesIO()
    try:
        joblib.dump(model, out)
    except Exception as error:  # whatever a part of it raises that cannot be pickled
        sink.warn("model", f"the model is not stored: {error}")
        return
    sink.bytes(log_model if isinstance(log_model, str) else "model.joblib", out.getvalue())


@contextlib.contextmanager
def _logged_to(run: ActiveRun | None, options: dict[str, Any]) -> Iterator[Sink]:
    sink = Sink(run, options)
    try:
        yield sink
    except BaseException as error:
        sink.fail(error)
        raise
    sink.end()
