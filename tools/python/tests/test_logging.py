"""What is logged is read back: by the names people know, and bit by bit."""

import argparse
import copy
import dataclasses
import datetime
import enum
import math
import pickle
import struct
import threading
import warnings

import numpy
import pytest
from conftest import command
from conftest import ended
from conftest import start
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies

import tracker

ANY_FLOAT = strategies.floats(width=64)
ANY_STEP = strategies.integers(-(2**63), 2**63 - 1)


def bits(values):
    return [struct.pack("d", value) for value in values]


def test_a_training_is_read_back_by_package_and_command():
    with tracker.start_run(
        "resnet", experiment="cifar", params={"lr": 0.1, "model": {"depth": 50}}, tags={"team": 7}
    ) as run:
        for step in range(100):
            run.log({"train/loss": 1 / (step + 1), "val": {"acc": step / 100}}, step=step)
        assert tracker.run("resnet").status == "running"
        assert run.series("train/loss").values[-1] == 0.01
    read = tracker.run("@last")
    assert (read.name, read.experiment, read.status) == ("resnet", "cifar", "completed")
    assert read.params == {"lr": 0.1, "model.depth": 50}
    assert read.tags == {"team": "7"}
    assert read.metrics == {"train/loss": 0.01, "val/acc": 0.99}
    steps, values = read.series("val/acc")
    assert list(steps) == list(range(100)) and values[50] == 0.5
    assert "resnet" in command("ls") and "0.99" in command("show", "resnet")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    strategies.lists(strategies.tuples(ANY_STEP, ANY_FLOAT, ANY_FLOAT), max_size=40),
    strategies.booleans(),
)
def test_every_bit_comes_back(points, at_once):
    with tracker.start_run() as run:
        if at_once:
            steps = numpy.array([step for step, _, _ in points], dtype="int64")
            run.log_series("a", steps, numpy.array([a for _, a, _ in points], dtype="float64"))
            run.log_series("b", list(steps), [b for _, _, b in points])
        else:
            for step, a, b in points:
                run.log({"a": a, "b": b}, step)
    read = tracker.run(run.id)
    assert set(read.metrics) == ({"a", "b"} if points else set())
    in_order = sorted(points, key=lambda point: point[0])  # stable: as logged within a step
    for at, name in ((1, "a"), (2, "b")) if points else ():
        series = read.series(name)
        assert list(series.steps) == [point[0] for point in in_order]
        assert bits(series.values) == bits(point[at] for point in in_order)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "int32", "uint8"])
@pytest.mark.parametrize("shape", ["whole", "strided", "reversed", "swapped"])
def test_arrays_of_any_layout_are_series(dtype, shape):
    values = (numpy.arange(10_000) % 200).astype(dtype)
    steps = numpy.arange(10_000)
    cut = {"whole": slice(None), "strided": slice(1, None, 3), "reversed": slice(None, None, -1)}
    if shape == "swapped":
        values, steps = values.astype(values.dtype.newbyteorder()), steps.astype(">i8")
    else:
        values, steps = values[cut[shape]], steps[cut[shape]]
    with tracker.start_run() as run:
        run.log_series("a", steps, values)
        assert run.next_step == steps[-1] + 1
    series = tracker.run(run.id).series("a")
    order = numpy.argsort(steps)
    assert numpy.array_equal(series.steps, steps[order])
    assert numpy.array_equal(series.values, values[order].astype("float64"))


class Tensor:
    """What torch, jax and tensorflow have in common: a number that is none of Python's."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return float(self.value)


class Item:
    """One that only tells by `item`."""

    def item(self):
        return 4.5


class Gradient(Item):
    """A tensor that warns when it is made a float behind its back, as torch's do."""

    def __float__(self):
        warnings.warn("requires_grad", stacklevel=2)
        return 4.5


class Mutating:
    """A number that changes the dict that it stands in."""

    def __init__(self, data):
        self.data = data

    def __float__(self):
        self.data.clear()
        return 1.0


