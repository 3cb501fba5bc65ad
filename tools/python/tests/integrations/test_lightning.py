"""Trainings of Lightning are runs, under either of its names."""

import csv
import subprocess
import sys
import textwrap

import pytest
from conftest import command
from conftest import ended
from conftest import start

import tracker

pytest.importorskip("lightning")

#: A tiny training; `PACKAGE` is one of Lightning's two names.
PROGRAM = """
    import json, logging, os, sys, time, warnings
    warnings.simplefilter("ignore")
    import torch, {package} as pl
    from {package}.callbacks import ModelCheckpoint
    from {package}.loggers import CSVLogger
    import tracker
    from tracker.integrations.lightning import TrackerLogger
    logging.disable(logging.WARNING)

    class Model(pl.LightningModule):
        def __init__(self, lr=0.1, net=None, breaks_at=None):
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(2, 1)
        def training_step(self, batch, at):
            if self.global_step == self.hparams.breaks_at:
                {breaks}
            loss = self.layer(batch[0]).square().mean()
            self.log("train/loss", loss)
            return loss
        def validation_step(self, batch, at):
            self.log("val/loss", self.layer(batch[0]).square().mean())
        test_step = validation_step
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), self.hparams.lr)

    pl.seed_everything(0, verbose=False)
    data = torch.utils.data.TensorDataset(torch.rand(32, 2))
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    def trainer(logger, **more):
        return pl.Trainer(
            logger=logger, max_epochs=3, log_every_n_steps=1, accelerator="cpu",
            enable_progress_bar=False, enable_model_summary=False, **more,
        )
"""


def run_program(body, package="lightning.pytorch", breaks="raise RuntimeError('boom')", **options):
    head = textwrap.dedent(PROGRAM.format(package=package, breaks=breaks))
    return start(head + textwrap.dedent(body), **options)


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_a_training_is_a_run_with_what_lightning_itself_wrote_down(package):
    pytest.importorskip(package)
    body = """
        logger = TrackerLogger("tiny", experiment="toy", log_model=True, tags={"team": "a"})
        keep = ModelCheckpoint(monitor="val/loss", save_last=True)
        one = trainer([logger, CSVLogger("csv", name="", version="")], callbacks=[keep])
        model = Model(lr=0.05, net={"depth": 2, "act": "relu"})
        one.fit(model, loader, loader)
        assert tracker.run("tiny").status == "completed"
        one.test(model, loader, verbose=False)
        assert keep.best_model_path.split(os.sep)[-4] == "toy", keep.best_model_path
        print(os.path.basename(keep.best_model_path))
    """
    code, out, err = ended(run_program(body, package))
    assert code == 0, err
    with open("csv/metrics.csv") as file:
        rows = list(csv.DictReader(file))
    run = tracker.run("tiny")
    assert (run.status, run.experiment, run.tags["team"]) == ("completed", "toy", "a")
    assert run.params["lr"] == 0.05 and run.params["net.depth"] == 2
    assert set(run.metrics) == {"train/loss", "val/loss", "epoch"}
    assert len(run.series("train/loss")) == 12
    for name in ("train/loss", "val/loss", "epoch"):
        wanted = [(int(row["step"]), float(row[name])) for row in rows if row[name] != ""]
        assert sorted(zip(*run.series(name))) == sorted(wanted)
    best = out.split()[-1]
    assert run.tags["checkpoint.best"] == best
    assert set(run.artifacts) == {f"checkpoints/{best}", "checkpoints/last.ckpt"}
    assert "tiny" in command("best", "val/loss") and "tiny" in command("ls", "-e", "toy")


def test_a_training_that_fails_is_a_failed_run_and_one_that_is_there_is_left_open():
    body = """
        for kind in (RuntimeError("boom"), KeyboardInterrupt()):
            try:
                trainer(TrackerLogger(type(kind).__name__)).fit(Model(breaks_at=5), loader)
            except (RuntimeError, SystemExit):
                pass
            kinds.pop(0)
        with tracker.start_run("mine", params={"lr": 9}) as run:
            trainer(TrackerLogger("ignored", prefix="a")).fit(Model(), loader)
            assert tracker.run("mine").status == "running"
            trainer(TrackerLogger(run=run)).test(Model(), loader, verbose=False)
            run.log({"own": 1}, 0)
        try:
            TrackerLogger(run=run)
        except tracker.Closed:
            print("closed")
        trainer(TrackerLogger("terminated")).fit(Model(breaks_at=5), loader)
    """
    head = """
        kinds = [RuntimeError("boom"), KeyboardInterrupt(), None]
        def fail():
            if kinds[0] is not None:
                raise kinds[0]
            os.kill(os.getpid(), 15)  # Lightning stops, saves and exits after this batch
    """
    body = textwrap.dedent(head) + textwrap.dedent(body)
    code, out, err = ended(run_program(body, breaks="fail()"))
    # The exit is Lightning's: a SystemExit after its own callbacks were told.
    assert code == 0 and out.split()[-1] == "closed", err
    reasons = {"RuntimeError": "RuntimeError: boom", "KeyboardInterrupt": "interrupted"}
    for name, reason in (reasons | {"terminated": "terminated (SIGTERM)"}).items():
        run = tracker.run(name)
        assert run.status == "failed" and run.reason.startswith(reason)
        assert list(run.series("train/loss").steps)[:5] == list(range(5))
    run = tracker.run("mine")
    assert set(run.metrics) == {"a/train/loss", "a/epoch", "val/loss", "epoch", "own"}
    assert run.status == "completed" and run.params["lr"] == 9


def test_two_ranks_are_one_run():
    body = """
        if __name__ == "__main__":
            one = trainer(TrackerLogger("both"), devices=2, strategy="ddp")
            one.fit(Model(), loader, loader)
    """
    with open("both.py", "w") as file:
        head = textwrap.dedent(PROGRAM.format(package="lightning.pytorch", breaks="pass"))
        file.write(head + textwrap.dedent(body))
    done = subprocess.run([sys.executable, "both.py"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (run,) = tracker.runs()
    assert (run.name, run.status) == ("both", "completed")
    assert list(run.series("train/loss").steps) == list(range(6))
