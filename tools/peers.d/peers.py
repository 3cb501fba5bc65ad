"""How a training script logs to each tracker, and reads one series back, as its users do.

Each peer has a folder of its own, which is the working directory and empty before `start`. What
a peer needs is imported in `start` and `prepare`, which are not measured. All keep the same: step,
wall time and value of each point, where a peer does not by itself because it is told to.
"""

import importlib.metadata
import json
import platform
import sqlite3
import subprocess
import time
from typing import Any

Values = dict[str, float]


class Peer:
    """One way of logging, on one tracker."""

    label = ""
    """How the table names it."""
    packages: tuple[str, ...] = ()
    """What pip installs, the peer itself first."""
    steps_max = 1_000_000
    """Most steps that end in a time worth waiting for."""
    reads = True
    """Whether it can read back what it logged."""

    def version(self) -> str:
        """Returns the name and version of the tracker."""
        name = self.packages[0].partition("==")[0]
        return f"{name} {importlib.metadata.version(name)}"

    def start(self) -> None:
        """Makes a store and starts a run in it."""
        raise NotImplementedError

    def log(self, step: int, values: Values) -> None:
        """Logs the metrics of one step."""
        raise NotImplementedError

    def finish(self) -> None:
        """Ends the run; when it returns all is in the store's files."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Imports what `series` needs."""

    def series(self, metric: str) -> list[float]:
        """Returns the values of one metric by step."""
        raise NotImplementedError


class JsonLines(Peer):
    label = "JSON lines by hand"

    def version(self) -> str:
        return f"Python {platform.python_version()}"

    def start(self) -> None:
        self.file = open("metrics.jsonl", "a", encoding="utf-8")

    def log(self, step: int, values: Values) -> None:
        self.file.write(json.dumps({"step": step, "time": time.time(), **values}) + "\n")
        self.file.flush()

    def finish(self) -> None:
        self.file.close()

    def series(self, metric: str) -> list[float]:
        with open("metrics.jsonl", encoding="utf-8") as file:
            return [json.loads(line)[metric] for line in file]


