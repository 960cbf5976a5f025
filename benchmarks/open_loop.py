"""Single predictions at fixed rates of arrival: latency against rate, up to where the stack no longer keeps up.

A ladder of rates is climbed on each stack in turn, in the first round until its first saturated rung; the later rounds
climb the same rungs. How latencies are counted: `benchmarks.arrivals`.
"""

import argparse
from collections.abc import Sequence

from benchmarks.parts import Options
from benchmarks.progress import Progress
from benchmarks.result import Plot, Result, Series, Table, spread
from benchmarks.rounds import Load, Run, estimate_rounds, measure, take_turns
from benchmarks.services import RECIPES
from benchmarks.single import GENERATOR_CPU_LIMIT, choose_stacks, count_errors, parse_modes
from benchmarks.stacks import Stack
from benchmarks.user import Mode

RATES = (25.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 400.0, 600.0, 800.0, 1200.0, 1600.0, 2400.0, 3200.0, 4800.0)
QUICK_RATES = (25.0, 200.0)
CONNECTIONS = 256  #: at most; more than any stack keeps busy below saturation
SATURATED_SHARE = 0.9  #: a stack that answers fewer of the arrivals no longer keeps up
SATURATED_P50_MS = 1000.0  #: likewise: a queue has grown that long
STACKS = ("rhizome", "baseline")
TYPICAL_RUNGS = 9  #: for the estimate alone
NOTE = (
    "Arrivals at random (Poisson, the same for every stack); latencies count from the planned arrival. Medians over "
    "the rounds, with the lowest and the highest. The last rung of each stack is beyond what it keeps up with: its "
    "latencies grow with the length of the run. *late* is the 99th percentile of how late the load generator itself "
    "was, in ms."
)


class OpenLoopPart:
    name = "open-loop"
    summary = "single predictions at fixed rates of arrival: latency against rate, up to saturation"
    is_in_all = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--rates", type=_parse_rates, default=(), metavar="N,N", help="arrivals a second, rising")
        parser.add_argument("--modes", type=parse_modes, default=(Mode.WAIT,), metavar="wait,poll")

    def estimate_seconds(self, options: Options) -> float:
        stacks, _ = choose_stacks(options, STACKS)
        rungs = min(TYPICAL_RUNGS, len(_choose_rates(options)))
        each = Load(1, Mode.WAIT, options.seconds).estimate_seconds() + 1.0
        return estimate_rounds(stacks, options.rounds, lambda name: rungs * len(_choose_modes(options, name)) * each)

    def run(self, options: Options, progress: Progress) -> Result:
        stacks, notes = choose_stacks(options, STACKS)
        runs: list[Run] = []

        def turn(number: int, stack: Stack) -> None:
            for mode in _choose_modes(options, stack.name):
                earlier = [run for run in _select(runs, stack.name, mode) if run.round == 0]
                for rate in [run.load.rate or 0.0 for run in earlier] or _choose_rates(options):
                    progress.report(f"round {number + 1} of {options.rounds}: {stack.name}, {rate:g} jobs/s, {mode}")
                    load = Load(CONNECTIONS, mode, options.seconds, rate=rate)
                    runs.append(measure(stack, load, number))
                    progress.advance(load.estimate_seconds() + 1.0)
                    if not earlier and is_saturated(runs[-1]):
                        break

        failed = take_turns(stacks, options, progress, turn)
        notes += [f"{name} was left out: {reason.splitlines()[0]}" for name, reason in failed.items()]
        return Result(
            tables=(build_rate_table(runs),),
            plots=tuple(_build_plots(runs)),
            figures={"runs": [run.to_dict() for run in runs]},
            notes=tuple(notes),
        )


PART = OpenLoopPart()


def is_saturated(run: Run) -> bool:
    """Tells whether the stack no longer kept up with the arrivals."""
    arrived = run.found["arrivals_per_second"]  # not the rate: arrivals come at random
    return bool(run.found["jobs_per_second"] < arrived * SATURATED_SHARE or run.found["p50_ms"] > SATURATED_P50_MS)


def build_rate_table(runs: Sequence[Run]) -> Table:
    """Builds the table of latencies by rate; one row for each stack, mode and rate."""
    keys = dict.fromkeys((run.stack, run.load.mode, run.load.rate) for run in runs)
    rows = []
    for stack, mode, rate in keys:
        chosen = [run for run in _select(runs, stack, mode) if run.load.rate == rate]
        share = max(run.found["generator_cpu_share"] for run in chosen)
        rows.append(
            (
                stack,
                str(mode),
                f"{rate:,.0f}",
                spread([run.found["arrivals_per_second"] for run in chosen]).show(0),
                spread([run.found["jobs_per_second"] for run in chosen]).show(0),
                *(spread([run.found[key] for run in chosen]).show(1) for key in ("p50_ms", "p95_ms", "p99_ms")),
                f"{share:.0%}" + ("!" if share > GENERATOR_CPU_LIMIT else ""),
                f"{max(run.found['generator_delay_p99_ms'] for run in chosen):.1f}",
                count_errors(chosen),
            )
        )
    columns = (
        "stack",
        "mode",
        "rate",
        "arrivals/s",
        "answers/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "generator",
        "late",
        "errors",
    )
    return Table("Latency by rate of arrival", columns, tuple(rows), NOTE)


def _select(runs: Sequence[Run], stack: str, mode: Mode) -> list[Run]:
    return [run for run in runs if (run.stack, run.load.mode) == (stack, mode)]


def _build_plots(runs: Sequence[Run]) -> list[Plot]:
    plots = []
    for key, label in (("p50_ms", "p50, ms"), ("p99_ms", "p99, ms")):
        series = []
        for stack, mode in dict.fromkeys((run.stack, run.load.mode) for run in runs):
            chosen = _select(runs, stack, mode)
            rates = sorted({run.load.rate or 0.0 for run in chosen})
            figures = [spread([run.found[key] for run in chosen if run.load.rate == rate]) for rate in rates]
            series.append(
                Series(
                    f"{stack}, {mode}",
                    tuple(rates),
                    tuple(figure.median for figure in figures),
                    tuple(figure.low for figure in figures),
                    tuple(figure.high for figure in figures),
                )
            )
        title = f"Latency from the planned arrival: {label}"
        plots.append(Plot(key.removesuffix("_ms"), title, "arrivals/s", label, tuple(series), log_x=True, log_y=True))
    return plots


def _choose_rates(options: Options) -> Sequence[float]:
    return options.given["rates"] or (QUICK_RATES if options.quick else RATES)


def _choose_modes(options: Options, stack: str) -> list[Mode]:
    return [mode for mode in options.given["modes"] if mode in RECIPES[stack].modes]


def _parse_rates(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))
