"""Runs and series in the forms that people work with."""

import datetime
import subprocess
import sys

import numpy
import pandas
import polars
import pyarrow
import pytest
from conftest import command

import tracker


@pytest.fixture
def three():
    for n, model in enumerate(["mlp", "rf", "<b>"]):
        with tracker.start_run(f"r{n}", params={"n": n, "model": model}, tags={"t": n}) as run:
            if n < 2:
                run.param("maybe", True)
            run.log_series("acc", range(10), numpy.arange(10) / (10 + n))
            if n:
                run.log({"loss": n})


def test_questions_find_sort_and_limit(three):
    assert [run.name for run in tracker.runs()] == ["r2", "r1", "r0"]
    assert [run.name for run in tracker.runs(sort="metrics.acc")] == ["r2", "r1", "r0"]
    assert [run.name for run in tracker.runs(sort=["-acc"], limit=2)] == ["r0", "r1"]
    assert [run.name for run in tracker.runs("params.n >= 1 and params.model = 'rf'")] == ["r1"]
    assert tracker.best("acc").name == "r0" and tracker.best("acc", "min").name == "r2"
    assert tracker.best("loss").name == "r1"  # a loss is better small
    assert tracker.best("acc", filter="params.n > 0").name == "r1"
    runs = tracker.runs(sort="name")
    assert [run.name for run in runs[::-2]] == ["r2", "r0"] and runs[-1] == runs[2]
    assert len(runs[5:]) == 0 and {runs[0], runs[0]} == {runs[0]}
    with pytest.raises(IndexError):
        runs[3]
    with pytest.raises(ValueError, match="mode"):
        tracker.best("acc", "up")


def test_runs_are_a_table_of_typed_columns_everywhere(three):
    runs = tracker.runs(sort="name")
    table = pyarrow.table(runs)
    assert table.equals(runs.to_arrow()) and table.num_rows == 3
    assert table["params.maybe"].to_pylist() == [True, True, None]
    assert table["metrics.loss"].to_pylist() == [None, 1.0, 2.0]
    assert table.schema.field("start").type == pyarrow.timestamp("us", "UTC")
    assert table.schema.field("params.n").metadata[b"tracker.kind"] == b"param"
    assert polars.DataFrame(runs).equals(runs.to_polars())
    assert runs.to_polars()["params.n"].to_list() == [0, 1, 2]
    frame = runs.to_pandas()
    assert list(frame["params.n"]) == [0, 1, 2] and frame["params.n"].dtype == "Int64"
    assert frame["params.maybe"].isna().tolist() == [False, False, True]
    assert (frame["end"] >= frame["start"]).all() and frame["start"].dt.tz is not None
    assert list(frame.columns) == table.column_names == list(runs.to_dict())
    empty = tracker.runs("params.n > 9")
    assert len(empty.to_pandas()) == pyarrow.table(empty).num_rows == 0


def test_a_series_is_read_only_memory_and_a_table(three):
    run = tracker.run("r0")
    series = run.series("acc")
    steps, values = series
    assert (steps.dtype, values.dtype, series.times.dtype) == ("int64", "float64", "datetime64[us]")
    assert not values.flags.writeable and not values.flags.owndata
    assert numpy.shares_memory(values, series.values)
    assert numpy.array_equal(numpy.asarray(series), values)
    del series
    assert list(values) == [n / 10 for n in range(10)]
    now = numpy.datetime64(datetime.datetime.now(datetime.UTC).replace(tzinfo=None))
    assert abs(run.series("acc").times[0] - now) < numpy.timedelta64(1, "h")
    table = pyarrow.table(run.series("acc"))
    assert table.column_names == ["step", "time", "value"]
    frames = [table.to_pandas(), run.series("acc").to_pandas(), run.series("acc").to_polars().to_pandas()]
    for frame in frames:
        pandas.testing.assert_frame_equal(frame, frames[0], check_dtype=False)
    assert list(run.series("acc", from_step=3, to_step=4).steps) == [3, 4]
    assert list(run.series("acc", tail=2).steps) == [8, 9]
    assert len(run.series("acc", sample=4)) <= 4
    assert len(run.series("acc", from_step=99)) == len(run.series("acc", from_step=99).values) == 0


def test_a_run_tells_all_that_the_command_tells(three):
    import json

    told = json.loads(command("show", "r1", "--format", "json"))
    told = told[0] if isinstance(told, list) else told
    assert tracker.run("r1").to_dict() == told


def test_without_numpy_a_series_is_a_memoryview(three):
    program = """
import sys
sys.modules["numpy"] = None
import tracker
series = tracker.run("r0").series("acc")
assert isinstance(series.values, memoryview) and series.values.format == "d"
assert list(series.values) == [n / 10 for n in range(10)] and list(series.steps) == list(range(10))
assert series.times.format == "q"
repr(series); series._repr_html_()
from array import array
with tracker.start_run("plain") as run: run.log_series("a", array("q", [1, 2]), array("f", [0.5, 1]))
assert list(tracker.run("plain").series("a").values) == [0.5, 1]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_nothing_heavy_is_imported():
    program = "import sys, tracker; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    heavy = {"numpy", "pandas", "polars", "pyarrow", "typing", "inspect", "traceback", "json"}
    assert not heavy & set(told.stdout.split())


def test_prompts_and_notebooks_see_tidy_tables(three):
    runs = tracker.runs(sort="name")
    lines = repr(runs).splitlines()
    assert lines[0].split()[:6] == ["id", "name", "status", "start", "model", "n"]
    assert len(lines) == 4 and lines[1].split()[1:3] == ["r0", "completed"]
    assert "<b>" not in runs._repr_html_() and "&lt;b&gt;" in runs._repr_html_()
    run = tracker.run("r2")
    assert repr(run).startswith(f"<tracker.Run {run.id[:8]} r2 completed: acc=0.75, loss=2")
    assert "&lt;b&gt;" in run._repr_html_() and "<b>r2</b>" in run._repr_html_()
    series = run.series("acc")
    assert repr(series) == f"<tracker.Series acc of {run.id[:8]}: 10 points, steps 0 to 9, last 0.75>"
    assert series._repr_html_().count("<polyline") == 1
    assert repr(tracker.runs("params.n > 9")) == "no runs"


def test_the_command_is_there_and_ends_as_the_binary_does(three):
    assert command("--version").startswith("tracker ")
    failed = subprocess.run([sys.executable, "-m", "tracker", "show", "nobody"], capture_output=True)
    assert failed.returncode == 1 and b"error: no run" in failed.stderr
    wrong = subprocess.run([sys.executable, "-m", "tracker", "nonsense"], capture_output=True)
    assert wrong.returncode == 2
    command("ls", "--output", "runs.parquet")
    frame = pandas.read_parquet("runs.parquet")
    assert len(frame) == 3
    metadata = pyarrow.parquet.read_metadata("runs.parquet").metadata
    assert metadata[b"tracker.query"] == b"ls --output runs.parquet"
