"""Measures each peer in processes of its own and prints the table; tools/peers calls it.

Called as `packages` it prints what pip has to install, as `run` it measures, and as `log` or
`read` it is one measurement, whose result is the last line it prints. The trackers get the same
values: ten noisy curves, f32 widened to f64 as `loss.item()` gives them. What is read back is
compared with what was logged, value by value.

The yardstick runs just before each peer, and a ratio compares these two: the machine may be busier
a minute later.
"""

import argparse
import gc
import json
import math
import os
import platform
import random
import shutil
import signal
import stat
import struct
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from peers import PEERS, QUIET, YARDSTICK, Peer, Values

METRICS = 10
READ = "train/loss"
SECONDS_MAX = 600
Result = dict[str, Any]


def curves(steps: int) -> list[Values]:
    """Returns the metrics of each step; the same at each call."""
    gauss = random.Random(1).gauss
    rows = []
    for step in range(steps):
        left = math.exp(-step / 15_000)
        loss = 0.3 + 2.5 * left + gauss(0, 0.05)
        rows.append(
            {
                READ: loss,
                "train/acc": 1 - 0.3 * loss + gauss(0, 0.01),
                "train/grad_norm": 1 + left + abs(gauss(0, 0.2)),
                "train/lr": 3e-4 * left,
                "train/tokens_per_s": 51_000 + gauss(0, 900),
                "val/loss": loss + 0.1 + gauss(0, 0.02),
                "val/acc": 0.97 - 0.3 * loss + gauss(0, 0.01),
                "val/perplexity": math.exp(loss),
                "gpu/use": 92 + gauss(0, 3),
                "gpu/memory": 61.5 + gauss(0, 0.2),
            }
        )
    f32 = struct.Struct("f")
    return [{name: f32.unpack(f32.pack(value))[0] for name, value in row.items()} for row in rows]


def log(peer: Peer, steps: int) -> Result:
    """Logs all steps and ends the run, in the working directory."""
    rows = curves(steps)
    peer.start()
    gc.collect()
    clock = time.perf_counter_ns
    calls = []
    began = clock()
    for step, values in enumerate(rows):
        before = clock()
        peer.log(step, values)
        calls.append(clock() - before)
    logged = clock()
    peer.finish()
    ended = clock()
    found = [path.lstat() for path in Path().rglob("*")]
    files = [file for file in found if not stat.S_ISDIR(file.st_mode)]
    points = steps * METRICS
    return {
        "version": peer.version(),
        "call_us": median(calls) / 1e3,
        "worst_ms": max(calls) / 1e6,
        "finish_s": (ended - logged) / 1e9,
        "whole_us": (ended - began) / 1e3 / steps,
        "bytes": sum(file.st_size for file in files) / points,
        "disk_bytes": sum(file.st_blocks * 512 for file in files) / points,
    }


def read(peer: Peer, steps: int) -> Result:
    """Reads one series of the run that `log` left in the working directory."""
    peer.prepare()
    gc.collect()
    began = time.perf_counter()
    values = peer.series(READ)
    took = time.perf_counter() - began
    if values != [row[READ] for row in curves(steps)]:
        raise SystemExit(f"read {len(values)} values back that are not the {steps} logged")
    return {"read_ms": took * 1e3, "read_us": took * 1e6 / steps}


