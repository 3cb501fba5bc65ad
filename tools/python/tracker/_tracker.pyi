"""The compiled part of the package `tracker`; what people use stands in `tracker` itself."""

import os
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from typing import Self
from typing import final
from typing import overload

from typing_extensions import disjoint_base

__version__: str

_Path = str | os.PathLike[str]

def command(arguments: list[str]) -> int:
    """Runs the command `tracker` and returns its exit code.

    - arguments: the program's name first
    """

def params(value: Any) -> dict[str, Any]:
    """Lays params out flat, as `log_params` stores them."""

def runs(
    filter: str | None, sort: list[str], limit: int | None, store: _Path | None
) -> Runs:
    """Returns the runs that a filter lets through."""

def run(text: str, store: _Path | None = None) -> Run:
    """Returns the run that a text names."""

def best(
    metric: str,
    mode: str | None = None,
    filter: str | None = None,
    store: _Path | None = None,
) -> Run:
    """Returns the run that is best by the last value of a metric."""

@disjoint_base
class Writer:
    """Logs to a run; what `tracker.ActiveRun` inherits from."""

    def __new__(
        cls,
        how: str,
        run: str | None = None,
        *,
        store: _Path | None = None,
        name: str | None = None,
        experiment: str | None = None,
        author: str | None = None,
        parent: str | None = None,
        params: Any = None,
        raises: bool = False,
    ) -> Self: ...
    @property
    def id(self) -> str:
        """Id of the run: 32 hex digits, of which the first 8 name it as a rule."""

    @property
    def name(self) -> str:
        """Name of the run."""

    @property
    def store(self) -> _Path:
        """Folder of the store."""

    @property
    def errors(self) -> int:
        """Calls that the disk refused and that were not raised: what they logged is lost."""

    @property
    def next_step(self) -> int:
        """The step that `log` without one logs to."""

    def warnings(self) -> list[str]:
        """What the store's `tracker.toml` has to say of the run."""

    def is_forked(self) -> bool:
        """Whether this process was forked from the one whose run it is."""

    def log(
        self,
        data: Mapping[str, Any],
        step: Any = None,
        *,
        commit: bool = True,
        time: float | datetime | None = None,
    ) -> None:
        """Logs the values of one step.

        What was logged survives the death of this process when this returns (`kill -9` too), and a
        power cut a second later.

        - data: `{name: number}`; numbers of numpy, torch, jax and tensorflow too, true and false as
          1 and 0; None is skipped; nested dicts join their names with `/`
        - step: any whole number of 64 bits; steps may repeat and come in any order. Without it one
          more than that of the call before, from 0
        - commit: with False the next call without a step logs to the same step
        - time: when it was, in seconds since 1970 as `time.time()` tells it, or a `datetime`; now if
          left out

        Raises TypeError for what is no number or no name, and nothing is logged; Invalid for a name
        that is empty, too long or has control characters; Closed after the run has ended. What the
        disk refuses is counted (`errors`) and warned of once, or raised with `on_error="raise"`.
        """

    def log_series(self, name: str, steps: Any, values: Any) -> None:
        """Logs many points of one metric, in the order given, with the time of now.

        - name: of the metric
        - steps: `[n]` whole numbers
        - values: `[n]` numbers

        Contiguous numpy arrays of float64, float32, int64 and int32 (and what else has such a
        buffer) are read in place, without the interpreter's lock; all else number by number.

        Raises ValueError if there are not as many steps as values; else as `log`. Points before the
        one that the disk refused are kept.
        """

    def param(self, key: str, value: Any) -> None:
        """Sets a param: an input of the run, once.

        Raises ParamConflict if it has another value, which stays.
        """

    def params(self, params: Any) -> None:
        """Sets params: nested dicts join their names with `.`; dataclasses and namespaces too.

        Numbers, truths, texts and lists keep their type, all else is kept as text. Raises
        ParamConflict if one has another value, which stays; those before it are set.
        """

    def tag(self, key: str, value: Any) -> None:
        """Sets or replaces a tag; any value is kept as text."""

    def note(self, text: str) -> None:
        """Sets or replaces the note."""

    def better(self, metric: str, mode: str) -> str:
        """Says which way a metric is better, for `best` and `compare`, and returns what holds.

        - mode: `min` or `max`

        It holds for the whole store, and is written down there unless the name tells as much. What
        stands there already stays.
        """

    def artifact(
        self,
        path: _Path,
        name: str | None = None,
        *,
        type: str | None = None,
        reference: bool = False,
    ) -> list[dict[str, Any]]:
        """Stores a file, or all files of a folder, with the run.

        - path: of the file or folder
        - name: what it is called in the run; its own name if left out
        - type: what it is, in your words, as "model"
        - reference: leave the bytes where they are; hash, size and time are kept
        - returns: `[{"path", "hash", "bytes"}]`, what was stored

        A name that the run has already gets a new version. The bytes are on the disk when this
        returns. Raises MissingFile if there is no such.
        """

    def input(
        self, path: _Path, name: str | None = None, *, type: str | None = None
    ) -> list[dict[str, Any]]:
        """Notes that the run reads a file, or all files of a folder: hash, size and time are kept, the
        bytes stay where they are.

        - path: of the file or folder
        - name: what it is called in the run; the path as it is given if left out
        - type: what it is, in your words, as "dataset"
        - returns: `[{"path", "hash", "bytes"}]`

        Raises MissingFile if there is no such.
        """

    def artifact_bytes(self, name: str, data: bytes) -> list[dict[str, Any]]:
        """Stores bytes as an artifact of that name."""

    def sync(self) -> None:
        """Waits until all that was logged would survive a power cut."""

    def _end(self, status: str = "completed", reason: str | None = None) -> None: ...

