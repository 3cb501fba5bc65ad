"""Keras: the history is what the run has, on each backend."""

import os
import subprocess
import sys
import textwrap

import numpy
import pytest

import tracker

if "KERAS_BACKEND" not in os.environ:
    os.environ["KERAS_BACKEND"] = "torch"  # without tensorflow Keras wants to be told

keras = pytest.importorskip("keras")

from tracker.integrations.keras import TrackerCallback  # noqa: E402

# The libraries warn of one another; of us nothing is to be heard.
pytestmark = pytest.mark.filterwarnings("default", "error::tracker.LoggingWarning")

RANDOM = numpy.random.default_rng(0)
X = RANDOM.normal(size=(64, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")


def build(**options):
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1, "sigmoid")], **options)
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model


def the_history_is_in_the_run(run, history):
    assert set(history) <= set(run.metrics)
    for name, values in history.items():
        steps, logged = run.series(name)
        assert list(steps) == list(range(len(values))) and list(logged) == values


def test_a_fit_logs_params_epochs_batches_summary_and_model():
    model = build(name="net")
    callback = TrackerCallback(name="a", log_batches=True, log_model=True)
    history = model.fit(
        X, Y, epochs=3, batch_size=16, validation_split=0.25, callbacks=[callback], verbose=0
    ).history
    run = tracker.run("a")
    assert run.status == "completed" and tracker.active_run() is None
    the_history_is_in_the_run(run, history)
    assert run.params["epochs"] == 3 and run.params["batch_size"] == 16
    assert run.params["steps_per_epoch"] == 3 and run.params["loss"] == "binary_crossentropy"
    assert run.params["optimizer"] == "Adam" and run.params["optimizer.beta_1"] == 0.9
    assert run.params["model.name"] == "net" and run.params["model.class"] == "Sequential"
    assert list(run.series("batch/loss").steps) == list(range(9))
    assert list(run.series("learning_rate").values) == [float(numpy.float32(0.01))] * 3
    run.get_artifact("model.txt", "model.txt")
    with open("model.txt") as file:
        assert "net" in file.read()
    run.get_artifact("model.keras", "model.keras")
    loaded = keras.saving.load_model("model.keras")
    assert numpy.array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_run_that_is_there_is_left_open_and_a_second_fit_warns_once_of_its_params():
    model = build()
    with tracker.start_run() as run:
        callback = TrackerCallback(log_batches=2, log_summary=False)
        model.fit(X, Y, epochs=2, batch_size=32, callbacks=[callback], verbose=0)
        assert tracker.active_run() is run
        with pytest.warns(tracker.LoggingWarning, match="epochs"):
            model.fit(
                X, Y, epochs=4, initial_epoch=2, batch_size=32, callbacks=[callback], verbose=0
            )
    read = tracker.run(run.id)
    assert list(read.series("loss").steps) == [0, 1, 2, 3]
    assert list(read.series("batch/loss").steps) == [0, 0, 2, 2]
    assert read.params["epochs"] == 2 and read.params["model.weights"] == 19
    assert read.artifacts == {}


class Fails(keras.callbacks.Callback):
    """Ends a training in its second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise RuntimeError("out of luck")


def test_a_fit_that_raises_is_failed():
    def fit(callback):
        with pytest.raises(RuntimeError, match="luck"):
            build().fit(X, Y, epochs=3, callbacks=[callback, Fails()], verbose=0)

    with pytest.raises(RuntimeError), TrackerCallback(name="a") as callback:
        build().fit(X, Y, epochs=3, callbacks=[callback, Fails()], verbose=0)
    run = tracker.run("a")
    assert run.status == "failed" and run.reason.startswith("RuntimeError: out of luck")
    assert len(run.series("loss")) == 1
    kept = TrackerCallback(name="kept")
    fit(kept)
    fit(TrackerCallback(name="next"))
    assert tracker.run("kept").status == "failed" and tracker.run("next").parent is None
    with pytest.raises(TypeError, match="experimnt"):
        TrackerCallback(experimnt="typo")


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_each_backend(backend):
    pytest.importorskip(backend)
    program = """
        import keras, numpy
        from tracker.integrations.keras import TrackerCallback

        inputs = keras.layers.Input((4,))
        model = keras.Model(inputs, [keras.layers.Dense(1, name="a")(inputs)])
        rate = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
        model.compile(keras.optimizers.SGD(rate), keras.losses.Huber())
        x = numpy.random.default_rng(0).normal(size=(32, 4))
        callback = TrackerCallback(log_batches=True)
        history = model.fit(x, x.sum(1), epochs=2, batch_size=8, callbacks=[callback], verbose=0)
        print(keras.backend.backend(), history.history["loss"][-1].hex())
        """
    printed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "KERAS_BACKEND": backend},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    run = tracker.run("@last")
    assert printed == [backend, float(run.metrics["loss"]).hex()]
    assert run.status == "completed" and len(run.series("batch/loss")) == 8
    assert run.params["loss"] == "Huber" and run.params["batch_size"] == 8
    rates = run.series("learning_rate").values
    assert rates == pytest.approx([0.1 * 0.5**2, 0.1 * 0.5**4])
    assert run.params["optimizer.learning_rate.config.initial_learning_rate"] == 0.1
