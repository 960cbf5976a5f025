"""How each stack is spoken to: the requests of a job, and what its answers mean.

The generator knows users, connections and time; everything that is one server's own form is here. Requests are built
once for each sample, and of an answer only what is checked gets parsed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from benchmarks.wire import (
    FINAL_FAILURES,
    SAMPLES,
    Prediction,
    Response,
    Sample,
    build_get,
    build_post,
    build_request,
    decode_answer,
    is_right,
)

WAIT_SECONDS = 10  #: what `Prefer: wait=` asks for
SUCCEEDED = "succeeded"
WRONG = "wrong_answer"
LABELS = tuple(sorted(sample.label for sample in SAMPLES))  #: in the order of an estimator's classes


class Reading(NamedTuple):
    """What an answer means: how the job ended, or else (`outcome` is None) that it goes on, under which id."""

    outcome: str | None
    job_id: str = ""


@dataclass(frozen=True)
class Dialect:
    """One server's form.

    Attributes:
        build_submit: the request for a sample, asking to wait for the answer or not.
        build_look: the request for the state of a job.
        read: what an answer (to either) says of the job of a sample; ValueError if it is none.
    """

    build_submit: Callable[[Sample, bool], bytes]
    build_look: Callable[[str, bool], bytes]
    read: Callable[[Response, Sample], Reading]


def _submit_rhizome(sample: Sample, waits: bool) -> bytes:
    return build_post(sample, WAIT_SECONDS if waits else 0)


def _look_at_rhizome(job_id: str, waits: bool) -> bytes:
    return build_get(job_id, WAIT_SECONDS if waits else 0)


def _read_rhizome(response: Response, sample: Sample) -> Reading:
    if response.status not in (200, 202):
        return Reading(f"http_{response.status}")
    answer = decode_answer(response.body)
    if answer.status == SUCCEEDED:
        return Reading(SUCCEEDED if is_right(answer.result, sample) else WRONG)
    if answer.status in FINAL_FAILURES:
        return Reading(f"job_{answer.status}")
    return Reading(None, answer.id)


def _never_looked_at(job_id: str, waits: bool) -> bytes:
    raise ValueError("a synchronous server has no jobs to look at")


def _submit_litserve(sample: Sample, waits: bool) -> bytes:
    return build_request("POST", "/predict", sample.body)


def _read_prediction(response: Response, sample: Sample) -> Reading:
    if response.status != HTTPStatus.OK:
        return Reading(f"http_{response.status}")
    return Reading(SUCCEEDED if is_right(decode_prediction(response.body), sample) else WRONG)


class Tensor(msgspec.Struct):
    """The part of an output of the Open Inference Protocol that is checked."""

    name: str
    data: list[float]


class Tensors(msgspec.Struct):
    """The part of an answer of the Open Inference Protocol that is checked."""

    outputs: list[Tensor]


decode_prediction = msgspec.json.Decoder(Prediction).decode
decode_predictions = msgspec.json.Decoder(list[Prediction]).decode
decode_tensors = msgspec.json.Decoder(Tensors).decode


def _submit_mlserver(sample: Sample, waits: bool) -> bytes:
    """Asks for the probabilities alone: with the label the server would call the estimator twice."""
    tensor = {"name": "rows", "shape": [1, len(sample.row)], "datatype": "FP64", "data": sample.row}
    body = json.dumps({"inputs": [tensor], "outputs": [{"name": "predict_proba"}]}).encode()
    return build_request("POST", "/v2/models/iris/infer", body)


def _read_mlserver(response: Response, sample: Sample) -> Reading:
    if response.status != HTTPStatus.OK:
        return Reading(f"http_{response.status}")
    (tensor,) = decode_tensors(response.body).outputs
    label = LABELS[tensor.data.index(max(tensor.data))]
    prediction = Prediction(label, dict(zip(LABELS, tensor.data, strict=True)))
    return Reading(SUCCEEDED if is_right(prediction, sample) else WRONG)


def _submit_bentoml(sample: Sample, waits: bool) -> bytes:
    return build_request("POST", "/classify", json.dumps({"rows": [sample.row]}).encode())


def _read_bentoml(response: Response, sample: Sample) -> Reading:
    if response.status != HTTPStatus.OK:
        return Reading(f"http_{response.status}")
    (prediction,) = decode_predictions(response.body)
    return Reading(SUCCEEDED if is_right(prediction, sample) else WRONG)


class BentoAnswer(msgspec.Struct):
    """What BentoML says of a task: its id after the submit, the prediction when it is done."""

    task_id: str = ""
    label: str = ""
    probabilities: dict[str, float] = {}


decode_bento_answer = msgspec.json.Decoder(BentoAnswer).decode


def _submit_bentoml_task(sample: Sample, waits: bool) -> bytes:
    return build_request("POST", "/predict/submit", json.dumps({"row": sample.row}).encode())


def _look_at_bentoml_task(job_id: str, waits: bool) -> bytes:
    return build_request("GET", f"/predict/get?task_id={job_id}")


def _read_bentoml_task(response: Response, sample: Sample) -> Reading:
    """Reads the answer to the submit, or to `/get`, whose 400 tells that the task goes on: one request, not two."""
    if response.status == HTTPStatus.BAD_REQUEST and b"not completed yet" in response.body:
        return Reading(None)
    if response.status != HTTPStatus.OK:
        return Reading(f"http_{response.status}")
    answer = decode_bento_answer(response.body)
    if answer.task_id:
        return Reading(None, answer.task_id)
    return Reading(SUCCEEDED if is_right(Prediction(answer.label, answer.probabilities), sample) else WRONG)


DIALECTS = {
    "rhizome": Dialect(_submit_rhizome, _look_at_rhizome, _read_rhizome),
    "litserve": Dialect(_submit_litserve, _never_looked_at, _read_prediction),
    "mlserver": Dialect(_submit_mlserver, _never_looked_at, _read_mlserver),
    "bentoml": Dialect(_submit_bentoml, _never_looked_at, _read_bentoml),
    "bentoml-task": Dialect(_submit_bentoml_task, _look_at_bentoml_task, _read_bentoml_task),
}
