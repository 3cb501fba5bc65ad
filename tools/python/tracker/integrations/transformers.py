"""``TrackerCallback``: the trainings of the Hugging Face ``Trainer`` as runs.

::

    from transformers import Trainer
    from tracker.integrations.transformers import TrackerCallback

    trainer = Trainer(model, args, callbacks=[TrackerCallback(experiment="glue")])
    trainer.train()

What the trainer logs is metrics at its own steps: ``train/loss``, ``train/grad_norm``,
``train/epoch``, ``eval/loss``, ``test/loss``. Params are the configuration of the model
(``model.hidden_size``), the number of its parameters (``model.num_parameters``) and the arguments
of the training (``learning_rate``) without those that say where and how to report.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from transformers import TrainerCallback

from tracker.integrations._sink import Sink

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from transformers import TrainerControl
    from transformers import TrainerState
    from transformers import TrainingArguments

    from tracker._logging import ActiveRun

__all__ = ["TrackerCallback"]

_LEFT = "the training was left before its end"
#: Arguments that begin so say nothing of what is learned: where to write, what to report, to whom.
_UNTOLD = (
    "accelerator_config",
    "batch_eval_metrics",
    "dataloader_in_order",
    "dataloader_persistent_workers",
    "dataloader_pin_memory",
    "ddp_timeout",
    "debug",
    "disable_tqdm",
    "do_",
    "eval_do_concat_batches",
    "eval_use_gather_object",
    "hub_",
    "ignore_data_skip",
    "include_",
    "length_column_name",
    "local_rank",
    "log_level",
    "log_on_each_node",
    "logging_",
    "output_dir",
    "prediction_loss_only",
    "project",
    "push_to_hub",
    "remove_unused_columns",
    "report_to",
    "restore_callback_states",
    "run_name",
    "save_",
    "skip_memory_metrics",
    "trackio_",
)
#: Parts of a model's configuration that begin so are long, or say nothing of how it is built.
_UNTOLD_OF_MODEL = (
    "_name_or_path",
    "chunk_size_feed_forward",
    "id2label",
    "label2id",
    "output_",
    "return_dict",
    "torchscript",
    "transformers_version",
    "use_cache",
)


class TrackerCallback(TrainerCallback):
    """Logs to the active run or `run`, else to one that it starts, and that ends with ``train``.

    ``evaluate`` and ``predict`` afterwards take the run up again. Each trial of a search is a run
    of its own, a part of the active run or `run`. The trainer tells its callbacks
    nothing of an exception: a run that was started here fails with the exception that ends the
    program or, if the program goes on, when the next training begins or the callback is gone. As a
    context it fails with the exception itself::

        with TrackerCallback() as callback:
            Trainer(model, args, callbacks=[callback]).train()

    Only the process zero of a distributed job logs.

    - name: of the run; the trainer's ``run_name`` if left out, else a readable one is made up
    - checkpoints: each that is saved is stored as the artifact ``checkpoint-STEP``
    - log_model: the model is stored as the artifact ``model`` at the end of the training
    - run: log to this one, and leave it open
    - options: the others of `tracker.start_run`

    Raises TypeError and ValueError for what `tracker.start_run` would not take.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        checkpoints: bool = False,
        log_model: bool = False,
        run: ActiveRun | None = None,
        **options: Any,
    ) -> None:
        self._given = run
        self._options: dict[str, Any] = {"name": name, **options}
        self._checkpoints = checkpoints
        self._log_model = log_model
        self._is_busy = False
        self._has_trained = False
        self._sink = Sink(run, self._options)

    @property
    def run(self) -> ActiveRun | None:
        """The run that is logged to; None before the training, and in other processes."""
        return self._sink.run if self._sink.has_begun else None

    # What the trainer says.

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **more: Any,
    ) -> None:
        """Starts a run, unless there is one, and sets its params."""
        self._leave()
        if state.is_hyper_param_search or self._has_trained:
            self._sink = Sink(self._given, self._options)
        self._has_trained = True
        self._begin(args, state, model)
        self._is_busy = True
        atexit.register(_leave_at_exit, weakref.ref(self))

    def _begin(self, args: TrainingArguments, state: TrainerState, model: Any) -> None:
        """Chooses the run, in the one process that logs."""
        self._sink.is_on = state.is_world_process_zero
        if not self._sink.is_on:
            return
        name = self._options["name"] or state.trial_name
        if name is None and args.run_name != args.output_dir:
            name = args.run_name
        self._sink.options = {**self._options, "name": name}
        if state.is_hyper_param_search:
            self._sink.start_part()
        params = _told(args.to_dict(), _UNTOLD)
        config = getattr(model, "config", None)
        if config is not None:
            config = config if isinstance(config, Mapping) else config.to_dict()
            params["model"] = _told(config, _UNTOLD_OF_MODEL)
        if getattr(model, "peft_config", None):
            params["peft"] = {
                key: value.to_dict() if hasattr(value, "to_dict") else value
                for key, value in model.peft_config.items()
            }
        if hasattr(model, "num_parameters"):
            params.setdefault("model", {})["num_parameters"] = model.num_parameters()
        if state.trial_params:
            params.update(state.trial_params)
        self._sink.params(params)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        model: Any = None,
        **more: Any,
    ) -> None:
        """Logs what the trainer says of a step."""
        self._log(args, state, logs, model)

    def on_predict(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, Any] | None = None,
        model: Any = None,
        **more: Any,
    ) -> None:
        """Logs what came out of a prediction."""
        self._log(args, state, metrics, model)

    def _log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        logs: Mapping[str, Any] | None,
        model: Any,
    ) -> None:
        if not state.is_world_process_zero:
            return
        if not self._sink.has_begun:
            self._begin(args, state, model)
        if logs:
            values = {_renamed(name): value for name, value in logs.items()}
            self._sink.metrics(values, state.global_step)
        if not self._is_busy:
            self._sink.end()  # an evaluation alone has no end of its own

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: Any
    ) -> None:
        """Stores the checkpoint, if that was asked for."""
        if self._checkpoints and state.is_world_process_zero:
            folder = f"checkpoint-{state.global_step}"
            if state.trial_name is not None and not os.path.isdir(
                os.path.join(args.output_dir, folder)
            ):
                self._sink.warn("trial", "checkpoints of a search are not stored")
                return
            self._sink.artifact(os.path.join(args.output_dir, folder), folder)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        processing_class: Any = None,
        **more: Any,
    ) -> None:
        """Ends the run, if it was started here."""
        if state.is_world_process_zero:
            if state.best_metric is not None:
                self._sink.tag("best_metric", state.best_metric)
            if state.best_model_checkpoint:
                self._sink.tag("best_checkpoint", os.path.basename(state.best_model_checkpoint))
            if self._log_model:
                self._store_model(model, processing_class)
        self._is_busy = False
        self._sink.end()

    def _store_model(self, model: Any, processing_class: Any) -> None:
        import tempfile

        if not hasattr(model, "save_pretrained"):
            self._sink.warn("model", f"a {type(model).__name__} has no save_pretrained: not stored")
            return
        with tempfile.TemporaryDirectory() as folder:
            try:
                model.save_pretrained(folder)
                if hasattr(processing_class, "save_pretrained"):
                    processing_class.save_pretrained(folder)
            except Exception as error:
                self._sink.warn("model", f"the model could not be saved: {error}")
                return
            self._sink.artifact(folder, "model")

    # How a training ends that does not come to its end.

    def _leave(self, error: BaseException | None = None) -> None:
        if not self._is_busy:
            return
        self._is_busy = False
        if error is not None:
            self._sink.fail(error)
        else:
            self._sink.end("failed", _LEFT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave(error)

    def __del__(self) -> None:
        self._leave()


def _leave_at_exit(callback: weakref.ref[TrackerCallback]) -> None:
    """The program ends in the middle of a training, or after an exception that it caught."""
    left = callback()
    if left is not None:
        left._leave(getattr(sys, "last_value", None))


def _told(values: Mapping[str, Any], untold: tuple[str, ...]) -> dict[str, Any]:
    """Params that were chosen: without those of these names, and without those that are None."""
    return {
        key: value
        for key, value in values.items()
        if value is not None and not key.startswith(untold)
    }


def _renamed(name: str) -> str:
    """The trainer's ``eval_loss`` as ``eval/loss``, its ``loss`` as ``train/loss``."""
    for part in ("eval", "test"):
        if name.startswith(f"{part}_"):
            return f"{part}/{name[len(part) + 1:]}"
    return f"train/{name}"  # ``train_loss``, too, the mean of all steps: it is no step's
