"""Paired tests: is the candidate worse than the champion on the same rows, beyond chance?

Both are one-sided, as only a worse candidate is refused; a p-value below alpha says that it is worse.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats


def mcnemar_p_value(candidate_wrong: NDArray[np.bool_], champion_wrong: NDArray[np.bool_]) -> float:
    """The exact McNemar test: of the rows only one of the two gets wrong, are too many the candidate's?

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12
    (1947), in the exact binomial form.

    Args:
        candidate_wrong: per row, shape (n,).
        champion_wrong: for the same rows.
    """
    worse = int((candidate_wrong & ~champion_wrong).sum())
    better = int((~candidate_wrong & champion_wrong).sum())
    if worse + better == 0:
        return 1.0
    return float(stats.binomtest(worse, worse + better, 0.5, alternative="greater").pvalue)


def wilcoxon_p_value(candidate_errors: NDArray[Any], champion_errors: NDArray[Any]) -> float:
    """The Wilcoxon signed-rank test: are the candidate's absolute errors larger?

    Source: F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945).

    Args:
        candidate_errors: absolute errors per row, shape (n,).
        champion_errors: for the same rows.
    """
    differences = candidate_errors - champion_errors
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences, alternative="greater").pvalue)
