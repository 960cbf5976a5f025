"""How many rows of a chunk one call of the version scores: so many that it neither lasts nor takes much memory."""

import time
from collections.abc import Callable
from typing import TypeVar

from worker.shelf import LoadedVersion

SLICE_MS = 200.0  #: that the rows of one call may take, beside the call itself
MAX_SLICE_ROWS = 4_096
FIRST_SLICE_ROWS = 64
GROWTH = 4  #: a slice may be so many times the largest call of late

Answer = TypeVar("Answer")


def slice_rows(version: LoadedVersion) -> int:
    """How many rows to score at once."""
    _, per_row = version.cost.fit()
    rows = int(SLICE_MS / per_row) if per_row else MAX_SLICE_ROWS
    # A slope that noise has made too small would give a slice that lasts: sizes grow with the evidence.
    return max(1, min(rows, MAX_SLICE_ROWS, max(FIRST_SLICE_ROWS, GROWTH * version.cost.largest)))


def measure(version: LoadedVersion, rows: int, work: Callable[[], Answer]) -> tuple[Answer, float]:
    """Does `work` on so many rows, and notes what it cost: what it gave, and the milliseconds."""
    begun = time.perf_counter()
    answer = work()
    took_ms = (time.perf_counter() - begun) * 1000
    version.cost.add(rows, took_ms)
    return answer, took_ms
