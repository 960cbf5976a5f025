"""Every server's own form: what is sent, and what its answers mean."""

import json

import pytest

from benchmarks.dialects import DIALECTS, SUCCEEDED, WRONG, Reading
from benchmarks.wire import SAMPLES, Response

SETOSA = SAMPLES[0]
PROBABILITIES = {"setosa": 0.9, "versicolor": 0.08, "virginica": 0.02}
RIGHT = {"label": "setosa", "probabilities": PROBABILITIES}
SWAPPED = {"label": "virginica", "probabilities": PROBABILITIES}


def build_tensors(*data: float) -> dict[str, object]:
    return {"outputs": [{"name": "predict_proba", "datatype": "FP64", "data": list(data)}], "id": "1"}


def respond(status: int, content: object) -> Response:
    body = json.dumps(content).encode()
    return Response(status, body, len(body), closes=False)


@pytest.mark.parametrize(
    ("dialect", "status", "content", "reading"),
    [
        ("rhizome", 202, {"id": "7", "status": "queued"}, Reading(None, "7")),
        ("rhizome", 200, {"id": "7", "status": "succeeded", "result": RIGHT}, Reading(SUCCEEDED)),
        ("rhizome", 200, {"id": "7", "status": "expired"}, Reading("job_expired")),
        ("rhizome", 429, {}, Reading("http_429")),
        ("litserve", 200, RIGHT, Reading(SUCCEEDED)),
        ("litserve", 200, SWAPPED, Reading(WRONG)),
        ("litserve", 503, {}, Reading("http_503")),
        ("mlserver", 200, build_tensors(0.9, 0.08, 0.02), Reading(SUCCEEDED)),
        ("mlserver", 200, build_tensors(0.08, 0.9, 0.02), Reading(WRONG)),
        ("mlserver", 500, {}, Reading("http_500")),
        ("bentoml", 200, [RIGHT], Reading(SUCCEEDED)),
        ("bentoml", 200, [SWAPPED], Reading(WRONG)),
        ("bentoml", 503, {}, Reading("http_503")),
        ("bentoml-task", 200, {"task_id": "7", "status": "in_progress"}, Reading(None, "7")),
        ("bentoml-task", 400, {"error": "task 7 is not completed yet"}, Reading(None)),
        ("bentoml-task", 400, {"error": "no"}, Reading("http_400")),
        ("bentoml-task", 200, RIGHT, Reading(SUCCEEDED)),
        ("bentoml-task", 200, SWAPPED, Reading(WRONG)),
    ],
)
def test_an_answer_is_right_wrong_pending_or_an_error(dialect: str, status: int, content: object, reading: Reading):
    assert DIALECTS[dialect].read(respond(status, content), SETOSA) == reading


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("rhizome", json.loads(SETOSA.body)),
        ("litserve", json.loads(SETOSA.body)),
        ("bentoml", {"rows": [list(SETOSA.row)]}),
        ("bentoml-task", {"row": list(SETOSA.row)}),
    ],
)
def test_a_submit_carries_the_samples_numbers(dialect: str, body: object):
    head, _, sent = DIALECTS[dialect].build_submit(SETOSA, True).partition(b"\r\n\r\n")

    assert json.loads(sent) == body
    assert f"Content-Length: {len(sent)}\r\n".encode() in head + b"\r\n"


def test_what_is_no_answer_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        DIALECTS["litserve"].read(Response(200, b"<html>", 6, closes=False), SETOSA)
