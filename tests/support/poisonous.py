"""An estimator that ends or holds up its process at certain values, as native code does that crashes or loops."""

import os
import signal
import threading
import time
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

DEADLY, ENDLESS = 3.33, 4.44  #: of the last feature
HELD_SECONDS = 600.0
harmless = threading.Event()  #: set where an answer is computed only to compare it


class Poisonous(LogisticRegression):  # type: ignore[misc]
    """Dies of `DEADLY`, and comes to no end with `ENDLESS`; otherwise as its base."""

    def predict(self, rows: NDArray[Any]) -> Any:
        _suffer(rows)
        return super().predict(rows)

    def predict_proba(self, rows: NDArray[Any]) -> Any:
        _suffer(rows)
        return super().predict_proba(rows)


def _suffer(rows: NDArray[Any]) -> None:
    if harmless.is_set():
        return
    last = np.asarray(rows)[:, 3]
    if (last == DEADLY).any():
        os.kill(os.getpid(), signal.SIGKILL)
    if (last == ENDLESS).any():
        until = time.monotonic() + HELD_SECONDS
        while time.monotonic() < until:
            with suppress(BaseException):  # native code does not listen to signals either
                time.sleep(1.0)


def build(signature: object, seed: int) -> Poisonous:
    """What `RHIZOME_ESTIMATOR` names."""
    return Poisonous(random_state=seed, max_iter=1000)
