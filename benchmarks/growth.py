"""What grows with what: submit and poll against waiting jobs and stored results; jobs against workers, features, cost.

Cells of one table run beside one another and are measured in turn, so that a noisy neighbour hits all of them; a cell
that is not measured does nothing.
"""

import argparse
import csv
import http.client
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.drain import ROWS, drain_pieces, worker_cpu_seconds
from benchmarks.filling import STREAM, fill
from benchmarks.footprint import read_memory
from benchmarks.parts import Options
from benchmarks.pieces import Pieces, run_pieces
from benchmarks.place import HOST
from benchmarks.progress import Progress
from benchmarks.result import Plot, Result, Series, Table, spread
from benchmarks.spreads import Report, ratio, show, step_through, turn
from benchmarks.stacks import StackError
from benchmarks.tally import percentile

DEPTHS, RESULTS = (10, 1_000, 100_000, 1_000_000), (0, 1_000, 200_000)
WORKERS, FEATURES = (1, 2, 4), (4, 16, 64, 256, 1_000)
ESTIMATORS = ("logistic_regression", "random_forest", "gradient_boosting")
REQUESTS, DRAINED_JOBS = 300, 20_000
QUICK_SIZE, QUICK_REQUESTS, QUICK_DRAINED_JOBS = 1_000, 50, 2_000
#: About; for the estimate alone.
START_SECONDS, DRAIN_START_SECONDS, ROUND_SECONDS, JOBS_PER_SECOND = 8.0, 6.0, 3.0, 4_000.0
WARMUP_REQUESTS = 50
MOST_WAITING = 100_000_000  #: of a lane: a million that wait leave room for what is measured
DRAIN_SECONDS, REWRITE_SECONDS, TIMEOUT_SECONDS = 900.0, 300.0, 60.0
TRAINING_ROWS = 300
FEATURE_JOBS = 2_000_000  #: drained values in all, so that a wide table takes no more memory than a narrow one
FLAT = 0.2  #: target: no more than this from the smallest to the largest
SECOND_WORKER = 1.8  #: target: two workers over one, where there are cores for both
LATENCY_SECTIONS = ("depth", "results")
SECTIONS = (*LATENCY_SECTIONS, "workers", "features", "estimators")
TITLES = {"depth": "waiting jobs", "results": "stored results"}


class GrowthPart:
    name = "growth"
    summary = "latency, jobs/s and memory against waiting jobs, results, workers, features and estimators"
    is_in_all = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--sections", type=lambda text: tuple(text.split(",")), default=SECTIONS, metavar="NAME,NAME"
        )
        parser.add_argument("--depths", type=_parse_counts, default=DEPTHS, metavar="N,N")
        parser.add_argument("--results", type=_parse_counts, default=RESULTS, metavar="N,N")

    def estimate_seconds(self, options: Options) -> float:
        return sum(self._estimate(section, options) for section in options.given["sections"])

    def run(self, options: Options, progress: Progress) -> Result:
        found: dict[str, Any] = {}
        for section in options.given["sections"]:
            cells = _choose_cells(section, options)
            report = step_through(progress, self._estimate(section, options) / len(cells) / (options.rounds + 1))
            measure = _measure_latencies if section in LATENCY_SECTIONS else _measure_drains
            found[section] = measure(section, cells, options, report)
        return Result(build_tables(found), build_plots(found), found)

    def _estimate(self, section: str, options: Options) -> float:
        cells = _choose_cells(section, options)
        if section in LATENCY_SECTIONS:
            sizes = sum(its["size"] for its in cells.values())
            return len(cells) * (START_SECONDS + options.rounds * ROUND_SECONDS) + sizes / JOBS_PER_SECOND
        return len(cells) * (START_SECONDS + options.rounds * (DRAIN_START_SECONDS + DRAINED_JOBS / JOBS_PER_SECOND))


PART = GrowthPart()


def _parse_counts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _choose_cells(section: str, options: Options) -> dict[str, dict[str, Any]]:
    """What is measured of a section: by name, the size, or settings of the service."""
    if section in LATENCY_SECTIONS:
        sizes = options.given["depths" if section == "depth" else "results"]
        sizes = sorted({min(size, QUICK_SIZE) for size in sizes}) if options.quick else sizes
        return {f"{size:,}": {"size": size} for size in sizes}
    if section == "workers":
        return {str(count): {"worker_processes": count} for count in (WORKERS[:2] if options.quick else WORKERS)}
    if section == "features":
        return {str(count): {"features": count} for count in (FEATURES[:2] if options.quick else FEATURES)}
    if section == "estimators":
        return {name: {"estimator": f"trainer.estimators:{name}"} for name in ESTIMATORS}
    raise StackError(f"there is no section '{section}'; there are {', '.join(SECTIONS)}")


