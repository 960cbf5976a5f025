"""From `make up` to the first answer, when all is installed and trained; and the memory of each process then.

Some samples are predicted before memory is looked at, by several users at once, so that every process has worked.
"""

import argparse
import http.client
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.footprint import find_processes, read_memory
from benchmarks.parts import Options
from benchmarks.place import HOST, ROOT, Place, find_free_port
from benchmarks.process_tree import ProcessTree
from benchmarks.progress import Progress
from benchmarks.result import Result, Table
from benchmarks.spreads import show, turn
from benchmarks.stacks import StackError

WORKERS, QUICK_WORKERS = (1, 2, 3), (1, 2)
START_SECONDS, ESTIMATED_SECONDS = 120.0, 12.0
LOOK_SECONDS = 0.02
USERS, REQUESTS = 8, 50  #: before memory is looked at: so many users, so many samples each
SAMPLE = json.dumps({"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2})
LOG_TAIL_CHARACTERS = 2000
GATEWAY_MB, CHILD_MB = 60, 40  #: targets
WORKER_PARTS = ("worker", "worker child")


class StartPart:
    name = "start"
    summary = "time from the second `make up` to the first answer, and the memory of each process"
    is_in_all = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--workers", type=_parse_counts, default=WORKERS, metavar="N,N", help="worker children")

    def estimate_seconds(self, options: Options) -> float:
        return (options.rounds * len(_choose_workers(options)) + 1) * ESTIMATED_SECONDS

    def run(self, options: Options, progress: Progress) -> Result:
        found: list[dict[str, Any]] = []
        folder = Path(tempfile.mkdtemp(prefix="benchmark-start-"))
        try:
            progress.report("first start")
            _measure(folder, 1)  # trains, writes what later starts find
            progress.advance(ESTIMATED_SECONDS)
            for number in range(options.rounds):
                for workers in turn(_choose_workers(options), number):
                    progress.report(f"round {number + 1} of {options.rounds}: {workers} worker children")
                    found.append(_measure(folder, workers))
                    progress.advance(ESTIMATED_SECONDS)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Result(build_tables(found), figures={"starts": found})


PART = StartPart()


def build_tables(found: Sequence[dict[str, Any]]) -> tuple[Table, ...]:
    """Seconds until the first answer, and memory by process, by how many worker children there are."""
    counts = sorted({start["workers"] for start in found})
    by_count = {count: [start for start in found if start["workers"] == count] for count in counts}
    starts = tuple((str(count), show([start["seconds"] for start in its], 2)) for count, its in by_count.items())
    rows = []
    for count, its in by_count.items():
        for part in sorted({each["part"] for start in its for each in start["memory"]}):
            cells = [
                [max(each[kind] for each in start["memory"] if each["part"] == part) for start in its]
                for kind in ("rss_mb", "pss_mb", "uss_mb")
            ]
            rows.append((str(count), part, *(show(cell, 0) for cell in cells)))
    totals = {count: [sum_workers(start) for start in its] for count, its in by_count.items()}
    first = totals[counts[0]]
    costs = {
        count: (statistics.median(totals[count]) - statistics.median(first)) / (count - counts[0])
        for count in counts[1:]
    }
    more = [f"{count} for {counts[0]}: {cost:.0f} MB" for count, cost in costs.items()]
    note = (
        f"RSS counts shared pages in each process, PSS (proportional) divides them, USS leaves them out; the largest "
        f"process of each part. A further worker child costs (PSS of all worker processes): {'; '.join(more) or '-'}. "
        f"Targets: a gateway process ≤ {GATEWAY_MB} MB resident, a further child ≤ {CHILD_MB} MB."
    )
    return (
        Table("From the second `make up` to the first answer", ("worker children", "seconds"), starts),
        Table("Memory of each process, MB", ("worker children", "process", "RSS", "PSS", "USS"), tuple(rows), note),
    )


def sum_workers(start: dict[str, Any]) -> float:
    """What all processes of the worker hold together (MB), shared pages counted once."""
    return sum(each["pss_mb"] for each in start["memory"] if each["part"] in WORKER_PARTS)


def _choose_workers(options: Options) -> tuple[int, ...]:
    return QUICK_WORKERS if options.quick else tuple(options.given["workers"])


def _parse_counts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _measure(folder: Path, workers: int) -> dict[str, Any]:
    place = Place(find_free_port(), 0, folder)
    begun = time.monotonic()
    tree = place.start(
        "up",
        choose_command(Path(sys.executable)),
        RHIZOME_HOST=HOST,
        RHIZOME_PORT=str(place.port),
        RHIZOME_MODELS_DIR=str(folder / "models"),
        RHIZOME_VAR_DIR=str(folder / "var"),
        RHIZOME_WORKER_PROCESSES=str(workers),
    )
    try:
        _await_answer(tree, place.port)
        seconds = time.monotonic() - begun
        _use(place.port)
        memory = read_memory(find_processes([tree.pid]))
    finally:
        tree.stop()
    return {"workers": workers, "seconds": seconds, "memory": [vars(each) for each in memory]}


def choose_command(python: Path) -> list[str]:
    """`make up` where it would run this Python; else the command that it runs."""
    is_of_make = python.is_relative_to(ROOT / ".venv") and shutil.which("make")
    return ["make", "--silent", "-C", str(ROOT), "up"] if is_of_make else [str(python), "-m", "rhizome", "up"]


def _await_answer(tree: ProcessTree, port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and tree.is_running():
        with suppress(OSError, http.client.HTTPException, ValueError):
            if _predict(http.client.HTTPConnection(HOST, port, timeout=START_SECONDS)) == http.client.OK:
                return
        time.sleep(LOOK_SECONDS)
    raise StackError(f"the service did not answer:\n{tree.log.read_text(errors='replace')[-LOG_TAIL_CHARACTERS:]}")


def _use(port: int) -> None:
    def user() -> None:
        connection = http.client.HTTPConnection(HOST, port, timeout=START_SECONDS)
        for _ in range(REQUESTS):
            _predict(connection)
        connection.close()

    users = [threading.Thread(target=user) for _ in range(USERS)]
    for each in users:
        each.start()
    for each in users:
        each.join(START_SECONDS)


def _predict(connection: http.client.HTTPConnection) -> int:
    connection.request("POST", "/predict", SAMPLE, {"Content-Type": "application/json", "Prefer": "wait=10"})
    response = connection.getresponse()
    response.read()
    return response.status