def measured(what: str, name: str, steps: int, home: Path) -> Result:
    """Runs one measurement as a process and a group of processes of its own."""
    environment = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL") if key in os.environ}
    environment |= QUIET | {"HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), what, name, str(steps)],
        cwd=home / "store", env=environment, start_new_session=True, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        out, errors = process.communicate(timeout=SECONDS_MAX)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode != 0:
        raise SystemExit(f"cannot {what} with {name}:\n{errors}")
    result: Result = json.loads(out.splitlines()[-1])
    return result


def logged_and_read(name: str, steps: int, folder: Path) -> Result:
    """Measures one peer in an empty folder, which is gone afterwards."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    (home / "store").mkdir(parents=True)
    result = measured("log", name, steps, home)
    if PEERS[name].reads:
        result |= measured("read", name, steps, home)
    shutil.rmtree(home)
    return result


def run(names: list[str], steps: int, rounds: int, folder: Path) -> None:
    """Measures all in turn, round by round, and prints the table."""
    # Who is ended ends the measurement under way: see the `finally` of `measured`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    names = [name for name in names if name != YARDSTICK]
    sizes = {name: min(steps, PEERS[name].steps_max) for name in names}
    rows: dict[str, list[Result]] = {name: [] for name in (YARDSTICK, *names)}
    for turn in range(1, rounds + 1):
        for name in names or [YARDSTICK]:
            print(f"round {turn} of {rounds}: {name}", file=sys.stderr)
            yardstick = logged_and_read(YARDSTICK, steps, folder)
            rows[YARDSTICK].append(yardstick)
            if name != YARDSTICK:
                result = logged_and_read(name, sizes[name], folder)
                shared = [key for key in COSTS if key in result]
                ratios = {f"{key} x": result[key] / yardstick[key] for key in shared}
                rows[name].append(result | ratios)
    print_table(rows, {YARDSTICK: steps, **sizes}, rounds)


COSTS = ("call_us", "whole_us", "disk_bytes", "read_us")
"""What has a ratio, each for a step or a point, so that runs of unlike length compare."""

COLUMNS = (
    *("call_us", "call_us x", "worst_ms", "finish_s", "whole_us", "whole_us x"),
    *("bytes", "disk_bytes", "disk_bytes x", "read_ms", "read_us x"),
)

HEADER = """\
| ten metrics a step | steps | call, µs | × | worst, ms | finish, s | whole, µs a step | × \
| bytes a point | on disk | × | read a series, ms | × |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""

KEY = """\
Medians of {rounds} rounds; × is the cost against JSON lines just before, for a step or a point, so \
less is better. *call*: a step in the script's thread, its median and its worst; of those that \
collect steps the worst is the step that hands them over. *whole*: from the first call to the end \
of *finish*. *bytes a point*: length of all files then, and their blocks on disk. *read*: all \
points of one metric in a fresh process, imports apart; of `tracker` by its command, start and CSV \
included. –: cannot read back offline."""


def print_table(rows: dict[str, list[Result]], sizes: dict[str, int], rounds: int) -> None:
    """Prints machine, versions and the table as Markdown."""
    release = ".".join(platform.release().split(".")[:2])
    kernel = f"{platform.system()} {release}"
    versions = dict.fromkeys(results[0]["version"] for results in rows.values())
    spread = [result["call_us"] for result in rows[YARDSTICK]]
    print(f"{os.cpu_count()} cores, {processor()}, {kernel}, {date.today()}.")
    print(f"JSON lines took {min(spread):.3g} to {max(spread):.3g} µs a step over the whole.")
    print(f"Versions: {', '.join(versions)}.\n\n{HEADER}")
    for name, results in rows.items():
        none = "1" if name == YARDSTICK else "–"
        cells = " | ".join(middle(results, column) or none for column in COLUMNS)
        print(f"| {PEERS[name].label} | {sizes[name]:,} | {cells} |")
    print(f"\n{KEY.format(rounds=rounds)}")


def middle(results: list[Result], column: str) -> str:
    """Returns the median of what the rounds found, or nothing."""
    found = [result[column] for result in results if column in result]
    return figure(median(found)) if found else ""


def figure(value: float) -> str:
    """Returns about three digits of a number, without an exponent."""
    if value < 0.01:
        return "<0.01"
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def processor() -> str:
    """Returns the processor's name as the kernel gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def positive(text: str) -> int:
    """Returns a count from the command line."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"invalid count: has {text!r}, want a whole number from 1")
    return int(text)


def asked(names: list[str]) -> list[str]:
    """Returns the peers named on the command line, or all."""
    for name in names:
        if name not in PEERS:
            print(f"unknown peer {name!r}: there are {', '.join(PEERS)}", file=sys.stderr)
            raise SystemExit(2)
    return list(dict.fromkeys(names or PEERS))


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools/peers")
    verbs = parser.add_subparsers(dest="verb", required=True)
    packages = verbs.add_parser("packages")
    packages.add_argument("peers", nargs="*")
    rounds = verbs.add_parser("run")
    rounds.add_argument("peers", nargs="*")
    rounds.add_argument("--dir", type=Path, required=True)
    rounds.add_argument("--steps", type=positive, required=True)
    rounds.add_argument("--rounds", type=positive, required=True)
    for verb in ("log", "read"):
        one = verbs.add_parser(verb)
        one.add_argument("peer", choices=PEERS)
        one.add_argument("steps", type=positive)
    args = parser.parse_args()
    match args.verb:
        case "packages":
            wanted = [package for name in asked(args.peers) for package in PEERS[name].packages]
            print("\n".join(dict.fromkeys(wanted)))
        case "run":
            run(asked(args.peers), args.steps, args.rounds, args.dir)
        case verb:
            measure = log if verb == "log" else read
            print("\n" + json.dumps(measure(PEERS[args.peer](), args.steps)))


if __name__ == "__main__":
    main()
