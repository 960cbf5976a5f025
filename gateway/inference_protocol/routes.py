"""The Open Inference Protocol's routes: decode, delegate, encode."""

from typing import Any

from flask import Blueprint, Response, request

from gateway.answers import Answers, chunk_rows_of, collect_answers, conclude, find_submitted, submit_for_answer
from gateway.champion import Known
from gateway.complaints import refuse
from gateway.documents import encode, result_url
from gateway.inference_protocol.documents import (
    PREFIX,
    Output,
    answer_document,
    choose_answered,
    choose_outputs,
    model_document,
    server_document,
)
from gateway.inference_protocol.requests import (
    InferRequest,
    names_timeout,
    parse_infer_request,
    read_parameters,
)
from gateway.inference_protocol.tensors import to_columns
from gateway.options import read_options
from gateway.requests import is_async_preferred, is_wait_said, read_json_body, read_wait_seconds
from gateway.service import Service, service
from gateway.submitting import JSON, Parsed, Submitted, accept, find_pinned
from rhizome.errors import AnswerOverdue, DeadlineUnmeetable, InvalidRequest, JobExpired, ModelNotFound, VersionNotFound
from rhizome.jobs import Returns

blueprint = Blueprint("inference_protocol", __name__, url_prefix=PREFIX)

_LATER = "send a longer 'timeout' (in microseconds)"


@blueprint.get("")
def server() -> Response:
    """The server's metadata."""
    return _respond(server_document())


@blueprint.get("/health/live")
def live() -> Response:
    """The gateway process runs."""
    return _respond({"live": True})


@blueprint.get("/health/ready")
def ready() -> Response:
    """Whether inference requests would be answered; 503 if not."""
    is_ready, _ = service().health.is_ready()
    return _respond({"ready": is_ready}, 200 if is_ready else 503)


@blueprint.get("/models/<model>", defaults={"version": None})
@blueprint.get("/models/<model>/versions/<version>")
def metadata(model: str, version: str | None) -> Response:
    """The champion's metadata, or that of the version named."""
    here = service()
    known = _find(here, model, version)
    rejected = here.registry.rejected()
    versions = [name for name in here.registry.version_names() if name not in rejected]
    return _respond(model_document(known.manifest, versions))


@blueprint.get("/models/<model>/ready", defaults={"version": None})
@blueprint.get("/models/<model>/versions/<version>/ready")
def model_ready(model: str, version: str | None) -> Response:
    """Whether inference requests to the model, or to that version, would be answered; 503 if not."""
    here = service()
    known = _find(here, model, version)
    is_ready, _ = here.health.is_ready()
    is_ready = is_ready and known.manifest.version not in here.registry.rejected()
    return _respond({"name": model, "ready": is_ready}, 200 if is_ready else 503)


@blueprint.post("/models/<model>/infer", defaults={"version": None})
@blueprint.post("/models/<model>/versions/<version>/infer")
def infer(model: str, version: str | None) -> Response:
    """Tensors in, tensors out: the job is waited for, unless the caller prefers a receipt."""
    here = service()
    _check_model(here, model)
    body = read_json_body(most=here.settings.max_body_bytes, may_be_untyped=True)
    wait_seconds = read_wait_seconds(here.settings.max_wait_seconds, unless_said=here.settings.max_wait_seconds)
    with here.json_memory.decoding(body):
        asked, parsed = _read(here, body, version)
    # Who says how long to wait knows of receipts; who does not has a client that only knows tensors and errors.
    takes_receipt = is_async_preferred() or is_wait_said()
    if isinstance(parsed, Parsed):
        submitted = _submit(here, asked, body, parsed, wait_seconds, must_wait=not takes_receipt)
    elif standing := find_submitted(here, body, wait_seconds):
        submitted = standing
    else:
        raise parsed
    answers = collect_answers(here, submitted)
    if answers is not None:
        response = _respond(_answer(here, asked, answers))
    elif takes_receipt:
        response = accept(submitted)
    else:
        where = result_url(submitted.receipt.job_id)
        raise AnswerOverdue(f"not answered within {wait_seconds:g} s; the job goes on, and GET {where} has its result")
    return conclude(response, submitted)


def _read(here: Service, body: bytes, version: str | None) -> tuple[InferRequest, Parsed | InvalidRequest]:
    """The request, whose data is not kept, and its rows, or why there are none.

    The same request may have been accepted when the champion had other tensors.
    """
    asked = parse_infer_request(body)
    parsed: Parsed | InvalidRequest
    try:
        parsed = _parse(here, asked, version)
    except InvalidRequest as error:
        parsed = error.with_traceback(None)
    asked.inputs.clear()
    return asked, parsed


def _submit(
    here: Service, asked: InferRequest, body: bytes, parsed: Parsed, wait_seconds: float, *, must_wait: bool
) -> Submitted:
    try:
        return submit_for_answer(here, body, parsed, wait_seconds, must_wait=must_wait)
    except DeadlineUnmeetable as error:
        if names_timeout(asked.parameters or {}, request.args):
            raise DeadlineUnmeetable(error.estimate_ms, error.deadline_ms, remedy=_LATER) from None
        raise


def _answer(here: Service, asked: InferRequest, answers: Answers) -> dict[str, Any]:
    """The answer's document, by what the version that answered declares: of a replay, it may be a former champion."""
    try:
        manifest = here.champion.version(answers.version).manifest
    except VersionNotFound:
        raise JobExpired("the version that answered this job is no longer kept; submit it as a new request") from None
    return answer_document(manifest, asked, answers.rows, choose_answered(asked, manifest, answers.rows))


def _check_model(here: Service, model: str) -> None:
    name = here.settings.model_name
    if model != name:
        raise ModelNotFound(f"there is no model '{model[:64]}' here; the one that is served is '{name}'")


def _find(here: Service, model: str, version: str | None) -> Known:
    """The champion, or a version by its name.

    Raises:
        ModelNotFound, VersionNotFound: there is none of that name.
        NoChampion: nothing has been promoted yet.
    """
    _check_model(here, model)
    return here.champion.version(version) if version else here.champion.champion()


def _parse(here: Service, asked: InferRequest, version: str | None) -> Parsed:
    """The rows with their options; `version` is the one that the address names."""
    options = read_options(read_parameters(asked.parameters or {}, request.args))
    if version and options.version not in (None, version):
        raise refuse("version", "is another one than the address names", "name the version once")
    pin = version or options.version
    known = find_pinned(here, pin) if pin else here.champion.champion()
    returns = _part_of(choose_outputs(asked, known.manifest))
    columns = to_columns(asked.inputs, known.manifest.signature, max_rows=here.settings.max_batch_rows)
    asked.inputs.clear()  # the columns hold the values, and let go of them as they are checked
    rows = known.validator.cut(known.validator.columns.to_rows(columns, "inputs"), chunk_rows_of(here.settings), {})
    return Parsed(known, pin is not None, rows, options._replace(returns=returns))


def _part_of(wanted: list[Output]) -> str:
    """What a worker need compute for these outputs."""
    parts = {output.part for output in wanted}
    return parts.pop() if len(parts) == 1 and parts < set(Returns) else Returns.BOTH.value


def _respond(document: dict[str, Any], status: int = 200) -> Response:
    response = Response(encode(document), status, content_type=JSON)
    response.headers["Cache-Control"] = "no-store"
    return response
