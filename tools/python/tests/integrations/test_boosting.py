"""XGBoost and LightGBM: what they report is what the run has, however a training ends."""

import contextlib
import copy
import gc
import pickle

import numpy
import pytest
from conftest import command
from conftest import ended
from conftest import start

import tracker

# The libraries warn of one another; of us nothing is to be heard.
pytestmark = pytest.mark.filterwarnings("default", "error::tracker.LoggingWarning")

X, Y = None, None


@pytest.fixture(scope="module", autouse=True)
def data():
    global X, Y
    random = numpy.random.default_rng(0)
    X = random.normal(size=(200, 4))
    Y = (X[:, 0] + 0.5 * random.normal(size=200) > 0).astype(int)


def values(run, metric):
    return list(tracker.run(run.id).series(metric).values)


def only_run():
    (run,) = tracker.runs()
    return run


@pytest.fixture
def xgb():
    return pytest.importorskip("xgboost")


@pytest.fixture
def xgb_callback(xgb):
    from tracker.integrations.xgboost import TrackerCallback

    return TrackerCallback


@pytest.fixture
def lgb():
    return pytest.importorskip("lightgbm")


@pytest.fixture
def lgb_callback(lgb):
    from tracker.integrations.lightgbm import TrackerCallback

    return TrackerCallback


XGB = {"objective": "binary:logistic", "eta": 0.3, "eval_metric": ["auc", "logloss"]}


def test_xgboost_train_logs_params_each_round_best_model_and_importance(xgb, xgb_callback):
    train, test = xgb.DMatrix(X[:150], Y[:150]), xgb.DMatrix(X[150:], Y[150:])
    history = {}
    model = xgb.train(
        {**XGB, "max_depth": 4},
        train,
        200,
        evals=[(train, "train"), (test, "test")],
        early_stopping_rounds=5,
        evals_result=history,
        verbose_eval=False,
        callbacks=[
            xgb_callback(name="a", tags={"t": 1}, log_model=True, log_importance="metrics")
        ],
    )
    run = only_run()
    assert (run.name, run.status, run.tags) == ("a", "completed", {"t": "1"})
    assert run.params["eta"] == 0.3 and run.params["max_depth"] == 4
    assert run.params["reg_lambda"] == 1 and run.params["objective"] == "binary:logistic"
    assert run.params["eval_metric"] == ["auc", "logloss"]
    assert 5 < len(history["test"]["logloss"]) < 200
    for name in ("train", "test"):
        for metric in ("auc", "logloss"):
            assert values(run, f"{name}/{metric}") == history[name][metric]
    assert run.metrics["best_iteration"] == model.best_iteration
    assert run.metrics["best_score"] == model.best_score
    gains = {f"importance/{name}": gain for name, gain in model.get_score("", "gain").items()}
    assert gains and gains.items() <= run.metrics.items()
    run.get_artifact("model.ubj", "model.ubj")
    loaded = xgb.Booster(model_file="model.ubj")
    assert numpy.array_equal(loaded.predict(test), model.predict(test))


def test_xgboost_rounds_survive_a_callback_that_stops_first(xgb, xgb_callback):
    train, test = xgb.DMatrix(X[:150], Y[:150]), xgb.DMatrix(X[150:], Y[150:])
    history = {}
    stop = xgb.callback.EarlyStopping(rounds=3, save_best=True)
    with tracker.start_run() as run:
        model = xgb.train(
            XGB,
            train,
            200,
            evals=[(test, "test")],
            evals_result=history,
            verbose_eval=False,
            callbacks=[stop, xgb_callback(log_model="m.json", log_importance="artifact")],
        )
        assert tracker.active_run() is run  # it is left open
    assert values(run, "test/logloss") == history["test"]["logloss"]
    read = tracker.run(run.id)
    assert sorted(read.artifacts) == ["importance.json", "m.json"]
    read.get_artifact("m.json", "m.json")
    assert xgb.Booster(model_file="m.json").num_boosted_rounds() == model.best_iteration + 1


