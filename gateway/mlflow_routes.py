"""MLflow's scoring protocol: `/invocations` answers with the predictions, `/ping` and `/version` with a word.

The forms of the input are those of `/predict/batch`, and CSV. [1] describes the protocol.

[1] https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#local-inference-server-spec
"""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, request

from gateway.answers import chunk_rows_of, collect_answers, conclude, find_submitted, submit_for_answer
from gateway.champion import Known
from gateway.documents import encode
from gateway.options import JobOptions, read_options
from gateway.requests import read_json_body, read_wait_seconds
from gateway.results.negotiation import TYPE_OF_FORMAT
from gateway.service import Service, service
from gateway.submitting import JSON, accept, parse_rows
from gateway.validation import Rows
from rhizome import __version__
from rhizome.blob_slices import FileFormat
from rhizome.errors import InvalidRequest, JobExpired, VersionNotFound
from rhizome.jobs import Returns

RETRY_AFTER_SECONDS = 1  #: when a receipt's result is worth a first look
_PING_BODY = "\n"  #: of either answer, as MLflow's own server has it
_CSV = TYPE_OF_FORMAT[FileFormat.CSV]
_FILES = " or text/csv; files go to POST /predict/batch (CSV, NDJSON, Parquet)"

blueprint = Blueprint("mlflow", __name__)


@blueprint.post("/invocations")
def invocations() -> Response:
    """Many samples: 200 with the predictions alone, or 202 with a receipt if they did not come in time."""
    here = service()
    body = read_json_body(most=here.settings.max_body_bytes, also=_CSV, or_else=_FILES)
    wait_seconds = read_wait_seconds(here.settings.max_wait_seconds, unless_said=here.settings.max_wait_seconds)
    options, parse = None, _choose_parser(here, body)
    try:
        parsed = parse_rows(here, body, parse, is_csv=_is_csv())
        options = _with_labels(parsed.options, parsed.rows)
        submitted = submit_for_answer(here, body, parsed._replace(options=options), wait_seconds)
    except InvalidRequest:
        # The same request may have been accepted when the champion took other rows, or gave other answers.
        if (standing := find_submitted(here, body, wait_seconds)) is None:
            raise
        submitted = standing
    answers = collect_answers(here, submitted)
    if answers is None:
        response = accept(submitted)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    else:
        asked = options or _options_for(here, answers.version, body, parse)
        predictions = [predictions_of(answer, asked) for answer in answers.rows]
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


def predictions_of(answer: Mapping[str, Any], options: JobOptions) -> Any:
    """One row's prediction in MLflow's form; of several outputs, an object of them."""
    if "outputs" in answer:
        return {target: _pick(part, options) for target, part in answer["outputs"].items()}
    return _pick(answer, options)


def _pick(answer: Mapping[str, Any], options: JobOptions) -> Any:
    """A label, a value, probabilities in the order of the classes (named where there are fewer), or all of it."""
    if "value" in answer:
        return answer["value"]
    if options.returns == Returns.LABEL:
        return answer["label"]
    if options.returns == Returns.PROBABILITIES:
        probabilities = answer["probabilities"]
        return probabilities if options.top_k else list(probabilities.values())
    return answer


def _is_csv() -> bool:
    return request.mimetype == _CSV


def _choose_parser(here: Service, body: bytes) -> Callable[[Known], Rows]:
    """What reads the rows of the present request's body."""
    bounds = {"max_rows": here.settings.max_batch_rows, "chunk_rows": chunk_rows_of(here.settings)}
    if _is_csv():
        return lambda known: known.validator.parse_csv(body, **bounds)
    return lambda known: known.validator.parse_batch(body, **bounds)


def _with_labels(options: JobOptions, rows: Rows) -> JobOptions:
    """The same, with the label alone as the default: it is what MLflow's own server answers."""
    if "return" in rows.options or "return" in request.args:
        return options
    return options._replace(returns=Returns.LABEL.value)


def _options_for(here: Service, version: str, body: bytes, parse: Callable[[Known], Rows]) -> JobOptions:
    """The options of a request that only a former champion can read: by the one that answered it.

    Raises:
        JobExpired: that version is gone.
    """
    try:
        with here.json_memory.decoding(body, is_csv=_is_csv()):
            rows = parse(here.champion.version(version))
    except VersionNotFound:
        raise JobExpired("the version that answered this job is no longer kept; submit it as a new request") from None
    return _with_labels(read_options(rows.options), rows)
