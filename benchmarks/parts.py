"""The parts that `make bench` consists of, and what each must offer.

A part is a module of this package with a `PART`. To add one, write the module and name it in `PART_MODULES`.
"""

import argparse
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.progress import Progress
from benchmarks.result import Result

#: In the order of running.
PART_MODULES = (
    "single",
    "open_loop",
    "interference",
    "upload",
    "drain",
    "batch",
    "growth",
    "reload",
    "start",
)


@dataclass(frozen=True)
class Options:
    """What is asked of every part.

    Attributes:
        quick: a smoke check: everything is run, briefly and on little, and the figures mean nothing.
        rounds: how often the stacks take turns; medians are over rounds.
        seconds: the measured window of one load, in seconds.
        fsync: the `appendfsync` of every stack's Redis: `always` or `everysec`.
        stacks: those to measure; empty for the part's own choice.
        given: the part's own arguments, by name.
    """

    quick: bool = False
    rounds: int = 5
    seconds: float = 4.0
    fsync: str = "always"
    stacks: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)


class Part(Protocol):
    """One part of the benchmarks.

    Attributes:
        name: its command and the name of its files.
        summary: one line for the command line's help.
        is_in_all: whether `make bench` runs it without being asked for it by name.
    """

    name: str
    summary: str
    is_in_all: bool

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the part's own arguments, each with a default; they arrive in `Options.given`."""

    def estimate_seconds(self, options: Options) -> float:
        """Estimates how long `run` will take."""

    def run(self, options: Options, progress: Progress) -> Result:
        """Measures.

        Args:
            options: see there.
            progress: to be told what is being done (`report`) and what is done (`advance`).

        Raises:
            StackError: a stack did not come up, died or answered wrongly.
        """


def load_parts() -> dict[str, Part]:
    """Imports every part; by name, in the order of running."""
    parts = (importlib.import_module(f"benchmarks.{module}").PART for module in PART_MODULES)
    return {part.name: part for part in parts}


def choose_options(part: Part, quick: bool, common: Mapping[str, Any], given: Mapping[str, Any]) -> Options:
    """Fills in what was not asked for: one short round for a smoke check, else the defaults of `Options`.

    Args:
        common: values for fields of `Options`; None where not given.
        given: the part's own arguments; missing ones get the part's defaults.
    """
    parser = argparse.ArgumentParser(add_help=False)
    part.add_arguments(parser)
    chosen = {**({"rounds": 1, "seconds": 1.0} if quick else {})}
    chosen.update((name, value) for name, value in common.items() if value is not None)
    return Options(quick=quick, given={**vars(parser.parse_args([])), **given}, **chosen)
