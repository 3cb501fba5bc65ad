"""Keras: metrics by epoch and by batch, by `TrackerCallback`; Keras 3 on any backend, and tf.keras.

::

    import keras
    import numpy
    from tracker.integrations.keras import TrackerCallback

    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = numpy.random.rand(64, 4)
    model.fit(data, data.sum(1), epochs=3, callbacks=[TrackerCallback(experiment="sums")])
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import TYPE_CHECKING
from typing import Any

from tracker.integrations._trainings import Trainings

try:
    import keras
except ModuleNotFoundError as missing:
    if missing.name != "keras":
        raise
    from tensorflow import keras

if TYPE_CHECKING:
    from types import FrameType

    from tracker._logging import ActiveRun
    from tracker.integrations._sink import Sink

__all__ = ["TrackerCallback"]


class TrackerCallback(Trainings, keras.callbacks.Callback):
    """Logs ``model.fit`` to a run: the one given, the active one, or one of its own.

    - params: ``epochs``, ``batch_size`` where there is one, ``steps_per_epoch``, ``optimizer`` and
      ``optimizer.…`` (its configuration), ``loss``, ``model.name``, ``model.class`` and
      ``model.weights`` (how many numbers)
    - metrics: by epoch what the history has (``loss``, ``val_loss``, ``accuracy`` …) and
      ``learning_rate``
    - log_batches: also ``batch/loss`` and so on by batch, counted over all epochs: of each batch
      with True, of each so many with a number
    - log_summary: stores what ``model.summary()`` says as ``model.txt``
    - log_model: stores the trained model as ``model.keras``, or as a text says
    - options: those of `tracker.start_run`, for a run of its own

    The run of a training that raises ends as failed: at once if the callback is used in a ``with``
    block, else when it is let go of or the next training begins. Of the processes of a distributed
    training only the first logs.

    Raises TypeError and ValueError for options that are none.
    """

    def __init__(
        self,
        *,
        run: ActiveRun | None = None,
        log_batches: bool | int = False,
        log_summary: bool = True,
        log_model: bool | str = False,
        **options: Any,
    ) -> None:
        super().__init__(run, options)
        if log_batches < 0:
            raise ValueError(f"log_batches wants a number from 1, has {log_batches}")
        self.log_batches = int(log_batches)
        self.log_summary = log_summary
        self.log_model = log_model
        self._batch = 0
        self._has_summary = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Keras calls it."""
        sink = self._begin(is_on=_is_first())
        self._batch, self._has_summary = 0, False
        sink.params(self._settings())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keras calls it."""
        if self._sink is not None and self.log_batches and self._batch % self.log_batches == 0:
            values = {f"batch/{name}": value for name, value in (logs or {}).items()}
            self._sink.metrics(values, self._batch)
        self._batch += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keras calls it."""
        sink = self._sink
        if sink is None:
            return
        values = dict(logs or {})
        rate = _learning_rate(self.model)
        if rate is not None:
            values.setdefault("learning_rate", rate)
        sink.metrics(values, epoch)
        if not self._has_summary:  # only now some models know their shapes
            self._has_summary = True
            self._log_summary(sink)

    def on_train_end(self, logs: Any = None) -> None:
        """Keras calls it."""
        sink = self._sink
        if sink is None:
            return
        if self.log_model:
            name = self.log_model if isinstance(self.log_model, str) else "model.keras"
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, os.path.basename(name))
                try:
                    self.model.save(path)
                except Exception as error:  # whatever a layer raises that cannot be saved
                    sink.warn("model", f"the model is not stored: {error}")
                else:
                    sink.artifact(path, name)
        self._end()

    def _settings(self) -> dict[str, Any]:
        model = self.model
        params = self.params or {}
        found: dict[str, Any] = {
            "epochs": params.get("epochs"),
            "steps_per_epoch": params.get("steps"),
            "batch_size": params.get("batch_size") or _batch_size(model),
            "loss": _named(getattr(model, "loss", None)),
            "model.name": model.name,
            "model.class": type(model).__name__,
        }
        if model.built:
            found["model.weights"] = model.count_params()
        optimizer = getattr(model, "optimizer", None)
        if optimizer is not None:
            found["optimizer"] = type(optimizer).__name__
            try:
                config = optimizer.get_config()
            except (NotImplementedError, TypeError):
                config = {}
            found.update((f"optimizer.{key}", _named(value)) for key, value in config.items())
        return {key: value for key, value in found.items() if value is not None}

    def _log_summary(self, sink: Sink) -> None:
        if not self.log_summary:
            return
        lines: list[str] = []

        def write(text: str, line_break: bool = False) -> None:
            lines.append(text)

        try:
            self.model.summary(print_fn=write)
        except Exception as error:  # a model without shapes, or one that overrides it
            sink.warn("summary", f"the model's summary is not stored: {error}")
            return
        sink.bytes("model.txt", ("\n".join(lines).rstrip() + "\n").encode())


def _named(value: Any) -> Any:
    """A loss or schedule as its name, or what it is made of."""
    if isinstance(value, dict):
        return {str(key): _named(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_named(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return getattr(value, "__name__", None) or type(value).__name__


def _learning_rate(model: Any) -> float | None:
    """The rate of now, of whatever a schedule is asked."""
    rate = getattr(getattr(model, "optimizer", None), "learning_rate", None)
    if rate is None:
        return None
    try:
        return float(keras.ops.convert_to_numpy(rate) if hasattr(keras, "ops") else rate)
    except (TypeError, ValueError):
        return None


def _batch_size(model: Any) -> int | None:
    """The batch size of the `fit` that called: Keras 3 tells it to nobody."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        local = frame.f_locals
        if frame.f_code.co_name == "fit" and local.get("self") is model:
            adapter = getattr(local.get("epoch_iterator"), "data_adapter", None)
            size = getattr(adapter, "batch_size", None)
            return size if isinstance(size, int) and size > 0 else None
        frame = frame.f_back
    return None


def _is_first() -> bool:
    """Whether this process is the one of a distributed training that logs."""
    jax = sys.modules.get("jax")
    if jax is not None and _backend() == "jax":
        return bool(jax.process_index() == 0)
    return os.environ.get("RANK", "0") == "0"


def _backend() -> str:
    return str(keras.backend.backend()) if hasattr(keras.backend, "backend") else "tensorflow"
