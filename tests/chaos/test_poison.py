"""A job that kills whoever scores it is given up after its deliveries, and takes no innocent job with it."""

import os
import signal
import textwrap
from pathlib import Path

import pytest

from tests.support.service import SAMPLE, Service, eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

POISON = {**SAMPLE, "petal_width": 3.33}
#: An estimator that ends its process at a certain value, as a crash in native code would.
ESTIMATOR = textwrap.dedent(
    """
    import os
    import signal

    import numpy as np
    from sklearn.linear_model import LogisticRegression


    class Crashing(LogisticRegression):
        def predict(self, X):
            if (np.asarray(X)[:, 3] == 3.33).any():
                os.kill(os.getpid(), signal.SIGKILL)
            return super().predict(X)


    def build(signature, seed):
        return Crashing(random_state=seed, max_iter=1000)
    """
)


def test_a_poison_job_is_dead_lettered_and_the_others_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "crashing.py").write_text(ESTIMATOR)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    service = Service(tmp_path, estimator="crashing:build", worker_processes=1, lease_seconds=1, max_deliveries=3)
    service.start()
    try:
        innocent = [service.submit() for _ in range(20)]
        poison = service.submit(POISON)
        innocent += [service.submit() for _ in range(20)]

        document = service.result(poison, wait=60.0)
        statuses = {service.result(job_id, wait=60.0)["status"] for job_id in innocent}

        assert document["status"] == "failed"
        assert document["error"]["code"] == "gave_up"
        assert statuses == {"succeeded"}
        eventually(lambda: service.health()["queue"]["dead_letters"] == 1, what="the dead letter in the report")
    finally:
        service.stop(signal.SIGTERM)
