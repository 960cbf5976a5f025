"""What a call costs by its size, learnt from the calls themselves.

A call with n items costs a + b n. Both are fitted to what was measured lately, because n is 1 on a quiet service and
hundreds in a backlog, and the question is always about the other case.
"""

from typing import NamedTuple

MEMORY = 0.95  #: what one more call leaves of the weight of those before it
#: Before sizes have differed: an item's cost (ms), and how many squared items of evidence outweigh it.
PRIOR_ITEM_MS = 0.05
PRIOR_WEIGHT = 1.0


class _Sums(NamedTuple):
    """Over calls, weighted: how many, items, milliseconds, items squared, items x milliseconds; the largest call."""

    weight: float = 0.0
    n: float = 0.0
    ms: float = 0.0
    nn: float = 0.0
    nms: float = 0.0
    largest: float = 0.0


class LinearCost:
    """Exponentially weighted least squares over (items, milliseconds); one thread adds, others may read."""

    def __init__(self) -> None:
        self._sums = _Sums()  # replaced as a whole

    @property
    def is_known(self) -> bool:
        return self._sums.weight > 0

    @property
    def largest(self) -> int:
        """Items of the largest call of late."""
        return int(self._sums.largest)

    def add(self, items: int, milliseconds: float) -> None:
        """A call with `items` items took so long."""
        sums = self._sums
        self._sums = _Sums(
            sums.weight * MEMORY + 1,
            sums.n * MEMORY + items,
            sums.ms * MEMORY + milliseconds,
            sums.nn * MEMORY + items * items,
            sums.nms * MEMORY + items * milliseconds,
            max(items, sums.largest * MEMORY),
        )

    def fit(self) -> tuple[float, float]:
        """What a call and what each item costs (ms); zeros before the first call."""
        sums = self._sums
        if not sums.weight:
            return 0.0, 0.0
        mean_n, mean_ms = sums.n / sums.weight, sums.ms / sums.weight
        variance = max(0.0, sums.nn - sums.n * mean_n)
        covariance = sums.nms - sums.n * mean_ms
        per_item = (covariance + PRIOR_WEIGHT * PRIOR_ITEM_MS) / (variance + PRIOR_WEIGHT)
        per_item = min(max(0.0, per_item), mean_ms / mean_n)
        return mean_ms - per_item * mean_n, per_item

    def of(self, items: int) -> float:
        """What a call with `items` items should take (ms)."""
        per_call, per_item = self.fit()
        return per_call + per_item * items