def test_whatever_is_a_number_is_logged():
    numbers = {
        "int": 3,
        "true": True,
        "f32": numpy.float32(0.1),
        "i8": numpy.int8(-3),
        "0d": numpy.array(2.5),
        "one": numpy.array([[2.5]]),
        "tensor": Tensor(1.5),
        "item": Item(),
        "gradient": Gradient(),
        "nan": math.nan,
        "none": None,
        "deep": {"er": {"x": 1}, "y": Tensor(2)},
    }
    with tracker.start_run() as run:
        run.log(numbers, step=numpy.int32(7))
        data = {"first": 1.0}
        data["mutating"] = Mutating(data)
        data["last"] = 2.0
        run.log(data)
    read = tracker.run(run.id).metrics
    assert math.isnan(read.pop("nan"))
    assert read == {
        "int": 3.0,
        "true": 1.0,
        "f32": float(numpy.float32(0.1)),
        "i8": -3.0,
        "0d": 2.5,
        "one": 2.5,
        "tensor": 1.5,
        "item": 4.5,
        "gradient": 4.5,
        "deep/er/x": 1.0,
        "deep/y": 2.0,
        "first": 1.0,
        "mutating": 1.0,
        "last": 2.0,
    }
    assert list(tracker.run(run.id).series("int").steps) == [7]


def test_steps_count_on_and_a_resumed_run_goes_on():
    with tracker.start_run() as run:
        run.log({"a": 0})
        run.log({"a": 1}, commit=False)
        run.log({"b": 1})
        run.log({"a": 10}, step=10)
        run.log({"a": 11})
    with tracker.start_run(resume=run.id[:8], params={"more": 1}) as again:
        assert again.id == run.id and tracker.run(run.id).status == "running"
        again.log({"a": 12})
    read = tracker.run(run.id)
    assert read.status == "completed" and read.params == {"more": 1}
    assert [list(column) for column in read.series("a")] == [[0, 1, 10, 11, 12]] * 2
    assert list(read.series("b").steps) == [1]
    with pytest.raises(tracker.ParamConflict, match="cannot become 2"):
        tracker.start_run(resume=run.id, params={"more": 2})
    assert tracker.run(run.id).status == "completed"  # it was not taken up


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Config:
    lr: float = 0.1
    layers: tuple = (1, 2)
    inner: dict = dataclasses.field(default_factory=lambda: {"x": None})


def test_a_run_that_is_copied_is_the_run_and_one_that_is_sent_joins_it():
    with tracker.start_run("sent") as run:
        assert copy.deepcopy({"run": run})["run"] is run
        program = """
            import pickle, sys, tracker
            with pickle.loads(bytes.fromhex(sys.argv[1])) as run:
                run.log({"there": 1}, 0)
        """
        assert ended(start(program, pickle.dumps(run).hex())) == (0, "", "")
        assert tracker.run("sent").status == "running"
    assert tracker.run("sent").metrics == {"there": 1}


def test_a_step_may_have_been_at_another_time():
    moment = datetime.datetime(2024, 1, 15, 10, 30, tzinfo=datetime.timezone.utc)
    with tracker.start_run("late") as run:
        run.log({"a": 1}, 0, time=moment)
        run.log({"a": {"b": 2}, "c": 3}, 1, time=numpy.float64(1_700_000_000.25))
        for wrong in ("now", float("nan"), [1], 1e30):
            with pytest.raises((TypeError, OverflowError), match="time"):
                run.log({"a": 4}, time=wrong)
    read = tracker.run("late")
    assert read.series("a").times[0] == numpy.datetime64("2024-01-15T10:30")
    for name in ("a/b", "c"):
        assert read.series(name).times[0] == numpy.datetime64("2023-11-14T22:13:20.250000")
    assert len(read.series("a")) == 1


def test_params_keep_their_types():
    with tracker.start_run(params=Config()) as run:
        run.params(argparse.Namespace(seed=2**63 + 1, name="a", flag=True))
        run.params({"np": numpy.int64(3), "list": numpy.array([1.5, 2]), "enum": Colour.RED})
        run.param("lr", 0.1)  # the same again is fine
    assert tracker.run(run.id).params == {
        "lr": 0.1,
        "layers": [1, 2],
        "inner.x": "null",
        "seed": str(2**63 + 1),
        "name": "a",
        "flag": True,
        "np": 3,
        "list": [1.5, 2.0],
        "enum": "Colour.RED",
    }


def test_a_session_as_weights_and_biases_users_type_it(tmp_path):
    run = tracker.init(
        project="mnist", config={"lr": 1}, tags=["quick"], notes="try", group="g", dir=tmp_path
    )
    for _ in range(3):
        tracker.log({"loss": 0.5})
    tracker.finish()
    read = tracker.run(run.id, store=tmp_path / ".tracker")
    assert read.experiment == "mnist" and read.note == "try" and read.params == {"lr": 1}
    assert read.tags == {"quick": "true", "group": "g"}
    assert list(read.series("loss").steps) == [0, 1, 2]
    for _ in range(2):  # begun, then gone on with
        tracker.init(id="mine", resume="allow")
        tracker.log({"loss": 1})
        tracker.finish(exit_code=3)
    read = tracker.run("mine")
    assert len(read.series("loss")) == 2
    assert (read.status, read.reason) == ("failed", "exit status 3")
    with pytest.raises(tracker.NotFound):
        tracker.init(id="other", resume="must")


