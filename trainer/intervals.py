"""Confidence intervals of metrics: how far a figure measured on few rows may be from the truth.

Apart from the evaluation, because each has its own source and its own test against it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
BOOTSTRAP_RESAMPLES = 1_000

Interval = tuple[float, float]


def wilson_interval(successes: int, trials: int) -> Interval:
    """The Wilson score interval of a proportion.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap_interval(statistic: Callable[[NDArray[np.int64]], float], rows: int, seed: int) -> Interval:
    """The percentile bootstrap interval of a statistic of `rows` rows.

    Source: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979).

    Args:
        statistic: computes the figure from the indices of a resample, shape (rows,).
        rows: how many rows there are.
        seed: of the resampling.
    """
    generator = np.random.default_rng(seed)
    figures = [statistic(generator.integers(rows, size=rows)) for _ in range(BOOTSTRAP_RESAMPLES)]
    low, high = np.quantile(figures, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def corrected_interval(scores: Sequence[float], test_share: float) -> Interval:
    """The interval of the mean of repeated cross-validation scores, corrected for overlapping training sets.

    The plain variance of the mean takes the folds for independent and is too small; Nadeau and Bengio replace 1/J by
    1/J + n_test/n_train.
    Source: C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52 (2003), for repeated
    folds R. Bouckaert, E. Frank, "Evaluating the replicability of significance tests", PAKDD (2004).

    Args:
        scores: one per fold and repetition.
        test_share: n_test / n_train of a fold.
    """
    count = len(scores)
    array: NDArray[Any] = np.asarray(scores, dtype=np.float64)
    error = math.sqrt((1 / count + test_share) * float(array.var(ddof=1)))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    mean = float(array.mean())
    return mean - half, mean + half
