"""Tries settings of one stack, each for a moment, and prints what each gave: how the peers' settings were found.

Run as `python -m benchmarks.sweep litserve LITSERVE_WORKERS=1,2 LITSERVE_BATCH=16,64`: every combination is started
once a round and measured at one and at 32 users. Settings are environment variables that the stack's processes read.
On a busy machine the CPU time of a job tells more than jobs a second.
"""

import argparse
import itertools
import os
import signal
import sys

from benchmarks.report import format_table
from benchmarks.result import Table, spread
from benchmarks.rounds import Load, Run, measure
from benchmarks.services import RECIPES
from benchmarks.stacks import StackError, run_stack

USERS = (1, 32)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that stacks are stopped then, too
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__.partition("\n")[0])
    parser.add_argument("stack", choices=tuple(RECIPES))
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE,VALUE")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    names = [setting.partition("=")[0] for setting in given.settings]
    choices = list(itertools.product(*(setting.partition("=")[2].split(",") for setting in given.settings)))
    runs: dict[tuple[str, ...], list[Run]] = {values: [] for values in choices}
    for _, values in itertools.product(range(given.rounds), choices):
        os.environ.update(zip(names, values, strict=True))
        runs[values] += _measure(given.stack, given.seconds)
    columns = (*names, *(f"{users} users: jobs/s, p50 ms, CPU s/1,000" for users in USERS), "errors")
    rows = tuple(
        (*values, *(_describe(runs[values], users) for users in USERS), _errors(runs[values])) for values in runs
    )
    print(format_table(Table(given.stack, columns, rows)))


def _measure(name: str, seconds: float) -> list[Run]:
    try:
        with run_stack(name) as stack:
            return [measure(stack, Load(users, RECIPES[name].modes[0], seconds), 0) for users in USERS]
    except StackError as error:
        print(str(error).partition("\n")[0])
        return []


def _describe(runs: list[Run], users: int) -> str:
    chosen = [run for run in runs if run.load.users == users]
    if not chosen:
        return "-"
    jobs, p50 = (spread([run.found[key] for run in chosen]) for key in ("jobs_per_second", "p50_ms"))
    cpu = spread([run.cpu_seconds_per_1000_jobs() for run in chosen])
    return f"{jobs.show(0)}, {p50.show(1)}, {cpu.show(2)}"


def _errors(runs: list[Run]) -> str:
    return ", ".join(f"{kind} {count}" for run in runs for kind, count in run.found["errors"].items()) or "none"


if __name__ == "__main__":
    main()