def test_a_session_as_mlflow_users_type_it(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"w")
    (tmp_path / "log.txt").write_text("hello")
    with tracker.start_run("flow") as outer:
        assert tracker.log_param("lr", 0.1) == 0.1
        tracker.log_params({"depth": 3})
        for step in range(3):
            tracker.log_metric("loss", 1 / (step + 1))
            tracker.log_metrics({"acc": step / 3, "loss2": 1}, step=step * 10)
        tracker.set_tag("team", "vision")
        tracker.set_tags({"a": 1})
        tracker.log_artifact("log.txt", "logs")
        tracker.log_artifacts("model", "final")
        tracker.track_params({"more": 1})
        tracker.track_metrics({"m": 1})
        tracker.track_artifacts("log.txt")
        with tracker.start_run("trial") as inner:
            tracker.log_metric("loss", 9)
        assert tracker.active_run() is outer
    tracker.log_metric("alone", 1)  # starts a run, as there
    alone = tracker.active_run().id
    tracker.end_run("FAILED")
    read = tracker.run("flow")
    assert read.params == {"lr": 0.1, "depth": 3, "more": 1}
    assert list(read.series("loss").steps) == [0, 1, 2]
    assert list(read.series("acc").steps) == [0, 10, 20]
    assert read.tags == {"team": "vision", "a": "1"}
    assert sorted(read.artifacts) == ["final/weights.bin", "log.txt", "logs/log.txt"]
    read.get_artifact("logs/log.txt", tmp_path / "copy.txt")
    assert (tmp_path / "copy.txt").read_text() == "hello"
    assert tracker.run("trial").parent == outer.id and tracker.run(inner.id).metrics == {"loss": 9}
    assert tracker.run(alone).status == "failed"


def test_a_decorated_function_is_a_run_with_its_arguments():
    @tracker.track(experiment="e")
    def train(lr, depth=3, **more):
        tracker.log({"loss": lr})
        return depth

    assert train(0.5, seed=1) == 3
    read = tracker.run("train")
    assert read.params == {"lr": 0.5, "depth": 3, "more.seed": 1} and read.experiment == "e"

    @tracker.track
    def fails():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        fails()
    assert tracker.run("fails").status == "failed"


def test_threads_share_a_run():
    with tracker.start_run() as run:

        def work(name):
            for step in range(2_000):
                run.log({name: step}, step)
            run.log_series(f"{name}/series", range(2_000), numpy.arange(2_000.0))

        threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    read = tracker.run(run.id)
    for n in range(4):
        for name in (f"t{n}", f"t{n}/series"):
            assert list(read.series(name).values) == list(range(2_000))


def test_each_thread_logs_to_the_run_that_it_started():
    both = threading.Barrier(2)
    seen = {}

    def work(name):
        with tracker.start_run(name) as run:
            both.wait(60)
            seen[name] = tracker.active_run() is run
            tracker.log({name: 1})
            both.wait(60)

    def look():
        seen["look"] = tracker.active_run() is outer

    with tracker.start_run("outer") as outer:
        threads = [threading.Thread(target=work, args=(name,)) for name in ("first", "second")]
        threads.append(threading.Thread(target=look))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == {"first": True, "second": True, "look": True}
    for name in ("first", "second"):
        read = tracker.run(name)
        assert read.metrics == {name: 1} and read.parent == outer.id


def test_a_run_is_copied_and_pickled_as_itself():
    with tracker.start_run("whole") as run:
        assert copy.deepcopy([run])[0] is run and pickle.loads(pickle.dumps(run)) is run
        program = """
            import pickle, sys, tracker
            pickle.loads(bytes.fromhex(sys.argv[1])).log({"elsewhere": 1})
            """
        assert ended(start(program, pickle.dumps(run).hex()))[0] == 0
        assert tracker.run("whole").status == "running"
    assert tracker.run("whole").metrics == {"elsewhere": 1}


def test_which_way_is_better_is_said_once_for_the_store():
    for name, score, loss in (("low", 1, 2), ("high", 2, 1)):
        with tracker.start_run(name) as run:
            run.log({"score": score, "loss": loss})
            assert run.better("score", "min") == "min" and run.better("loss", "min") == "min"
            assert run.better("score", "max") == "min"  # what was said first stays
            with pytest.raises(ValueError, match="up"):
                run.better("score", "up")
    assert tracker.best("score").name == "low" and tracker.best("loss").name == "high"
    assert "low" in command("best", "score")
    with open(run.store / "tracker.toml") as file:
        assert "loss" not in file.read()  # its name says as much