@final
class Run:
    """A run as it was when it was asked for.

    Its points are read when they are asked for, so those of a run that goes on are newer.
    """

    @property
    def id(self) -> str:
        """Id: 32 hex digits, of which the first 8 name it as a rule."""

    @property
    def name(self) -> str:
        """Name for people."""

    @property
    def experiment(self) -> str | None:
        """Experiment it belongs to."""

    @property
    def author(self) -> str | None:
        """Who started it."""

    @property
    def status(self) -> str:
        """`running`, `completed`, `failed` or `unknown`."""

    @property
    def reason(self) -> str | None:
        """Why it failed, if its end says so."""

    @property
    def parent(self) -> str | None:
        """Id of the run it is part of."""

    @property
    def start(self) -> datetime | None:
        """Start, as a `datetime` in UTC."""

    @property
    def end(self) -> datetime | None:
        """End, as a `datetime` in UTC; None while it runs."""

    @property
    def duration(self) -> float | None:
        """How long it took, or had taken when it was asked for, in seconds."""

    @property
    def note(self) -> str | None:
        """Free text."""

    @property
    def store(self) -> _Path:
        """Folder of the store."""

    @property
    def params(self) -> dict[str, Any]:
        """Params by name, each of the type it was logged with."""

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric by name."""

    @property
    def tags(self) -> dict[str, str]:
        """Tags by name."""

    @property
    def artifacts(self) -> dict[str, dict[str, Any]]:
        """What the run made, by path, the newest version of each: `{"hash", "bytes", "version",
        "type", "direction", "reference"}`.
        """

    @property
    def inputs(self) -> dict[str, dict[str, Any]]:
        """What the run read, by path, as `artifacts`; `reference` is where it was."""

    def get_artifact(self, path: str, to: _Path) -> None:
        """Copies an artifact to a file, checking every byte.

        - path: of the artifact in the run; `PATH@vN` is a version of it
        - to: the file; nothing else is ever seen there than all of it

        Raises NotFound if the run has no such artifact, StoreError if its bytes are damaged.
        """

    def series(
        self,
        metric: str,
        *,
        from_step: int | None = None,
        to_step: int | None = None,
        tail: int | None = None,
        sample: int | None = None,
    ) -> Series:
        """Reads the points of a metric.

        - from_step, to_step: only these steps, both included
        - tail: of these only so many at the end
        - sample: at most about so many points, chosen so that no peak is lost

        Raises NotFound (a KeyError, too) for a metric that the run has not.
        """

    def to_dict(self) -> dict[str, Any]:
        """All that is known of it, as `tracker show --format json` prints it."""

    def plot(
        self,
        *metrics: str,
        ax: Any = None,
        backend: str | None = None,
        sample: int | None = 2000,
        **style: Any,
    ) -> Any:
        """Draws metrics, a curve each, by matplotlib or plotly, whichever is installed.

        - metrics: names of them; all if left out
        - sample: points a curve at most, chosen so that no peak is lost; None draws all
        - ax, backend, style, returns: as in `Series.plot`

        Raises NotFound for a metric that the run has not.
        """

    def _repr_html_(self) -> str: ...

@final
class Runs(Sequence[Run]):
    """Runs that a question found: a sequence of `Run`, and a table.

    As a table a run is a row: what it is, then `params.NAME`, `metrics.NAME` (the last value) and
    `tags.NAME`. pandas, Polars, PyArrow and DuckDB take it as it is, or by `to_pandas()`,
    `to_polars()` and `to_arrow()`.
    """

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, at: int, /) -> Run: ...
    @overload
    def __getitem__(self, at: slice, /) -> Runs: ...
    def to_dict(self) -> dict[str, list[Any]]:
        """The columns of the table: `{name: [value or None]}`, with times as `datetime`."""

    def to_pandas(self) -> Any:
        """A pandas DataFrame, a run a row; whole numbers and truths with gaps stay what they are."""

    def to_polars(self) -> Any:
        """A Polars DataFrame, a run a row."""

    def to_arrow(self) -> Any:
        """A PyArrow Table, a run a row."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The table by the Arrow PyCapsule interface."""

    def __arrow_c_schema__(self) -> object:
        """The schema of `__arrow_c_stream__`."""

    def plot(
        self,
        metric: str,
        *,
        ax: Any = None,
        backend: str | None = None,
        sample: int | None = 2000,
        label: str = "name",
        **style: Any,
    ) -> Any:
        """Draws a metric, a curve for each run that has it.

        - label: what a curve is called by: an attribute of a run (`name`, `id`), `params.NAME` or
          `tags.NAME`
        - sample: points a curve at most, chosen so that no peak is lost; None draws all
        - ax, backend, style, returns: as in `Series.plot`

        Raises NotFound if none of the runs has the metric.
        """

    def _repr_html_(self) -> str: ...

