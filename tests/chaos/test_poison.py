"""A row that ends or holds up whoever scores it is quarantined with its reason, and takes no innocent one with it."""

import os
import signal
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.service import SAMPLE, Service, eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

#: What the estimator does at each value of the last feature, as native code might.
ESTIMATOR = textwrap.dedent(
    """
    import os
    import signal
    import sys
    import time

    import numpy as np
    from sklearn.linear_model import LogisticRegression


    def hang():
        while True:
            pass


    DEEDS = {
        3.31: lambda: os.kill(os.getpid(), signal.SIGKILL),
        3.32: lambda: os.kill(os.getpid(), signal.SIGSEGV),
        3.33: lambda: os._exit(3),
        3.34: hang,
        3.35: sys.exit,
    }


    class Poisoned(LogisticRegression):
        def predict(self, X):
            for value, deed in DEEDS.items():
                if (np.asarray(X)[:, 3] == value).any():
                    deed()
            return super().predict(X)


    def build(signature, seed):
        return Poisoned(random_state=seed, max_iter=1000)
    """
)
ENDINGS = {3.31: "ended by signal 9", 3.32: "ended by signal 11", 3.33: "exit code 3", 3.34: "longer than 5 s"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("poison")
    (folder / "poisoned.py").write_text(ESTIMATOR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        running = Service(folder, estimator="poisoned:build", worker_processes=2, lease_seconds=1)
        running.start()
    yield running
    running.stop(signal.SIGTERM)


def poisoned(value: float) -> dict[str, Any]:
    return {**SAMPLE, "petal_width": value}


@pytest.mark.parametrize("value", ENDINGS)
def test_a_poison_job_is_quarantined_and_the_others_are_answered(service: Service, value: float) -> None:
    dead_letters = service.health()["queue"]["dead_letters"]
    innocent = [service.submit() for _ in range(20)]
    poison = service.submit(poisoned(value))
    innocent += [service.submit() for _ in range(20)]

    document = service.result(poison, wait=60.0)
    statuses = {service.result(job_id, wait=60.0)["status"] for job_id in innocent}

    assert document["status"] == "failed"
    assert document["error"]["code"] == "quarantined"
    assert ENDINGS[value] in document["error"]["detail"]
    assert statuses == {"succeeded"}
    eventually(lambda: service.health()["queue"]["dead_letters"] == dead_letters + 1, what="the dead letter")


@pytest.mark.parametrize("value", [3.32, 3.34])
def test_of_a_batch_only_the_poison_row_is_quarantined(service: Service, value: float) -> None:
    rows = [SAMPLE] * 30 + [poisoned(value)] + [SAMPLE] * 30

    response = service.http.post("/predict/batch", json={"inputs": rows})
    assert response.status_code == 202, response.text
    document = service.result(response.json()["id"], wait=60.0)

    assert document["status"] == "succeeded", document
    failed = {at: answer["error"] for at, answer in enumerate(document["results"]) if "error" in answer}
    assert list(failed) == [30]
    assert failed[30]["code"] == "quarantined"
    assert ENDINGS[value] in failed[30]["detail"]


def test_a_row_that_raises_an_exit_is_a_failed_row_like_any_other(service: Service) -> None:
    rows = [SAMPLE] * 30 + [poisoned(3.35)] + [SAMPLE] * 30

    response = service.http.post("/predict/batch", json={"inputs": rows})
    assert response.status_code == 202, response.text
    document = service.result(response.json()["id"], wait=60.0)

    assert document["status"] == "succeeded", document
    failed = {at: answer["error"]["code"] for at, answer in enumerate(document["results"]) if "error" in answer}
    assert failed == {30: "scoring_failed"}


def test_of_a_file_likewise(service: Service) -> None:
    rows = [SAMPLE] * 30 + [poisoned(3.33)] + [SAMPLE] * 30
    csv = "\n".join([",".join(SAMPLE), *(",".join(map(str, row.values())) for row in rows)])

    response = service.http.post("/predict/batch", content=csv, headers={"Content-Type": "text/csv"})
    assert response.status_code == 202, response.text
    document = service.result(response.json()["id"], wait=60.0)

    assert document["status"] == "succeeded", document
    page = service.http.get(f"/result/{document['id']}", params={"offset": 0, "limit": 100}).json()["results"]
    failed = {at: answer["error"] for at, answer in enumerate(page) if "error" in answer}
    assert {at: error["code"] for at, error in failed.items()} == {30: "quarantined"}
    assert ENDINGS[3.33] in failed[30]["detail"]