def build_tables(found: dict[str, Any]) -> tuple[Table, ...]:
    """One table a section."""
    return tuple(
        (_latency_table if section in LATENCY_SECTIONS else _drain_table)(section, cells)
        for section, cells in found.items()
    )


def build_plots(found: dict[str, Any]) -> tuple[Plot, ...]:
    """Submit and poll against waiting jobs, and against stored results."""
    return tuple(
        Plot(
            section,
            f"Latency by {TITLES[section]}",
            TITLES[section],
            "p50, ms",
            tuple(_series(kind, found[section]) for kind in ("submit", "poll")),
            log_x=True,
        )
        for section in LATENCY_SECTIONS
        if section in found
    )


def _series(kind: str, cells: dict[str, Any]) -> Series:
    spreads = [spread(cell[f"{kind}_p50_ms"]) for cell in cells.values()]
    sizes = tuple(max(1.0, float(size.replace(",", ""))) for size in cells)
    medians, low, high = zip(*((each.median, each.low, each.high) for each in spreads), strict=True)
    return Series(kind, sizes, medians, low, high)


def _measure_latencies(section: str, cells: dict[str, Any], options: Options, report: Report) -> dict[str, Any]:
    """Submits and polls on one service per cell, all prepared before, measured in turn."""
    found: dict[str, dict[str, list[float]]] = {cell: {} for cell in cells}
    requests, prepare = QUICK_REQUESTS if options.quick else REQUESTS, _queue if section == "depth" else _store
    with ExitStack() as stack:
        services = {}
        for cell, its in cells.items():
            report(f"{cell} {TITLES[section]}: preparing")
            pieces = stack.enter_context(run_pieces(options.fsync, max_waiting_interactive=MOST_WAITING))
            pieces.train("--if-missing")
            pieces.start("gateway")
            services[cell] = pieces, prepare(pieces, its["size"])
            _settle(pieces.redis)
            _measure_requests(*services[cell], WARMUP_REQUESTS)
        for number in range(options.rounds):
            for cell in turn(tuple(cells), number):
                report(f"{cell} {TITLES[section]}: round {number + 1} of {options.rounds}")
                figures = _measure_requests(*services[cell], requests) | _measure_memory(services[cell][0])
                for name, value in figures.items():
                    found[cell].setdefault(name, []).append(value)
    return found


def _queue(pieces: Pieces, size: int) -> list[str]:
    """So many jobs wait."""
    with _unsynced(pieces.redis):
        return fill(pieces.redis, pieces.manifest, size, ROWS)


def _store(pieces: Pieces, size: int) -> list[str]:
    """So many jobs are answered (one at least: a poll needs one)."""
    with _unsynced(pieces.redis):
        ids = fill(pieces.redis, pieces.manifest, max(1, size), ROWS)
        pieces.start("worker")
        pieces.wait_until(lambda: pieces.redis.xlen(STREAM) == 0, "end of the queue", DRAIN_SECONDS)
        pieces.stop("worker")
    return ids


@contextmanager
def _unsynced(redis: Redis) -> Iterator[None]:
    """Preparing need not outlive a power failure."""
    before = redis.config_get("appendfsync")["appendfsync"]  # type: ignore[index]
    redis.config_set("appendfsync", "no")
    try:
        yield
    finally:
        redis.config_set("appendfsync", before)


def _settle(redis: Redis) -> None:
    """What was prepared is on the disk, and no rewriting of the file goes on: it is not what is measured."""
    redis.config_set("auto-aof-rewrite-percentage", 0)
    deadline = time.monotonic() + REWRITE_SECONDS
    while any(redis.info("persistence")[name] for name in ("aof_rewrite_in_progress", "aof_rewrite_scheduled")):  # type: ignore[index]
        if time.monotonic() > deadline:
            raise StackError("Redis still rewrites its file")
        time.sleep(0.2)


