"""How much of a chunk to score before looking at what is more urgent, from what calls of the version have cost."""

import time
from collections.abc import Callable
from typing import TypeVar

from worker.shelf import LoadedVersion

#: Estimator time between two looks at the interactive lane: so many calls of one row, within bounds. Half of it then
#: goes to rows even where a call is dear, and a single job waits for little more than it needs itself.
SLICE_CALLS = 2
MIN_SLICE_MS = 5.0
MAX_SLICE_MS = 50.0
MAX_SLICE_ROWS = 4_096
FIRST_SLICE_ROWS = 64
GROWTH = 4  #: a slice may be so many times the largest call of late

Answer = TypeVar("Answer")


def slice_rows(version: LoadedVersion) -> int:
    """How many rows to score at once."""
    per_call, per_row = version.cost.fit()
    slice_ms = min(max(SLICE_CALLS * (per_call + per_row), MIN_SLICE_MS), MAX_SLICE_MS)
    rows = int((slice_ms - per_call) / per_row) if per_row else MAX_SLICE_ROWS
    # A slope that noise has made too small would give a slice that lasts: sizes grow with the evidence.
    return max(1, min(rows, MAX_SLICE_ROWS, max(FIRST_SLICE_ROWS, GROWTH * version.cost.largest)))


def measure(version: LoadedVersion, rows: int, work: Callable[[], Answer]) -> tuple[Answer, float]:
    """Does `work` on so many rows, and notes what it cost: what it gave, and the milliseconds."""
    begun = time.perf_counter()
    answer = work()
    took_ms = (time.perf_counter() - begun) * 1000
    version.cost.add(rows, took_ms)
    return answer, took_ms
