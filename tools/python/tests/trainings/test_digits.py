"""A real training: many models of the digits as runs, and what `tracker` then says of them."""

import json
import os
import statistics
import subprocess
import sys

import pytest
from conftest import command

import tracker

pytest.importorskip("sklearn")

import joblib  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402


def asked(*arguments):
    return json.loads(command(*arguments, "--format", "json"))


def test_models_of_digits_are_compared_by_the_command():
    program = os.path.join(os.path.dirname(__file__), "digits.py")
    subprocess.run([sys.executable, program], check=True)

    listed = asked("ls", "--experiment", "digits")
    assert len(listed) == 8 and {run["status"] for run in listed} == {"completed"}
    accuracy = {run["name"]: run["metrics"]["val/accuracy"]["last"] for run in listed}
    for run in tracker.runs("experiment = 'digits'"):
        for metric in ("val/loss", "val/accuracy", "train/accuracy"):
            assert list(run.series(metric).steps) == list(range(12))

    # The best, and that it is what its model says.
    (best,) = asked("best", "val/accuracy")
    assert best["name"] == max(accuracy, key=accuracy.get) and best["name"].startswith("network-64")
    assert accuracy[best["name"]] > 0.95
    tracker.run(best["id"]).get_artifact("model.joblib", "model.joblib")
    X, y = load_digits(return_X_y=True)
    _, X_val, _, y_val = train_test_split(X / 16, y, test_size=0.3, random_state=0)
    assert joblib.load("model.joblib").score(X_val, y_val) == accuracy[best["name"]]

    # Side by side: what differs, and who is better.
    shown = command("compare", "network-4-0", "network-64-0").splitlines()
    (params,) = [line.split() for line in shown if line.startswith("param ")]
    assert params == ["param", "hidden_layer_sizes", "[4]", "[64]"]
    for line in shown:
        if line.startswith("last "):
            assert line.endswith(" *"), line  # the wider one, by accuracy and by loss

    # Grouped: by the kind of model, and over seeds.
    groups = asked("query", "experiment = 'digits'", "--group-by", "estimator_name")
    told = {group["group"]["params.estimator_name"]: group for group in groups}
    for kind, start in (("MLPClassifier", "network"), ("SGDClassifier", "linear")):
        scores = [accuracy[name] for name in accuracy if name.startswith(start)]
        of_kind = told[kind]["values"]["metrics.val/accuracy"]
        assert of_kind["n"] == len(scores) == 4
        assert of_kind["mean"] == pytest.approx(statistics.mean(scores))
        assert of_kind["std"] == pytest.approx(statistics.stdev(scores))
    (group,) = asked("best", "val/accuracy", "--over", "random_state")
    seeds = [accuracy[f"network-64-{seed}"] for seed in (0, 1)]
    assert group["values"]["metrics.val/accuracy"]["mean"] == pytest.approx(statistics.mean(seeds))

    # The search: its candidates, and the one that won.
    (winner,) = asked("best", "mean_test_score", "--filter", "experiment = 'digits-svm'")
    parent = tracker.run("svm")
    assert winner["id"] == parent.tags["best_run"] and winner["parent"] == parent.id
    candidates = asked("query", f"parent = '{parent.id}'", "--sort", "-mean_test_score")
    assert [run["id"] for run in candidates][0] == winner["id"] and len(candidates) == 4
