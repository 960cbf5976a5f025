"""The command line: one subcommand for each part of the benchmarks, and `all`."""

import argparse
import signal
import sys
from datetime import UTC, datetime

from benchmarks.machine import describe_machine
from benchmarks.parts import Options, Part, choose_options, load_parts
from benchmarks.plots import can_draw
from benchmarks.progress import Progress, format_duration
from benchmarks.report import format_result, write_result
from benchmarks.stacks import StackError

ALL = "all"
COMMON = ("rounds", "seconds", "fsync", "stacks")


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that stacks are stopped then, too
    parts = load_parts()
    given = vars(_build_parser(parts).parse_args())
    command, quick = given.pop("command"), given.pop("quick")
    common = {name: given.pop(name) for name in COMMON}
    chosen = [part for part in parts.values() if part.is_in_all] if command == ALL else [parts[command]]
    plans = [(part, choose_options(part, quick, common, given)) for part in chosen]
    try:
        failed = _run(plans)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _run(plans: list[tuple[Part, Options]]) -> list[str]:
    """Runs one part after the other; a part that fails does not keep the others from running."""
    estimates = [part.estimate_seconds(options) for part, options in plans]
    names = ", ".join(part.name for part, _ in plans)
    print(f"{names}: about {format_duration(sum(estimates))} in all\n", file=sys.stderr, flush=True)
    if not can_draw():
        print("no plots: matplotlib is not installed here; `make bench` installs it\n", file=sys.stderr, flush=True)
    started, machine = datetime.now(UTC), describe_machine()
    progress = Progress(sum(estimates))
    failed = []
    try:
        for (part, options), estimate in zip(plans, estimates, strict=True):
            progress.begin_part(part.name, estimate)
            try:
                result = part.run(options, progress)
            except StackError as error:
                failed.append(part.name)
                progress.write(f"{part.name} failed: {error}\n")
                continue
            paths = write_result(part.name, result, options, started, machine)
            progress.write(
                format_result(part.name, result, tuple(path.name for path in paths if path.suffix == ".svg"))
            )
            progress.write(f"Every figure: {paths[0]}\n")
    finally:
        progress.close()
    return failed


def _build_parser(parts: dict[str, Part]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    names = ", ".join(part.name for part in parts.values() if part.is_in_all)
    _add_common(commands.add_parser(ALL, help=f"{names}, one after the other"))
    for part in parts.values():
        command = commands.add_parser(part.name, help=part.summary, description=part.summary)
        _add_common(command)
        part.add_arguments(command)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="a smoke check: short, and the figures mean nothing")
    parser.add_argument("--rounds", type=int, help=f"medians are over so many (default: {Options.rounds})")
    parser.add_argument("--seconds", type=float, help=f"window of one load (default: {Options.seconds:g})")
    parser.add_argument("--fsync", choices=("always", "everysec"), help="of every Redis (default: always)")
    parser.add_argument("--stacks", type=lambda text: tuple(text.split(",")), metavar="NAME,NAME")


if __name__ == "__main__":
    main()
