"""The command line: `single` compares the stacks, `ceiling` checks the load generator, `upload` sends a large file,
`interference` sends single samples beside one.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from benchmarks.interference import format_interference, run_interference
from benchmarks.report import format_ratios, format_table, summarise_all, write_json
from benchmarks.services import RECIPES
from benchmarks.single import Plan, Progress, Scenario, run_plan
from benchmarks.stacks import StackError
from benchmarks.upload import GIGABYTE, TYPES, format_upload, run_upload
from benchmarks.user import Mode

WARMUP_SECONDS = 1.5


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that stacks are stopped then, too
    given = _build_parser().parse_args()
    if given.command == "upload":
        _print(lambda: format_upload(run_upload(given.format, int(given.gigabytes * GIGABYTE))))
        return
    if given.command == "interference":
        _print(lambda: format_interference(run_interference(given.rows, given.rounds, given.fsync)))
        return
    stacks = ("ceiling",) if given.command == "ceiling" else tuple(given.stacks.split(","))
    if unknown := set(stacks) - set(RECIPES):
        raise SystemExit(f"unknown stacks: {', '.join(sorted(unknown))}; known: {', '.join(RECIPES)}")
    plan = Plan(
        stacks=stacks,
        scenarios=tuple(Scenario(users, mode) for users in given.users for mode in given.modes),
        rounds=given.rounds,
        seconds=given.seconds,
        warmup_seconds=WARMUP_SECONDS,
        fsync=given.fsync,
    )
    try:
        _run(given.command, plan)
    except StackError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _print(measure: Callable[[], str]) -> None:
    try:
        print(measure())
    except StackError as error:
        raise SystemExit(str(error)) from None


def _run(kind: str, plan: Plan) -> None:
    started = datetime.now(UTC)
    progress = Progress()
    try:
        runs = run_plan(plan, progress.report)
    finally:
        progress.clear()
    summaries = summarise_all(runs, plan)
    print(format_table(summaries))
    if {"rhizome", "baseline"} <= set(plan.stacks):
        print("\n" + format_ratios(summaries, "rhizome", "baseline"))
    print(f"\nEvery figure: {write_json(kind, started, plan, runs, summaries)}")


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    single = commands.add_parser("single", help="single predictions, Rhizome and the plain stack in turn")
    ceiling = commands.add_parser("ceiling", help="the load generator against an application that does nothing")
    for command, rounds, seconds in ((single, 3, 5.0), (ceiling, 1, 3.0)):
        command.add_argument("--users", type=_parse_counts, default=(1, 32), metavar="N,N")
        command.add_argument("--modes", type=_parse_modes, default=tuple(Mode), metavar="wait,poll")
        command.add_argument("--rounds", type=int, default=rounds)
        command.add_argument("--seconds", type=float, default=seconds, help="measured window of one scenario")
        command.add_argument("--fsync", choices=("always", "everysec"), default="always")
    single.add_argument("--stacks", default="rhizome,baseline", metavar="NAME,NAME")
    interference = commands.add_parser("interference", help="single predictions beside a large batch")
    interference.add_argument("--rows", type=int, default=1_000_000)
    interference.add_argument("--rounds", type=int, default=5)
    interference.add_argument("--fsync", choices=("always", "everysec"), default="always")
    upload = commands.add_parser("upload", help="one large file: rows per second, and memory")
    upload.add_argument("--gigabytes", type=float, default=1.0)
    upload.add_argument("--format", choices=tuple(TYPES), default="csv")
    return parser


def _parse_counts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _parse_modes(text: str) -> tuple[Mode, ...]:
    return tuple(Mode(part) for part in text.split(","))


if __name__ == "__main__":
    main()
