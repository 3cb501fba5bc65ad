"""scikit-learn: what its objects say is what the runs have."""

import json
import math
import warnings

import numpy
import pytest
from conftest import command

import tracker

pytest.importorskip("sklearn")

from sklearn.base import BaseEstimator  # noqa: E402
from sklearn.base import ClassifierMixin  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.experimental import enable_halving_search_cv  # noqa: E402, F401
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.linear_model import Ridge  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.model_selection import HalvingGridSearchCV  # noqa: E402
from sklearn.model_selection import RandomizedSearchCV  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.model_selection import cross_validate  # noqa: E402
from sklearn.pipeline import Pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer  # noqa: E402
from sklearn.preprocessing import MinMaxScaler  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.svm import SVC  # noqa: E402

from tracker.integrations.sklearn import log_cross_validation  # noqa: E402
from tracker.integrations.sklearn import log_estimator  # noqa: E402
from tracker.integrations.sklearn import log_scores  # noqa: E402
from tracker.integrations.sklearn import log_search  # noqa: E402

# The libraries warn of one another; of us nothing is to be heard.
pytestmark = pytest.mark.filterwarnings("default", "error::tracker.LoggingWarning")

RANDOM = numpy.random.default_rng(0)
X = RANDOM.normal(size=(120, 3))
Y = (X[:, 0] + RANDOM.normal(size=120) > 0).astype(int)


def test_params_of_pipelines_and_the_fitted_model():
    scale = ColumnTransformer([("num", StandardScaler(), [0, 2])], remainder=MinMaxScaler())
    model = Pipeline([("scale", scale), ("svm", SVC(C=10, class_weight={0: 1, 1: 2}))]).fit(X, Y)
    log_estimator(model, name="a", log_model=True)
    run = tracker.run("a")
    assert run.status == "completed"
    params = run.params
    assert params["estimator_name"] == "Pipeline" and params["svm"] == "SVC"
    assert params["steps"] == [["scale", "ColumnTransformer"], ["svm", "SVC"]]
    assert params["svm__C"] == 10 and params["svm__kernel"] == "rbf"
    assert params["svm__class_weight.1"] == 2
    assert params["scale__transformers"] == [["num", "StandardScaler", [0, 2]]]
    assert params["scale__num__with_mean"] is True and params["scale__remainder"] == "MinMaxScaler"
    import joblib

    run.get_artifact("model.joblib", "model.joblib")
    assert numpy.array_equal(joblib.load("model.joblib").predict(X), model.predict(X))


def test_a_given_run_is_left_open_and_what_cannot_be_kept_is_told():
    with tracker.start_run(params={"C": 1.0}) as run:
        log_estimator(SVC(C=1.0))  # the active one
        assert tracker.active_run() is run
        with pytest.warns(tracker.LoggingWarning, match="C"):
            log_estimator(SVC(C=2.0), run)
        unpicklable = FunctionTransformer(lambda x: x)
        with pytest.warns(tracker.LoggingWarning, match="not stored"):
            log_estimator(unpicklable, run, prefix="f", log_model="f.joblib")
    read = tracker.run(run.id)
    assert read.params["C"] == 1.0 and read.params["f.estimator_name"] == "FunctionTransformer"
    assert "lambda" in read.params["f.func"] and "0x" not in read.params["f.func"]
    with pytest.raises(TypeError, match="get_params"):
        log_estimator(SVC)
    with pytest.raises(TypeError, match="experimnt"):
        log_estimator(SVC(), experimnt="typo")
    assert len(tracker.runs()) == 1


def test_scores_and_cross_validation():
    model = LogisticRegression().fit(X, Y)
    with tracker.start_run(experiment="e") as run:
        assert log_scores(model, X, Y) == {"test/score": model.score(X, Y)}
        several = log_scores(model, X, Y, prefix="val", scoring=["f1", "neg_log_loss"], step=3)
        assert set(several) == {"val/f1", "val/neg_log_loss"}
        results = cross_validate(model, X, Y, cv=4, return_train_score=True)
        log_cross_validation(results, estimator=model)
    read = tracker.run(run.id)
    assert several.items() <= read.metrics.items()
    assert list(read.series("test_score").values) == list(results["test_score"])
    assert list(read.series("train_score").values) == list(results["train_score"])
    assert read.metrics["mean_test_score"] == results["test_score"].mean()
    assert read.metrics["std_test_score"] == results["test_score"].std()
    assert read.params["estimator_name"] == "LogisticRegression"
    scores = cross_val_score(SVC(C=1e-6), X, Y, cv=4)
    log_cross_validation(scores, estimator=SVC(C=1e-6), name="poor")
    assert tracker.run("poor").metrics["mean_test_score"] == scores.mean()
    assert tracker.best("mean_test_score").id == run.id