def test_xgboost_cv_logs_mean_and_deviation(xgb, xgb_callback):
    history = xgb.cv(
        XGB, xgb.DMatrix(X, Y), 8, nfold=4, as_pandas=False, callbacks=[xgb_callback()]
    )
    run = only_run()
    assert run.status == "completed" and run.params["nfold"] == 4
    for name in ("train", "test"):
        assert values(run, f"{name}/auc") == history[f"{name}-auc-mean"]
        assert values(run, f"{name}/auc_std") == history[f"{name}-auc-std"]


def test_xgboost_estimators_are_cloned_and_pickled_with_their_callback(xgb, xgb_callback):
    model_selection = pytest.importorskip("sklearn.model_selection")
    model = xgb.XGBClassifier(n_estimators=5, callbacks=[xgb_callback(experiment="grid")])
    search = model_selection.GridSearchCV(model, {"max_depth": [1, 2]}, cv=2, refit=False, n_jobs=2)
    search.fit(X, Y)
    runs = tracker.runs("experiment = 'grid'")
    assert sorted(run.params["max_depth"] for run in runs) == [1, 1, 2, 2]
    assert {run.status for run in runs} == {"completed"}
    model.fit(X, Y, eval_set=[(X, Y)], verbose=False)
    history = model.evals_result()["validation_0"]["logloss"]
    assert values(tracker.run("@last"), "validation_0/logloss") == history
    assert pickle.loads(pickle.dumps(model)).predict(X).shape == (200,)


class Fails:
    """An objective that fails in the third round."""

    def __init__(self):
        self.rounds = 0

    def __call__(self, predictions, data):
        self.rounds += 1
        if self.rounds == 3:
            raise RuntimeError("out of luck")
        return predictions - data.get_label(), numpy.ones_like(predictions)


def test_a_training_that_raises_is_failed(xgb, xgb_callback, lgb, lgb_callback):
    def train_xgb(callback):
        train = xgb.DMatrix(X, Y)
        xgb.train({}, train, 9, evals=[(train, "t")], obj=Fails(), callbacks=[callback])

    def train_lgb(callback):
        data = lgb.Dataset(X, Y)
        lgb.train({"objective": Fails(), "verbosity": -1}, data, 9, callbacks=[callback])

    for train, kind in ((train_xgb, xgb_callback), (train_lgb, lgb_callback)):
        with pytest.raises(RuntimeError, match="luck"), kind() as callback:
            train(callback)
        run = tracker.run("@last")
        assert run.status == "failed" and run.reason.startswith("RuntimeError: out of luck")

        with contextlib.suppress(RuntimeError):
            train(kind())
        gc.collect()
        assert tracker.run("@last").status == "failed" and tracker.active_run() is None

        kept = kind()  # an estimator keeps its callbacks
        with contextlib.suppress(RuntimeError):
            train(kept)
        failed = tracker.run("@last")
        with contextlib.suppress(RuntimeError):
            train(kind())
        assert tracker.run("@last").id != failed.id
        assert tracker.run(failed.id).status == "failed" and kept is not None


LGB = {"objective": "binary", "metric": ["auc", "binary_logloss"], "verbosity": -1, "num_leaves": 7}


@pytest.mark.parametrize("where", ["own", "given", "active"])
def test_lightgbm_train_logs_each_round_and_where_it_stopped(lgb, lgb_callback, where):
    history = {}
    train = lgb.Dataset(X[:150], Y[:150])
    test = lgb.Dataset(X[150:], Y[150:], reference=train)

    def fit(**options):
        kept = lgb_callback(log_model=True, log_importance="metrics", **options)
        return lgb.train(
            LGB,
            train,
            300,
            valid_sets=[train, test],
            callbacks=[lgb.early_stopping(5, verbose=False), lgb.record_evaluation(history), kept],
        ), (kept if where == "active" else None)

    if where == "own":
        model, _ = fit(experiment="e")
    else:
        with tracker.start_run(experiment="e") as run:
            model, _kept = fit(**({"run": run} if where == "given" else {}))
            assert tracker.active_run() is run
    run = only_run()
    assert (run.status, run.experiment) == ("completed", "e")
    assert run.params["num_leaves"] == 7 and run.params["num_boost_round"] == 300
    assert 5 < len(history["valid_1"]["auc"]) < 300
    for data, metrics in history.items():
        for metric, scores in metrics.items():
            assert values(run, f"{data}/{metric}") == scores
    assert run.metrics["best_iteration"] == model.best_iteration > 0
    assert run.metrics["best_score/valid_1/auc"] == model.best_score["valid_1"]["auc"]
    gains = model.feature_importance("gain")
    assert [run.metrics[f"importance/Column_{at}"] for at in range(4)] == list(gains)
    run.get_artifact("model.txt", "model.txt")
    loaded = lgb.Booster(model_file="model.txt")
    assert numpy.array_equal(loaded.predict(X), model.predict(X))


