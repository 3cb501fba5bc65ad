"""What a training pays for logging from Python, beside JSON lines written by hand in the same run.

    python tools/python/bench.py [ROUNDS]

Takes the least of the rounds (5 unless told), for other work on the machine only ever adds.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from array import array

del sys.path[0]  # the sources beside this file, which have no compiled part
import tracker  # noqa: E402

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
STEPS = 20_000
POINTS = 1_000_000
NAMES = [f"train/metric_{n}" for n in range(10)]


def step_of(names, step):
    """The values of a step as a training has them: made anew each time."""
    return {name: 1.0 / (step + n + 1) for n, name in enumerate(names)}


def least(measure):
    return min(measure() for _ in range(ROUNDS))


def call_ns(names, log):
    """Time of one call, the making of its dict apart."""
    data = [step_of(names, step) for step in range(STEPS)]
    start = time.perf_counter_ns()
    for step in range(STEPS):
        log(data[step], step)
    return (time.perf_counter_ns() - start) / STEPS


def json_lines(names):
    with tempfile.TemporaryFile("w", buffering=1) as file:

        def log(data, step):
            file.write(json.dumps({"step": step, "time": time.time(), **data}) + "\n")

        return call_ns(names, log)


def logged(names):
    with tracker.start_run() as run:
        return call_ns(names, run.log)


def module_logged(names):
    with tracker.start_run():
        return call_ns(names, tracker.log)


def series_ns(steps, values):
    with tracker.start_run() as run:
        start = time.perf_counter_ns()
        run.log_series("loss", steps, values)
        taken = time.perf_counter_ns() - start
    return taken / POINTS


def read_ns(run):
    start = time.perf_counter_ns()
    series = run.series("loss")
    values, steps = series.values, series.steps
    taken = time.perf_counter_ns() - start
    assert len(values) == len(steps) == POINTS
    return taken / POINTS


def process_ms(code):
    """Time of a fresh interpreter that runs `code`."""
    start = time.perf_counter_ns()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter_ns() - start) / 1e6


def told_ms(code):
    """The milliseconds that `code` prints in a fresh interpreter."""
    prelude = "import time; t0 = time.perf_counter()\n"
    told = subprocess.run(
        [sys.executable, "-c", prelude + code], check=True, capture_output=True, text=True
    )
    return float(told.stdout)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRACKER_STORE"] = os.path.join(folder, ".tracker")
        os.environ.pop("TRACKER_RUN_ID", None)
        rows = []

        def row(what, ours, target, unit, beside=None, at_least=False):
            rows.append((what, ours, target, unit, beside, at_least))
            ratio = "" if beside is None else f"{beside[1] / ours:.1f}x {beside[0]}"
            word = "at least" if at_least else "at most"
            print(f"{what:44} {ours:9.1f} {unit:10} {word} {target:g}  {ratio}", flush=True)

        ten, one = least(lambda: json_lines(NAMES)), least(lambda: json_lines(NAMES[:1]))
        row("run.log, ten metrics", least(lambda: logged(NAMES)), 2_000, "ns", ("JSON lines", ten))
        row("run.log, one", least(lambda: logged(NAMES[:1])), 500, "ns", ("JSON lines", one))
        row("tracker.log, one", least(lambda: module_logged(NAMES[:1])), 500, "ns")
        try:
            import numpy
        except ImportError:
            steps, values = array("q", range(POINTS)), array("d", range(POINTS))
        else:
            steps, values = numpy.arange(POINTS), numpy.random.default_rng(0).random(POINTS)
        ns = least(lambda: series_ns(steps, values))
        row("log_series, 1 M points", 1e3 / ns, 20, "M points/s", at_least=True)
        with tracker.start_run() as run:
            run.log_series("loss", steps, values)
        reader = run.read()
        runs = tracker.runs()  # brings the index up to date
        assert len(runs) > 0
        ns = least(lambda: read_ns(reader))
        row("series into arrays, 1 M points", 1e3 / ns, 50, "M points/s", at_least=True)
        code = "import tracker\nprint((time.perf_counter() - t0) * 1e3)"
        row("import tracker", least(lambda: told_ms(code)), 30, "ms")
        code = (
            "import time, tracker; t0 = time.perf_counter()\n"
            "run = tracker.start_run(); run.log({'loss': 1.0}, 0); run.sync()\n"
            "print((time.perf_counter() - t0) * 1e3)"
        )
        row("start of a run to its first durable point", least(lambda: told_ms(code)), 30, "ms")
        bare, whole = least(lambda: process_ms("")), least(lambda: process_ms(code))
        print(f"{'that as a whole process, python itself apart':44} {whole - bare:9.1f} ms")


if __name__ == "__main__":
    main()
