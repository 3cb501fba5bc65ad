"""`SummaryWriter` keeps what torch's own is given, in a run."""

import inspect
import io
import json
import pickle
import wave

import pytest
from conftest import command
from conftest import ended
from conftest import start

import tracker
from tracker.integrations._sink import Sink
from tracker.integrations.tensorboard import SummaryWriter

numpy = pytest.importorskip("numpy")


def parameters(method):
    return list(inspect.signature(method).parameters.values())


@pytest.mark.parametrize("module", ["torch.utils.tensorboard", "tensorboardX"])
def test_every_method_takes_what_the_other_writers_take(module):
    """Names and positions of torch's; what tensorboardX names otherwise goes by position."""
    theirs = pytest.importorskip(module).SummaryWriter
    names = [name for name in dir(theirs) if not name.startswith("_")]
    methods = [name for name in names if callable(getattr(theirs, name))]
    assert len(methods) > 20
    for name in [*methods, "__init__", "__enter__", "__exit__"]:
        wanted, own = parameters(getattr(theirs, name)), parameters(getattr(SummaryWriter, name))
        wanted = [one for one in wanted if one.kind is not one.VAR_KEYWORD]
        if module == "tensorboardX":
            renamed = {("__init__", "logdir"), ("add_hparams", "name")}
            renamed |= {("add_onnx_graph", "onnx_model_file"), ("__init__", "comet_config")}
            wanted = [one for one in wanted if (name, one.name) not in renamed]
            if name == "__init__":
                wanted = [one for one in wanted if one.name not in ("log_dir", "write_to_disk")]
            assert {one.name for one in wanted} <= {one.name for one in own}, name
            continue
        assert [one.name for one in own[: len(wanted)]] == [one.name for one in wanted], name
        assert [one.default for one in own[: len(wanted)]] == [one.default for one in wanted], name


