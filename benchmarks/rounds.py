"""Rounds: the stacks in turn, in one run, so that all meet the same noise of the machine.

A round starts one stack, puts every load on it, and stops it; the next round is the next stack's. The order turns
around with every round. Medians are over rounds, ratios are of two medians.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.parts import Options
from benchmarks.progress import Progress
from benchmarks.services import RECIPES, ROOT
from benchmarks.stacks import Stack, StackError, run_stack
from benchmarks.user import Mode

#: Beyond warm-up and window, for start, drain and end of the load process.
LOAD_GRACE_SECONDS = 60.0
WARMUP_SECONDS = 1.5
#: Of a load, beside warm-up and window: the generator's start and end.
LOAD_OVERHEAD_SECONDS = 0.6


@dataclass(frozen=True)
class Load:
    """What the load generator is to do: a closed loop of `users`, or `rate` arrivals a second on as many."""

    users: int
    mode: Mode
    seconds: float
    warmup_seconds: float = WARMUP_SECONDS
    rate: float | None = None

    def estimate_seconds(self) -> float:
        return self.warmup_seconds + self.seconds + LOAD_OVERHEAD_SECONDS


@dataclass(frozen=True)
class Run:
    """One load on one stack in one round."""

    stack: str
    round: int
    load: Load
    found: dict[str, Any]  #: a `benchmarks.tally.LoadResult`
    cpu_seconds: dict[str, float]  #: by role, during the whole load, warm-up and drain included

    def cpu_seconds_per_1000_jobs(self, role: str | None = None) -> float:
        """Returns the CPU time of one role, or of all, over every job the stack finished."""
        seconds = sum(self.cpu_seconds.values()) if role is None else self.cpu_seconds.get(role, 0.0)
        return seconds / max(1, self.found["jobs_finished"]) * 1000

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "cpu_seconds_per_1000_jobs": self.cpu_seconds_per_1000_jobs()}


def take_turns(
    stacks: Sequence[str], options: Options, progress: Progress, turn: Callable[[int, Stack], None]
) -> dict[str, str]:
    """Starts one stack after the other, round by round, and calls `turn` with the round's number and the stack.

    Returns:
        The peers that did not come up or did not last, each with the reason; they are left out from then on.

    Raises:
        StackError: the same of Rhizome or the baseline, or of a stack's load.
    """
    failed: dict[str, str] = {}
    for number in range(options.rounds):
        for name in order_stacks(stacks, number):
            if name in failed:
                continue
            progress.report(f"round {number + 1} of {options.rounds}: {name} starts")
            try:
                with run_stack(name, options.fsync) as stack:
                    progress.advance(RECIPES[name].start_seconds)
                    turn(number, stack)
            except StackError as error:
                if not RECIPES[name].is_peer:
                    raise
                failed[name] = str(error)
                progress.write(f"{name} is left out: {error}\n")
    return failed


def order_stacks(stacks: Sequence[str], round_number: int) -> Sequence[str]:
    """Turns the order around every other round, so that no stack always comes second."""
    return stacks if round_number % 2 == 0 else tuple(reversed(stacks))


def measure(stack: Stack, load: Load, round_number: int) -> Run:
    """Puts one load on a running stack.

    Raises:
        StackError: the stack died, or the load generator failed or did not end.
    """
    before = stack.cpu_seconds()
    try:
        found = run_load(stack.port, load, RECIPES[stack.name].dialect)
    finally:
        stack.check_alive()  # a dead stack explains a failed load better than the load does
    after = stack.cpu_seconds()
    spent = {role: max(0.0, seconds - before.get(role, 0.0)) for role, seconds in after.items()}
    return Run(stack.name, round_number, load, found, spent)


def run_load(port: int, load: Load, dialect: str) -> dict[str, Any]:
    """Runs the load generator as a process of its own, and returns the object it prints.

    Raises:
        StackError: it failed or did not end.
    """
    options = {
        "port": port,
        "dialect": dialect,
        "users": load.users,
        "mode": load.mode,
        "warmup": load.warmup_seconds,
        "seconds": load.seconds,
        **({"rate": load.rate} if load.rate else {}),
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
            timeout=load.warmup_seconds + load.seconds + LOAD_GRACE_SECONDS,
        )
    except subprocess.SubprocessError as error:
        raise StackError(f"the load generator: {error}") from error
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def estimate_rounds(stacks: Sequence[str], rounds: int, seconds_each: Callable[[str], float]) -> float:
    """Estimates how long `take_turns` takes if every turn lasts `seconds_each(stack)` beside start and stop."""
    return rounds * sum(RECIPES[name].start_seconds + seconds_each(name) for name in stacks)
