"""Latency over a recent window: logarithmic histograms that workers add to and anyone can take percentiles of.

Bins grow by 7 %, so a percentile is off by at most 3.5 %; adding is one increment, and no latency is kept as such.
"""

import math
import time
from collections import Counter
from collections.abc import Mapping
from typing import cast

from redis import Redis

from rhizome import keys

BIN_GROWTH = 1.07
SMALLEST_MS = 0.1  #: everything faster falls into bin 0
BUCKET_SECONDS = 15
WINDOW_BUCKETS = 20  #: 20 buckets of 15 s: five minutes
_EXPIRY_SECONDS = BUCKET_SECONDS * (WINDOW_BUCKETS + 2)
_LOG_GROWTH = math.log(BIN_GROWTH)


def bin_of(milliseconds: float) -> int:
    """The bin a latency falls into."""
    return 0 if milliseconds <= SMALLEST_MS else math.ceil(math.log(milliseconds / SMALLEST_MS) / _LOG_GROWTH)


def middle_of(bin_index: int) -> float:
    """The geometric middle of a bin, in milliseconds."""
    return SMALLEST_MS * BIN_GROWTH ** (bin_index - 0.5) if bin_index else SMALLEST_MS


def percentile(histogram: Mapping[int, int], fraction: float) -> float | None:
    """The latency (ms) that `fraction` of the counted jobs did not exceed; None for an empty histogram."""
    total = sum(histogram.values())
    if not total:
        return None
    needed, seen = fraction * total, 0
    for bin_index in sorted(histogram):
        seen += histogram[bin_index]
        if seen >= needed:
            return middle_of(bin_index)
    raise AssertionError("unreachable: the bins hold every counted job")


def record(redis: Redis, histogram: Mapping[int, int]) -> None:
    """Adds finished jobs to the present bucket, in one round trip."""
    key = keys.latency(int(time.time() // BUCKET_SECONDS))
    pipeline = redis.pipeline(transaction=False)
    for bin_index, count in histogram.items():
        pipeline.hincrby(key, str(bin_index), count)
    pipeline.expire(key, _EXPIRY_SECONDS)
    pipeline.execute()


def recent(redis: Redis) -> Counter[int]:
    """The histogram of the window."""
    now = int(time.time() // BUCKET_SECONDS)
    pipeline = redis.pipeline(transaction=False)
    for bucket in range(now - WINDOW_BUCKETS + 1, now + 1):
        pipeline.hgetall(keys.latency(bucket))
    total: Counter[int] = Counter()
    for bins in cast(list[dict[bytes, bytes]], pipeline.execute()):
        total.update({int(bin_index): int(count) for bin_index, count in bins.items()})
    return total
