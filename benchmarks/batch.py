"""Batches: a table of many rows in each form, against the same bytes parsed, predicted and encoded in one process.

What is timed is from the first byte of `POST /predict/batch` until every row is answered (by `?wait`), on a service
that runs as `rhizome up`, and in one process what `limits` does. Each size and form in turn, every round.
"""

import argparse
import http.client
import io
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.footprint import find_processes, read_peaks, reset_peaks, sum_cpu
from benchmarks.limits import Limit, run_limit
from benchmarks.parts import Options
from benchmarks.place import HOST
from benchmarks.process_tree import ProcessTree
from benchmarks.progress import Progress
from benchmarks.result import Plot, Result, Series, Table
from benchmarks.spreads import Report, ratio, show, step_through, turn
from benchmarks.stacks import Stack, StackError, run_stack
from benchmarks.upload import make_rows

SIZES, QUICK_ROWS = (1_000, 10_000, 100_000, 1_000_000), 2_000
START_SECONDS, LIMIT_SECONDS, ROWS_PER_SECOND = 15.0, 4.0, 80_000.0  #: about; for the estimate alone
TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
#: Settings that let a million rows through as one JSON body; files need none.
LIMITS = {"RHIZOME_MAX_BATCH_ROWS": "1000000", "RHIZOME_MAX_BODY_BYTES": str(256 * 1024**2)}
WARMUP_ROWS, WARMUP_ROUNDS = 10_000, 2
ANSWER_SECONDS, WAIT_SECONDS = 600.0, 30
TARGET, TARGET_FROM_ROWS = 0.5, 100_000


class Batch(NamedTuple):
    """One batch through the service, and its limit."""

    form: str
    rows: int
    body_bytes: int
    seconds: float
    sending_seconds: float
    cpu_seconds: dict[str, float]  #: by part
    peak_mb: dict[str, float]  #: by part: most resident memory of one process
    limit: dict[str, float]


class BatchPart:
    name = "batch"
    summary = "tables of 1,000 to 1,000,000 rows in every form, against one process without a queue"
    is_in_all = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--sizes", type=_parse_counts, default=SIZES, metavar="N,N")
        parser.add_argument(
            "--forms", type=lambda text: tuple(text.split(",")), default=tuple(TYPES), metavar="FORM,FORM"
        )

    def estimate_seconds(self, options: Options) -> float:
        rows = sum(size for _, size in _choose_cases(options))
        return START_SECONDS + options.rounds * (len(_choose_cases(options)) * LIMIT_SECONDS + rows / ROWS_PER_SECOND)

    def run(self, options: Options, progress: Progress) -> Result:
        cases, found = _choose_cases(options), list[Batch]()
        report = step_through(progress, self.estimate_seconds(options) / options.rounds / len(cases))
        # A service for JSON, another for files: what a body of 80 MB leaves in a process is not the files' memory.
        for is_json in (False, True):
            if group := [case for case in cases if (case[0] == "json") is is_json]:
                found += _measure_group(group, options, report)
        batches = [batch._asdict() for batch in found]
        return Result(build_tables(batches), build_plots(batches), {"batches": batches})


PART = BatchPart()


def _measure_group(cases: list[tuple[str, int]], options: Options, report: Report) -> list["Batch"]:
    """Batches on one service, each beside its limit."""
    found = []
    with tempfile.TemporaryDirectory() as folder, run_stack("rhizome", options.fsync, **LIMITS) as stack:
        artefact = find_artefact(stack)
        files = {(form, size): Path(folder) / f"{size}.{form}" for form, size in cases}
        for (form, size), file in files.items():
            file.write_bytes(make_body(form, size))
        _warm_up(stack, sorted({form for form, _ in cases}))
        for number in range(options.rounds):
            for form, size in turn(cases, number):
                report(f"round {number + 1} of {options.rounds}: {size:,} rows, {form}")
                limit = run_limit("table", form, files[form, size], artefact)
                found.append(_measure(stack, form, size, files[form, size].read_bytes(), limit))
    return found


def _choose_cases(options: Options) -> list[tuple[str, int]]:
    """Forms and sizes."""
    sizes = [min(size, QUICK_ROWS) for size in options.given["sizes"]] if options.quick else options.given["sizes"]
    return [(form, size) for size in sorted(set(sizes)) for form in options.given["forms"]]


def _parse_counts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def make_body(form: str, rows: int) -> bytes:
    """A table of Iris rows."""
    if form in ("csv", "ndjson"):
        lines = b"".join(_enough_blocks(form, rows)).splitlines(keepends=True)
        return b"".join(lines[: rows + (form == "csv")])
    if form == "json":
        return b'{"instances":[' + b",".join(make_body("ndjson", rows).splitlines()) + b"]}"
    from pyarrow import csv, parquet  # noqa: PLC0415

    sink = io.BytesIO()
    parquet.write_table(csv.read_csv(io.BytesIO(make_body("csv", rows))), sink)
    return sink.getvalue()


