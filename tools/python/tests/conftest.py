"""A store of its own for each test, and programs that log to it."""

import importlib
import os
import subprocess
import sys
import textwrap
import time

import pytest

import tracker

if os.environ.get("TRACKER_ALL"):
    pytest.importorskip = importlib.import_module  # then what is missing is a failure


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """An empty folder that this process and its children work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKER_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("TRACKER_RUN_ID", raising=False)
    yield tmp_path / "store"
    while tracker.active_run() is not None:
        tracker.finish()


def start(program, *arguments, **options):
    """Starts a Python program."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def ended(process):
    """Waits for a program: its exit code, and what it wrote on both outputs."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def command(*arguments):
    """What the command `tracker` answers."""
    script = os.path.join(os.path.dirname(sys.executable), "tracker")
    return subprocess.run([script, *arguments], check=True, capture_output=True, text=True).stdout


def until(condition):
    """Waits for something that is to come."""
    for _ in range(6_000):
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come within a minute")
