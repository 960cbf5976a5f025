"""What one load run counts and how it is summed up: jobs, latencies, errors, the generator's CPU time."""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


def percentile(ordered: Sequence[float], share: float) -> float:
    """Returns the nearest-rank percentile: the smallest value that at least `share` of all do not exceed.

    Args:
        ordered: values in ascending order; NaN comes back if there are none.
        share: in (0, 1].
    """
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass
class Tally:
    """Counts of one run. Errors count all along, latencies only within the measured window."""

    latencies_seconds: list[float] = field(default_factory=list)
    ended_in_window: int = 0  #: jobs whose right answer came within the measured window
    arrived_in_window: int = 0  #: jobs that were planned to arrive within it (open loop only)
    delays_seconds: list[float] = field(default_factory=list)  #: from a planned arrival to its being sent
    jobs_finished: int = 0  #: warm-up and drain included: what the stack's CPU time is divided by
    requests: int = 0
    connections: int = 0  #: opened; more than there are users means that some were closed on us
    errors: Counter[str] = field(default_factory=Counter)

    def summarise(self, window_seconds: float, generator_cpu_seconds: float) -> "LoadResult":
        """Sums up.

        Args:
            window_seconds: how long latencies were recorded.
            generator_cpu_seconds: user + system time of the generator within the window.
        """
        ordered = sorted(self.latencies_seconds)
        p50, p95, p99 = (percentile(ordered, share) * 1000 for share in (0.50, 0.95, 0.99))
        return LoadResult(
            jobs_per_second=self.ended_in_window / window_seconds,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            mean_ms=statistics.fmean(ordered) * 1000 if ordered else math.nan,
            arrivals_per_second=self.arrived_in_window / window_seconds,
            generator_delay_p99_ms=percentile(sorted(self.delays_seconds), 0.99) * 1000 if self.delays_seconds else 0.0,
            jobs_measured=len(ordered),
            jobs_finished=self.jobs_finished,
            requests=self.requests,
            connections=self.connections,
            errors=dict(self.errors),
            generator_cpu_share=generator_cpu_seconds / window_seconds,
        )


@dataclass(frozen=True)
class LoadResult:
    """One run's figures. `generator_cpu_share` is of one core: near 1.0 the generator was the bottleneck.

    Of an open loop, `arrivals_per_second` says how many were to arrive, and `generator_delay_p99_ms` how late the
    generator came to them.
    """

    jobs_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float
    arrivals_per_second: float
    generator_delay_p99_ms: float
    jobs_measured: int
    jobs_finished: int
    requests: int
    connections: int
    errors: dict[str, int]
    generator_cpu_share: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
