"""A phase: what is done to a service, what it gives reason for, and what it came to."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.suite.ledger import Ledger

if TYPE_CHECKING:
    from tests.chaos.suite.stage import Stage


class Phase(NamedTuple):
    """One kind of disturbance.

    Attributes:
        name: in the table.
        disturb: does it, within bounds, while the load is on.
        may_refuse, may_cut: see `Ledger`.
    """

    name: str
    disturb: Callable[["Stage"], None]
    may_refuse: tuple[str, ...] = ()
    may_cut: bool = False


class Recovery(NamedTuple):
    """How long something took to answer again, and how long it may (seconds)."""

    what: str
    seconds: float
    bound: float


class Skipped(Exception):
    """A phase cannot be played here; says why."""


class PhaseReport(NamedTuple):
    """What a phase came to."""

    stage: str
    name: str
    seconds: float
    ledger: Ledger
    counts: Counter[str]
    recoveries: list[Recovery]
    waited: list[float]
    peaks: dict[str, float]
    skipped: str = ""
