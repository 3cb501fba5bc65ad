"""XGBoost: every metric of every round, by `TrackerCallback`.

::

    import numpy
    import xgboost
    from tracker.integrations.xgboost import TrackerCallback

    data = xgboost.DMatrix(numpy.eye(8), label=numpy.arange(8))
    params = {"max_depth": 3, "eta": 0.1}
    with TrackerCallback(experiment="boosting") as callback:
        xgboost.train(params, data, 20, evals=[(data, "train")], callbacks=[callback])

`xgboost.cv` and the estimators (``XGBClassifier(callbacks=[TrackerCallback()])``) take it as well.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import numpy
import xgboost
from xgboost import collective

from tracker.integrations._trainings import Trainings

if TYPE_CHECKING:
    from tracker._logging import ActiveRun
    from tracker.integrations._sink import Sink

__all__ = ["TrackerCallback"]

#: Metrics that are better small and do not say so by their names.
_SMALL = ("expectile", "mphe", "nloglik", "quantile", "rmsle")
#: What the booster's configuration holds that is no choice of anybody.
_NO_PARAMS = ("fail_on_invalid_gpu_id", "num_trees", "updater_seq")


class TrackerCallback(Trainings, xgboost.callback.TrainingCallback):
    """Logs a training of XGBoost to a run: the one given, the active one, or one of its own.

    - params: those of the booster, defaults too, as ``eta`` and ``max_depth``
    - metrics: ``train/rmse`` of each round, by the name of the data and of the metric; in `cv` the
      mean, and ``train/rmse_std``. After early stopping ``best_iteration`` and ``best_score``
    - log_model: stores the model as ``model.ubj``, or as a text says: one that ends in ``.json`` is
      JSON. It is the model after the callbacks before this one, so let `EarlyStopping` with
      ``save_best`` stand first
    - log_importance: what the features are worth when the training ends: ``"metrics"`` logs
      ``importance/FEATURE``, ``"artifact"`` stores ``importance.json``
    - importance_type: ``gain``, ``weight``, ``cover``, ``total_gain`` or ``total_cover``
    - options: those of `tracker.start_run`, for a run of its own

    The run of a training that raises ends as failed: at once if the callback is used in a ``with``
    block, else when it is let go of or the next training begins. Of the workers of a distributed
    training only rank zero logs.

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
        super().__init__(run, options)
        self.log_model = log_model
        self.log_importance = log_importance
        self.importance_type = importance_type
        self._history: Any = {}
        self._logged = 0
        self._first = 0

    def before_training(self, model: Any) -> Any:
        """XGBoost calls it."""
        sink = self._begin(is_on=collective.get_rank() == 0)
        self._history, self._logged, self._first = {}, 0, model.num_boosted_rounds()
        booster = model.cvfolds[0].bst if hasattr(model, "cvfolds") else model
        sink.params(_params(json.loads(booster.save_config())))
        if hasattr(model, "cvfolds"):
            sink.params({"nfold": len(model.cvfolds)})
        return model

    def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """XGBoost calls it."""
        self._history = evals_log  # a callback that stops the training keeps us from the last round
        return False

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """XGBoost calls it."""
        self._history = evals_log
        self._log_rounds()
        return False

    def after_training(self, model: Any) -> Any:
        """XGBoost calls it."""
        sink = self._sink
        if sink is None:
            return model
        self._log_rounds()
        best = model.attr("best_iteration")
        if best is not None:
            score = float(model.attr("best_score"))
            sink.metrics({"best_iteration": int(best), "best_score": score}, int(best))
        if hasattr(model, "cvfolds"):
            if self.log_model or self.log_importance:
                sink.warn("cv", "cv trains many models: none is stored")
        else:
            self._log_importance(sink, model)
            if self.log_model:
                name = self.log_model if isinstance(self.log_model, str) else "model.ubj"
                form = "json" if name.endswith(".json") else "ubj"
                sink.bytes(name, bytes(model.save_raw(form)))
        self._history = {}
        self._end()
        return model

    def _log_rounds(self) -> None:
        """Logs the rounds that the history has and the run has not."""
        series = {
            f"{data}/{metric}": scores
            for data, metrics in self._history.items()
            for metric, scores in metrics.items()
        }
        rounds = max(map(len, series.values()), default=0)
        sink = self._sink
        if sink is None or rounds == self._logged:
            return
        if self._logged == 0 and sink.run is not None:
            for name in series:
                if any(word in name for word in _SMALL):
                    sink.run.better(name, "min")
        for at in range(self._logged, rounds):
            values: dict[str, Any] = {}
            for name, scores in series.items():
                if at >= len(scores):
                    continue
                if isinstance(scores[at], tuple):
                    values[name], values[f"{name}_std"] = scores[at]
                else:
                    values[name] = scores[at]
            sink.metrics(values, self._first + at)
        self._logged = rounds

    def _log_importance(self, sink: Sink, model: Any) -> None:
        if self.log_importance is None:
            return
        try:
            scores = model.get_score(importance_type=self.importance_type)
        except (ValueError, xgboost.core.XGBoostError) as error:
            sink.warn("importance", f"importance of features is not logged: {error}")
            return
        if self.log_importance == "metrics":
            named = {f"importance/{feature}": score for feature, score in scores.items()}
            sink.metrics(named, model.num_boosted_rounds() - 1)
        else:
            told = {"importance_type": self.importance_type, "scores": scores}
            sink.bytes("importance.json", json.dumps(told, indent=1).encode())


def _params(config: Any) -> dict[str, Any]:
    """The params in a booster's configuration: what stands in its sections called `…_param`."""
    found: dict[str, Any] = {}

    def look(section: Any) -> None:
        for name, value in section.items():
            if name.endswith("_param") and isinstance(value, dict):
                found.update((key, _typed(text)) for key, text in value.items() if text != "")
            elif isinstance(value, dict):
                look(value)

    learner = config.get("learner", {})
    look(learner)
    metrics = [metric.get("name") for metric in learner.get("metrics", ())]
    if metrics:
        found["eval_metric"] = metrics
    return {key: value for key, value in found.items() if key not in _NO_PARAMS}


def _typed(text: str) -> Any:
    """The number that a text of the configuration stands for: its floats are those of f32."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(str(numpy.float32(text)))
    except ValueError:
        return text
