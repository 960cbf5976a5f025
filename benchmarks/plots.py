"""Draws plots as SVG; apart from the report, because only this needs matplotlib."""

from importlib.util import find_spec
from pathlib import Path

from benchmarks.result import Plot

SIZE_INCHES = (8.0, 4.8)
BAND_OPACITY = 0.15
LOG_TICKS = (1.0, 2.0, 5.0)  #: of each power of ten
MOST_TICKS = 8  #: so many measured values are ticks themselves


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw(plot: Plot, path: Path) -> None:
    """Draws `plot` into a file, whose suffix (`.svg`, `.png`) says in what format."""
    import matplotlib  # noqa: PLC0415 - half a second that only a report needs

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker  # noqa: PLC0415

    figure, axes = pyplot.subplots(figsize=SIZE_INCHES, layout="constrained")
    for series in plot.series:
        (line,) = axes.plot(series.x, series.y, marker="o", markersize=4, label=series.name)
        if series.low and series.high:
            axes.fill_between(series.x, series.low, series.high, color=line.get_color(), alpha=BAND_OPACITY, lw=0)
    axes.set(title=plot.title, xlabel=plot.x_label, ylabel=plot.y_label)
    for is_log, axis, name in ((plot.log_x, axes.xaxis, "x"), (plot.log_y, axes.yaxis, "y")):
        if is_log:
            axes.set(**{f"{name}scale": "log"})
            axis.set_major_locator(ticker.LogLocator(subs=LOG_TICKS))
            axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,g}"))
            axis.set_minor_locator(ticker.NullLocator())
    if plot.log_x and len(measured := sorted({x for series in plot.series for x in series.x})) <= MOST_TICKS:
        axes.set_xticks(measured)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend()
    figure.savefig(path)
    pyplot.close(figure)
