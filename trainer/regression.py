"""How good a regressor is on rows it has not seen: mean absolute error, root mean squared error, R².

The counterpart of `trainer.classification`; `trainer.evaluation` chooses between them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhizome.inference import Answers
from trainer.intervals import bootstrap_interval


def measure_regression(answers: Answers, values: NDArray[Any], seed: int) -> dict[str, Any]:
    """Measures predictions of n rows.

    Args:
        answers: of the estimator.
        values: the true values, shape (n,), float64.
        seed: of the bootstrap.
    """
    residuals = values - np.array(answers.labels, dtype=np.float64)
    rows = len(values)
    return {
        "rows": rows,
        "mae": mean_absolute_error(residuals),
        "mae_interval": list(bootstrap_interval(lambda i: mean_absolute_error(residuals[i]), rows, seed)),
        "rmse": root_mean_squared_error(residuals),
        "rmse_interval": list(bootstrap_interval(lambda i: root_mean_squared_error(residuals[i]), rows, seed)),
        "r2": r_squared(residuals, values),
        "r2_interval": list(bootstrap_interval(lambda i: r_squared(residuals[i], values[i]), rows, seed)),
    }


def mean_absolute_error(residuals: NDArray[Any]) -> float:
    """In the target's unit."""
    return float(np.abs(residuals).mean())


def root_mean_squared_error(residuals: NDArray[Any]) -> float:
    """In the target's unit."""
    return float(np.sqrt((residuals**2).mean()))


def r_squared(residuals: NDArray[Any], values: NDArray[Any]) -> float:
    """The share of the variance that is explained; 0 where the values do not vary, as no share is defined there."""
    spread = float(((values - values.mean()) ** 2).sum())
    return 1.0 - float((residuals**2).sum()) / spread if spread else 0.0