def test_bad_input_is_named_and_loses_nothing():
    run = tracker.start_run(params={"lr": 1})
    run.log({"a": 1}, 0)
    for bad, kind, says in [
        ({"a": 2, "b": "text"}, TypeError, '"b" is a str'),
        ({"a": 2, "b": numpy.zeros(3)}, TypeError, "of shape (3,)"),
        ({"a": 2, "b": 10**400}, OverflowError, '"b" is too large'),
        ({"a": 2, 3: 1}, TypeError, "has 3"),
        ({"a": 2, "": 1}, tracker.Invalid, "empty"),
        ({"a": 2, "x": {"y": "z"}}, TypeError, '"x/y"'),
        ("a", TypeError, "wants a dict"),
    ]:
        with pytest.raises(kind) as raised:
            run.log(bad, 5)
        assert says in str(raised.value)
    for step in (1.5, "1", 2**64):
        with pytest.raises((TypeError, OverflowError), match="step"):
            run.log({"a": 2}, step)
    with pytest.raises(ValueError, match="3 steps and 2 values"):
        run.log_series("a", range(3), [1, 2])
    with pytest.raises(TypeError, match="2 dimensions"):
        run.log_series("a", range(3), numpy.zeros((3, 1)))
    with pytest.raises(tracker.ParamConflict, match="cannot become 2") as conflict:
        run.param("lr", 2)
    assert (conflict.value.key, conflict.value.old, conflict.value.new) == ("lr", "1", "2")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        run.artifact("nowhere")
    run.finish()
    for late in (lambda: run.log({"a": 2}), run.finish, lambda: run.param("x", 1)):
        with pytest.raises(tracker.Closed, match="has ended"):
            late()
    read = tracker.run(run.id)
    assert list(read.series("a").values) == [1] and read.params == {"lr": 1}
    with pytest.raises(ValueError, match="on_error"):
        tracker.start_run(on_error="ignore")
    with pytest.raises(tracker.StoreError, match="not a tracker store"):
        tracker.start_run(store=__file__)


def test_what_is_not_there_is_a_key_error_that_names_the_nearest():
    with pytest.raises(tracker.StoreError, match="not a tracker store"):
        tracker.runs()
    with tracker.start_run("resnet") as run:
        run.log({"val/loss": 1})
    with pytest.raises(KeyError, match='did you mean "val/loss"') as missing:
        tracker.run("resnet").series("val/los")
    assert isinstance(missing.value, tracker.NotFound) and missing.value.near == ["val/loss"]
    with pytest.raises(tracker.NotFound, match='did you mean "resnet"'):
        tracker.run("resnt")
    with pytest.raises(tracker.NotFound):
        tracker.best("accuracy")
    with pytest.raises(ValueError) as filtered:
        tracker.runs("params.lr <")
    assert isinstance(filtered.value, tracker.FilterError) and filtered.value.span == (11, 11)


def test_what_a_run_reads_and_makes_has_versions_and_types(store, tmp_path):
    (tmp_path / "data.csv").write_text("1")
    with tracker.start_run() as run:
        run.input(tmp_path / "data.csv", "data.csv", type="dataset")
        for text in ("a", "bb", "bb"):
            (tmp_path / "model.pt").write_text(text)
            run.artifact(tmp_path / "model.pt", type="model")
    read = tracker.run(run.id)
    model, data = read.artifacts["model.pt"], read.inputs["data.csv"]
    assert (model["version"], model["type"], model["bytes"]) == (1, "model", 2)
    assert (data["direction"], data["type"]) == ("input", "dataset")
    assert data["reference"] == str(tmp_path / "data.csv")
    read.get_artifact("model.pt@v0", tmp_path / "first.pt")
    assert (tmp_path / "first.pt").read_text() == "a"


def test_an_artifact_that_cannot_be_stored_is_an_error_and_logging_goes_on(store):
    with tracker.start_run() as run:
        (store / "blobs").rmdir()
        (store / "blobs").write_text("")
        with pytest.raises(tracker.StoreError):
            run.artifact_bytes("a", b"x")
        run.log({"a": 1})
    assert tracker.run(run.id).metrics == {"a": 1}


def test_nothing_is_said_uninvited(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with tracker.start_run() as run:
            run.log({"a": 1})
    assert capfd.readouterr() == ("", "")
