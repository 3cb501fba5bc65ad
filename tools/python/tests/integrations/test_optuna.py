"""Optuna: each trial is a run that says what the study says of it."""

import json
import threading

import pytest
from conftest import command

import tracker

optuna = pytest.importorskip("optuna")

from tracker.integrations.optuna import TrackerCallback  # noqa: E402

# The libraries warn of one another; of us nothing is to be heard.
pytestmark = pytest.mark.filterwarnings("default", "error::tracker.LoggingWarning")

optuna.logging.set_verbosity(optuna.logging.ERROR)


def study(**options):
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), **options)


def runs_of(parent):
    """Runs of trials by number."""
    found = tracker.runs(f"parent = '{parent.id}'", store=parent.store)
    return {int(run.tags["trial"]): run for run in found}


def test_trials_are_runs_and_the_best_is_found():
    def objective(trial):
        x = trial.suggest_float("x", -1, 1)
        kind = trial.suggest_categorical("kind", ["a", "b", None])
        trial.set_user_attr("note", f"x is {x:.1f}")
        for step in range(5):
            trial.report(x * step, step)
        return x * x + (kind == "a")

    searched = study(study_name="s")
    with TrackerCallback(name="search", experiment="e") as callback:
        searched.optimize(objective, n_trials=8, callbacks=[callback])
    parent = tracker.run("search")
    assert (parent.status, parent.experiment) == ("completed", "e")
    assert parent.params["sampler"] == "RandomSampler" and parent.params["study"] == "s"
    assert parent.params["directions"] == ["minimize"]
    runs = runs_of(parent)
    assert len(runs) == 8
    for trial in searched.trials:
        run = runs[trial.number]
        assert (run.status, run.experiment, run.tags["state"]) == ("completed", "e", "complete")
        assert run.params == {key: "null" if v is None else v for key, v in trial.params.items()}
        assert run.metrics["value"] == trial.value and run.tags["note"] == trial.user_attrs["note"]
        reported = list(trial.intermediate_values.items())
        assert list(zip(*run.series("intermediate_value"))) == reported
    best = runs[searched.best_trial.number]
    assert parent.metrics["best_value"] == searched.best_value
    assert parent.tags["best_run"] == best.id
    assert parent.tags["best_trial"] == str(searched.best_trial.number)
    # The study says which way is better.
    (found,) = json.loads(command("best", "value", "--format", "json"))
    assert found["id"] == best.id


def test_what_the_objective_logs_goes_to_the_run_of_its_trial_in_threads_too():
    callback = TrackerCallback()
    together = threading.Barrier(3)

    @callback.track_in_run()
    def objective(trial):
        assert "objective" in objective.__qualname__
        x = trial.suggest_int("x", 0, 100)
        if trial.number < 3:
            together.wait(60)  # three trials at once
        for step in range(50):
            tracker.log({"loss": x + step})
        with tracker.start_run("inner") as inner:
            inner.log({"x": x})
        tracker.set_tag("who", trial.number)
        return x

    with tracker.start_run("outer") as outer:
        searched = study(direction="maximize")
        searched.optimize(objective, n_trials=12, n_jobs=3, callbacks=[callback])
        assert tracker.active_run() is outer
    runs = runs_of(outer)
    assert sorted(runs) == list(range(12))
    for trial in searched.trials:
        run = runs[trial.number]
        assert run.status == "completed" and run.tags["who"] == str(trial.number)
        assert list(run.series("loss").values) == [trial.params["x"] + at for at in range(50)]
        assert run.metrics["value"] == trial.value
        (inner,) = tracker.runs(f"parent = '{run.id}'")
        assert inner.metrics == {"x": trial.params["x"]}
    assert tracker.run("outer").metrics == {"best_value": searched.best_value}
    steps, values = tracker.run("outer").series("best_value")
    assert len(steps) == 12 and len(set(steps)) == 12 and list(values) == sorted(values)
    assert tracker.best("value").metrics["value"] == searched.best_value


@pytest.mark.parametrize("is_tracked", [True, False])
def test_pruned_and_failed_trials_are_told(is_tracked):
    callback = TrackerCallback(name="search")

    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        trial.report(x, 3)
        trial.report(x, 7)
        if trial.number == 0:
            raise optuna.TrialPruned
        if trial.number == 1:
            raise RuntimeError("no memory")
        if trial.number == 2:
            return float("nan")
        if trial.number == 3:
            return "text"
        if trial.number == 5:
            raise KeyError("ends the study")
        return x

    if is_tracked:
        objective = callback.track_in_run(objective)
    searched = study()
    with pytest.raises(KeyError), callback:
        searched.optimize(objective, n_trials=9, catch=(RuntimeError,), callbacks=[callback])
    parent = tracker.run("search")
    assert parent.status == "failed" and "ends the study" in parent.reason
    runs = runs_of(parent)
    # Of a trial whose error leaves `optimize` no callback is told.
    assert sorted(runs) == list(range(6 if is_tracked else 5))
    for trial in searched.trials[: len(runs)]:
        run = runs[trial.number]
        assert run.tags["state"] == trial.state.name.lower()
        assert run.status == ("completed" if trial.number == 4 else "failed")
        assert run.params == trial.params
        assert list(run.series("intermediate_value").steps) == [3, 7]
    assert runs[0].reason == "pruned at step 7" and "value" not in runs[0].metrics
    if is_tracked:
        assert runs[1].reason.startswith("RuntimeError: no memory")
        assert runs[2].reason == "the objective returned NaN"
        assert runs[3].reason == "the objective returned 'text', which is no number"
        assert runs[5].reason.startswith("KeyError")


def test_several_objectives_and_names():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        return x, 1 - x

    with TrackerCallback(name="search", metric_name=["cost", "gain"]) as callback:
        searched = study(directions=["minimize", "maximize"])
        searched.optimize(objective, n_trials=4, callbacks=[callback])
    parent = tracker.run("search")
    for trial in searched.trials:
        run = runs_of(parent)[trial.number]
        assert [run.metrics["cost"], run.metrics["gain"]] == trial.values
    front = sorted(trial.number for trial in searched.best_trials)
    assert parent.tags["best_trials"] == ", ".join(map(str, front))
    assert tracker.best("cost").metrics["cost"] == min(t.values[0] for t in searched.trials)

    # Two studies that want the opposite of one name cannot both be remembered.
    with TrackerCallback(metric_name="cost") as callback, pytest.warns(
        tracker.LoggingWarning, match="tracker best cost --max"
    ):
        study(direction="maximize").optimize(
            lambda trial: trial.suggest_float("x", 0, 1), n_trials=2, callbacks=[callback]
        )


def test_wrong_options_are_told_at_once():
    with pytest.raises(TypeError, match="experimnt"):
        TrackerCallback(experimnt="typo")
    with pytest.raises(TypeError, match="metric_name"):
        TrackerCallback(metric_name=[1])
