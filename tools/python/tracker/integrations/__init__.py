"""Loggers and callbacks for the libraries that train models; each is a module, imported by name.

- ``tensorboard``: ``SummaryWriter``, in place of that of ``torch.utils.tensorboard``
- ``lightning``: ``TrackerLogger``, for the ``Trainer`` of Lightning
- ``transformers``: ``TrackerCallback``, for the ``Trainer`` of Hugging Face
- ``keras``, ``xgboost``, ``lightgbm``: ``TrackerCallback``, for what they train
- ``sklearn``: ``log_estimator``, ``log_scores``, ``log_cross_validation`` and ``log_search``
- ``optuna``: ``TrackerCallback``, for ``study.optimize``: a run for each trial

All log to the active run, or to the one that is given as ``run=``, and leave it open. Where there
is none they start one and end it: failed if the training raised. What cannot be kept is left out
and said once by a `tracker.LoggingWarning`; it never ends a training.
"""
