"""One large file through a running service: rows per second, and the most memory that any process held.

The same bytes are also read, predicted and written in this one process, which is the most that a service could give.
"""

import argparse
import http.client
import json
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass

from benchmarks.parts import Options
from benchmarks.process_tree import PROC
from benchmarks.progress import Progress
from benchmarks.result import Result, Table
from benchmarks.services import HOST, RECIPES
from benchmarks.stacks import Stack, StackError, run_stack

GIGABYTE = 1_000_000_000
QUICK_BYTES = 5_000_000
BYTES_PER_SECOND = 6_000_000  #: about; for the estimate alone
FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
RANGES = ((43, 79), (20, 44), (10, 69), (1, 25))  #: in tenths
BLOCK_ROWS = 50_000
LOOK_SECONDS = 0.5
TIMEOUT_SECONDS = 1800.0
TYPES = {"csv": "text/csv", "ndjson": "application/x-ndjson"}


@dataclass(frozen=True)
class Upload:
    """What one upload gave."""

    rows: int
    file_bytes: int
    sending_seconds: float
    total_seconds: float
    peak_megabytes: dict[str, float]


def run_upload(form: str, file_bytes: int) -> Upload:
    """Sends a file of `file_bytes` of Iris rows as `form`, and waits until all of it is answered.

    Raises:
        StackError: the job did not succeed.
    """
    with run_stack("rhizome") as stack:
        peaks: dict[str, float] = {}
        begun = time.monotonic()
        job = _send(stack, form, file_bytes, peaks)
        sent = time.monotonic()
        while (document := _read(stack, job))["status"] in ("queued", "running"):
            _note_memory(stack, peaks)
            if time.monotonic() - begun > TIMEOUT_SECONDS:
                raise StackError("the job did not end in time")
            time.sleep(LOOK_SECONDS)
        if document["status"] != "succeeded" or document["rows"]["failed"]:
            raise StackError(f"the job is {document['status']}: {document.get('error')}")
        return Upload(document["rows"]["done"], file_bytes, sent - begun, time.monotonic() - begun, peaks)


class UploadPart:
    name = "upload"
    summary = "one large file: rows per second, and the most memory of each process"
    is_in_all = False  # three minutes and a gigabyte of disk; `batch` measures the same on less

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--gigabytes", type=float, default=1.0)
        parser.add_argument("--format", choices=tuple(TYPES), default="csv")

    def estimate_seconds(self, options: Options) -> float:
        return RECIPES["rhizome"].start_seconds + _choose_bytes(options) / BYTES_PER_SECOND

    def run(self, options: Options, progress: Progress) -> Result:
        progress.report("one large file")
        found = run_upload(options.given["format"], _choose_bytes(options))
        rows = tuple((name, f"{megabytes:.0f}") for name, megabytes in sorted(found.peak_megabytes.items()))
        note = (
            f"{found.file_bytes / GIGABYTE:.2f} GB, {found.rows:,} rows: sent in {found.sending_seconds:.1f} s, "
            f"answered after {found.total_seconds:.1f} s ({found.rows / found.total_seconds:,.0f} rows/s)."
        )
        table = Table("One large file: most resident memory of one process", ("process", "MB"), rows, note)
        return Result((table,), figures=asdict(found))


PART = UploadPart()


def _choose_bytes(options: Options) -> int:
    asked = int(options.given["gigabytes"] * GIGABYTE)
    return min(asked, QUICK_BYTES) if options.quick else asked


def make_rows(form: str, file_bytes: int) -> Iterator[bytes]:
    """A file of about so many bytes, in blocks; the rows of one block, over and over."""
    chooser = random.Random(42)
    rows = [[chooser.randint(*bounds) / 10 for bounds in RANGES] for _ in range(BLOCK_ROWS)]
    if form == "csv":
        header = (",".join(FEATURES) + "\n").encode()
        block = "".join(",".join(map(str, row)) + "\n" for row in rows).encode()
    else:
        header = b""
        block = "".join(json.dumps(dict(zip(FEATURES, row, strict=True))) + "\n" for row in rows).encode()
    sent = len(header)
    if header:
        yield header
    while sent < file_bytes:
        yield block
        sent += len(block)


def _send(stack: Stack, form: str, file_bytes: int, peaks: dict[str, float]) -> str:
    def watched() -> Iterator[bytes]:
        looked = 0.0
        for block in make_rows(form, file_bytes):
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                _note_memory(stack, peaks)
            yield block

    connection = http.client.HTTPConnection(HOST, stack.port, timeout=TIMEOUT_SECONDS)
    connection.request("POST", "/predict/batch", watched(), {"Content-Type": TYPES[form]}, encode_chunked=True)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != http.client.ACCEPTED:
        raise StackError(f"the upload was answered {response.status}: {body[:500]!r}")
    return str(json.loads(body)["id"])


def _read(stack: Stack, job: str) -> dict[str, object]:
    connection = http.client.HTTPConnection(HOST, stack.port, timeout=60)
    connection.request("GET", f"/result/{job}?limit=1")
    document: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return document


def _note_memory(stack: Stack, peaks: dict[str, float]) -> None:
    for role, stats in stack.processes().items():
        for stat in stats:
            with suppress(OSError, StopIteration):  # it has ended
                peaks[role] = max(peaks.get(role, 0.0), _resident_megabytes(stat.pid))


def _resident_megabytes(pid: int) -> float:
    lines = (PROC / str(pid) / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1000
