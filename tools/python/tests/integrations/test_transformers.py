"""Trainings of the Hugging Face `Trainer` are runs."""

import os

import pytest
from conftest import command
from conftest import ended
from conftest import start

import tracker

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

# What the libraries themselves warn of is not ours to judge.
pytestmark = pytest.mark.filterwarnings("ignore", "error::tracker.LoggingWarning")


class Boom(Exception):
    pass


class Data(torch.utils.data.Dataset):
    """Sixteen rows of eight tokens; `breaks_at` raises after so many were asked for."""

    def __init__(self, breaks_at=None):
        generator = torch.Generator().manual_seed(0)
        self.rows = torch.randint(0, 32, (16, 8), generator=generator)
        self.left = breaks_at

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, at):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Boom("no more rows")
        return {"input_ids": self.rows[at], "labels": self.rows[at]}


def new_model(_trial=None):
    size = {"n_layer": 2, "n_head": 2, "n_embd": 16, "vocab_size": 32, "n_positions": 16}
    config = transformers.GPT2Config(**size, bos_token_id=0, eos_token_id=0)
    return transformers.GPT2LMHeadModel(config)


def new_trainer(callback, data=None, **arguments):
    chosen = {"max_steps": 6, "logging_steps": 1, "per_device_train_batch_size": 4, **arguments}
    args = transformers.TrainingArguments(
        "out", report_to=[], use_cpu=True, disable_tqdm=True, **chosen
    )
    trainer = transformers.Trainer(
        model_init=new_model,
        args=args,
        train_dataset=data or Data(),
        eval_dataset=Data(),
        callbacks=[callback],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def new_callback(*args, **options):
    from tracker.integrations.transformers import TrackerCallback

    return TrackerCallback(*args, **options)


def renamed(name):
    part, _, rest = name.partition("_")
    return f"{part}/{rest}" if part in ("eval", "test") else f"train/{name}"


def test_a_training_is_a_run_with_all_that_the_trainer_itself_remembers():
    callback = new_callback(experiment="toy", checkpoints=True, log_model=True)
    evaluated = {"eval_strategy": "steps", "eval_steps": 3, "save_steps": 3}
    trainer = new_trainer(callback, run_name="tiny", learning_rate=0.01, **evaluated)
    trainer.train()
    assert tracker.run("tiny").status == "completed"
    assert callback.run.id == tracker.run("tiny").id  # taken up again
    result = trainer.predict(Data())
    (run,) = tracker.runs()
    assert (run.name, run.experiment, run.status) == ("tiny", "toy", "completed")
    wanted = {}
    for row in trainer.state.log_history:
        for name, value in row.items():
            if name != "step":
                wanted.setdefault(renamed(name), []).append((row["step"], value))
    for name, value in result.metrics.items():
        wanted[renamed(name)] = [(6, value)]
    assert set(run.metrics) == set(wanted) > {"train/loss", "train/grad_norm", "eval/loss"}
    for name, points in wanted.items():
        assert list(zip(*run.series(name))) == points, name
    assert run.params["learning_rate"] == 0.01 and run.params["seed"] == 42
    assert run.params["model.n_layer"] == 2 and run.params["model.model_type"] == "gpt2"
    assert run.params["model.num_parameters"] == trainer.model.num_parameters()
    assert not any(name.startswith(("hub_", "logging_", "push_")) for name in run.params)
    top = {path.split("/")[0] for path in run.artifacts}
    assert top == {"checkpoint-3", "checkpoint-6", "model"}
    run.get_artifact("model/model.safetensors", "got")
    with open("got", "rb") as got, open("out/checkpoint-6/model.safetensors", "rb") as saved:
        assert got.read() == saved.read()
    assert "tiny" in command("best", "eval/loss") and "tiny" in command("ls", "-e", "toy")


def test_a_run_that_is_there_is_logged_to_and_left_open():
    with tracker.start_run("mine", params={"learning_rate": 7}) as run:
        with pytest.warns(tracker.LoggingWarning, match="learning_rate"):
            new_trainer(new_callback()).train()
        assert tracker.run("mine").status == "running"
        run.log({"own": 1}, 0)
    trained = {"train/loss", "train/train_loss", "own"}
    assert trained < set(tracker.run("mine").metrics) and len(tracker.runs()) == 1
    with pytest.raises(TypeError, match="experimant"):
        new_callback(experimant="x")


def test_a_training_that_fails_is_a_failed_run():
    with pytest.raises(Boom), new_callback("told") as callback:
        new_trainer(callback, Data(breaks_at=9)).train()
    callback = new_callback()
    trainer = new_trainer(callback, Data(breaks_at=9), run_name="left")
    with pytest.raises(Boom):
        trainer.train()
    trainer.train_dataset.left = None
    trainer.args.run_name = "again"
    trainer.train()
    assert tracker.run("told").reason.splitlines()[0].endswith("Boom: no more rows")
    assert tracker.run("left").reason == "the training was left before its end"
    assert tracker.run("told").status == tracker.run("left").status == "failed"
    assert tracker.run("again").status == "completed"


def test_each_trial_of_a_search_is_a_part():
    pytest.importorskip("optuna").logging.set_verbosity(30)
    with tracker.start_run("search") as whole:
        trainer = new_trainer(new_callback(), max_steps=2, eval_strategy="steps", eval_steps=2)
        best = trainer.hyperparameter_search(
            hp_space=lambda trial: {"learning_rate": trial.suggest_float("learning_rate", 0.1, 1)},
            n_trials=2,
            direction="minimize",
            backend="optuna",
        )
    parts = [run for run in tracker.runs() if run.parent == whole.id]
    assert len(parts) == 2 and {run.status for run in parts} == {"completed"}
    found = tracker.best("eval/loss", "min", filter=f"parent = '{whole.id}'")
    assert found.params["learning_rate"] == best.hyperparameters["learning_rate"]
    assert found.metrics["eval/loss"] == best.objective


@pytest.mark.parametrize("ending", ["raise", "caught"])
def test_a_program_that_ends_in_the_middle_leaves_a_failed_run(ending):
    program = f"""
        import sys, warnings
        warnings.simplefilter("ignore")
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        sys.path.insert(0, {os.path.dirname(os.path.dirname(__file__))!r})
        from test_transformers import *
        trainer = new_trainer(new_callback("a"), Data(breaks_at=9))
        try:
            trainer.train()
        except Boom:
            if {ending!r} == "raise": raise
    """
    code, _, err = ended(start(program))
    assert code == (1 if ending == "raise" else 0), err
    run = tracker.run("a")
    assert run.status == "failed" and list(run.series("train/loss").steps) == [1]
    assert ("no more rows" in run.reason) == (ending == "raise")