def find_artefact(stack: Stack) -> Path:
    """The only version's estimator."""
    (artefact,) = stack.folder.glob("models/*/*/model.joblib")
    return artefact


def build_tables(found: Sequence[dict[str, Any]]) -> tuple[Table, ...]:
    """Rows a second beside the limit's, CPU time, and memory."""
    cases: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for batch in found:
        cases.setdefault((batch["rows"], batch["form"]), []).append(batch)
    speeds, memory = [], []
    parts = sorted({part for batch in found for part in batch["peak_mb"]})
    for (rows, form), batches in sorted(cases.items()):
        service = [rows / batch["seconds"] for batch in batches]
        limit = [rows / batch["limit"]["seconds"] for batch in batches]
        cpu = [sum(batch["cpu_seconds"].values()) / rows * 1e6 for batch in batches]
        cpu_limit = [batch["limit"]["cpu_seconds"] / rows * 1e6 for batch in batches]
        target = f"≥ {TARGET:.0%}" if rows >= TARGET_FROM_ROWS else ""
        share = f"{ratio(service, limit):.0%}"
        speeds.append(
            (f"{rows:,}", form, show(service, 0), show(limit, 0), share, target, show(cpu, 2), show(cpu_limit, 2))
        )
        peaks = [f"{max(batch['peak_mb'].get(part, 0.0) for batch in batches):.0f}" for part in parts]
        memory.append((f"{rows:,}", form, *peaks, f"{max(batch['limit']['peak_mb'] for batch in batches):.0f}"))
    head = ("rows", "form", "rows/s", "limit: rows/s", "share", "target", "CPU µs a row", "limit: CPU µs a row")
    note = "CPU time is that of all processes. As the service does, the limit answers CSV to CSV and Parquet."
    peak = "Most memory (RSS, MB) of one process while it ran"
    return (
        Table("Batches", head, tuple(speeds), note),
        Table(peak, ("rows", "form", *parts, "limit"), tuple(memory)),
    )


def build_plots(found: Sequence[dict[str, Any]]) -> tuple[Plot, ...]:
    """Share of the limit against rows, one line a form."""
    series = []
    for form in TYPES:
        mine = [batch for batch in found if batch["form"] == form]
        sizes = sorted({batch["rows"] for batch in mine})
        its = [[batch for batch in mine if batch["rows"] == rows] for rows in sizes]
        shares = [
            ratio([batch["limit"]["seconds"] for batch in each], [batch["seconds"] for batch in each]) for each in its
        ]
        if sizes:
            series.append(Series(form, tuple(map(float, sizes)), tuple(shares)))
    plot = Plot("share", "Batches against one process", "rows", "share of the limit", tuple(series), log_x=True)
    return (plot,)


def send(stack: Stack, form: str, body: bytes) -> tuple[str, float, float]:
    """One batch: its id, seconds until it was accepted, and until it was answered.

    Raises:
        StackError: it was refused, or a row was not answered.
    """
    connection = http.client.HTTPConnection(HOST, stack.port, timeout=ANSWER_SECONDS)
    begun = time.perf_counter()
    status, document = _call(connection, "POST", "/predict/batch", body, {"Content-Type": TYPES[form]})
    sent = time.perf_counter() - begun
    if status != http.client.ACCEPTED:
        raise StackError(f"a batch was answered {status}: {str(document)[:500]}")
    job = document["id"]
    while document["status"] in ("queued", "running"):
        if time.perf_counter() - begun > ANSWER_SECONDS:
            raise StackError(f"a batch was not answered within {ANSWER_SECONDS:.0f} s")
        _, document = _call(connection, "GET", f"/result/{job}?limit=1&wait={WAIT_SECONDS}")
    seconds = time.perf_counter() - begun
    connection.close()
    if document["status"] != "succeeded" or document["rows"]["failed"]:
        raise StackError(f"a batch is {document['status']}: {document.get('error')}")
    return job, sent, seconds


def _measure(stack: Stack, form: str, rows: int, body: bytes, limit: Limit) -> Batch:
    before = find_processes(_roots(stack.services))
    reset_peaks(before)
    _, sending_seconds, seconds = send(stack, form, body)
    after = find_processes(_roots(stack.services))
    cpu = sum_cpu(before, after)
    return Batch(form, rows, len(body), seconds, sending_seconds, cpu, read_peaks(after), limit._asdict())


def _warm_up(stack: Stack, forms: list[str]) -> None:
    """Every form, so that libraries are loaded and what a call costs is known."""
    for form in forms * WARMUP_ROUNDS:
        send(stack, form, make_body(form, WARMUP_ROWS))


def _enough_blocks(form: str, rows: int) -> Any:
    lines = 0
    for block in make_rows(form, 2**62):
        yield block
        lines += block.count(b"\n")
        if lines > rows:
            return


def _roots(services: list[ProcessTree]) -> list[int]:
    return [service.pid for service in services]


def _call(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    return response.status, json.loads(response.read())
