"""What a part of the benchmarks finds: tables, plots and every single figure, without a word on how they are shown.

Apart from the report, because every part builds these and only the report draws and writes them.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Spread:
    """A figure over all rounds."""

    median: float
    low: float
    high: float

    def show(self, digits: int) -> str:
        """Shows the median, and the extremes where they differ from it."""
        if self.low == self.high:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}–{self.high:,.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def show_ratio(mine: Spread, others: Spread, digits: int = 2) -> str:
    """Shows one median over another, or a dash where there is nothing to divide by."""
    return f"{mine.median / others.median:.{digits}f} ×" if others.median else "-"


@dataclass(frozen=True)
class Table:
    """One Markdown table; `note` is what must be known to read it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Series:
    """One line of a plot; `low` and `high`, of the same length where given, are drawn as a band."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Plot:
    """One picture; `name` becomes a part of its file's name."""

    name: str
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Result:
    """What one part found.

    Attributes:
        tables, plots: in the order of showing.
        figures: whatever `json` can write: every round's figures and the settings they were measured with.
        notes: lines for the reader, such as what was skipped and why.
    """

    tables: tuple[Table, ...]
    plots: tuple[Plot, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
