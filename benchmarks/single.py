"""Single predictions: the stacks in turn, in one run, so that all meet the same noise of the machine.

A round starts one stack, measures every scenario on it, and stops it; the next round is the other stack's.
Which stack goes first changes with every round. Medians are over rounds, ratios are of the two medians.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.services import ROOT
from benchmarks.stacks import Stack, run_stack
from benchmarks.user import Mode

#: Beyond warm-up and window, for start, drain and end of the load process.
LOAD_GRACE_SECONDS = 60.0

Report = Callable[[str], None]


@dataclass(frozen=True)
class Scenario:
    """One load: how many users, and how they get their answers."""

    users: int
    mode: Mode


@dataclass(frozen=True)
class Plan:
    """What to run. `seconds` is the measured window of one scenario in one round."""

    stacks: tuple[str, ...]
    scenarios: tuple[Scenario, ...]
    rounds: int
    seconds: float
    warmup_seconds: float
    fsync: str


@dataclass(frozen=True)
class Run:
    """One scenario on one stack in one round."""

    stack: str
    users: int
    mode: Mode
    round: int
    load: dict[str, Any]  #: a `benchmarks.tally.LoadResult`
    cpu_seconds: dict[str, float]  #: by service, during the whole load, warm-up and drain included

    @property
    def cpu_seconds_per_1000_jobs(self) -> float:
        jobs: int = self.load["jobs_finished"]
        return sum(self.cpu_seconds.values()) / max(1, jobs) * 1000

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "cpu_seconds_per_1000_jobs": self.cpu_seconds_per_1000_jobs}


def run_plan(plan: Plan, report: Report) -> list[Run]:
    """Runs every round; takes about stacks x rounds x (start-up + scenarios x (seconds + warm-up)).

    Args:
        report: is told in a few words what is being done.

    Raises:
        StackError: a stack did not start or ended by itself.
        subprocess.SubprocessError: the load generator failed or did not end.
    """
    runs = []
    for number in range(plan.rounds):
        for name in order_stacks(plan.stacks, number):
            where = f"round {number + 1} of {plan.rounds}: {name}"
            report(f"{where} starts")
            with run_stack(name, plan.fsync) as stack:
                for scenario in plan.scenarios:
                    report(f"{where}, {scenario.users} users, {scenario.mode}")
                    runs.append(measure(stack, scenario, number, plan))
    return runs


def order_stacks(stacks: Sequence[str], round_number: int) -> Iterable[str]:
    """Turns the order around every other round, so that no stack always comes second."""
    return stacks if round_number % 2 == 0 else tuple(reversed(stacks))


def measure(stack: Stack, scenario: Scenario, round_number: int, plan: Plan) -> Run:
    """Puts one load on a running stack."""
    before = stack.cpu_seconds()
    try:
        load = run_load(stack.port, scenario, plan.warmup_seconds, plan.seconds)
    finally:
        stack.check_alive()  # a dead stack explains a failed load better than the load does
    after = stack.cpu_seconds()
    spent = {service: after[service] - before[service] for service in after}
    return Run(stack.name, scenario.users, scenario.mode, round_number, load, spent)


def run_load(port: int, scenario: Scenario, warmup_seconds: float, seconds: float) -> dict[str, Any]:
    """Runs the load generator as a process of its own, and returns the object it prints."""
    options = {
        "port": port,
        "users": scenario.users,
        "mode": scenario.mode,
        "warmup": warmup_seconds,
        "seconds": seconds,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=warmup_seconds + seconds + LOAD_GRACE_SECONDS,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


class Progress:
    """One line on a terminal's stderr that is written over; silent anywhere else."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._started = time.monotonic()

    def report(self, text: str) -> None:
        if self._shown:
            elapsed = time.monotonic() - self._started
            print(f"\r\x1b[2K{elapsed:5.0f} s  {text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
