"""What grows with what: submit and poll against waiting jobs and stored results; jobs against workers, features, cost.

Cells of one table run beside one another and are measured in turn, so that a noisy neighbour hits all of them; a cell
that is not measured does nothing.
"""

import csv
import http.client
import json
import random
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from benchmarks.drain import ROWS, drain_pieces, worker_cpu_seconds
from benchmarks.filling import STREAM, fill
from benchmarks.footprint import read_memory
from benchmarks.pieces import Pieces, run_pieces
from benchmarks.spreads import Report, format_rows, progress, ratio, show, turn
from benchmarks.services import HOST
from benchmarks.stacks import StackError
from benchmarks.tally import percentile

DEPTHS, RESULTS = (10, 1_000, 100_000, 1_000_000), (0, 1_000, 200_000)
WORKERS, FEATURES = (1, 2, 4), (4, 16, 64, 256, 1_000)
ESTIMATORS = ("logistic_regression", "random_forest", "gradient_boosting")
ROUNDS, REQUESTS, DRAINED_JOBS = 5, 300, 20_000
QUICK_DEPTHS, QUICK_RESULTS, QUICK_WORKERS, QUICK_FEATURES = (10, 10_000), (0, 5_000), (1, 2), (4, 256)
QUICK_ROUNDS, QUICK_REQUESTS, QUICK_DRAINED_JOBS = 2, 100, 5_000
WARMUP_REQUESTS = 50
MOST_WAITING = 100_000_000  #: of a lane: a million that wait leave room for what is measured
DRAIN_SECONDS, REWRITE_SECONDS, TIMEOUT_SECONDS = 900.0, 300.0, 60.0
TRAINING_ROWS = 300
FEATURE_JOBS = 2_000_000  #: drained values in all, so that a wide table takes no more memory than a narrow one
FLAT = 0.2  #: target: no more than this from the smallest to the largest
SECOND_WORKER = 1.8  #: target: two workers over one, where there are cores for both
SECTIONS = ("depth", "results", "workers", "features", "estimators")


def run(*, quick: bool = False, rounds: int = 0, sections: Sequence[str] = SECTIONS, fsync: str = "always") -> Any:
    """Measures each of `sections`.

    Raises:
        StackError: something was not accepted or not answered.
    """
    rounds = rounds or (QUICK_ROUNDS if quick else ROUNDS)
    requests = QUICK_REQUESTS if quick else REQUESTS
    jobs = QUICK_DRAINED_JOBS if quick else DRAINED_JOBS
    found: dict[str, Any] = {"fsync": fsync, "rounds": rounds, "requests": requests, "jobs": jobs}
    for section in sections:
        if section == "depth":
            found[section] = _measure_latencies(QUICK_DEPTHS if quick else DEPTHS, rounds, requests, fsync, _queue)
        elif section == "results":
            found[section] = _measure_latencies(QUICK_RESULTS if quick else RESULTS, rounds, requests, fsync, _store)
        elif section == "workers":
            cells = {str(count): {"worker_processes": count} for count in (QUICK_WORKERS if quick else WORKERS)}
            found[section] = _measure_drains("workers", cells, rounds, jobs, fsync)
        elif section == "features":
            cells = {str(count): {"features": count} for count in (QUICK_FEATURES if quick else FEATURES)}
            found[section] = _measure_drains("features", cells, rounds, jobs, fsync)
        else:
            cells = {name: {"estimator": f"trainer.estimators:{name}"} for name in ESTIMATORS}
            found[section] = _measure_drains("estimators", cells, rounds, jobs, fsync)
    return found


def format_markdown(data: dict[str, Any]) -> str:
    """One table a section."""
    texts = []
    for section, title in (("depth", "waiting jobs"), ("results", "stored results")):
        if section in data:
            texts.append(_format_latencies(data[section], title))
    for section in ("workers", "features", "estimators"):
        if section in data:
            texts.append(_format_drains(data[section], section))
    return "\n\n".join(texts)


