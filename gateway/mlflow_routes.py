"""MLflow's scoring protocol: `/invocations` answers with the predictions, `/ping` and `/version` with a word.

The forms of the input are those of `/predict/batch`. [1] describes the protocol.

[1] https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#local-inference-server-spec
"""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from gateway.answers import chunk_rows_of, collect_answers, conclude, submit_for_answer
from gateway.documents import encode
from gateway.requests import read_json_body, read_wait_seconds
from gateway.service import service
from gateway.submitting import JSON, Parsed, accept, parse_rows
from rhizome import __version__
from rhizome.jobs import Returns

RETRY_AFTER_SECONDS = 1  #: when a receipt's result is worth a first look
_PING_BODY = "\n"  #: of either answer, as MLflow's own server has it
_FILES = "; files go to POST /predict/batch (CSV, NDJSON, Parquet)"

blueprint = Blueprint("mlflow", __name__)


@blueprint.post("/invocations")
def invocations() -> Response:
    """Many samples: 200 with the predictions alone, or 202 with a receipt if they did not come in time."""
    here = service()
    body = read_json_body(here.body_slots, most=here.settings.max_body_bytes, or_else=_FILES)
    wait_seconds = read_wait_seconds(here.settings.max_wait_seconds, unless_said=here.settings.max_wait_seconds)
    bounds = {"max_rows": here.settings.max_batch_rows, "chunk_rows": chunk_rows_of(here.settings)}
    parsed = _with_labels(parse_rows(here, body, lambda known: known.validator.parse_batch(body, **bounds)))
    submitted = submit_for_answer(here, body, parsed, wait_seconds)
    answers = collect_answers(here, submitted)
    if answers is None:
        response = accept(submitted)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    else:
        predictions = [predictions_of(answer, parsed) for answer in answers.rows]
        response = Response(encode({"predictions": predictions}), 200, content_type=JSON)
    return conclude(response, submitted)


@blueprint.get("/ping")
def ping() -> Response:
    """200 when a job submitted now would be answered, else 503."""
    is_ready, _ = service().health.is_ready()
    return Response(_PING_BODY, 200 if is_ready else 503, content_type="text/plain")


@blueprint.get("/version")
def version() -> Response:
    """This server's version, as text."""
    return Response(__version__, 200, content_type="text/plain")


def predictions_of(answer: Mapping[str, Any], parsed: Parsed) -> Any:
    """One row's prediction in MLflow's form; of several outputs, an object of them."""
    if "outputs" in answer:
        return {target: _pick(part, parsed) for target, part in answer["outputs"].items()}
    return _pick(answer, parsed)


def _pick(answer: Mapping[str, Any], parsed: Parsed) -> Any:
    """A label, a value, probabilities in the order of the classes (named where there are fewer), or all of it."""
    if "value" in answer:
        return answer["value"]
    options = parsed.options
    if options.returns == Returns.LABEL:
        return answer["label"]
    if options.returns == Returns.PROBABILITIES:
        probabilities = answer["probabilities"]
        return probabilities if options.top_k else list(probabilities.values())
    return answer


def _with_labels(parsed: Parsed) -> Parsed:
    """The same, with the label alone as the default: it is what MLflow's own server answers."""
    if "return" in parsed.rows.options or "return" in request.args:
        return parsed
    return parsed._replace(options=parsed.options._replace(returns=Returns.LABEL.value))
