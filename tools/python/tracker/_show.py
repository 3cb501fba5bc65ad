"""How runs and series look at a prompt and in a notebook."""

from __future__ import annotations

from html import escape

TYPE_CHECKING = False  # that of typing takes milliseconds to import
if TYPE_CHECKING:
    from typing import Any

    from tracker._tracker import Run
    from tracker._tracker import Runs
    from tracker._tracker import Series

_ROWS_MAX = 20
_COLUMNS_MAX = 8
_CELL_MAX = 24
#: Points of a curve that a notebook draws, and its size in pixels.
_POINTS_MAX = 400
_WIDTH, _HEIGHT = 480, 96


def _cell(value: Any) -> str:
    """A value in a table: six digits, one line, not too long."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value).splitlines()[0] if str(value) else ""
    return text if len(text) <= _CELL_MAX else text[: _CELL_MAX - 1] + "…"


def _varying(runs: list[Run], kind: str) -> list[str]:
    """Names of params or metrics, those first that most of the runs have; params that differ."""
    seen: dict[str, list[str]] = {}
    for run in runs:
        for name, value in getattr(run, kind).items():
            seen.setdefault(name, []).append(_cell(value))
    if kind == "params" and len(runs) > 1:
        seen = {
            name: values
            for name, values in seen.items()
            if len(set(values)) > 1 or len(values) < len(runs)
        }
    return sorted(seen, key=lambda name: (-len(seen[name]), name))


def _table(runs: Runs) -> tuple[list[str], list[list[str]], int]:
    """Heads, rows, and how many runs there are beyond them."""
    shown = [runs[at] for at in range(min(len(runs), _ROWS_MAX))]
    params = _varying(shown, "params")[: _COLUMNS_MAX // 2]
    metrics = _varying(shown, "metrics")[: _COLUMNS_MAX - len(params)]
    heads = ["id", "name", "status", "start", *params, *metrics]
    rows = []
    for run in shown:
        moment = None if run.start is None else str(run.start)[:16]  # to the minute
        own_params, own_metrics = run.params, run.metrics
        row: list[Any] = [run.id[:8], run.name, run.status, moment]
        row += [own_params.get(name) for name in params]
        row += [own_metrics.get(name) for name in metrics]
        rows.append([_cell(value) for value in row])
    return heads, rows, len(runs) - len(shown)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def runs_text(runs: Runs) -> str:
    """A table of the first runs."""
    if len(runs) == 0:
        return "no runs"
    heads, rows, more = _table(runs)
    widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        for row in [heads, *rows]
    ]
    if more:
        lines.append(f"… and {_count(more, 'run')} more")
    return "\n".join(lines)


def _html_table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def runs_html(runs: Runs) -> str:
    """The same table for a notebook."""
    if len(runs) == 0:
        return "<p>no runs</p>"
    heads, rows, more = _table(runs)
    rest = f"<p>… and {_count(more, 'run')} more</p>" if more else ""
    return _html_table(heads, rows) + rest


def _facts(run: Run) -> list[tuple[str, str]]:
    facts = [("experiment", run.experiment), ("author", run.author), ("note", run.note)]
    if run.duration is not None:
        facts.append(("took", f"{run.duration:.3g} s"))
    facts += [(f"params.{name}", _cell(value)) for name, value in run.params.items()]
    facts += [(f"metrics.{name}", _cell(value)) for name, value in run.metrics.items()]
    facts += [(f"tags.{name}", _cell(text)) for name, text in run.tags.items()]
    facts += [(f"read {path}", f"{file['bytes']:,} bytes") for path, file in run.inputs.items()]
    facts += [(path, f"{file['bytes']:,} bytes") for path, file in run.artifacts.items()]
    if run.reason is not None:
        facts.append(("reason", _cell(run.reason)))
    return [(name, value) for name, value in facts if value is not None]


def run_text(run: Run) -> str:
    """One line: which run, and how it stands."""
    last = ", ".join(f"{name}={_cell(value)}" for name, value in list(run.metrics.items())[:4])
    more = f": {last}" if last else ""
    return f"<tracker.Run {run.id[:8]} {run.name} {run.status}{more}>"


def run_html(run: Run) -> str:
    """All that is known of a run, for a notebook."""
    head = f"<p><b>{escape(run.name)}</b> {run.id[:8]} {run.status}</p>"
    return head + _html_table(["", ""], [[name, value] for name, value in _facts(run)])


def series_text(series: Series) -> str:
    """One line: whose it is and how long."""
    name = f"{series.metric} of {series.run[:8]}"
    if len(series) == 0:
        return f"<tracker.Series {name}: no points>"
    steps, values = series.steps, series.values
    return (
        f"<tracker.Series {name}: {_count(len(series), 'point')}, steps {steps[0]} to {steps[-1]}, "
        f"last {_cell(float(values[-1]))}>"
    )


def _curve(series: Series) -> str:
    """A curve as SVG, with the least and the largest of each stretch of points."""
    points = [
        (int(step), float(value))
        for step, value in zip(series.steps, series.values)
        if abs(value) < float("inf")
    ]
    stretch = -(-2 * len(points) // _POINTS_MAX) or 1
    drawn: list[tuple[int, float]] = []
    for at in range(0, len(points), stretch):
        part = points[at : at + stretch]
        low = min(part, key=lambda point: point[1])
        high = max(part, key=lambda point: point[1])
        drawn += sorted({low, high})
    if len(drawn) < 2:
        return ""
    left, right = drawn[0][0], drawn[-1][0]
    bottom, top = min(value for _, value in drawn), max(value for _, value in drawn)
    path = " ".join(
        f"{(step - left) / ((right - left) or 1) * _WIDTH:.1f},"
        f"{(1 - (value / 2 - bottom / 2) / ((top / 2 - bottom / 2) or 1)) * _HEIGHT:.1f}"
        for step, value in drawn
    )
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'style="overflow:visible"><polyline points="{path}" fill="none" stroke="currentColor" '
        f'stroke-width="1"/></svg><p>{_cell(bottom)} to {_cell(top)}</p>'
    )


def series_html(series: Series) -> str:
    """The line and the curve, for a notebook."""
    return f"<p>{escape(series_text(series)[1:-1])}</p>{_curve(series)}"
