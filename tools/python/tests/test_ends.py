"""However a process ends, what it logged is there and its run says how it ended."""

import os
import signal
import sys
import threading

import pytest
from conftest import command
from conftest import ended
from conftest import start
from conftest import until

import tracker


def test_an_exception_fails_the_run_with_its_traceback():
    with pytest.raises(ZeroDivisionError), tracker.start_run("outer"):
        with tracker.start_run("inner") as run:
            run.log({"a": 1})
            _ = 1 / 0
    for name in ("outer", "inner"):
        read = tracker.run(name)
        assert read.status == "failed"
        assert read.reason.startswith("ZeroDivisionError: division by zero\n")
        assert "Traceback (most recent call last)" in read.reason and "1 / 0" in read.reason
    assert tracker.active_run() is None


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("pass", "completed", None),
        ("sys.exit(0)", "completed", None),
        ("raise KeyboardInterrupt", "failed", "interrupted"),
        ("raise ValueError('boom')", "failed", "ValueError: boom"),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", "failed", "interrupted"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)", "failed", "terminated (SIGTERM)"),
    ],
)
@pytest.mark.parametrize("block", [True, False])
def test_the_end_of_a_program_is_the_end_of_its_run(code, status, reason, block):
    program = f"""
        import os, signal, sys, time, tracker
        run = tracker.start_run("a")
        run.log({{"x": 1}})
        {"with run: " if block else ""}{code}
    """
    exit_code, out, err = ended(start(program))
    read = tracker.run("a")
    assert read.status == status and read.metrics == {"x": 1}
    assert read.reason is None if reason is None else read.reason.startswith(reason)
    if "SIGTERM" in code:
        assert exit_code == -signal.SIGTERM
    assert out == ""


@pytest.mark.parametrize("block", ["with run: ", ""])
def test_a_run_knows_the_exit_status(block):
    program = f"""
        import sys, tracker
        run = tracker.start_run("a")
        {block}sys.exit(3)
    """
    assert ended(start(program))[0] == 3
    assert (tracker.run("a").status, tracker.run("a").reason) == ("failed", "exit status 3")


def test_an_exit_that_was_caught_is_none():
    program = """
        import sys, tracker
        exit = sys.exit
        run = tracker.start_run("a")
        try: sys.exit("no")
        except SystemExit: pass
        tracker.log({"x": 1})
        tracker.start_run("b").finish()
        assert sys.exit is not exit
        run.finish()
        assert sys.exit is exit
        tracker.start_run("c")
    """
    assert ended(start(program))[0] == 0
    assert [run.status for run in tracker.runs()] == ["completed"] * 3


def test_handlers_of_the_user_stay():
    program = """
        import os, signal, sys, threading, tracker
        def mine(number, frame): print("mine"); sys.exit(0)
        signal.signal(signal.SIGTERM, mine)
        tracker.start_run("a")
        assert signal.getsignal(signal.SIGTERM) is mine
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1_000_000): pass
    """
    assert ended(start(program))[:2] == (0, "mine\n")
    assert tracker.run("a").status == "completed"
    kept = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=lambda: tracker.start_run("b").finish())
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is kept


def test_a_training_that_is_killed_loses_nothing_that_returned():
    program = """
        import random, sys, tracker
        run = tracker.start_run("a", params={"lr": 0.1})
        for step in range(10_000_000):
            run.log({"loss": 1 / (step + 1), "acc": step}, step)
            if step % 1_000 == 0:
                print(step, flush=True)
    """
    process = start(program)
    told = -1
    while told < 200_000:
        told = int(process.stdout.readline())
    process.kill()
    rest = process.communicate()[0].split()
    told = int(rest[-1]) if rest else told
    read = until(lambda: tracker.run("a").status == "failed" and tracker.run("a"))
    steps, values = read.series("acc")
    assert len(steps) > told and list(steps) == list(range(len(steps)))
    assert (values == steps).all()
    assert command("best", "loss").count("a") and read.params == {"lr": 0.1}


def test_forked_children_log_as_writers_of_their_own_and_end_nothing():
    program = """
        import os, sys, multiprocessing, tracker

        def worker(n):
            tracker.log({f"worker/{n}": n}, step=n)
            return n

        with tracker.start_run("a") as run:
            run.log({"parent": 0}, 0)
            for way in range(5):
                pid = os.fork()
                if pid == 0:
                    run.log({"child": way}, way)
                    if way == 0: sys.exit(0)
                    if way == 1: os._exit(0)
                    if way == 2: run.finish(); sys.exit(0)
                    if way == 3: raise SystemExit(0)
                    os.kill(os.getpid(), 15)
                _, status = os.waitpid(pid, 0)
                assert status == (15 if way == 4 else 0), (way, status)
                assert tracker.run("a").status == "running", way
                run.log({"parent": way + 1}, way + 1)
            if os.fork() == 0:
                raise RuntimeError("the child's own failure")
            os.wait()
            assert tracker.run("a").status == "running"
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert sum(pool.map(worker, range(20))) == 190
            run.log({"parent": 6}, 6)
    """
    exit_code, _, err = ended(start(program))
    assert exit_code == 0, err
    read = tracker.run("a")
    assert read.status == "completed" and read.reason is None
    assert list(read.series("parent").values) == list(range(7))
    assert list(read.series("child").values) == list(range(5))
    assert all(read.metrics[f"worker/{n}"] == n for n in range(20))


