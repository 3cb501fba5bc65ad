"""An experiment tracker for machine learning that is a folder and a binary.

No server, no account, no network: runs, params, metrics and artifacts are kept in the folder
``.tracker``. What was logged survives the death of the process that logged it, ``kill -9`` too.

Log::

    import tracker

    with tracker.start_run("resnet", experiment="cifar", params={"lr": 0.1}) as run:
        for step, batch in enumerate(loader):
            run.log({"train/loss": loss, "train/acc": acc}, step=step)
        run.artifact("model.pt")

Read::

    tracker.runs("metrics.acc > 0.9 and params.lr < 0.01").to_pandas()
    tracker.best("acc").params
    steps, values = tracker.run("@last").series("loss")

The store is ``store=…``, else ``$TRACKER_STORE``, else the nearest ``.tracker`` in this folder or
one above it, else one that is made here. Names that other trackers taught people work as well:
``init``, ``log``, ``finish``; ``log_param``, ``log_metric``, ``log_artifact``, ``set_tag``.
Libraries that train models have their loggers and callbacks in ``tracker.integrations``.
"""

from __future__ import annotations

from tracker._errors import Ambiguous
from tracker._errors import Closed
from tracker._errors import Error
from tracker._errors import FilterError
from tracker._errors import Invalid
from tracker._errors import LoggingWarning
from tracker._errors import MissingFile
from tracker._errors import NotFound
from tracker._errors import ParamConflict
from tracker._errors import StoreError
from tracker._logging import ActiveRun
from tracker._logging import active_run
from tracker._logging import end_run
from tracker._logging import finish
from tracker._logging import init
from tracker._logging import join_run
from tracker._logging import log
from tracker._logging import log_artifact
from tracker._logging import log_artifacts
from tracker._logging import log_input
from tracker._logging import log_metric
from tracker._logging import log_metrics
from tracker._logging import log_param
from tracker._logging import log_params
from tracker._logging import log_series
from tracker._logging import set_tag
from tracker._logging import set_tags
from tracker._logging import start_run
from tracker._logging import track
from tracker._logging import track_artifacts
from tracker._logging import track_metrics
from tracker._logging import track_params
from tracker._reading import best
from tracker._reading import run
from tracker._reading import runs
from tracker._tracker import Run
from tracker._tracker import Runs
from tracker._tracker import Series
from tracker._tracker import __version__

__all__ = [
    "ActiveRun",
    "Ambiguous",
    "Closed",
    "Error",
    "FilterError",
    "Invalid",
    "LoggingWarning",
    "MissingFile",
    "NotFound",
    "ParamConflict",
    "Run",
    "Runs",
    "Series",
    "StoreError",
    "__version__",
    "active_run",
    "best",
    "end_run",
    "finish",
    "init",
    "join_run",
    "log",
    "log_artifact",
    "log_artifacts",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_series",
    "run",
    "runs",
    "set_tag",
    "set_tags",
    "start_run",
    "track",
    "track_artifacts",
    "track_metrics",
    "track_params",
]
