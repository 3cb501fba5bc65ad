"""LightGBM: every metric of every round, by `TrackerCallback`.

::

    import lightgbm
    import numpy
    from tracker.integrations.lightgbm import TrackerCallback

    X = numpy.random.default_rng(0).normal(size=(200, 3))
    data = lightgbm.Dataset(X, label=X.sum(axis=1))
    params = {"num_leaves": 7, "metric": "l2", "verbosity": -1}
    with TrackerCallback(experiment="boosting") as callback:
        lightgbm.train(params, data, 20, valid_sets=[data], callbacks=[callback])

`lightgbm.cv` and the estimators (``LGBMClassifier().fit(X, y, callbacks=[callback])``) take it as
well.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING
from typing import Any

from tracker.integrations._trainings import Trainings

if TYPE_CHECKING:
    from tracker._logging import ActiveRun
    from tracker.integrations._sink import Sink

__all__ = ["TrackerCallback"]


class TrackerCallback(Trainings):
    """Logs a training of LightGBM to a run: the one given, the active one, or one of its own.

    - params: those of the training as they were given, and ``num_boost_round``
    - metrics: ``valid_0/auc`` of each round, by the name of the data and of the metric; in `cv` the
      mean, and ``valid/auc_std``. After early stopping ``best_iteration`` (from 1, as LightGBM
      counts) and ``best_score/valid_0/auc``
    - log_model: stores the model as ``model.txt``, or as a text says: its best iteration, if there
      is one
    - log_importance: what the features are worth when the training ends: ``"metrics"`` logs
      ``importance/FEATURE``, ``"artifact"`` stores ``importance.json``
    - importance_type: ``gain`` or ``split``
    - options: those of `tracker.start_run`, for a run of its own

    LightGBM does not tell a callback that it stopped early. What is known only then is logged, and
    an own run ended, when the callback is let go of, as one that stands in the call of `train`
    alone is with its return; when its ``with`` block is left; by `finish`; when the run ends; or
    when the next training begins.

    Raises TypeError and ValueError for options that are none.
    """

    def __init__(
        self,
        *,
        run: ActiveRun | None = None,
        log_model: bool | str = False,
        log_importance: str | None = None,
        importance_type: str = "gain",
        **options: Any,
    ) -> None:
        if log_importance not in (None, "metrics", "artifact"):
            raise ValueError(
                f'log_importance wants "metrics" or "artifact", has {log_importance!r}'
            )
        if importance_type not in ("gain", "split"):
            raise ValueError(f'importance_type wants "gain" or "split", has {importance_type!r}')
        super().__init__(run, options)
        self.log_model = log_model
        self.log_importance = log_importance
        self.importance_type = importance_type
        # Of the object: LightGBM gives one to what has none. After what records the results and
        # before what stops early, which is the last that is called.
        self.order = 25
        self.before_iteration = False
        self._model: Any = None
        self._last = 0
        self._is_last = False

    def __call__(self, env: Any) -> None:
        """LightGBM calls it after each round."""
        sink = self._sink
        # A model of LightGBM is trained once; another one is another training.
        if sink is None or env.model is not self._model:
            sink = self._begin()
            self._model = env.model
            sink.params({**env.params, "num_boost_round": env.end_iteration - env.begin_iteration})
            if hasattr(env.model, "boosters"):
                sink.params({"nfold": len(env.model.boosters)})
            self._tell_directions(sink, env.evaluation_result_list)
        values: dict[str, Any] = {}
        for result in env.evaluation_result_list or ():
            name = _name(result)
            values[name] = result[2]
            if len(result) > 4:
                values[f"{name}_std"] = result[4]
        if values:
            sink.metrics(values, env.iteration)
        self._last = env.iteration
        self._is_last = env.iteration + 1 == env.end_iteration
        if self._is_last and self._is_last_callback() and self._conclude():
            self._end()

    def _is_last_callback(self) -> bool:
        """Whether no callback stands after this one, as early stopping would: `train` knows."""
        after = sys._getframe(2).f_locals.get("callbacks_after_iter")
        return isinstance(after, list) and bool(after) and after[-1] is self

    def _tell_directions(self, sink: Sink, results: Any) -> None:
        if sink.run is not None:
            for result in results or ():
                sink.run.better(_name(result), "max" if result[3] else "min")

    def _conclude(self) -> bool:
        sink, model = self._sink, self._model
        if sink is None or model is None:
            return False
        self._model = None
        # 0 or -1 where nothing stopped early.
        best = max(0, getattr(model, "best_iteration", 0) or 0)
        if not best and not self._is_last:
            return False
        is_cv = hasattr(model, "boosters")
        if best:
            values: dict[str, Any] = {"best_iteration": best}
            if not is_cv:
                for data, scores in (model.best_score or {}).items():
                    for metric, score in scores.items():
                        values[f"best_score/{data}/{metric}"] = score
            sink.metrics(values, best - 1)
        if is_cv:
            if self.log_model or self.log_importance:
                sink.warn("cv", "cv trains many models: none is stored")
            return True
        self._log_importance(sink, model)
        if self.log_model:
            name = self.log_model if isinstance(self.log_model, str) else "model.txt"
            sink.bytes(name, model.model_to_string().encode())
        return True

    def _log_importance(self, sink: Sink, model: Any) -> None:
        if self.log_importance is None:
            return
        scores = dict(
            zip(
                model.feature_name(),
                model.feature_importance(importance_type=self.importance_type).tolist(),
            )
        )
        if self.log_importance == "metrics":
            named = {f"importance/{feature}": score for feature, score in scores.items()}
            sink.metrics(named, self._last)
        else:
            told = {"importance_type": self.importance_type, "scores": scores}
            sink.bytes("importance.json", json.dumps(told, indent=1).encode())

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_model": None}


def _name(result: Any) -> str:
    """Data and metric of a result; before LightGBM 4.7 `cv` put both in the metric's name."""
    data, metric = result[0], result[1]
    return metric.replace(" ", "/", 1) if data == "cv_agg" else f"{data}/{metric}"