def plot(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines: submit and poll (p50 ms) against waiting jobs, and against stored results."""
    plots = []
    for section, title in (("depth", "waiting jobs"), ("results", "stored results")):
        if section not in data:
            continue
        series = {
            kind: [(float(size), statistics.median(cell[f"{kind}_p50_ms"])) for size, cell in data[section].items()]
            for kind in ("submit", "poll")
        }
        plots.append({"kind": "lines", "title": f"Growth: {title}", "x": title, "y": "p50, ms", "series": series})
    return plots


def _measure_latencies(
    sizes: Sequence[int], rounds: int, requests: int, fsync: str, prepare: Callable[[Pieces, int, Report], list[str]]
) -> dict[str, Any]:
    """Submits and polls on one service per size, all prepared before, measured in turn."""
    cells: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack, progress(prepare.__name__.strip("_"), len(sizes) * (rounds + 1)) as report:
        services = {}
        for size in sizes:
            report(f"{size:,}: preparing")
            pieces = stack.enter_context(run_pieces(fsync, max_waiting_interactive=MOST_WAITING))
            pieces.train("--if-missing")
            pieces.start("gateway")
            ids = prepare(pieces, size, report)
            _settle(pieces.redis, fsync)
            services[size] = (pieces, ids)
            _measure_requests(pieces, ids, WARMUP_REQUESTS)
        for number in range(rounds):
            for size in turn(sizes, number):
                report(f"{size:,}: round {number + 1}")
                pieces, ids = services[size]
                figures = _measure_requests(pieces, ids, requests) | _measure_memory(pieces)
                cell = cells.setdefault(str(size), {})
                for name, value in figures.items():
                    cell.setdefault(name, []).append(value)
    return {str(size): cells[str(size)] for size in sizes}


def _queue(pieces: Pieces, size: int, _: Report) -> list[str]:
    """So many jobs wait."""
    with _unsynced(pieces.redis):
        return fill(pieces.redis, pieces.manifest, size, ROWS)


def _store(pieces: Pieces, size: int, _: Report) -> list[str]:
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


def _settle(redis: Redis, fsync: str) -> None:
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


def _measure_drains(name: str, cells: dict[str, dict[str, Any]], rounds: int, jobs: int, fsync: str) -> dict[str, Any]:
    """Single jobs, one after the other, and a backlog, per cell."""
    found: dict[str, dict[str, list[float]]] = {cell: {} for cell in cells}
    with ExitStack() as stack, progress(name, len(cells) * (rounds + 1)) as report:
        services = {}
        for cell, settings in cells.items():
            report(f"{cell}: preparing")
            services[cell] = stack.enter_context(_run_cell(fsync, settings))
        for number in range(rounds):
            for cell in turn(tuple(cells), number):
                report(f"{cell}: round {number + 1}")
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
    width = len(struct.pack(f"<{len(rows[0])}d", *rows[0])) // 8
    count = max(1_000, min(jobs, FEATURE_JOBS // width))
    drained = drain_pieces(pieces, count, rows=rows)
    return {
        "jobs_per_second": drained["jobs"] / drained["seconds"],
        "worker_us": worker_cpu_seconds(drained) / drained["jobs"] * 1e6,
        "redis_us": drained["cpu_seconds"].get("valkey-server", 0.0) / drained["jobs"] * 1e6,
    }


def _format_latencies(cells: dict[str, Any], title: str) -> str:
    kinds = ("submit_p50_ms", "submit_p99_ms", "poll_p50_ms", "poll_p99_ms")
    rows = [
        (
            f"{int(size):,}",
            *(show(cell[kind], 2) for kind in kinds),
            f"{max(cell['redis_mb']):.0f}",
            f"{max(cell['gateway_mb']):.0f}",
        )
        for size, cell in cells.items()
    ]
    head = (title, "submit p50 ms", "submit p99", "poll p50", "poll p99", "Redis MB", "gateway process MB")
    first, last = next(iter(cells.values())), list(cells.values())[-1]
    verdict = ", ".join(
        f"{kind} {ratio(last[f'{kind}_p50_ms'], first[f'{kind}_p50_ms']) - 1:+.0%}" for kind in ("submit", "poll")
    )
    return f"{format_rows(head, rows)}\n\nFrom the smallest to the largest, p50: {verdict} (target: ±{FLAT:.0%})."


def _format_drains(cells: dict[str, Any], title: str) -> str:
    first = next(iter(cells.values()))
    rows = [
        (
            name,
            show(cell["jobs_per_second"], 0),
            f"{ratio(cell['jobs_per_second'], first['jobs_per_second']):.2f} ×",
            show(cell["worker_us"]),
            show(cell["redis_us"]),
        )
        for name, cell in cells.items()
    ]
    head = (title, "jobs/s", "over the first", "worker CPU µs a job", "Redis CPU µs a job")
    target = ""
    if title == "workers":
        target = (
            f"\n\nTarget: two ≥ {SECOND_WORKER:g} × one where there are cores for both and for Redis; else the CPU "
            "time of a job stays the same."
        )
    return format_rows(head, rows) + target
