"""The ledger of a whole run as a table, and what is off below it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmarks.report import format_table
from benchmarks.result import Table
from tests.chaos.suite.ledger import FAULTS, FINAL
from tests.chaos.suite.memory import Growth
from tests.chaos.suite.phase import PhaseReport

MOST_SHOWN = 8  #: offending ids and answers, of each fault of a phase
MEASURES = ("kills", "stops", "bombs", "floods", "restarts", "cuts")
MEGABYTES = ("gateway", "worker", "valkey-server")


def format_run(reports: Sequence[PhaseReport], growths: Sequence[tuple[str, Growth]]) -> str:
    """Everything there is to say; an empty line between the blocks."""
    blocks = [format_table(_ledger(reports)), format_table(_disturbances(reports)), format_table(_memory(growths))]
    return "\n\n".join([*blocks, *_offences(reports)])


def show_report(report: PhaseReport) -> str:
    """One line, while the others are still to come."""
    faults = ", ".join(f"{len(found)} {name}" for name, found in report.ledger.faults.items() if found)
    outcome = f"skipped: {report.skipped}" if report.skipped else faults or "stands"
    return f"{report.stage}: {report.name}: {report.seconds:.0f} s, {len(report.ledger.jobs)} jobs: {outcome}"


def count_faults(reports: Sequence[PhaseReport]) -> int:
    return sum(len(report.ledger.faults[name]) for report in reports for name in FAULTS)


def _ledger(reports: Sequence[PhaseReport]) -> Table:
    rows = [_row(f"{report.stage}: {report.name}", [report]) for report in reports]
    note = (
        "accepted = the four that follow. refused: with a time to come again, and reason to. Must be 0: lost; doubled; "
        "wrong; unfair (refused though there was room); errors (5xx without Retry-After); late (recovery); broken "
        "(connections nobody cut, processes that did not come back, too much memory)."
    )
    return Table("Ledger", ("phase", "accepted", *FINAL, "refused", *FAULTS), (*rows, _row("all", reports)), note)


def _row(name: str, reports: Sequence[PhaseReport]) -> tuple[str, ...]:
    if len(reports) == 1 and reports[0].skipped:
        name += f" (skipped: {reports[0].skipped})"
    ledgers = [report.ledger for report in reports]
    ends = sum((ledger.ends for ledger in ledgers), Counter())
    numbers = [
        sum(len(ledger.jobs) for ledger in ledgers),
        *(ends[state] for state in FINAL),
        sum(sum(ledger.refused.values()) for ledger in ledgers),
        *(sum(len(ledger.faults[fault]) for ledger in ledgers) for fault in FAULTS),
    ]
    return (name, *map(str, numbers))


def _disturbances(reports: Sequence[PhaseReport]) -> Table:
    rows = []
    for report in reports:
        recoveries = ", ".join(f"{each.what} {each.seconds:.2f} (≤ {each.bound:g})" for each in report.recoveries)
        half, late = _percentile(report.waited, 0.5), _percentile(report.waited, 0.99)
        single = f"{half:.0f} / {late:.0f}" if half is not None and late is not None else "–"
        peaks = " / ".join(f"{report.peaks.get(kind, 0.0):.0f}" for kind in MEGABYTES)
        counts = ", ".join(f"{report.counts[name]} {name}" for name in MEASURES if report.counts[name])
        rows.append((report.name, f"{report.seconds:.0f}", counts or "–", recoveries or "–", single, peaks))
    total: Counter[str] = sum((report.counts for report in reports), Counter())
    seconds = sum(report.seconds for report in reports)
    rows.append(("all", f"{seconds:.0f}", ", ".join(f"{total[name]} {name}" for name in MEASURES), "", "", ""))
    columns = ("phase", "s", "disturbances", "recovery, s", "single p50 / p99, ms", f"peak MB: {' / '.join(MEGABYTES)}")
    return Table("Disturbances", columns, tuple(rows), "Peaks are PSS of all processes of that kind together.")


def _memory(growths: Sequence[tuple[str, Growth]]) -> Table:
    rows = tuple(
        (
            stage,
            f"{growth.part} ({growth.pid})",
            f"{growth.seconds:.0f}",
            "–" if growth.slope is None else f"{growth.slope:+.2f}",
            f"{growth.peak:.0f}",
        )
        for stage, growth in growths
        if growth.slope is not None
    )
    return Table("Memory", ("stage", "process", "seen s", "PSS MB per minute", "peak RSS MB"), rows)


def _vary(found: Sequence[str]) -> list[str]:
    """The first of each sort before the second of any: many of one would hide another."""
    seen: Counter[str] = Counter()
    ranked = []
    for what in found:
        sort = " ".join(what.split()[1:7])  # the first word is an id
        ranked.append((seen[sort], what))
        seen[sort] += 1
    return [what for _, what in sorted(ranked, key=lambda pair: pair[0])]


def _offences(reports: Sequence[PhaseReport]) -> list[str]:
    blocks = []
    for report in reports:
        lines = []
        for fault in FAULTS:
            found = _vary(report.ledger.faults[fault])
            lines += [f"- {fault}: {what}" for what in found[:MOST_SHOWN]]
            if len(found) > MOST_SHOWN:
                lines.append(f"- {fault}: … and {len(found) - MOST_SHOWN} more")
        if lines:
            blocks.append("\n".join([f"### {report.stage}: {report.name}", "", *lines]))
    return blocks


def _percentile(seconds: list[float], fraction: float) -> float | None:
    """In ms."""
    return float(np.quantile(seconds, fraction)) * 1000 if seconds else None
