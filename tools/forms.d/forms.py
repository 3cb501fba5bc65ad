"""Writes a store, and reads every form of it with every library; tools/forms calls it.

What is compared is a table: a list of columns, each a list of Python's own values, with times as
microseconds since 1970 and numbers by their bits, so that -0.0 and NaN are themselves.
"""

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

WORDS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TYPES = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "time": pa.timestamp("us", "UTC"),
    "text": pa.string(),
    "list": pa.string(),
    "mixed": pa.string(),
}
Table = dict[str, list[Any]]


def tracker(*args: str) -> str:
    return subprocess.run(["tracker", *args], check=True, stdout=subprocess.PIPE, text=True).stdout


def answer(*args: str) -> list[dict[str, Any]]:
    return json.loads(tracker(*args, "--format", "json"))


def make_store() -> None:
    """Runs that differ in all that a form could get wrong."""
    large, between = 2**63 - 1, 2**53 + 1
    params = [
        {"lr": 0.1, "seed": -(2**63), "deep": True, "opt": "adam", "either": 1, "ids": between},
        {"lr": 1, "seed": large, "deep": False, "opt": "größe 損失 🦊", "either": "auto"},
        {"lr": "NaN", "seed": 0, "layers": [1, [2.5, "x"]], "opt": "a,\"b\"\n|c", "either": 0.5},
        {"lr": "-Infinity", "layers": [], "opt": "", "either": True, "ids": 0.5},
        {"lr": -0.0, "opt": "null"},
        {},
    ]
    values = [[0.5, "NaN"], ["Infinity", "-Infinity", -0.0], [5e-324, 1.7976931348623157e308, 0.1]]
    for n, own in enumerate(params):
        record = {
            "run_id": f"r{n}",
            "experiment": ["e", None][n % 2],
            "start": f"2024-01-15T10:30:0{n}.123456Z",
            "end": f"2024-01-15T10:31:0{n}Z" if n else None,
            "status": "completed",
            "parameters": own,
            "metrics": {"val/acc": values[n % 3]} | ({"loss": [n / 7]} if n < 3 else {}),
            "tags": {"my tag": str(n)} if n % 2 else {},
            "note": "two\nlines" if n == 1 else None,
        }
        with open("runs.jsonl", "a") as out:
            out.write(json.dumps({k: v for k, v in record.items() if v is not None}) + "\n")
    tracker("import", "runs.jsonl", "--format-in", "record")
    run = tracker("start", "--name", "long").strip()
    lines = [json.dumps({"step": n * (-1) ** n, "noise": n / 3, "gap": None if n % 5 else n}) for n in range(100_000)]
    subprocess.run(["tracker", "log", run, "-"], input="\n".join(lines), text=True, check=True)
    tracker("finish", run)


