"""What scoring costs this process, from the claim to the written results; told in the heartbeat."""

import time

from worker.linear_cost import LinearCost

CHUNK_WEIGHT = 0.2  #: of the newest chunk in the moving average


class WorkPace:
    """The scorer adds, the keeper reads.

    Args:
        micro_batch_rows: jobs of a full micro-batch.
    """

    def __init__(self, micro_batch_rows: int) -> None:
        self._micro_batch_rows = micro_batch_rows
        self._singles = LinearCost()
        self._chunks = LinearCost()
        #: Of one chunk as they come; 0 before the first.
        self.chunk_ms = 0.0
        #: Seconds since 1970; 0 before the first measurement. Of the single jobs where this process has scored any:
        #: the chunks of small batches that it scores as well say nothing of them.
        self.measured_at = 0.0

    def add_singles(self, jobs: int, milliseconds: float) -> None:
        """A micro-batch of `jobs` single jobs took so long."""
        self._singles.add(jobs, milliseconds)
        self.measured_at = time.time()

    def add_chunk(self, rows: int, milliseconds: float) -> None:
        """A chunk of `rows` rows took so long."""
        self._chunks.add(max(1, rows), milliseconds)
        self.chunk_ms += (CHUNK_WEIGHT if self.chunk_ms else 1.0) * (milliseconds - self.chunk_ms)
        if not self.single_ms:
            self.measured_at = time.time()

    @property
    def single_ms(self) -> float:
        """A micro-batch of one job; 0 before the first measurement."""
        return self._singles.of(1)

    @property
    def entry_ms(self) -> float:
        """Each job of a full micro-batch; 0 before the first measurement."""
        return self._singles.of(self._micro_batch_rows) / self._micro_batch_rows

    @property
    def chunk_costs(self) -> tuple[float, float]:
        """A chunk whatever it holds, and each of its rows (ms)."""
        return self._chunks.fit()
