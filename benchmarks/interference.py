"""Single predictions while a large batch is scored: their latency beside that of the same service without the batch.

One user sends a sample, waits for the answer and pauses, first with nothing else to do, then for as long as a file of
rows is scored; several rounds, on one service.
"""

import argparse
import http.client
import json
import statistics
import time
from dataclasses import asdict, dataclass

from benchmarks.parts import Options
from benchmarks.progress import Progress
from benchmarks.result import Result, Table, show_ratio, spread
from benchmarks.services import HOST, RECIPES
from benchmarks.stacks import Stack, StackError, run_stack
from benchmarks.upload import BLOCK_ROWS, FEATURES, make_rows

SAMPLE = json.dumps(dict.fromkeys(FEATURES, 3.0) | {"petal_length": 1.5, "petal_width": 0.5})
PAUSE_SECONDS = 0.01
WARMUP_JOBS = 100
TIMEOUT_SECONDS = 600.0
QUICK_ROWS = 100_000
ROWS_PER_SECOND = 100_000  #: about, beside single jobs; for the estimate alone


@dataclass(frozen=True)
class Interference:
    """Latencies (ms) of single jobs without and with a batch, one figure a round, and how many jobs each round had."""

    alone_p50: list[float]
    alone_p99: list[float]
    beside_p50: list[float]
    beside_p99: list[float]
    jobs_beside: list[int]
    batch_seconds: list[float]


def run_interference(rows: int, rounds: int, fsync: str) -> Interference:
    """Measures `rounds` times without and with a CSV file of about `rows` rows.

    Raises:
        StackError: a single job or the batch did not succeed.
    """
    found = Interference([], [], [], [], [], [])
    body = b"".join(make_rows("csv", _bytes_of(rows)))
    with run_stack("rhizome", fsync) as stack:
        connection = http.client.HTTPConnection(HOST, stack.port, timeout=TIMEOUT_SECONDS)
        for _ in range(WARMUP_JOBS):
            _predict(connection)
        for _ in range(rounds):
            begun = time.monotonic()
            job = _submit(stack, body)
            beside = []
            while not _is_done(stack, job):
                beside += [_predict(connection) for _ in range(20)]
            found.batch_seconds.append(time.monotonic() - begun)
            alone = [_predict(connection) for _ in range(max(100, len(beside)))]
            for latencies, p50, p99 in (
                (alone, found.alone_p50, found.alone_p99),
                (beside, found.beside_p50, found.beside_p99),
            ):
                cuts = statistics.quantiles(latencies, n=100)
                p50.append(cuts[49])
                p99.append(cuts[98])
            found.jobs_beside.append(len(beside))
        connection.close()
    return found


class InterferencePart:
    name = "interference"
    summary = "single predictions beside a large batch, on one service"
    is_in_all = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--rows", type=int, default=1_000_000)

    def estimate_seconds(self, options: Options) -> float:
        return RECIPES["rhizome"].start_seconds + options.rounds * 2 * _choose_rows(options) / ROWS_PER_SECOND

    def run(self, options: Options, progress: Progress) -> Result:
        progress.report("a file of rows, and single jobs beside it")
        found = run_interference(_choose_rows(options), options.rounds, options.fsync)
        return Result((_build_table(found),), figures=asdict(found))


PART = InterferencePart()


def _choose_rows(options: Options) -> int:
    asked: int = options.given["rows"]
    return min(asked, QUICK_ROWS) if options.quick else asked


def _build_table(found: Interference) -> Table:
    """The medians over rounds, their spread, and the ratio of the medians."""
    alone = (spread(found.alone_p50), spread(found.alone_p99))
    beside = (spread(found.beside_p50), spread(found.beside_p99))
    rows = (
        ("alone", *(figure.show(1) for figure in alone)),
        ("beside the batch", *(figure.show(1) for figure in beside)),
        ("ratio", *(show_ratio(mine, other) for mine, other in zip(beside, alone, strict=True))),
    )
    note = f"The batch took {spread(found.batch_seconds).show(1)} s; single jobs beside it: {found.jobs_beside}."
    return Table("Single predictions beside a large batch", ("single jobs", "p50 ms", "p99 ms"), rows, note)


def _bytes_of(rows: int) -> int:
    header, block = list(zip(range(2), make_rows("csv", 2**40), strict=False))
    return len(header[1]) + len(block[1]) * rows // BLOCK_ROWS


def _predict(connection: http.client.HTTPConnection) -> float:
    """One sample, submit to result, in milliseconds."""
    time.sleep(PAUSE_SECONDS)
    begun = time.perf_counter()
    connection.request("POST", "/predict?wait=30", SAMPLE, {"Content-Type": "application/json"})
    response = connection.getresponse()
    body = response.read()
    took_ms = (time.perf_counter() - begun) * 1000
    if response.status != http.client.OK:
        raise StackError(f"a single job was answered {response.status}: {body[:300]!r}")
    return took_ms


def _submit(stack: Stack, body: bytes) -> str:
    status, document = _call(stack, "POST", "/predict/batch", body, {"Content-Type": "text/csv"})
    if status != http.client.ACCEPTED:
        raise StackError(f"the batch was answered {status}: {document}")
    return str(document["id"])


def _is_done(stack: Stack, job: str) -> bool:
    _, document = _call(stack, "GET", f"/result/{job}?limit=1", None, {})
    if document["status"] not in ("queued", "running", "succeeded"):
        raise StackError(f"the batch is {document['status']}: {document.get('error')}")
    return document["status"] == "succeeded"


def _call(
    stack: Stack, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection(HOST, stack.port, timeout=TIMEOUT_SECONDS)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    document: dict[str, object] = json.loads(response.read())
    connection.close()
    return response.status, document