def test_a_grid_search_is_a_run_with_a_run_for_each_candidate():
    model = Pipeline([("scale", StandardScaler()), ("svm", SVC())])
    grid = [
        {"svm__C": [0.001, 1], "svm__kernel": ["rbf", "linear"]},
        {"svm": [LogisticRegression(C=0.5)], "svm__fit_intercept": [True, False]},
    ]
    search = GridSearchCV(model, grid, cv=3, return_train_score=True).fit(X, Y)
    ids = log_search(search, name="grid", experiment="e", log_model=True)
    results = search.cv_results_
    assert len(ids) == len(results["params"]) == 6
    for at, id in enumerate(ids):
        run = tracker.run(id)
        assert (run.name, run.experiment, run.status) == (f"grid-{at}", "e", "completed")
        for key in results:
            if key.startswith(("mean_", "std_", "rank_")):
                assert run.metrics[key] == results[key][at]
        for kind in ("test_score", "train_score"):
            splits = [results[f"split{split}_{kind}"][at] for split in range(3)]
            assert list(run.series(kind).values) == splits
    assert tracker.run(ids[0]).params == {"svm__C": 0.001, "svm__kernel": "rbf"}
    other = tracker.run(ids[4]).params
    assert other["svm"] == "LogisticRegression" and other["svm__C"] == 0.5
    assert other["svm__fit_intercept"] is True

    parent = tracker.run("grid")
    assert parent.status == "completed" and list(parent.artifacts) == ["model.joblib"]
    assert parent.metrics["best_score"] == search.best_score_
    assert parent.params["best_index"] == search.best_index_
    best = {key: parent.params[f"best_params.{key}"] for key in ("svm__C", "svm__kernel")}
    assert best == search.best_params_
    assert parent.tags["best_run"] == ids[search.best_index_]
    assert parent.params["estimator_name"] == "GridSearchCV"
    assert parent.params["estimator__svm__gamma"] == "scale"

    # Which one was best?
    (found,) = json.loads(command("best", "mean_test_score", "--format", "json"))
    assert found["id"] == ids[search.best_index_] and found["parent"] == parent.id
    listed = command(
        "query", f"parent = '{parent.id}'", "--sort", "-mean_test_score", "--format", "json"
    )
    means = [run["metrics"]["mean_test_score"]["last"] for run in json.loads(listed)]
    assert means == sorted(results["mean_test_score"], reverse=True)
    groups = command("query", "svm__kernel is not null", "--group-by", "svm__kernel")
    assert "rbf" in groups and "linear" in groups
    # Ranks are better small.
    assert f"{search.best_index_}" in command("best", "rank_test_score")


class Fragile(ClassifierMixin, BaseEstimator):
    """Cannot be fitted where it is told so, or to few samples."""

    def __init__(self, mode="good"):
        self.mode = mode

    def fit(self, X, y):
        if self.mode == "bad" or (self.mode == "some" and X[0, 0] == 0):
            raise RuntimeError("does not converge")
        self.classes_ = numpy.unique(y)
        return self

    def predict(self, X):
        return numpy.full(len(X), self.classes_[0])


def test_candidates_that_fail_are_failed():
    rows = X.copy()
    rows[0, 0] = 0  # in the training set of all splits but the first
    search = GridSearchCV(Fragile(), {"mode": ["bad", "good", "some"]}, cv=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(rows, Y)
    with tracker.start_run("outer") as outer:
        bad, good, some = map(tracker.run, log_search(search))
        assert tracker.active_run() is outer
    assert bad.parent == good.parent == outer.id
    assert [bad.status, good.status, some.status] == ["failed", "completed", "failed"]
    assert "split 0, 1, 2" in bad.reason and "split 1, 2" in some.reason
    assert math.isnan(bad.metrics["mean_test_score"])
    assert tracker.best("mean_test_score").id == good.id


def test_random_halving_and_multi_metric_searches():
    stats = pytest.importorskip("scipy.stats")
    random = RandomizedSearchCV(
        LogisticRegression(),
        {"C": stats.loguniform(0.01, 10)},
        n_iter=3,
        scoring={"acc": "accuracy", "loss": "neg_log_loss"},
        refit=False,
        cv=3,
        random_state=0,
    ).fit(X, Y)
    ids = log_search(random, name="random")
    parent = tracker.run("random")
    means = list(random.cv_results_["mean_test_loss"])
    assert parent.params["param_distributions.C"] == "loguniform(0.01, 10)"
    assert parent.metrics["best_test_loss"] == max(means)
    assert "best_score" not in parent.metrics and "best_run" not in parent.tags
    # Scores of scikit-learn are better large, though this one is called a loss.
    assert ids[means.index(max(means))][:8] in command("best", "mean_test_loss")

    halving = HalvingGridSearchCV(Ridge(), {"alpha": [0.1, 1, 10, 100]}, cv=3, random_state=0)
    halving.fit(X, X[:, 0])
    ids = log_search(halving, name="halving")
    runs = [tracker.run(id) for id in ids]
    assert [run.params["iter"] for run in runs] == list(halving.cv_results_["iter"])
    resources = [run.params["n_resources"] for run in runs]
    assert resources == list(halving.cv_results_["n_resources"]) and len(set(resources)) > 1
    assert tracker.run("halving").tags["best_run"] == ids[halving.best_index_]


def test_a_search_that_is_not_fitted_is_told():
    with pytest.raises(ValueError, match="fit it first"):
        log_search(GridSearchCV(SVC(), {}))
    with pytest.raises(TypeError, match="wants a search"):
        log_search(SVC())
    assert tracker.active_run() is None