def test_a_child_forked_while_threads_log_does_not_hang():
    program = """
        import os, threading, tracker
        import numpy
        with tracker.start_run("a") as run:
            stop = threading.Event()
            def log():
                while not stop.is_set():
                    run.log_series("s", numpy.arange(20_000), numpy.arange(20_000.0))
                    run.param(f"p", 1)
            thread = threading.Thread(target=log)
            thread.start()
            for n in range(20):
                pid = os.fork()
                if pid == 0:
                    import signal
                    signal.alarm(20)
                    run.log({"child": n}, n)
                    run.param("p", 1)
                    run.finish()
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
            stop.set()
            thread.join()
    """
    exit_code, _, err = ended(start(program))
    assert exit_code == 0, err
    assert len(tracker.run("a").series("child")) == 20


def test_a_program_within_tracker_run_logs_to_that_run_and_then_to_parts_of_it():
    program = (
        "import tracker\n"
        "with tracker.start_run('ignored', params={'lr': 1}) as run: run.log({'a': 1})\n"
        "with tracker.start_run('part') as run: run.log({'a': 2})\n"
    )
    command("run", "-q", "--experiment", "e", "--", sys.executable, "-c", program)
    whole, part = tracker.runs(sort="start")
    assert (whole.experiment, whole.params, whole.metrics) == ("e", {"lr": 1}, {"a": 1})
    assert part.name == "part" and part.parent == whole.id
    assert whole.status == part.status == "completed"


def test_ranks_log_to_one_run():
    with tracker.start_run("all") as run:
        program = """
            import sys, tracker
            rank = int(sys.argv[2])
            with tracker.join_run(sys.argv[1]) as run:
                for step in range(100): run.log({f"rank{rank}/loss": rank}, step)
        """
        ranks = [start(program, run.id, str(rank)) for rank in range(2)]
        assert [ended(rank)[0] for rank in ranks] == [0, 0]
        assert tracker.run("all").status == "running"
    for rank in range(2):
        assert len(tracker.run("all").series(f"rank{rank}/loss")) == 100


def test_a_stale_run_of_the_environment_keeps_nobody_from_logging(monkeypatch):
    with tracker.start_run() as old:
        pass
    for stale in (old.id, "f" * 32, "nonsense"):
        monkeypatch.setenv("TRACKER_RUN_ID", stale)
        with tracker.start_run() as run:
            run.log({"a": 1})
        assert run.id != old.id and tracker.run(run.id).parent is None


def test_a_full_disk_warns_once_counts_and_goes_on_or_raises():
    full = os.environ.get("TRACKER_FULL_DISK") or _tmpfs()
    if full is None:
        pytest.skip("no file system of a few MiB can be mounted here")
    program = """
        import os, sys, warnings, tracker
        told = []
        warnings.showwarning = lambda *all, **more: told.append(all[1])
        run = tracker.start_run("a", on_error=sys.argv[1])
        filler = open(os.path.join(sys.argv[2], "filler"), "wb", buffering=0)
        try:
            while True: filler.write(bytes(65536))
        except OSError: pass
        try:
            for step in range(100_000): run.log({"loss": step}, step)
        except tracker.StoreError as error:
            print("raised", "make room" in str(error), step)
        print(len(told), run.errors > 0, all(kind is tracker.LoggingWarning for kind in told))
        filler.truncate(0)
        run.log({"after": 1}, 0)
        os._exit(0)
    """
    for way, says in (("warn", "1 True True"), ("raise", "0 False True")):
        store = os.path.join(full, way)
        code, out, err = ended(
            start(program, way, full, env={**os.environ, "TRACKER_STORE": store})
        )
        assert code == 0, err
        assert out.splitlines()[-1] == says
        assert ("raised True" in out) == (way == "raise")
        read = tracker.run("a", store=store)
        assert read.metrics["after"] == 1
        values = list(read.series("loss").values)
        assert values == list(range(len(values)))


def _tmpfs():
    """A file system of few MiB, if this process may mount one; unmounted with the process."""
    import atexit
    import subprocess
    import tempfile

    folder = tempfile.mkdtemp()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
    try:
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            return None
    except FileNotFoundError:
        return None
    atexit.register(subprocess.run, ["umount", "-l", folder], check=False)
    return folder