def test_scalars_are_the_numbers_that_tensorboard_would_have(tmp_path):
    torch = pytest.importorskip("torch")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    theirs = pytest.importorskip("torch.utils.tensorboard").SummaryWriter

    def train(writer):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(20):
            loss = model(torch.ones(4, 3)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            writer.add_scalar("train/loss", loss, step, walltime=1_700_000_000.25 + step)
            writer.add_scalars("norms", {"w": model.weight.norm(), "b": model.bias.norm()}, step)
        writer.close()

    train(theirs(str(tmp_path / "events")))
    train(SummaryWriter("runs/first", experiment="e", params={"lr": 0.1}))
    events = accumulator.EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    run = tracker.run("first")
    assert (run.status, run.experiment, run.params) == ("completed", "e", {"lr": 0.1})
    assert set(run.metrics) == {"train/loss", "norms/w", "norms/b"}
    series, wanted = run.series("train/loss"), events.Scalars("train/loss")
    assert list(series.steps) == [event.step for event in wanted]
    assert list(series.values) == [event.value for event in wanted]
    times = series.times.astype("int64") / 1e6
    assert list(times) == [event.wall_time for event in wanted]
    assert "first" in command("best", "train/loss")


def test_all_that_is_no_number_is_a_file_that_opens():
    pil = pytest.importorskip("PIL.Image")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    generator = numpy.random.default_rng(0)
    image = generator.integers(0, 256, (3, 5, 7), numpy.uint8)
    with pytest.warns(tracker.LoggingWarning) as told, SummaryWriter() as writer:
        run = writer.run
        for kind in (image, image / 255.0, image.transpose(1, 2, 0)):
            writer.add_image("x", kind, dataformats="CHW" if kind.shape[0] == 3 else "HWC")
        writer.add_images("batch", numpy.stack([image] * 9), 4)
        writer.add_image_with_boxes("boxed", image, numpy.array([[1, 1, 4, 3]]), rescale=2)
        figure = pyplot.figure()
        writer.add_figure("plot", figure, 2)
        assert not pyplot.fignum_exists(figure.number)
        writer.add_video("film", generator.random((2, 6, 3, 8, 8)), 1, fps=10)
        sound = numpy.sin(numpy.arange(800) / 8)
        writer.add_audio("beep", sound[None], 3, sample_rate=8_000)
        writer.add_text("words", "**bold** ü", 0)
        writer.add_text("words", "again", 0)
        writer.add_tensor("raw", generator.random((2, 3)), 0)
        points = (numpy.eye(3), ["a", "b\tc", "d"], numpy.stack([image] * 3))
        writer.add_embedding(*points, 5, "points")
        writer.add_mesh("body", numpy.eye(3)[None], numpy.eye(3)[None], numpy.array([[[0, 1, 2]]]))
        writer.add_graph("Linear(3, 1)")
        writer.add_custom_scalars_marginchart(["a", "b", "c"])
        writer.add_text("../up/./\n", "stays inside", 0)
    read = tracker.run(run.id)
    assert {warning.category for warning in told} == {tracker.LoggingWarning}

    def data(name):
        read.get_artifact(name, "out")
        with open("out", "rb") as file:
            return file.read()

    for step in range(3):
        stored = numpy.asarray(pil.open(io.BytesIO(data(f"x/{step}.png"))))
        assert (stored == image.transpose(1, 2, 0)).all()
    assert pil.open(io.BytesIO(data("batch/4.png"))).size == (8 * 7, 2 * 5)
    assert pil.open(io.BytesIO(data("boxed/0.png"))).size == (14, 10)
    assert pil.open(io.BytesIO(data("plot/2.png"))).size == (640, 480)
    film = pil.open(io.BytesIO(data("film/1.gif")))
    assert (film.n_frames, film.size, film.info["duration"]) == (6, (16, 8), 100)
    with wave.open(io.BytesIO(data("beep/3.wav"))) as beep:
        assert beep.getparams()[:4] == (1, 2, 8_000, 800)
        frames = numpy.frombuffer(beep.readframes(800), "<i2")
    assert numpy.abs(frames / 32_767 - sound).max() < 1e-4
    assert data("words/0.md").decode() == "**bold** ü" and data("words/0.2.md") == b"again"
    assert numpy.load(io.BytesIO(data("raw/0.npy"))).shape == (2, 3)
    assert data("points/5/tensors.tsv").count(b"\n") == 3
    assert data("points/5/metadata.tsv") == b"a\nb c\nd\n"
    assert pil.open(io.BytesIO(data("points/5/sprite.png"))).size == (14, 14)
    assert data("body/0.ply").splitlines()[-1] == b"3 0 1 2"
    assert data("graph.txt") == b"Linear(3, 1)\n"
    layout = json.loads(data("custom_scalars.json"))
    assert layout == {"default": {"untitled": ["Margin", ["a", "b", "c"]]}}
    assert data("up/_/0.md") == b"stays inside"


def test_histograms_are_ten_metrics_and_those_of_buckets_come_close():
    values = numpy.random.default_rng(0).normal(3, 2, 10_000)
    counts, edges = numpy.histogram(values, 200)
    squares = (values**2).sum()
    with pytest.warns(tracker.LoggingWarning, match="buckets"), SummaryWriter("h") as writer:
        writer.add_histogram("exact", values, 7)
        whole = (values.min(), values.max(), values.size, values.sum(), squares)
        writer.add_histogram_raw("raw", *whole, edges[1:], counts, 7)
        writer.add_histogram("bad", numpy.array([1.0, numpy.nan, numpy.inf]), 7)
    metrics = tracker.run("h").metrics
    wanted = {"count": 10_000, "min": values.min(), "max": values.max(), "mean": values.mean()}
    wanted["std"] = values.std()
    wanted |= {f"p{q:02}": numpy.quantile(values, q / 100) for q in (5, 25, 50, 75, 95)}
    for name, value in wanted.items():
        assert metrics[f"exact/{name}"] == value
        assert metrics[f"raw/{name}"] == pytest.approx(value, rel=0.01, abs=0.02)
    assert (metrics["bad/count"], metrics["bad/nonfinite"], metrics["bad/mean"]) == (3, 2, 1)
    assert tracker.run("h").series("exact/p50").steps[0] == 7


def test_precision_and_recall_are_those_of_torch():
    summary = pytest.importorskip("torch.utils.tensorboard.summary")
    generator = numpy.random.default_rng(1)
    labels, predictions = generator.integers(0, 2, 300), generator.random(300)
    with SummaryWriter("pr") as writer:
        writer.add_pr_curve("pr", labels, predictions, 0)
    tracker.run("pr").get_artifact("pr/0.csv", "pr.csv")
    kept = numpy.loadtxt("pr.csv", delimiter=",", skiprows=1)
    wanted = summary.compute_curve(labels, predictions, num_thresholds=127)
    assert kept.shape == (127, 7)
    assert numpy.allclose(kept[:, 1:], wanted.T)


def test_hparams_are_params_and_a_second_set_is_a_part():
    with SummaryWriter("search") as writer:
        writer.add_hparams({"lr": 0.1, "bn": True}, {"hparam/acc": 0.5}, {"lr": [0.1, 0.2]})
        writer.add_hparams({"lr": 0.1}, {"hparam/acc": 0.6})
        writer.add_hparams({"lr": 0.2}, {"hparam/acc": 0.7}, run_name="second")
    whole, part = tracker.run("search"), tracker.run("second")
    assert whole.params == {"lr": 0.1, "bn": True}
    assert whole.tags["hparam_domain.lr"] == "[0.1, 0.2]"
    assert list(whole.series("hparam/acc").values) == [0.5, 0.6]
    assert (part.params, part.metrics, part.parent) == ({"lr": 0.2}, {"hparam/acc": 0.7}, whole.id)
    assert {whole.status, part.status} == {"completed"}


def test_nothing_that_a_training_gives_raises_and_each_is_said_once():
    with pytest.warns(tracker.LoggingWarning) as told, SummaryWriter("odd") as writer:
        for _ in range(2):
            writer.add_scalar("text", "blob", 0)
            writer.add_scalar("array", numpy.zeros(3), 0)
            writer.add_image("flat", numpy.zeros(3), 0)
            writer.add_histogram("words", ["a"], 0)
            writer.add_hparams(3, {})
            writer.add_figure("none", None)
            writer.add_onnx_graph("nowhere.onnx")
            writer.add_scalar("fine", 1, "no step")
    said = [str(warning.message) for warning in told]
    assert {warning.filename for warning in told} == {__file__}
    assert len(said) == len(set(said)) == 8, said
    assert tracker.run("odd").metrics == {"fine": 1}
    with pytest.raises(TypeError, match="experimant"):
        SummaryWriter(experimant="e")
    assert len(tracker.runs()) == 1


def test_whose_run_it_is():
    with tracker.start_run("outer") as outer, SummaryWriter("ignored") as writer:
        writer.add_scalar("a", 1, 0)
    with tracker.start_run("given") as given:
        pass
    with pytest.raises(RuntimeError), SummaryWriter("failing") as failing:
        failing.add_scalar("a", 1)
        raise RuntimeError("boom")
    again = SummaryWriter("again")
    again.add_scalar("a", 1)
    again.close()
    assert tracker.run("again").status == "completed"
    again.add_scalar("a", 2)
    assert tracker.run("again").status == "running"
    again.close()
    assert tracker.run(outer.id).metrics == {"a": 1} and len(tracker.runs()) == 4
    assert tracker.run("failing").reason.startswith("RuntimeError: boom")
    assert list(tracker.run("again").series("a").values) == [1, 2]
    with pytest.raises(tracker.Closed, match="resume it"):
        SummaryWriter(run=given)
    with tracker.start_run(resume=given.id) as given:
        late = SummaryWriter(run=given)
    with pytest.warns(tracker.LoggingWarning, match="has ended"):
        late.add_scalar("a", 1)
        late.add_scalar("a", 2)
    off = SummaryWriter(write_to_disk=False)
    off.add_scalar("a", 1)
    off.close()
    assert len(tracker.runs()) == 4


def test_writers_of_several_folders_are_several_runs():
    train, val = SummaryWriter("runs/a/train"), SummaryWriter("runs/a/val")
    again = SummaryWriter("runs/a/val")
    for step in range(3):
        train.add_scalar("loss", step, step)
        val.add_scalar("loss", 10 + step, step)
    again.add_scalar("more", 1, 0)
    again.close()
    assert tracker.run("val").status == "running"
    train.close()
    val.close()
    assert list(tracker.run("train").series("loss").values) == [0, 1, 2]
    assert list(tracker.run("val").series("loss").values) == [10, 11, 12]
    assert [run.parent for run in tracker.runs()] == [None, None]
    assert tracker.run("val").metrics["more"] == 1
    assert {run.status for run in tracker.runs()} == {"completed"}
    whole = tracker.runs("name = 'train' or name = 'val'")
    assert len(whole) == 2 and whole[0].tags["log_dir"].startswith("runs/a/")


def test_a_training_that_crashed_goes_on_in_its_run():
    first = SummaryWriter("runs/crash")
    for step in range(5):
        first.add_scalar("loss", step, step)
    first.run.finish("failed", "crashed")
    with pytest.warns(tracker.LoggingWarning, match="from step 3 on"):
        second = SummaryWriter("runs/crash", purge_step=3)
    for step in range(3, 8):
        second.add_scalar("loss", 10 + step, step)
    second.close()
    assert len(tracker.runs()) == 1 and tracker.run("crash").status == "completed"
    assert list(tracker.run("crash").series("loss").steps) == [0, 1, 2, 3, 3, 4, 4, 5, 6, 7]


def test_what_tensorboard_x_has_beyond():
    with SummaryWriter(logdir="x") as writer:
        with writer.use_metadata(global_step=4, walltime=1_600_000_000.0):
            writer.add_scalar("a", 1)
        writer.add_scalar("a", 2, display_name="A")
        writer.add_hparams({"lr": 1}, {"b": 1}, "first", 7)
        writer.add_hparams({"lr": 2}, {"b": 1}, "second", 8)
        writer.export_scalars_to_json("all.json")
    with open("all.json") as file:
        points = json.load(file)["a"]
    assert list(tracker.run("x").series("b").steps) == [7]
    assert list(tracker.run("second").series("b").steps) == [8]
    assert points[0] == [1_600_000_000.0, 4, 1] and points[1][1:] == [5, 2]


def test_what_is_sent_to_a_spawned_process_logs_to_the_same_run():
    program = """
        import pickle, sys
        writer, sink = pickle.loads(bytes.fromhex(sys.argv[1]))
        writer.add_scalar("a", 1, 0)
        sink.metrics({"b": 2}, 0)
        writer.close()
        sink.end()
    """
    with tracker.start_run("outer"):
        both = SummaryWriter(), Sink(None, {})  # the second has chosen no run yet
        assert ended(start(program, pickle.dumps(both).hex())) == (0, "", "")
        assert tracker.run("outer").status == "running"
    (run,) = tracker.runs()
    assert run.metrics == {"a": 1, "b": 2}


def test_neither_torch_nor_tensorboard_is_needed():
    program = """
        import sys
        class Nothing:
            def find_spec(self, name, *rest):
                if name.split(".")[0] in ("torch", "tensorboard", "tensorboardX", "PIL"):
                    raise ImportError(name)
        sys.meta_path.insert(0, Nothing())
        import numpy, warnings
        from tracker.integrations.tensorboard import SummaryWriter
        warnings.simplefilter("ignore")
        with SummaryWriter("bare") as writer:
            writer.add_scalar("a", numpy.float32(1.5), 0)
            writer.add_image("x", numpy.zeros((3, 4, 4)), 0)
    """
    assert ended(start(program)) == (0, "", "")
    run = tracker.run("bare")
    assert run.metrics == {"a": 1.5} and list(run.artifacts) == ["x/0.npy"]


def test_the_package_imports_none_of_it():
    program = """
        import sys, tracker
        print([name for name in sys.modules if "integrations" in name or "numpy" in name])
    """
    assert ended(start(program)) == (0, "[]\n", "")
