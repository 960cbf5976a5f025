"""What a call costs by its size, learnt from the calls themselves.

A call with n items costs a + b n. Both are fitted to what was measured lately, because n is 1 on a quiet service and
hundreds in a backlog, and the question is always about the other case.
"""

MEMORY = 0.95  #: what one more call leaves of the weight of those before it
#: Before sizes have differed: an item's cost (ms), and how many squared items of evidence outweigh it.
PRIOR_ITEM_MS = 0.05
PRIOR_WEIGHT = 1.0


class LinearCost:
    """Exponentially weighted least squares over (items, milliseconds)."""

    def __init__(self) -> None:
        self._weight = self._n = self._ms = self._nn = self._nms = 0.0

    @property
    def is_known(self) -> bool:
        return self._weight > 0

    def add(self, items: int, milliseconds: float) -> None:
        """A call with `items` items took so long."""
        self._weight = self._weight * MEMORY + 1
        self._n = self._n * MEMORY + items
        self._ms = self._ms * MEMORY + milliseconds
        self._nn = self._nn * MEMORY + items * items
        self._nms = self._nms * MEMORY + items * milliseconds

    def fit(self) -> tuple[float, float]:
        """What a call and what each item costs (ms); zeros before the first call."""
        if not self._weight:
            return 0.0, 0.0
        mean_n, mean_ms = self._n / self._weight, self._ms / self._weight
        variance = max(0.0, self._nn - self._n * mean_n)
        covariance = self._nms - self._n * mean_ms
        per_item = (covariance + PRIOR_WEIGHT * PRIOR_ITEM_MS) / (variance + PRIOR_WEIGHT)
        per_item = min(max(0.0, per_item), mean_ms / mean_n)
        return mean_ms - per_item * mean_n, per_item

    def of(self, items: int) -> float:
        """What a call with `items` items should take (ms)."""
        per_call, per_item = self.fit()
        return per_call + per_item * items
