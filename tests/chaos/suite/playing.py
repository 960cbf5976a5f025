"""Which phases are played on which stage."""

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.chaos.suite import calm, kills, stops
from tests.chaos.suite.memory import Growth
from tests.chaos.suite.stage import Phase, PhaseReport, Stage
from tests.chaos.suite.table import count_faults, format_run


def play(folder: Path, *, is_short: bool, patience: float, only: str = "") -> int:
    """Plays every phase whose name holds `only`, prints the table, and returns the number of faults."""
    reports: list[PhaseReport] = []
    growths: list[tuple[str, Growth]] = []
    phases = [phase for phase in (*calm.PHASES, *kills.PHASES, *stops.PHASES) if only in phase.name]
    with Stage("up", folder / "up", is_short=is_short, patience=patience).running() as stage:
        for phase in phases:
            report = stage.run(phase)
            reports.append(report)
            _say(report)
        growths += [("up", growth) for growth in stage.growths()]
    print(format_run(reports, growths))
    return count_faults(reports)


def _say(report: PhaseReport) -> None:
    faults = {name: len(found) for name, found in report.ledger.faults.items() if found}
    print(f"{report.stage}: {report.name}: {report.seconds:.0f} s, {len(report.ledger.jobs)} jobs, {faults or 'whole'}", flush=True)
