"""What the service should have answered: computed by scikit-learn in this process, from the versions on disk."""

from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-9  #: BLAS adds up in another order where more rows are scored at once
MODEL = "iris"


class Oracle:
    """Knows every version below a folder of models."""

    def __init__(self, models: Path) -> None:
        self._estimator = cache(lambda version: joblib.load(models / MODEL / version / "model.joblib"))

    def find_mistakes(self, version: str, rows: NDArray[np.float64], answers: list[dict[str, Any]]) -> list[int]:
        """The places of the answers that are not what that version says of these rows.

        Args:
            version: that answered.
            rows: shape (n, features).
            answers: n objects of label and probabilities, or of an error.
        """
        estimator = self._estimator(version)
        labels, found = estimator.predict(rows), estimator.predict_proba(rows)
        names = [str(name) for name in estimator.classes_]
        return [
            place
            for place, answer in enumerate(answers)
            if answer.get("label") != str(labels[place])
            or list(answer.get("probabilities", ())) != names
            or not np.allclose(list(answer["probabilities"].values()), found[place], rtol=0, atol=TOLERANCE)
        ]
