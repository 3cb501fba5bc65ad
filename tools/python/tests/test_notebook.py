"""A notebook, executed by a real kernel: what people see below their cells."""

import pytest
from conftest import command

import tracker

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")
pytest.importorskip("matplotlib")
pytest.importorskip("plotly")

CELLS = [
    """
%matplotlib inline
import tracker
for lr in (0.1, 0.3):
    run = tracker.start_run(f"lr {lr}", params={"lr": lr})
    for step in range(50):
        run.log({"loss": (1 - lr) ** step})
    run.finish()
""",
    "tracker.runs(sort='metrics.loss')",
    "tracker.best('loss')",
    "tracker.best('loss').series('loss')",
    "tracker.runs().plot('loss', label='params.lr').get_title()",
    "tracker.best('loss').plot('loss', backend='plotly')",
    "run = tracker.start_run('left open', params={'lr': 1})\nrun.log({'loss': 0.5})\nrun",
    "1 / 0",
    "tracker.log({'loss': 0.25})",
]


# The client's own loop and sockets warn as they close; ours is what the kernel does.
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_shows_tables_and_curves_and_ends_its_runs(store):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    client = nbclient.NotebookClient(notebook, timeout=120, allow_errors=True)
    client.execute()

    def shown(cell):
        return {
            kind: data
            for output in notebook.cells[cell].outputs
            for kind, data in output.get("data", {}).items()
        }

    assert notebook.cells[0].outputs == []
    assert "<table>" in shown(1)["text/html"] and "lr 0.3" in shown(1)["text/html"]
    assert shown(1)["text/plain"].splitlines()[1].split()[1:3] == ["lr", "0.3"]
    assert "<td>params.lr</td><td>0.3</td>" in shown(2)["text/html"]
    assert "<svg" in shown(3)["text/html"] and "50 points" in shown(3)["text/plain"]
    assert shown(4)["image/png"]
    assert "application/vnd.plotly.v1+json" in shown(5) or "loss" in shown(5)["text/html"]
    # An error in a cell is one of many, and the run goes on in the next.
    assert notebook.cells[7].outputs[0]["ename"] == "ZeroDivisionError"
    assert notebook.cells[8].outputs == []
    left = tracker.run("left open")
    assert list(left.series("loss").values) == [0.5, 0.25]
    assert left.status == "completed" and left.reason is None
    assert "lr 0.3" in command("best", "loss")


def test_curves_are_those_of_the_series():
    with tracker.start_run("a", params={"lr": 0.1}, tags={"kind": "x"}) as run:
        run.log_series("loss", range(100), [1 / (step + 1) for step in range(100)])
        run.log({"acc": 0.5}, 0)
    with tracker.start_run("b"):
        tracker.log({"acc": 0.75}, 3)
    import matplotlib

    matplotlib.use("agg")
    read = tracker.run("a")
    axes = read.series("loss").plot(color="red", label="mine")
    (line,) = axes.get_lines()
    assert (line.get_xydata() == list(zip(*read.series("loss")))).all()
    assert (line.get_color(), line.get_label(), axes.get_ylabel()) == ("red", "mine", "loss")
    assert read.plot(ax=axes) is axes and len(axes.get_lines()) == 3
    lines = tracker.runs().plot("acc", label="params.lr").get_lines()
    assert [line.get_label() for line in lines] == ["lr=None", "lr=0.1"]
    (curve,) = tracker.runs().plot("loss", backend="plotly", label="tags.kind").data
    assert (list(curve.y), curve.name) == (list(read.series("loss").values), "kind=x")
    with pytest.raises(tracker.NotFound, match="none of 2 runs has a metric 'los'"):
        tracker.runs().plot("los")
    with pytest.raises(ValueError, match="backend wants one of matplotlib, plotly, has 'ascii'"):
        read.plot(backend="ascii")
