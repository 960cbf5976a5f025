"""A backlog worked off: jobs that wait while no worker runs, then one that starts.

Three in turn, every round: Rhizome's worker; one process that decodes, predicts and encodes the very same entries; the
plain stack's Celery worker with as many messages as a few seconds need (a list's length does not change its pace).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from redis import Redis

from benchmarks.filling import STREAM, fill, read_entries
from benchmarks.footprint import Process, sum_cpu
from benchmarks.limits import run_limit
from benchmarks.parts import Options
from benchmarks.pieces import Pieces, run_pieces
from benchmarks.place import ROOT
from benchmarks.progress import Progress
from benchmarks.result import Result, Table
from benchmarks.services import start_baseline_worker
from benchmarks.spreads import ratio, show, step_through, turn
from benchmarks.stacks import StackError
from rhizome.job_queue.submission import Submissions
from rhizome.jobs import State

ROWS = ((5.1, 3.5, 1.4, 0.2), (5.7, 2.8, 4.1, 1.3), (6.3, 3.3, 6.0, 2.5))  #: one flower a species
JOBS, BASELINE_JOBS = 100_000, 10_000
QUICK_JOBS, QUICK_BASELINE_JOBS = 5_000, 500
#: About; for the estimate alone.
START_SECONDS, JOBS_PER_SECOND, BASELINE_JOBS_PER_SECOND = 10.0, 4_000.0, 100.0
#: Measured is the time between so much left and so much left: not the worker's start, nor its last half-empty call.
FIRST_LEFT, LAST_LEFT = 0.9, 0.05
DRAIN_SECONDS = 600.0
LOOK_SECONDS = 0.01
CHECKED_JOBS = 200
STACKS = ("rhizome", "limit", "baseline")
TARGETS = {"limit": 0.5, "baseline": 25.0}


class DrainPart:
    name = "drain"
    summary = "a backlog of single jobs, against one process without a queue and the plain stack's worker"
    is_in_all = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--jobs", type=int, default=JOBS)
        parser.add_argument("--baseline-jobs", type=int, default=BASELINE_JOBS)

    def estimate_seconds(self, options: Options) -> float:
        jobs, baseline_jobs = _choose_jobs(options)
        return options.rounds * (2 * START_SECONDS + jobs / JOBS_PER_SECOND + baseline_jobs / BASELINE_JOBS_PER_SECOND)

    def run(self, options: Options, progress: Progress) -> Result:
        report = step_through(progress, self.estimate_seconds(options) / options.rounds / 2)
        jobs, baseline_jobs = _choose_jobs(options)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in STACKS}
        for number in range(options.rounds):
            for name in turn(("rhizome", "baseline"), number):
                report(f"round {number + 1} of {options.rounds}: {name}")
                if name == "baseline":
                    runs[name].append(drain_baseline(baseline_jobs, options.fsync))
                    continue
                with run_pieces(options.fsync) as pieces:
                    pieces.train("--if-missing")
                    drained = drain_pieces(pieces, jobs, measure_limit=True)
                runs["limit"].append(drained.pop("limit"))
                runs[name].append(drained)
        figures = {"jobs": jobs, "baseline_jobs": baseline_jobs, "runs": runs}
        return Result(build_tables(runs), figures=figures)


PART = DrainPart()


def _choose_jobs(options: Options) -> tuple[int, int]:
    jobs, baseline_jobs = options.given["jobs"], options.given["baseline_jobs"]
    return (min(jobs, QUICK_JOBS), min(baseline_jobs, QUICK_BASELINE_JOBS)) if options.quick else (jobs, baseline_jobs)


def drain_pieces(
    pieces: Pieces, jobs: int, *, rows: Any = ROWS, measure_limit: bool = False, **settings: object
) -> dict[str, Any]:
    """Fills the queue, starts a worker, measures, and stops it.

    Args:
        pieces: a deployment with a version and no worker.
        jobs: how many.
        rows: samples, sent in turn.
        measure_limit: also what one process does with the same entries.
        settings: of the worker.
    """
    ids = fill(pieces.redis, pieces.manifest, jobs, rows)
    limit = _measure_limit(pieces, jobs) if measure_limit else None
    pieces.start("worker", **settings)
    try:
        found = watch(lambda: pieces.redis.xlen(STREAM), jobs, pieces.processes)
    finally:
        pieces.stop("worker")
    _check(pieces.redis, ids)
    return found | ({"limit": limit} if limit else {})


def drain_baseline(jobs: int, fsync: str) -> dict[str, Any]:
    """The same with the plain stack: as many tasks published, then its worker."""
    with run_pieces(fsync) as pieces:
        environment = {**os.environ, "BASELINE_REDIS_URL": pieces.place.redis_url}
        words = [sys.executable, "-m", "benchmarks.baseline.publish", str(jobs)]
        subprocess.run(words, cwd=ROOT, env=environment, check=True, timeout=DRAIN_SECONDS)
        empty = pieces.redis.dbsize()
        pieces.trees["celery"] = start_baseline_worker(pieces.place)
        return watch(lambda: jobs - _count_results(pieces.redis, empty), jobs, pieces.processes)


def watch(count_left: Callable[[], int], jobs: int, find: Callable[[], list[Process]]) -> dict[str, Any]:
    """Looks until nothing is left.

    Args:
        count_left: how many jobs are not answered yet.
        jobs: how many there were.
        find: the stack's processes.

    Returns:
        Jobs, seconds and CPU seconds by part, between `FIRST_LEFT` and `LAST_LEFT`.

    Raises:
        StackError: that takes too long.
    """
    deadline = time.monotonic() + DRAIN_SECONDS
    begun: tuple[float, int, list[Process]] | None = None
    ended: tuple[float, int, list[Process]] | None = None
    while (left := count_left()) > 0:
        if begun is None and left <= FIRST_LEFT * jobs:
            begun = time.monotonic(), left, find()
        if begun and left > LAST_LEFT * jobs:
            ended = time.monotonic(), left, []
        elif begun and ended and not ended[2]:
            ended = time.monotonic(), left, find()
        if time.monotonic() > deadline:
            raise StackError(f"{left} of {jobs} jobs are left after {DRAIN_SECONDS:.0f} s")
        time.sleep(LOOK_SECONDS)
    if not (begun and ended):
        raise StackError("too few jobs to be measured; give more")
    done, seconds = begun[1] - ended[1], ended[0] - begun[0]
    cpu = sum_cpu(begun[2], ended[2] or find())
    return {"jobs": done, "seconds": seconds, "cpu_seconds": cpu}


def worker_cpu_seconds(run: dict[str, Any]) -> float:
    """CPU seconds of the processes that score."""
    return sum(s for part, s in run["cpu_seconds"].items() if part.split()[0] in ("worker", "celery", "process"))


def build_tables(runs: dict[str, list[dict[str, Any]]]) -> tuple[Table, ...]:
    """Jobs a second, and what each costs, with the ratios that the targets are about."""
    paces = {name: [run["jobs"] / run["seconds"] for run in runs[name]] for name in STACKS}
    cores = {name: [run["jobs"] / worker_cpu_seconds(run) for run in runs[name]] for name in STACKS}
    rows = tuple(
        (
            name,
            show(paces[name], 0),
            show(cores[name], 0),
            f"{ratio(paces['rhizome'], paces[name]):.2f} ×",
            f"{ratio(cores['rhizome'], cores[name]):.2f} ×",
            f"≥ {TARGETS[name]:g} ×" if name in TARGETS else "",
        )
        for name in STACKS
    )
    columns = ("", "jobs/s", "jobs per CPU s of its worker", "Rhizome's jobs/s", "Rhizome's jobs per CPU s", "target")
    note = "`limit` is one process that decodes, predicts and encodes the same entries, 4,096 at a time."
    parts = tuple(
        (name, part, show([run["cpu_seconds"].get(part, 0.0) / run["jobs"] * 1e6 for run in runs[name]]))
        for name in STACKS
        for part in sorted({part for run in runs[name] for part in run["cpu_seconds"]})
    )
    return (
        Table("A backlog", columns, rows, note),
        Table("CPU time of a drained job", ("", "process", "µs a job"), parts),
    )


def _measure_limit(pieces: Pieces, jobs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "entries"
        file.write_bytes(msgspec.msgpack.encode(read_entries(pieces.redis, jobs)))
        limit = run_limit("singles", "csv", file, pieces.artefact(pieces.manifest.version))
    return {"jobs": jobs, "seconds": limit.seconds, "cpu_seconds": {"process": limit.cpu_seconds}}


def _check(redis: Redis, ids: list[str]) -> None:
    """A sample of the jobs, the first and the last included, has succeeded."""
    submissions = Submissions(redis, {}, 1)
    for job_id in {*ids[:: max(1, len(ids) // CHECKED_JOBS)], ids[-1]}:
        if (state := submissions.read(job_id).state) is not State.SUCCEEDED:
            raise StackError(f"job {job_id} is {state}")


def _count_results(redis: Redis, before: int) -> int:
    """Celery keeps each result under a key of its own. The queue's own key goes with its last message."""
    return max(0, int(redis.dbsize()) - before + (1 - int(redis.exists("celery"))))  # type: ignore[arg-type]
