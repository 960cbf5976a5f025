"""Single predictions in a closed loop: jobs a second, latencies and CPU time of every stack, in turn.

Measured at several numbers of users, by waiting and by polling; then one user alone, warm and after a silence. Before
all of it the load generator is put on an application that does nothing: what it reaches there is its ceiling.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.parts import Options
from benchmarks.peer_environments import describe_missing, is_installed
from benchmarks.progress import Progress
from benchmarks.result import Plot, Result, Series, Spread, Table, show_ratio, spread
from benchmarks.rounds import Load, Run, estimate_rounds, measure, take_turns
from benchmarks.services import RECIPES
from benchmarks.silence import Silence, estimate_silences, measure_silences
from benchmarks.stacks import Stack, run_stack
from benchmarks.user import Mode

USERS = (1, 8, 32, 128)
QUICK_USERS = (1, 8)
CEILING_SECONDS = 2.0
#: A generator that needs more of a core than this may itself be what was measured.
GENERATOR_CPU_LIMIT = 0.8
OWN = "rhizome"
ALL_STACKS = tuple(name for name in RECIPES if name != "ceiling")
NOTE = (
    "Medians over the rounds, with the lowest and the highest. CPU is user and system time of all processes of the "
    "stack, Redis included. *generator* is the load generator's own share of one core, at most; `!` marks one that may "
    "itself have been the limit."
)


@dataclass(frozen=True)
class Scenario:
    """One load: how many users, and how they get their answers."""

    users: int
    mode: Mode


class SinglePart:
    name = "single"
    summary = "single predictions: every stack in turn, a closed loop of 1 to 128 users, by waiting and by polling"
    is_in_all = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--users", type=parse_counts, default=(), metavar="N,N", help="default: 1,8,32,128")
        parser.add_argument("--modes", type=parse_modes, default=tuple(Mode), metavar="wait,poll")
        parser.add_argument("--silences", type=int, default=2, help="of 10 s, a round; 0 leaves them out")

    def estimate_seconds(self, options: Options) -> float:
        stacks, _ = choose_stacks(options)
        each = Load(1, Mode.WAIT, options.seconds).estimate_seconds()
        ceiling = len(_scenarios(options)) * Load(1, Mode.WAIT, CEILING_SECONDS).estimate_seconds()
        silences = estimate_silences(_count_silences(options))
        return ceiling + estimate_rounds(
            stacks, options.rounds, lambda name: each * len(_scenarios(options, name)) + silences
        )

    def run(self, options: Options, progress: Progress) -> Result:
        stacks, notes = choose_stacks(options)
        ceiling = _measure_ceiling(options, progress)
        runs: list[Run] = []
        silences: list[Silence] = []

        def turn(number: int, stack: Stack) -> None:
            where = f"round {number + 1} of {options.rounds}: {stack.name}"
            for scenario in _scenarios(options, stack.name):
                progress.report(f"{where}, {scenario.users} users, {scenario.mode}")
                load = Load(scenario.users, scenario.mode, options.seconds)
                runs.append(measure(stack, load, number))
                progress.advance(load.estimate_seconds())
            if count := _count_silences(options):
                progress.report(f"{where}, one user after silence")
                silences.append(measure_silences(stack, number, count))
                progress.advance(estimate_silences(count))

        failed = take_turns(stacks, options, progress, turn)
        notes += [f"{name} was left out: {reason.splitlines()[0]}" for name, reason in failed.items()]
        present = [name for name in stacks if any(run.stack == name for run in runs)]
        return Result(
            tables=tuple(_build_tables(options, present, runs, silences, ceiling)),
            plots=tuple(_build_plots(options, present, runs)),
            figures={
                "runs": [run.to_dict() for run in runs],
                "ceiling": [run.to_dict() for run in ceiling],
                "silences": [one.to_dict() for one in silences],
            },
            notes=tuple(notes),
        )


PART = SinglePart()


def choose_stacks(options: Options, default: Sequence[str] = ALL_STACKS) -> tuple[list[str], list[str]]:
    """Chooses the stacks to measure: those asked for, else `default`; of either, those that are installed.

    Returns:
        Their names, and one line for each peer that is not installed.

    Raises:
        SystemExit: one was asked for that is unknown.
    """
    wanted = options.stacks or tuple(default)
    if unknown := set(wanted) - set(RECIPES):
        raise SystemExit(f"unknown stacks: {', '.join(sorted(unknown))}; known: {', '.join(RECIPES)}")
    chosen, missing = [], []
    for name in wanted:
        environment = RECIPES[name].environment
        if environment and not is_installed(environment):
            missing.append(describe_missing(name, environment))
        else:
            chosen.append(name)
    return chosen, missing


def _scenarios(options: Options, stack: str | None = None) -> list[Scenario]:
    users = options.given["users"] or (QUICK_USERS if options.quick else USERS)
    modes = [mode for mode in options.given["modes"] if stack is None or mode in RECIPES[stack].modes]
    return [Scenario(count, mode) for count in users for mode in modes]


def _count_silences(options: Options) -> int:
    asked: int = options.given["silences"]
    return min(asked, 1) if options.quick else asked


def _measure_ceiling(options: Options, progress: Progress) -> list[Run]:
    runs = []
    with run_stack("ceiling") as stack:
        for scenario in _scenarios(options):
            progress.report(f"the load generator alone, {scenario.users} users, {scenario.mode}")
            load = Load(scenario.users, scenario.mode, CEILING_SECONDS)
            runs.append(measure(stack, load, 0))
            progress.advance(load.estimate_seconds())
    return runs


def _select(runs: Sequence[Run], stack: str, scenario: Scenario) -> list[Run]:
    return [run for run in runs if (run.stack, run.load.users, run.load.mode) == (stack, scenario.users, scenario.mode)]


def _over_rounds(runs: Sequence[Run], key: str) -> Spread:
    return spread([run.found[key] for run in runs])


def count_errors(runs: Sequence[Run]) -> str:
    kinds: dict[str, int] = {}
    for run in runs:
        for kind, count in run.found["errors"].items():
            kinds[kind] = kinds.get(kind, 0) + count
    return ", ".join(f"{kind} {count}" for kind, count in kinds.items()) or "none"


def _build_tables(
    options: Options, stacks: Sequence[str], runs: Sequence[Run], silences: Sequence[Silence], ceiling: Sequence[Run]
) -> list[Table]:
    scenarios = _scenarios(options)
    tables = [build_load_table("Jobs by users", scenarios, stacks, runs, NOTE)]
    if OWN in stacks and len(stacks) > 1:
        tables.append(build_ratios(scenarios, [name for name in stacks if name != OWN], runs))
    tables.append(build_roles(scenarios, stacks, runs))
    if silences:
        tables.append(_build_silences(stacks, silences))
    note = "An application that answers at once, in one Granian process: no stack near these figures can be measured."
    tables.append(build_load_table("The load generator's ceiling", scenarios, ("ceiling",), ceiling, note))
    return tables


def build_load_table(
    title: str, scenarios: Sequence[Scenario], stacks: Sequence[str], runs: Sequence[Run], note: str = ""
) -> Table:
    """Builds the table of throughput, latencies, CPU time and errors."""
    columns = (
        "users",
        "mode",
        "stack",
        "jobs/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "CPU s/1,000 jobs",
        "generator",
        "errors",
    )
    rows = []
    for scenario in scenarios:
        for name in stacks:
            if not (chosen := _select(runs, name, scenario)):
                continue
            share = _over_rounds(chosen, "generator_cpu_share").high
            rows.append(
                (
                    str(scenario.users),
                    str(scenario.mode),
                    name,
                    _over_rounds(chosen, "jobs_per_second").show(0),
                    *(_over_rounds(chosen, key).show(1) for key in ("p50_ms", "p95_ms", "p99_ms")),
                    spread([run.cpu_seconds_per_1000_jobs() for run in chosen]).show(2),
                    f"{share:.0%}" + ("!" if share > GENERATOR_CPU_LIMIT else ""),
                    count_errors(chosen),
                )
            )
    return Table(title, columns, tuple(rows), note)


def build_ratios(scenarios: Sequence[Scenario], others: Sequence[str], runs: Sequence[Run]) -> Table:
    rows = []
    for scenario in scenarios:
        own = _select(runs, OWN, scenario)
        for name in others:
            if not own or not (other := _select(runs, name, scenario)):
                continue
            figures: list[Callable[[Sequence[Run]], Spread]] = [
                lambda chosen: _over_rounds(chosen, "jobs_per_second"),
                lambda chosen: _over_rounds(chosen, "p50_ms"),
                lambda chosen: _over_rounds(chosen, "p99_ms"),
                lambda chosen: spread([run.cpu_seconds_per_1000_jobs() for run in chosen]),
            ]
            ratios = (show_ratio(figure(own), figure(other)) for figure in figures)
            rows.append((str(scenario.users), str(scenario.mode), name, *ratios))
    columns = ("users", "mode", f"{OWN} over", "jobs/s", "p50", "p99", "CPU per job")
    return Table(f"{OWN} beside the others", columns, tuple(rows), "Medians divided by medians.")


def build_roles(scenarios: Sequence[Scenario], stacks: Sequence[str], runs: Sequence[Run]) -> Table:
    rows = []
    for scenario in scenarios:
        for name in stacks:
            chosen = _select(runs, name, scenario)
            roles = {role for run in chosen for role in run.cpu_seconds}
            spent = {role: spread([run.cpu_seconds_per_1000_jobs(role) for run in chosen]) for role in roles}
            dearest = sorted(spent.items(), key=lambda item: -item[1].median)
            if spent:
                cell = ", ".join(f"{role} {figure.median:.3f}" for role, figure in dearest)
                rows.append((str(scenario.users), str(scenario.mode), name, cell))
    return Table("CPU seconds per 1,000 jobs, by process", ("users", "mode", "stack", "by process"), tuple(rows))


def _build_silences(stacks: Sequence[str], silences: Sequence[Silence]) -> Table:
    rows = []
    for name in stacks:
        chosen = [one for one in silences if one.stack == name]
        if not chosen:
            continue
        warm = spread([value for one in chosen for value in one.warm_p50_ms])
        first = spread([value for one in chosen for value in one.first_ms])
        rows.append(
            (name, str(chosen[0].mode), warm.show(2), first.show(2), str(sum(len(one.first_ms) for one in chosen)))
        )
    columns = ("stack", "mode", "warm p50 ms", "first after 10 s of silence, ms", "silences")
    return Table("One user, warm and after silence", columns, tuple(rows))


def _build_plots(options: Options, stacks: Sequence[str], runs: Sequence[Run]) -> list[Plot]:
    plots = []
    for mode in options.given["modes"]:
        for key, name, label in (("jobs_per_second", "throughput", "jobs/s"), ("p50_ms", "latency", "p50, ms")):
            series = [_build_series(options, stack, mode, key, runs) for stack in stacks]
            shown = tuple(one for one in series if one.x)
            title = f"Single predictions, {mode}: {label} by users"
            plots.append(Plot(f"{mode}-{name}", title, "users", label, shown, log_x=True, log_y=True))
    return plots


def _build_series(options: Options, stack: str, mode: Mode, key: str, runs: Sequence[Run]) -> Series:
    points = []
    for scenario in _scenarios(options, stack):
        chosen = _select(runs, stack, scenario) if scenario.mode is mode else []
        if chosen:
            points.append((scenario.users, _over_rounds(chosen, key)))
    return Series(
        stack,
        tuple(float(users) for users, _ in points),
        tuple(figure.median for _, figure in points),
        tuple(figure.low for _, figure in points),
        tuple(figure.high for _, figure in points),
    )


def parse_counts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def parse_modes(text: str) -> tuple[Mode, ...]:
    return tuple(Mode(part) for part in text.split(","))
