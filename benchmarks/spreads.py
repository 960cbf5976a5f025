"""What the parts with rounds share: figures over rounds, tables of them, and a progress bar."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

Report = Callable[[str], None]


def show(values: Sequence[float], digits: int = 1) -> str:
    """The median over rounds with the lowest and the highest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def ratio(values: Sequence[float], others: Sequence[float]) -> float:
    """Median over median."""
    return statistics.median(values) / statistics.median(others)


def format_rows(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def turn(items: Sequence[Any], number: int) -> list[Any]:
    """`items` in another order every round: turned around every other one, so that none always comes second."""
    return list(items) if number % 2 == 0 else list(reversed(items))


@contextmanager
def progress(title: str, steps: int) -> Iterator[Report]:
    """A progress bar on standard error, where that is a terminal; each report is the beginning of a step."""
    with tqdm(total=steps, desc=title, unit="step", disable=None, leave=False) as bar:
        begun = 0

        def report(what: str) -> None:
            nonlocal begun
            bar.update(1 if begun else 0)
            begun += 1
            bar.set_postfix_str(what)

        yield report