def micros(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def plain(value: Any) -> Any:
    """A value that is equal only to the same one, of the same type."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, datetime):
        assert value.utcoffset() == timedelta(0), f"not in UTC: {value!r}"
        return ("time", (value - EPOCH) // timedelta(microseconds=1))
    if isinstance(value, float):
        return ("float", "NaN" if value != value else struct.pack(">d", value).hex())
    return (type(value).__name__, value)


def same(what: str, got: Table, want: Table) -> None:
    assert list(got) == list(want), f"{what}: columns {list(got)}, want {list(want)}"
    for name, column in want.items():
        have = [plain(value) for value in got[name]]
        assert len(have) == len(column), f"{what}: {len(have)} rows, want {len(column)}"
        for row, (a, b) in enumerate(zip(have, map(plain, column))):
            assert a == b, f"{what}: {name!r} of row {row} is {a}, want {b}"


def typed(value: Any, of: str) -> Any:
    """A value of the JSON as the type of its column has it."""
    if value is None:
        return None
    if of == "float":
        return WORDS[value] if isinstance(value, str) else float(value)
    if of == "time":
        return EPOCH + timedelta(microseconds=micros(value))
    if of == "list" or (of == "mixed" and not isinstance(value, str)):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return value


def found(row: dict[str, Any], column: str, about: dict[str, str]) -> Any:
    """What the JSON of a run, or of a point, has in a column."""
    match about.get("kind"):
        case "param":
            return row["params"].get(about["name"])
        case "tag":
            return row["tags"].get(about["name"])
        case "metric" if "metrics" in row:
            return row["metrics"].get(about["name"], {}).get(about["stat"])
        case "attribute" if "params" in row:
            return row[about["name"]]
    bare = {**row.get("params", {}), **row}  # as `--columns` takes a name without its kind
    return bare.get(column)


def wanted(schema: pa.Schema, rows: list[dict[str, Any]]) -> Table:
    """What the JSON says, in the columns and types that the file says of itself."""
    table = {}
    for field in schema:
        about = {key.decode().removeprefix("tracker."): value.decode() for key, value in field.metadata.items()}
        of = about["type"]
        assert field.type == TYPES[of], f"{field.name} is {field.type}, want {TYPES[of]}"
        table[field.name] = [typed(found(row, field.name, about), of) for row in rows]
    return table


def of_arrow(table: pa.Table) -> Table:
    return {name: table[name].to_pylist() for name in table.column_names}


def of_pandas(frame: pd.DataFrame) -> Table:
    return of_arrow(pa.Table.from_pandas(frame, preserve_index=False))


def of_polars(frame: pl.DataFrame) -> Table:
    return frame.to_dict(as_series=False)


def of_duckdb(relation: duckdb.DuckDBPyRelation) -> Table:
    return of_arrow(relation.to_arrow_table())


def duck(file: str) -> Table:
    connection = duckdb.connect()
    if file.endswith(".parquet"):
        return of_duckdb(connection.sql(f"select * from '{file}'"))
    arrow = pa.ipc.open_file(file).read_all()  # noqa: F841, DuckDB finds it by its name
    return of_duckdb(connection.sql("select * from arrow"))


BINARY: list[tuple[str, str, Callable[[str], Table]]] = [
    ("parquet", "pyarrow", lambda file: of_arrow(pa.parquet.read_table(file))),
    ("parquet", "pandas", lambda file: of_pandas(pd.read_parquet(file, dtype_backend="pyarrow"))),
    ("parquet", "Polars", lambda file: of_polars(pl.read_parquet(file))),
    ("parquet", "DuckDB", duck),
    ("arrow", "pyarrow", lambda file: of_arrow(pa.ipc.open_file(file).read_all())),
    ("arrow", "pandas", lambda file: of_pandas(pd.read_feather(file, dtype_backend="pyarrow"))),
    ("arrow", "Polars", lambda file: of_polars(pl.read_ipc(file))),
    ("arrow", "DuckDB", duck),
    ("feather", "pandas", lambda file: of_pandas(pd.read_feather(file, dtype_backend="pyarrow"))),
    ("feather", "Polars", lambda file: of_polars(pl.read_ipc(file))),
]
# Text has no types but those that its reader guesses: compared are rows and the columns that all
# of them guess alike.
TEXT: list[tuple[str, str, Callable[[str], Any]]] = [
    ("csv", "pandas", pd.read_csv),
    ("csv", "Polars", lambda file: pl.read_csv(file, infer_schema_length=None)),
    ("csv", "DuckDB", lambda file: duckdb.sql(f"select * from '{file}'").pl()),
    ("json", "pandas", pd.read_json),
    ("json", "DuckDB", lambda file: duckdb.sql(f"select * from '{file}'").pl()),
    ("jsonl", "pandas", lambda file: pd.read_json(file, lines=True)),
    ("jsonl", "DuckDB", lambda file: duckdb.sql(f"select * from '{file}'").pl()),
]
QUERIES = {
    "runs": ["query", "name is not null", "--sort", "name"],
    "none": ["query", "name = 'nobody'"],
    "columns": ["query", "name is not null", "--columns", "name,start,lr,either,min(val/acc)"],
    "points": ["series", "long", "noise", "gap"],
    "odd": ["series", "r1", "val/acc"],
}


def main() -> None:
    os.chdir(sys.argv[1])
    os.environ |= {"TRACKER_STORE": "store", "TZ": "UTC"}  # DuckDB shows times in the local zone
    shutil.rmtree("store", ignore_errors=True)
    Path("runs.jsonl").unlink(missing_ok=True)
    make_store()
    checked = 0
    for name, query in QUERIES.items():
        rows = answer(*query)
        for form, library, read in BINARY:
            file = f"{name}.{form}"
            tracker(*query, "--output", file)
            schema = pa.parquet.read_schema(file) if form == "parquet" else pa.ipc.open_file(file).schema
            assert schema.metadata[b"tracker.version"], file
            assert schema.metadata[b"tracker.query"].decode().startswith(query[0]), file
            want = wanted(schema, rows)
            if name == "columns":
                ids = {run["id"]: run for run in rows}
                assert list(want["id"]) == list(ids), file
            what = f"{file} by {library}"
            same(what, read(file), want)
            print(f"{what}: {len(rows)} rows of {len(schema)} columns")
            checked += 1
        pd.read_parquet(f"{name}.parquet")  # as most people call it
        header = Path(f"{name}.csv")
        tracker(*query, "--output", str(header))
        if name != "points":  # its rows are many and its columns few
            columns = pl.read_csv(header, infer_schema=False).columns
            assert columns == list(want), f"{header}: {columns}"
        for form, library, read in TEXT:
            if not rows:
                continue
            file = f"{name}.{form}"
            tracker(*query, "--output", file)
            frame = read(file)
            assert len(frame) == len(rows), f"{file} by {library}: {len(frame)} rows"
            for column in ("id", "name", "run", "metric", "step"):
                if column in rows[0] and column in frame.columns:
                    got, told = list(frame[column]), [row[column] for row in rows]
                    assert got == told, f"{file} by {library}: {column}"
            print(f"{file} by {library}: {len(rows)} rows")
            checked += 1
    versions = f"pandas {pd.__version__}, pyarrow {pa.__version__}, Polars {pl.__version__}, DuckDB {duckdb.__version__}"
    print(f"{checked} files read alike by {versions}")


main()
