"""Idempotency and cancelling over HTTP, with real workers."""

import uuid

import pytest

from tests.support.service import SAMPLE, Service


def test_the_same_key_and_body_are_one_job_also_after_completion(service: Service) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}

    first = service.http.post("/predict", json=SAMPLE, headers=headers)
    document = service.result(first.json()["id"])
    again = service.http.post("/predict", json=SAMPLE, headers=headers)
    waiting = service.http.post("/predict?wait=10", json=SAMPLE, headers=headers)

    assert first.status_code == 202
    assert "Idempotency-Replayed" not in first.headers
    assert again.json() == waiting.json() == document
    assert again.headers["Idempotency-Replayed"] == waiting.headers["Idempotency-Replayed"] == "true"


def test_the_same_key_with_another_body_is_a_conflict(service: Service) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    service.http.post("/predict", json=SAMPLE, headers=headers)

    other = service.http.post("/predict", json={**SAMPLE, "petal_width": 0.3}, headers=headers)

    assert other.status_code == 409
    assert other.json()["code"] == "idempotency_conflict"


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_unusable_key_is_refused_by_name(service: Service, key: str) -> None:
    response = service.http.post("/predict", json=SAMPLE, headers={"Idempotency-Key": key})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_finished_job_cannot_be_cancelled(service: Service) -> None:
    job_id = service.submit()
    service.result(job_id)

    response = service.http.delete(f"/result/{job_id}")

    assert response.status_code == 409
    assert response.json()["code"] == "job_finished"


def test_waiting_batches_can_be_cancelled_and_the_rest_is_answered(service: Service) -> None:
    rows = {"instances": [SAMPLE] * 10_000}
    job_ids = [service.http.post("/predict/batch", json=rows).json()["id"] for _ in range(6)]

    cancelled = service.http.delete(f"/result/{job_ids[-1]}")
    again = service.http.delete(f"/result/{job_ids[-1]}")

    assert cancelled.status_code == again.status_code == 200
    assert cancelled.json()["status"] == "cancelled"
    assert service.result(job_ids[-1])["status"] == "cancelled"
    assert {service.result(job_id, wait=60.0)["status"] for job_id in job_ids[:-1]} == {"succeeded"}