def test_lightgbm_cv_and_estimators(lgb, lgb_callback):
    with lgb_callback(name="cv") as callback:
        history = lgb.cv(
            LGB, lgb.Dataset(X, Y), 8, nfold=3, callbacks=[callback], eval_train_metric=True
        )
    run = tracker.run("cv")
    assert run.status == "completed" and run.params["nfold"] == 3
    for data in ("train", "valid"):
        assert values(run, f"{data}/auc") == history[f"{data} auc-mean"]
        assert values(run, f"{data}/auc_std") == history[f"{data} auc-stdv"]
    model = lgb.LGBMRegressor(n_estimators=6, verbosity=-1)
    callback = lgb_callback()
    for alpha in (0.0, 1.0):  # one callback for two trainings: two runs
        model.set_params(reg_alpha=alpha)
        model.fit(X[:150], Y[:150], eval_set=[(X, Y)], callbacks=[callback])
        assert tracker.active_run() is None
    runs = tracker.runs("reg_alpha is not null", sort="reg_alpha")
    assert [(run.params["reg_alpha"], run.status) for run in runs] == [
        (0.0, "completed"),
        (1.0, "completed"),
    ]
    assert values(runs[1], "valid_0/l2") == model.evals_result_["valid_0"]["l2"]
    assert runs[1].metrics["valid_0/l2"] > runs[0].metrics["valid_0/l2"]
    # LightGBM says which way is better.
    assert runs[0].id[:8] in command("best", "valid_0/l2")
    assert copy.deepcopy(callback) is not callback


def test_the_end_of_the_program_ends_what_is_left(xgb_callback, lgb_callback):
    program = """
        import contextlib, numpy, sys, lightgbm, xgboost
        from tracker.integrations import lightgbm as lgb, xgboost as xgb

        X = numpy.random.default_rng(0).normal(size=(200, 2))
        Y = X[:, 0] + numpy.random.default_rng(1).normal(size=200)
        stopped = lgb.TrackerCallback(name="stopped")  # and so kept to the end
        data, other = lightgbm.Dataset(X[:99], Y[:99]), lightgbm.Dataset(X[99:], Y[99:])
        params = {"verbosity": -1, "early_stopping_round": 3}
        lightgbm.train(params, data, 500, valid_sets=[other], callbacks=[stopped])
        stopped.finish() if sys.argv[1] == "by hand" else None

        def fails(predictions, data):
            raise RuntimeError("out of luck")

        left = xgb.TrackerCallback(name="left")
        data = xgboost.DMatrix(X, Y)
        with contextlib.suppress(RuntimeError if sys.argv[1] == "caught" else KeyError):
            xgboost.train({}, data, 9, obj=fails, callbacks=[left])
        """
    for how, reason in (("caught", "before its end"), ("by hand", "RuntimeError: out of luck")):
        ended(start(program, how))
        left, stopped = tracker.runs(limit=2)
        assert (left.name, left.status, stopped.name) == ("left", "failed", "stopped")
        assert reason in left.reason
        assert stopped.status == "completed" and 0 < stopped.metrics["best_iteration"] < 500


def test_wrong_options_are_told_at_once(xgb_callback, lgb_callback):
    for kind in (xgb_callback, lgb_callback):
        with pytest.raises(TypeError, match="experimnt"):
            kind(experimnt="typo")
        with pytest.raises(ValueError, match="log_importance"):
            kind(log_importance="yes")
    assert tracker.active_run() is None
