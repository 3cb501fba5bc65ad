"""Compares the answers of `tracker` with those of SQLite and DuckDB, times all, prints the tables.

SQLite has what the maker of the store wrote beside it; DuckDB has what `tracker` exports, so that
the exports are compared, too.

`tracker` is timed as a whole process. The databases are timed from connection to the last row
within a process that runs already, on a table made for these questions with an index on each
column that a filter names: less than their users pay.
"""

import argparse
import csv
import io
import math
import os
import platform
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from questions import QUESTIONS, Question

INDEXED = [
    "name", "experiment", "status", "start", "model.name", "optimizer", "lr", "batch_size",
    "dropout", "dataset", "team", "seed", "val/acc", "val/loss", "min val/loss", "val/f1",
]  # fmt: skip
Rows = list[tuple[Any, ...]]


def tracker(folder: Path, arguments: list[str]) -> str:
    """Runs the command in a store's folder."""
    ran = subprocess.run(
        ["tracker", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        raise SystemExit(f"tracker {arguments}:\n{ran.stderr}")
    return ran.stdout


def answer(folder: Path, question: Question) -> Rows:
    """Asks `tracker`."""
    text = tracker(folder, [*question.command, "--format", "csv"])
    table = csv.DictReader(io.StringIO(text))
    rows = list(table)
    head = table.fieldnames or []
    columns = [
        next((n for n in head if n in (c, f"metrics.{c}", f"params.{c}")), c)
        for c in question.columns
    ]
    if missing := [name for name in columns if name not in head]:
        raise SystemExit(f"{question.text}: no column {missing} in {head}")
    return [tuple(row[name] for name in columns) for row in rows]


def is_same(a: Any, b: Any) -> bool:
    """Compares two cells; sums are taken in other orders."""
    try:
        return math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-12)
    except (TypeError, ValueError):
        return str(a) == str(b)


def compare(question: Question, who: str, want: Rows, have: Rows) -> None:
    """Ends the script if two answers differ."""
    same = len(want) == len(have) and all(
        len(a) == len(b) and all(map(is_same, a, b)) for a, b in zip(want, have, strict=True)
    )
    if not same:
        raise SystemExit(f"{question.text}: tracker says\n{have[:5]}\n{who} says\n{want[:5]}")


def load_sqlite(path: Path, folder: Path) -> None:
    """Makes the tables in SQLite."""
    if path.exists():
        return
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with sqlite3.connect(beside) as base:
        base.execute("PRAGMA journal_mode = OFF")
        base.execute("PRAGMA synchronous = OFF")
        with (folder / "runs.csv").open(newline="") as file:
            rows = csv.reader(file)
            head = next(rows)
            first = next(rows)
            kinds = ["REAL" if is_number(cell) else "TEXT" for cell in first]
            columns = ", ".join(f'"{n}" {k}' for n, k in zip(head, kinds, strict=True))
            base.execute(f"CREATE TABLE runs ({columns})")
            marks = ", ".join("?" * len(head))
            base.execute(f"INSERT INTO runs VALUES ({marks})", first)
            base.executemany(f"INSERT INTO runs VALUES ({marks})", rows)
        for name in INDEXED:
            base.execute(f'CREATE INDEX "by {name}" ON runs ("{name}")')
        base.execute(
            "CREATE TABLE points (run INT, metric TEXT, step INT, value REAL, "
            "PRIMARY KEY (run, metric, step)) WITHOUT ROWID"
        )
        with (folder / "points.csv").open(newline="") as file:
            points = csv.reader(file)
            next(points)
            base.executemany("INSERT INTO points VALUES (?, ?, ?, ?)", points)
        base.execute("ANALYZE")
    base.close()
    beside.rename(path)


def is_number(text: str) -> bool:
    """Whether a cell of the first row makes its column one of numbers."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def load_duckdb(path: Path, folder: Path) -> None:
    """Makes the tables in DuckDB, of the points those that are asked for."""
    if path.exists():
        return
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    runs, least, points = (folder / f"export-{n}.csv" for n in ("runs", "least", "points"))
    tracker(folder, ["export", "--filter", "id is not null", "-o", str(runs)])
    columns = "id,min(metrics.val/loss)"
    tracker(folder, ["query", "id is not null", "--columns", columns, "-o", str(least)])
    asked = "experiment in ('exp-3', 'exp-5', 'exp-9') or name = 'resnet18-0'"
    tracker(folder, ["series", "--runs", asked, "*", "-o", str(points)])
    with duckdb.connect(beside) as base:
        kinds = "{'params.amp': 'VARCHAR', 'params.augment': 'VARCHAR'}"
        base.execute(
            "CREATE TABLE runs AS SELECT row_number() OVER (ORDER BY start) - 1 AS run, id, name, "
            "experiment, status, epoch_us(start) AS start, "
            "COLUMNS('params\\.(.*)') AS '\\1', COLUMNS('metrics\\.(.*)') AS '\\1', "
            '"min(metrics.val/loss)" AS "min val/loss" '
            f"FROM read_csv('{runs}', types = {kinds}) r JOIN '{least}' l USING (id)"
        )
        base.execute(
            "CREATE TABLE points AS SELECT r.run, p.metric, p.step, p.value "
            f"FROM read_csv('{points}') p JOIN runs r ON r.id = p.run"
        )
    beside.rename(path)


def ask_sqlite(path: Path, sql: str) -> Rows:
    """Opens the database and asks."""
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    rows = base.execute(sql).fetchall()
    base.close()
    return rows


def ask_duckdb(path: Path, sql: str) -> Rows:
    """Opens the database and asks."""
    with duckdb.connect(path, read_only=True) as base:
        return base.execute(sql).fetchall()


def timed(rounds: int, call: Callable[[], object]) -> float:
    """Median of some calls in milliseconds; one before is not counted."""
    call()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1e3)
    return median(times)


def processor() -> str:
    """Name of the processor, where Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    """Compares, times, prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--runs", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    arguments = parser.parse_args()
    home, rounds = arguments.dir, arguments.rounds
    folder = home / arguments.runs
    sqlite, duck = folder / "runs.sqlite", folder / "runs.duckdb"
    load_sqlite(sqlite, folder)
    load_duckdb(duck, folder)
    release = ".".join(platform.release().split(".")[:2])
    print(
        f"{os.cpu_count()} cores, {processor()}, {platform.system()} {release}, {date.today()}; "
        f"SQLite {sqlite3.sqlite_version}, DuckDB {duckdb.__version__}; "
        f"{arguments.runs.removeprefix('runs-')} runs. Medians of {rounds}, in ms; × is the time "
        "of `tracker` against the other's.\n"
    )
    print("| question | `tracker`, whole process | SQLite | × | DuckDB | × |")
    print("|---|--:|--:|--:|--:|--:|")
    for question in QUESTIONS:
        have = answer(folder, question)
        if not have:
            raise SystemExit(f"{question.text}: no answer")
        ours = timed(rounds, lambda q=question: tracker(folder, q.command))
        cells = [f"{ours:.1f}"]
        for who, path, ask in (("SQLite", sqlite, ask_sqlite), ("DuckDB", duck, ask_duckdb)):
            if question.sql is None:
                cells += ["–", "–"]
                continue
            compare(question, who, ask(path, question.sql), have)
            theirs = timed(rounds, lambda p=path, s=question.sql, a=ask: a(p, s))
            cells += [f"{theirs:.1f}", f"{ours / theirs:.2f}"]
        print(f"| {question.text} | {' | '.join(cells)} |", flush=True)
    print("\n| beside 100 M points, and in 1.5 M series | whole process, ms |")
    print("|---|--:|")
    others = [
        ("a series of 1,000 points of a store of 100 M", "long", ["series", "short", "train/metric_0"]),
        ("10,000,000 points of a series as 1,000", "long",
         ["series", "long", "train/metric_0", "--sample", "1000"]),
        ("a filter over 1,000 runs of 1,500 metrics", "wide",
         ["query", "metrics.train/metric_7 < 0.5", "--columns", "name", "-n", "20"]),
    ]  # fmt: skip
    for text, store, command in others:
        took = timed(rounds, lambda s=store, c=command: tracker(home / s, c))
        print(f"| {text} | {took:.1f} |", flush=True)
    files = [path.stat() for path in (home / "wide" / ".tracker").rglob("*") if path.is_file()]
    points = 1_000 * 1_500 * 20
    length, blocks = sum(f.st_size for f in files), sum(f.st_blocks * 512 for f in files)
    print(
        f"\n1,000 runs × 1,500 metrics × 20 steps: {length / points:.1f} bytes a point, "
        f"{blocks / points:.1f} on the disk."
    )


main()
