"""From a request to its result, through the real gateway, queue and workers."""

import csv
import json
import re
from pathlib import Path

import pytest

from tests.support.service import SAMPLE, Service, eventually

ROOT = Path(__file__).resolve().parents[2]


def read_iris() -> list[dict[str, float]]:
    with (ROOT / "data" / "iris.csv").open() as file:
        rows = [{name: value for name, value in row.items() if name != "species"} for row in csv.DictReader(file)]
    return [{name: float(value) for name, value in row.items()} for row in rows]


def test_a_sample_is_accepted_and_answered(service: Service) -> None:
    response = service.http.post("/predict", json=SAMPLE)

    assert response.status_code == 202
    receipt = response.json()
    assert receipt["status"] == "queued"
    assert response.headers["Location"] == f"/result/{receipt['id']}" == receipt["urls"]["result"]
    document = service.result(receipt["id"])
    assert document["status"] == "succeeded"
    assert document["result"]["label"] == "setosa"
    assert set(document["result"]["probabilities"]) == {"setosa", "versicolor", "virginica"}
    assert sum(document["result"]["probabilities"].values()) == pytest.approx(1)
    assert document["version"] == service.champion()
    assert re.fullmatch(r"[0-9a-f]{64}", document["artifact_sha256"])
    assert set(document["timings"]) == {"queued_ms", "compute_ms", "total_ms"}


@pytest.mark.parametrize("how", [{"headers": {"Prefer": "wait=10"}}, {"params": {"wait": "10"}}])
def test_a_caller_who_waits_gets_the_result_at_once(service: Service, how: dict[str, dict[str, str]]) -> None:
    response = service.http.post("/predict", json=SAMPLE, **how)  # type: ignore[arg-type]

    assert response.status_code == 200
    assert response.json()["status"] == "succeeded"
    assert response.headers.get("Preference-Applied") == ("wait=10" if "headers" in how else None)


def test_a_batch_is_answered_in_input_order(service: Service) -> None:
    rows = read_iris()
    alone = [service.http.post("/predict", params={"wait": 10}, json=row).json()["result"] for row in rows[::15]]

    response = service.http.post("/predict/batch", json={"instances": rows})
    document = service.result(response.json()["id"])

    assert response.status_code == 202
    assert document["status"] == "succeeded"
    assert document["rows"] == {"total": 150, "done": 150, "failed": 0}
    assert len(document["results"]) == 150
    for single, batched in zip(alone, document["results"][::15], strict=True):
        assert batched["label"] == single["label"]
        assert batched["probabilities"] == pytest.approx(single["probabilities"])


def test_ten_thousand_rows_come_back_under_one_id_and_by_page(service: Service) -> None:
    rows = [dict(SAMPLE, sepal_length=4.0 + index / 10_000) for index in range(10_000)]

    job_id = service.http.post("/predict/batch", json={"instances": rows}).json()["id"]
    document = service.result(job_id, wait=60)
    page = service.http.get(f"/result/{job_id}", params={"offset": 998, "limit": 5}).json()

    assert len(document["results"]) == 10_000
    assert page["results"] == document["results"][998:1003]
    probabilities = [row["probabilities"]["setosa"] for row in document["results"]]
    assert probabilities == sorted(probabilities, reverse=True), "setosa gets less likely as the sepal grows"


def test_one_request_can_be_followed_from_gateway_to_worker_to_result(service: Service) -> None:
    response = service.http.post("/predict", json=SAMPLE, headers={"X-Request-ID": "follow-me-1"})
    job_id = response.json()["id"]

    document = service.result(job_id)

    assert document["request_id"] == response.headers["X-Request-ID"] == "follow-me-1"
    for process in ("gateway", "worker"):
        line = eventually(lambda process=process: find_line(service.logs(process), job_id), what=f"{process}'s line")
        assert "follow-me-1" in json.dumps(line)


def find_line(log: str, text: str) -> dict[str, object] | None:
    return next((json.loads(line) for line in log.splitlines() if text in line), None)


def test_an_unknown_id_is_not_found_and_never_pending(service: Service) -> None:
    for job_id in ("nonsense", "a" * 32, "../../etc/passwd"):
        response = service.http.get(f"/result/{job_id}")

        assert response.status_code == 404
        assert response.headers["Content-Type"] == "application/problem+json"


def test_a_version_can_be_pinned(service: Service) -> None:
    former = service.champion()
    assert service.admin("/retrain?force=true").status_code == 202
    eventually(lambda: service.champion() != former, what="a new champion")

    pinned = service.http.post("/predict", params={"wait": 10, "version": former}, json=SAMPLE).json()
    in_body = service.http.post("/predict", params={"wait": 10}, json={**SAMPLE, "version": former}).json()
    unknown = service.http.post("/predict", params={"version": "20000101T000000Z-00000000"}, json=SAMPLE)

    assert pinned["version"] == in_body["version"] == former
    assert unknown.status_code == 404
    assert unknown.json()["errors"][0]["field"] == "version"


BAD_BODIES = {
    "nan": b'{"sepal_length": NaN, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}',
    "infinity": b'{"sepal_length": -Infinity, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}',
    "overflow": b'{"sepal_length": 1e999, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}',
    "huge integer": b'{"sepal_length": 1' + b"0" * 400 + b', "sepal_width": 3, "petal_length": 1, "petal_width": 0}',
    "text": b'{"sepal_length": "5.1", "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}',
    "boolean": b'{"sepal_length": true, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}',
    "missing": b'{"sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}',
    "unknown": b'{"sepal_length": 5, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2, "petals": 3}',
    "empty": b"",
    "broken": b'{"sepal_length": 5.1',
    "not an object": b"[1, 2, 3]",
    "deep": b"[" * 10_000 + b"]" * 10_000,
    "deep value": b'{"sepal_length": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001,
    "not utf-8": b'{"sepal_length": "\xff\xfe"}',
    "null byte": b"\0",
}


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_bad_bodies_are_refused_with_a_reason_and_leave_no_job(service: Service, path: str, body: bytes) -> None:
    response = service.http.post(path, content=body, headers={"Content-Type": "application/json"})

    assert response.status_code in (400, 422)
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["detail"]
    assert not any(word in response.text for word in ("Traceback", "pydantic", "site-packages", "werkzeug"))


def test_every_offending_field_of_a_batch_is_named_with_its_row(service: Service) -> None:
    rows = [SAMPLE, {**SAMPLE, "sepal_length": "long"}, {**SAMPLE, "petal_width": None}]

    response = service.http.post("/predict/batch", json={"instances": rows})

    named = {(problem["row"], problem["field"].rpartition(".")[2]) for problem in response.json()["errors"]}
    assert response.status_code == 422
    assert named == {(1, "sepal_length"), (2, "petal_width")}


def test_a_wrong_content_type_and_an_oversized_body_are_refused(service: Service) -> None:
    form = service.http.post("/predict", data={"sepal_length": "5.1"})
    oversized = service.http.post(
        "/predict/batch", content=b"x" * (9 * 1024 * 1024), headers={"Content-Type": "application/json"}
    )

    assert form.status_code == 415
    assert oversized.status_code == 413
    assert oversized.headers["connection"] == "close"  # or the next request on it might be lost


def test_too_many_rows_are_refused(service: Service) -> None:
    response = service.http.post("/predict/batch", json={"instances": [SAMPLE] * 10_001})

    assert response.status_code == 422
    assert "10000" in response.text
