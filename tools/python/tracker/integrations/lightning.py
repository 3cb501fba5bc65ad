"""``TrackerLogger``: the trainings of Lightning as runs.

::

    from lightning.pytorch import Trainer
    from tracker.integrations.lightning import TrackerLogger

    trainer = Trainer(logger=TrackerLogger(experiment="mnist", log_model=True))
    trainer.fit(model)

Works with ``lightning``, with ``pytorch_lightning`` and with ``Fabric``. Metrics keep the names
and steps that Lightning gives them, ``epoch`` among them; what ``save_hyperparameters`` keeps is
params.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

from tracker.integrations._sink import Sink

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers.logger import Logger
    from lightning.pytorch.loggers.logger import rank_zero_experiment
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    from tracker._logging import ActiveRun
else:

    def _package() -> str:
        """The one of its two names that the training goes by, or that is installed."""
        for name in ("lightning.pytorch", "pytorch_lightning"):
            if name in sys.modules:
                return name
        has_lightning = importlib.util.find_spec("lightning") is not None
        return "lightning.pytorch" if has_lightning else "pytorch_lightning"

    _logger = importlib.import_module(f"{_package()}.loggers.logger")
    Logger = _logger.Logger
    rank_zero_experiment = _logger.rank_zero_experiment
    rank_zero_only = importlib.import_module(f"{_package()}.utilities.rank_zero").rank_zero_only

__all__ = ["TrackerLogger"]

#: Where Lightning puts the checkpoints of runs without an experiment.
_FOLDER = "tracker_logs"
_FINE = ("success", "finished", "completed")


class TrackerLogger(Logger):
    """Logs to the active run or `run`, else to one that it starts with the first thing logged.

    A run that it started ends with each ``fit``, ``validate``, ``test`` or ``predict``: completed,
    or failed with the exception that ended it, an interruption too; the next of them takes it up
    again. Only rank zero logs.

    - name: of the run; a readable one is made up
    - experiment: it belongs to, and the folder that Lightning puts its checkpoints in
    - save_dir: where that folder is; the trainer's ``default_root_dir`` if left out
    - prefix: put before the names of all metrics, with ``/``
    - log_model: checkpoints as artifacts ``checkpoints/FILE``: True those that are left at the end,
      ``"all"`` each when it is saved; the tag ``checkpoint.best`` names the best
    - run: log to this one, and leave it open
    - options: the others of `tracker.start_run`

    Raises TypeError and ValueError for what it or `tracker.start_run` would not take.
    """

    LOGGER_JOIN_CHAR = "/"

    def __init__(
        self,
        name: str | None = None,
        *,
        experiment: str | None = None,
        save_dir: str | os.PathLike[str] | None = None,
        prefix: str = "",
        log_model: bool | str = False,
        run: ActiveRun | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if log_model not in (False, True, "all"):
            raise ValueError(f'log_model wants True, False or "all", has {log_model!r}')
        self._sink = Sink(run, {"name": name, "experiment": experiment, **options})
        self._save_dir = None if save_dir is None else os.fspath(save_dir)
        self._prefix = prefix
        self._log_model = log_model
        self._checkpoints: ModelCheckpoint | None = None
        self._kept: dict[str, float] = {}

    @property
    @rank_zero_experiment
    def experiment(self) -> ActiveRun:
        """The run, a `tracker.ActiveRun`; on other ranks something that does nothing."""
        run = self._sink.run
        if run is None:
            raise RuntimeError("the run that was logged to has ended")
        return run

    @property
    def name(self) -> str:
        """The experiment, which names the folder of checkpoints."""
        return self._sink.options.get("experiment") or _FOLDER

    @property
    def version(self) -> str | None:
        """The first digits of the run's id; None on other ranks."""
        if rank_zero_only.rank > 0 or self._sink.run is None:
            return None
        return self._sink.run.id[:8]

    @property
    def save_dir(self) -> str | None:
        """The folder that was given, below which checkpoints are put."""
        return self._save_dir

    @rank_zero_only
    def log_hyperparams(
        self, params: Any, metrics: Mapping[str, Any] | None = None, *_args: Any, **_more: Any
    ) -> None:
        """Logs params, of nested ones with ``.`` between their names; `metrics` at step 0."""
        if params:
            self._sink.params(params)
        if metrics:
            self.log_metrics(metrics, 0)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Logs the values of one step."""
        if self._prefix:
            metrics = {f"{self._prefix}/{name}": value for name, value in metrics.items()}
        self._sink.metrics(metrics, step)

    @rank_zero_only
    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Does nothing: a model is kept by its checkpoints."""

    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """Lightning saved a checkpoint."""
        self._checkpoints = checkpoint_callback
        keeps_all = getattr(checkpoint_callback, "save_top_k", None) == -1
        if self._log_model == "all" or (self._log_model and keeps_all):
            self._keep_checkpoints()

    def _keep_checkpoints(self) -> None:
        """Stores the checkpoints that are there and were not stored as they are now."""
        if self._checkpoints is None:
            return
        best = getattr(self._checkpoints, "best_model_path", "")
        paths = [*getattr(self._checkpoints, "best_k_models", {}), best]
        paths.append(getattr(self._checkpoints, "last_model_path", ""))
        for path in dict.fromkeys(filter(None, paths)):
            try:
                changed = os.stat(path).st_mtime
            except OSError:
                continue  # a better one took its place
            if self._kept.get(path) != changed:
                self._kept[path] = changed
                self._sink.artifact(path, f"checkpoints/{os.path.basename(path)}")
        if best:
            self._sink.tag("checkpoint.best", os.path.basename(best))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Ends the run, if it was started here, as a part of the training ended."""
        if not self._sink.has_begun:
            return
        if self._log_model:
            self._keep_checkpoints()
        error = sys.exc_info()[1]
        if status in _FINE:
            self._sink.end()
        elif isinstance(error, SystemExit) and not error.code:
            self._sink.end("failed", "terminated (SIGTERM)")  # as Lightning tells of it
        elif error is not None:
            self._sink.fail(error)
        else:
            self._sink.end("failed", f"Lightning says {status}")
