"""Curves, drawn by matplotlib or plotly where one of them is installed."""

from __future__ import annotations

from tracker._errors import NotFound

TYPE_CHECKING = False  # that of typing takes milliseconds to import
if TYPE_CHECKING:
    from typing import Any

    from tracker._tracker import Run
    from tracker._tracker import Runs
    from tracker._tracker import Series

_LIBRARIES = ("matplotlib", "plotly")


def series_plot(series: Series, ax: Any = None, *, backend: str | None = None, **style: Any) -> Any:
    """Draws one curve."""
    label = style.pop("label", series.metric)
    return _draw([(label, series)], series.metric, ax, backend, style)


def run_plot(
    run: Run,
    *metrics: str,
    ax: Any = None,
    backend: str | None = None,
    sample: int | None = 2_000,
    **style: Any,
) -> Any:
    """Draws metrics of a run, a curve each."""
    curves = [(name, run.series(name, sample=sample)) for name in metrics or run.metrics]
    return _draw(curves, metrics[0] if len(metrics) == 1 else "value", ax, backend, style)


def runs_plot(
    runs: Runs,
    metric: str,
    *,
    ax: Any = None,
    backend: str | None = None,
    sample: int | None = 2_000,
    label: str = "name",
    **style: Any,
) -> Any:
    """Draws a metric of runs, a curve each."""
    curves = []
    for run in runs:
        try:
            series = run.series(metric, sample=sample)
        except NotFound:
            continue  # one without it hides none of the others
        curves.append((_label(run, label), series))
    if not curves:
        raise NotFound(f"none of {len(runs)} runs has a metric {metric!r}")
    return _draw(curves, metric, ax, backend, style)


def _label(run: Run, label: str) -> str:
    """What a run is called in a legend: one of its attributes, or of its params or tags."""
    kind, _, name = label.partition(".")
    if name and kind in ("params", "tags"):
        return f"{name}={getattr(run, kind).get(name)}"
    return str(getattr(run, label))


def _library(ax: Any, backend: str | None) -> str:
    from importlib.util import find_spec

    if backend is not None and backend not in _LIBRARIES:
        raise ValueError(f"backend wants one of {', '.join(_LIBRARIES)}, has {backend!r}")
    if ax is not None:
        return "matplotlib"
    wanted = _LIBRARIES if backend is None else (backend,)
    for name in wanted:
        if find_spec(name) is not None:
            return name
    raise ModuleNotFoundError(f"a plot needs {' or '.join(wanted)}: install one of them")


def _draw(
    curves: list[tuple[str, Series]],
    value: str,
    ax: Any,
    backend: str | None,
    style: dict[str, Any],
) -> Any:
    if _library(ax, backend) == "plotly":
        from plotly import graph_objects

        figure = graph_objects.Figure()
        for label, series in curves:
            x, y = list(series.steps), list(series.values)
            figure.add_scatter(x=x, y=y, name=label, mode="lines", **style)
        figure.update_layout(xaxis_title="step", yaxis_title=value)
        return figure
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots()[1]
    for label, series in curves:
        ax.plot(series.steps, series.values, label=label, **style)
    ax.set_xlabel("step")
    ax.set_ylabel(value)
    if len(curves) > 1:
        ax.legend()
    return ax
