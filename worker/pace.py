"""What scoring costs this process: measured at every micro-batch, told in the heartbeat.

A micro-batch of n jobs costs a + b n. Both are fitted to what was measured lately, because n is 1 on a quiet service
and hundreds in a backlog, and the question of an estimate is always about the other case.
"""

MEMORY = 0.95  #: what one more micro-batch leaves of the weight of those before it
#: Before sizes have differed: a row's cost in a micro-batch (ms), and how many squared rows of evidence outweigh it.
PRIOR_ENTRY_MS = 0.05
PRIOR_WEIGHT = 1.0
CHUNK_WEIGHT = 0.2  #: of the newest chunk in the moving average


class WorkPace:
    """Exponentially weighted least squares over (jobs, milliseconds)."""

    def __init__(self, micro_batch_rows: int) -> None:
        self._micro_batch_rows = micro_batch_rows
        self._weight = self._n = self._ms = self._nn = self._nms = 0.0
        #: Of one chunk; 0 before the first.
        self.chunk_ms = 0.0

    def add_singles(self, jobs: int, milliseconds: float) -> None:
        """A micro-batch of `jobs` single jobs took so long, from the claim to the written results."""
        self._weight = self._weight * MEMORY + 1
        self._n = self._n * MEMORY + jobs
        self._ms = self._ms * MEMORY + milliseconds
        self._nn = self._nn * MEMORY + jobs * jobs
        self._nms = self._nms * MEMORY + jobs * milliseconds

    def add_chunk(self, milliseconds: float) -> None:
        """A batch chunk took so long."""
        self.chunk_ms += (CHUNK_WEIGHT if self.chunk_ms else 1.0) * (milliseconds - self.chunk_ms)

    @property
    def single_ms(self) -> float:
        """A micro-batch of one job; 0 before the first measurement."""
        if not self._weight:
            return 0.0
        per_call, per_job = self._fit()
        return per_call + per_job

    @property
    def entry_ms(self) -> float:
        """Each job of a full micro-batch; 0 before the first measurement."""
        if not self._weight:
            return 0.0
        per_call, per_job = self._fit()
        return per_call / self._micro_batch_rows + per_job

    def _fit(self) -> tuple[float, float]:
        mean_n, mean_ms = self._n / self._weight, self._ms / self._weight
        variance = self._nn - self._n * mean_n
        covariance = self._nms - self._n * mean_ms
        per_job = (covariance + PRIOR_WEIGHT * PRIOR_ENTRY_MS) / (max(0.0, variance) + PRIOR_WEIGHT)
        per_job = min(max(0.0, per_job), mean_ms / mean_n)
        return mean_ms - per_job * mean_n, per_job