class Tracker(Peer):
    """JSON lines to the command, as Python reaches it; at the end the run is in the index."""

    label = "`tracker log RUN -`"

    def version(self) -> str:
        return self.ask("--version").strip()

    @staticmethod
    def ask(*args: str) -> str:
        return subprocess.run(
            ["tracker", *args], check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def start(self) -> None:
        self.run = self.ask("start").strip()
        self.stream = subprocess.Popen(
            ["tracker", "log", self.run, "-"], stdin=subprocess.PIPE, text=True, bufsize=1
        )
        assert self.stream.stdin is not None
        self.lines = self.stream.stdin

    def log(self, step: int, values: Values) -> None:
        self.lines.write(json.dumps({"step": step, **values}) + "\n")

    def finish(self) -> None:
        self.lines.close()
        if self.stream.wait() != 0:
            raise RuntimeError("tracker log failed")
        self.ask("finish", self.run)

    def series(self, metric: str) -> list[float]:
        _, *lines = self.ask("series", "@last", metric, "--format", "csv").splitlines()
        return [float(line.rpartition(",")[2]) for line in lines]


class TrackerPackage(Peer):
    """The Python package, built from this tree."""

    label = "`run.log` of `import tracker`"
    packages = ("./tools/python", "numpy==2.4.6")

    def version(self) -> str:
        return f"tracker-db {importlib.metadata.version('tracker-db')}"

    def start(self) -> None:
        import tracker

        self.run = tracker.start_run()

    def log(self, step: int, values: Values) -> None:
        self.run.log(values, step)

    def finish(self) -> None:
        self.run.finish()

    def prepare(self) -> None:
        import tracker

        self.open = tracker.run

    def series(self, metric: str) -> list[float]:
        return self.open("@last").series(metric).values.tolist()


class Sqlite(Peer):
    label = "SQLite, a commit each step"
    steps_a_commit = 1

    def version(self) -> str:
        return f"SQLite {sqlite3.sqlite_version}"

    def start(self) -> None:
        self.base = sqlite3.connect("metrics.db", isolation_level=None)
        self.base.execute("pragma journal_mode = wal")
        self.base.execute("pragma synchronous = normal")
        self.base.execute(
            "create table points (run int, metric text, step int, time real, value real)"
        )
        self.base.execute("begin")

    def log(self, step: int, values: Values) -> None:
        now = time.time()
        self.base.executemany(
            "insert into points values (1, ?, ?, ?, ?)",
            [(metric, step, now, value) for metric, value in values.items()],
        )
        if (step + 1) % self.steps_a_commit == 0:
            self.base.execute("commit")
            self.base.execute("begin")

    def finish(self) -> None:
        self.base.execute("commit")
        self.base.close()

    def series(self, metric: str) -> list[float]:
        base = sqlite3.connect("metrics.db")
        select = "select value from points where run = 1 and metric = ? order by step"
        return [value for (value,) in base.execute(select, (metric,))]


class SqliteBatches(Sqlite):
    label = "SQLite, a commit each 1,000 steps"
    steps_a_commit = 1000


class DuckDb(Peer):
    label = "DuckDB, a commit each step"
    packages: tuple[str, ...] = ("duckdb==2.0.0",)
    steps_max = 2_000

    def start(self) -> None:
        import duckdb

        self.base = duckdb.connect("metrics.duckdb")
        self.base.execute(
            "create table points (run int, metric text, step bigint, time double, value double)"
        )

    def log(self, step: int, values: Values) -> None:
        now = time.time()
        self.base.execute("begin")
        self.base.executemany(
            "insert into points values (1, ?, ?, ?, ?)",
            [(metric, step, now, value) for metric, value in values.items()],
        )
        self.base.execute("commit")

    def finish(self) -> None:
        self.base.close()

    def prepare(self) -> None:
        import duckdb

        self.open = duckdb.connect

    def series(self, metric: str) -> list[float]:
        base = self.open("metrics.duckdb", read_only=True)
        select = "select value from points where run = 1 and metric = ? order by step"
        return [value for (value,) in base.execute(select, [metric]).fetchall()]


class DuckDbBatches(DuckDb):
    label = "DuckDB, a data frame each 1,000 steps"
    packages = (*DuckDb.packages, "pandas==3.1.1", "numpy==2.4.6")
    steps_max = Peer.steps_max

    def start(self) -> None:
        super().start()
        import pandas

        self.frame = pandas.DataFrame
        self.rows: list[tuple[int, str, int, float, float]] = []

    def log(self, step: int, values: Values) -> None:
        now = time.time()
        self.rows += [(1, metric, step, now, value) for metric, value in values.items()]
        if (step + 1) % 1000 == 0:
            self.insert()

    def insert(self) -> None:
        rows = self.frame(self.rows, columns=["run", "metric", "step", "time", "value"])
        self.base.register("rows", rows)
        self.base.execute("insert into points select * from rows")
        self.base.unregister("rows")
        self.rows.clear()

    def finish(self) -> None:
        if self.rows:
            self.insert()
        super().finish()


class TensorBoardX(Peer):
    label = "TensorBoardX"
    packages = ("tensorboardX==2.6.5", "tensorboard==2.21.0", "protobuf==7.36.2", "numpy==2.4.6")

    def start(self) -> None:
        from tensorboardX import SummaryWriter

        self.writer = SummaryWriter("events")

    def log(self, step: int, values: Values) -> None:
        for metric, value in values.items():
            self.writer.add_scalar(metric, value, step)

    def finish(self) -> None:
        self.writer.close()

    def prepare(self) -> None:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        self.open = EventAccumulator

    def series(self, metric: str) -> list[float]:
        events = self.open("events", size_guidance={"scalars": 0, "tensors": 0})  # 0: keep all
        events.Reload()
        return [event.value for event in events.Scalars(metric)]


class Trackio(Peer):
    label = "Trackio"
    packages = ("trackio==0.43.0",)

    def start(self) -> None:
        import trackio

        self.run = trackio.init(
            project="peers", name="run", embed=False, auto_log_cpu=False, auto_log_gpu=False
        )

    def log(self, step: int, values: Values) -> None:
        self.run.log(values, step=step)

    def finish(self) -> None:
        import trackio

        trackio.finish()

    def prepare(self) -> None:
        from trackio.sqlite_storage import SQLiteStorage

        self.storage = SQLiteStorage

    def series(self, metric: str) -> list[float]:
        points = self.storage.get_metric_values("peers", "run", metric)
        return [point["value"] for point in points]


class Wandb(Peer):
    """W&B reads runs from its server alone: what it wrote offline it cannot give back."""

    label = "W&B offline"
    packages = ("wandb==0.31.0", "protobuf==7.36.2")
    reads = False

    def start(self) -> None:
        import wandb

        self.run = wandb.init(project="peers", mode="offline", dir=".")

    def log(self, step: int, values: Values) -> None:
        self.run.log(values, step=step)

    def finish(self) -> None:
        self.run.finish()


class Mlflow(Peer):
    label = "MLflow on SQLite, `log_metrics`"
    packages = ("mlflow==3.17.2", "sqlalchemy==2.1.9", "pandas==3.1.1", "numpy==2.4.6")
    steps_max = 1_000

    def start(self) -> None:
        self.mlflow = self.opened()
        self.run = self.mlflow.start_run(run_name="peers")

    @staticmethod
    def opened() -> Any:
        import mlflow

        mlflow.set_tracking_uri("sqlite:///mlflow.db")
        return mlflow

    def log(self, step: int, values: Values) -> None:
        self.mlflow.log_metrics(values, step=step)

    def finish(self) -> None:
        self.mlflow.end_run()

    def prepare(self) -> None:
        self.client = self.opened().MlflowClient()

    def series(self, metric: str) -> list[float]:
        (run,) = self.client.search_runs(["0"])
        return [point.value for point in self.client.get_metric_history(run.info.run_id, metric)]


class MlflowBatches(Mlflow):
    label = "MLflow on SQLite, `log_batch` of 1,000 points"
    steps_max = 5_000

    def start(self) -> None:
        super().start()
        self.client = self.mlflow.MlflowClient()
        self.points: list[Any] = []

    def log(self, step: int, values: Values) -> None:
        now = int(time.time() * 1000)
        metric_point = self.mlflow.entities.Metric
        self.points += [metric_point(metric, value, now, step) for metric, value in values.items()]
        if len(self.points) >= 1000:
            self.send()

    def send(self) -> None:
        self.client.log_batch(self.run.info.run_id, metrics=self.points)
        self.points = []

    def finish(self) -> None:
        if self.points:
            self.send()
        super().finish()


YARDSTICK = "jsonl"

PEERS: dict[str, type[Peer]] = {
    YARDSTICK: JsonLines,
    "tracker": Tracker,
    "tracker-package": TrackerPackage,
    "sqlite": Sqlite,
    "sqlite-1000": SqliteBatches,
    "duckdb": DuckDb,
    "duckdb-1000": DuckDbBatches,
    "tensorboardx": TensorBoardX,
    "trackio": Trackio,
    "wandb": Wandb,
    "mlflow": Mlflow,
    "mlflow-batch": MlflowBatches,
}

QUIET = {
    "DO_NOT_TRACK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TRACKIO_DIR": "trackio",
    "WANDB_CONSOLE": "off",
    "WANDB_DISABLE_CODE": "true",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "WANDB__DISABLE_META": "true",
    "WANDB__DISABLE_STATS": "true",
}
"""Settings of the peers: nothing is sent, and nothing is recorded but what the script logs."""
