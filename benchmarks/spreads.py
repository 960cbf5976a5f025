"""What the parts with many cells share: figures over rounds, cells in turn, and steps of about equal length."""

import statistics
from collections.abc import Callable, Sequence
from typing import TypeVar

from benchmarks.progress import Progress
from benchmarks.result import spread

Report = Callable[[str], None]
Item = TypeVar("Item")


def show(values: Sequence[float], digits: int = 1) -> str:
    """The median over rounds with the lowest and the highest."""
    return spread(values).show(digits)


def ratio(values: Sequence[float], others: Sequence[float]) -> float:
    """Median over median."""
    return statistics.median(values) / statistics.median(others)


def turn(items: Sequence[Item], number: int) -> list[Item]:
    """`items` in this round's order: turned around every other round, so that none always comes second."""
    return list(items) if number % 2 == 0 else list(reversed(items))


def step_through(progress: Progress, seconds_each: float) -> Report:
    """What is to be told of the beginning of each step; the one before counts as done then."""
    steps = 0

    def report(what: str) -> None:
        nonlocal steps
        progress.advance(seconds_each if steps else 0.0)
        steps += 1
        progress.report(what)

    return report