def _measure_requests(pieces: Pieces, ids: Sequence[str], requests: int) -> dict[str, float]:
    """One user: so many submits, each followed by a poll of another job."""
    names = pieces.manifest.signature.names
    body = json.dumps(dict(zip(names, ROWS[0], strict=True))).encode()
    chooser = random.Random(requests)
    latencies: dict[str, list[float]] = {"submit": [], "poll": []}
    connection = http.client.HTTPConnection(HOST, pieces.place.port, timeout=TIMEOUT_SECONDS)
    for _ in range(requests):
        for kind, expected, method, path in (
            ("submit", 202, "POST", "/predict"),
            ("poll", 200, "GET", f"/result/{chooser.choice(ids)}"),
        ):
            begun = time.perf_counter()
            connection.request(method, path, body if kind == "submit" else None, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
            latencies[kind].append((time.perf_counter() - begun) * 1000)
            if response.status != expected:
                raise StackError(f"{method} {path} was answered {response.status}: {text[:300]!r}")
    connection.close()
    return {
        f"{kind}_{name}_ms": percentile(sorted(values), share)
        for kind, values in latencies.items()
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def _measure_memory(pieces: Pieces) -> dict[str, float]:
    memory = read_memory(pieces.processes())
    return {
        "redis_mb": sum(each.rss_mb for each in memory if each.part.startswith("valkey")),
        "gateway_mb": max(each.rss_mb for each in memory if each.part.startswith("gateway")),
    }


def _measure_drains(section: str, cells: dict[str, Any], options: Options, report: Report) -> dict[str, Any]:
    """A backlog per cell, in turn."""
    found: dict[str, dict[str, list[float]]] = {cell: {} for cell in cells}
    jobs = QUICK_DRAINED_JOBS if options.quick else DRAINED_JOBS
    with ExitStack() as stack:
        services = {}
        for cell, settings in cells.items():
            report(f"{section} {cell}: preparing")
            services[cell] = stack.enter_context(_run_cell(options.fsync, settings))
        for number in range(options.rounds):
            for cell in turn(tuple(cells), number):
                report(f"{section} {cell}: round {number + 1} of {options.rounds}")
                for figure, value in _measure_cell(*services[cell], jobs).items():
                    found[cell].setdefault(figure, []).append(value)
    return found


@contextmanager
def _run_cell(fsync: str, settings: dict[str, Any]) -> Iterator[tuple[Pieces, list[list[float]]]]:
    """A deployment with a version, and samples for it."""
    features = settings.get("features", 0)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        its = {name: value for name, value in settings.items() if name != "features"}
        rows: list[list[float]] = [list(row) for row in ROWS]
        if features:
            rows = write_dataset(Path(folder) / "rows.csv", features)
            its |= {"dataset": f"{folder}/rows.csv", "target": "kind"}
        pieces = stack.enter_context(run_pieces(fsync, **its))
        pieces.train("--if-missing", "--force")
        yield pieces, rows


def write_dataset(path: Path, features: int) -> list[list[float]]:
    """Writes rows of so many numbers and a class that follows from them; returns some as samples."""
    chooser = random.Random(features)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{index}" for index in range(features)), "kind"])
        rows = [[round(chooser.uniform(0.1, 9.9), 1) for _ in range(features)] for _ in range(TRAINING_ROWS)]
        for row in rows:
            writer.writerow([*row, ("low", "middle", "high")[min(2, int(row[0] / 3.4))]])
    return rows[:3]


def _measure_cell(pieces: Pieces, rows: Sequence[Sequence[float]], jobs: int) -> dict[str, float]:
    width = len(rows[0])
    count = max(1_000, min(jobs, FEATURE_JOBS // width))
    drained = drain_pieces(pieces, count, rows=rows)
    return {
        "jobs_per_second": drained["jobs"] / drained["seconds"],
        "worker_us": worker_cpu_seconds(drained) / drained["jobs"] * 1e6,
        "redis_us": drained["cpu_seconds"].get("valkey-server", 0.0) / drained["jobs"] * 1e6,
    }


def _latency_table(section: str, cells: dict[str, Any]) -> Table:
    kinds = ("submit_p50_ms", "submit_p99_ms", "poll_p50_ms", "poll_p99_ms")
    rows = tuple(
        (
            size,
            *(show(cell[kind], 2) for kind in kinds),
            f"{max(cell['redis_mb']):.0f}",
            f"{max(cell['gateway_mb']):.0f}",
        )
        for size, cell in cells.items()
    )
    columns = (TITLES[section], "submit p50 ms", "submit p99", "poll p50", "poll p99", "Redis MB", "gateway process MB")
    first, last = next(iter(cells.values())), list(cells.values())[-1]
    changes = ", ".join(
        f"{kind} {ratio(last[f'{kind}_p50_ms'], first[f'{kind}_p50_ms']) - 1:+.0%}" for kind in ("submit", "poll")
    )
    note = f"From the smallest to the largest, p50: {changes} (target: ±{FLAT:.0%})."
    return Table(f"Growth: {TITLES[section]}", columns, rows, note)


def _drain_table(section: str, cells: dict[str, Any]) -> Table:
    first = next(iter(cells.values()))
    rows = tuple(
        (
            name,
            show(cell["jobs_per_second"], 0),
            f"{ratio(cell['jobs_per_second'], first['jobs_per_second']):.2f} ×",
            show(cell["worker_us"]),
            show(cell["redis_us"]),
        )
        for name, cell in cells.items()
    )
    columns = (section, "jobs/s", "over the first", "worker CPU µs a job", "Redis CPU µs a job")
    note = (
        f"Target: two ≥ {SECOND_WORKER:g} × one where there are cores for both and for Redis; else the CPU time of a "
        "job stays the same."
    )
    return Table(f"Growth: {section}, a backlog", columns, rows, note if section == "workers" else "")