@final
class Series:
    """The points of one metric of one run, by step, then time, then the order logged.

    `steps`, `times` and `values` are read-only numpy arrays over the very memory that was read,
    or `memoryview`s where numpy is not installed. `steps, values = series` takes both apart, so
    `plt.plot(*series)` draws it. pandas, Polars and PyArrow take it as a table.
    """

    @property
    def run(self) -> str:
        """Id of the run."""

    @property
    def metric(self) -> str:
        """Name of the metric."""

    @property
    def steps(self) -> Any:
        """`[n]` int64."""

    @property
    def times(self) -> Any:
        """`[n]` datetime64 in microseconds, UTC; without numpy int64 microseconds since 1970."""

    @property
    def values(self) -> Any:
        """`[n]` float64: every bit as it was logged."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]:
        """`steps`, then `values`."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The values, for numpy."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The columns `step`, `time` and `value`, by the Arrow PyCapsule interface."""

    def __arrow_c_schema__(self) -> object:
        """The schema of `__arrow_c_stream__`."""

    def to_pandas(self) -> Any:
        """A pandas DataFrame with the columns `step`, `time` and `value`."""

    def to_polars(self) -> Any:
        """A Polars DataFrame with the columns `step`, `time` and `value`."""

    def to_arrow(self) -> Any:
        """A PyArrow Table with the columns `step`, `time` and `value`."""

    def plot(self, ax: Any = None, *, backend: str | None = None, **style: Any) -> Any:
        """Draws the curve, by matplotlib or plotly, whichever is installed.

        - ax: matplotlib's axes to draw in; new ones if left out
        - backend: `matplotlib` or `plotly`, where both are installed
        - style: handed on, as `color` or `label`
        - returns: the axes, or plotly's figure
        """

    def _repr_html_(self) -> str: ...

@final
class Column:
    """Numbers that Python reads in place: `numpy.frombuffer(column, "float64")`, `memoryview`.

    The buffer is bytes, read-only.
    """

    def __len__(self) -> int: ...
    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...
