"""The JSON a worker writes for what it scored: a single job's final document, and the answers of a chunk."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

import msgspec

from rhizome.job_queue.claiming import Claimed
from rhizome.jobs import Returns, ScoreRequest, State
from rhizome.signature import Output, Signature
from worker.micro_batch import OutputAnswer, RowAnswer, RowFailure
from worker.shelf import LoadedVersion

_encode = msgspec.json.Encoder().encode
_probability = itemgetter(1)

ROW_FAILED = {"code": "scoring_failed", "detail": "the estimator could not score this row"}


def error_of(code: str, detail: str) -> dict[str, str]:
    """An error as results carry it."""
    return {"code": code, "detail": detail}


def answer_of(row: RowAnswer | RowFailure, signature: Signature, request: ScoreRequest) -> dict[str, Any]:
    """One row's part of a result, as far as `request` wants it: per output a label, probabilities or a value."""
    if isinstance(row, RowFailure):
        return {"error": ROW_FAILED}
    answers = [_output_answer(*each, request) for each in zip(row, signature.outputs, strict=True)]
    if len(answers) == 1:
        return answers[0]
    return {"outputs": {output.name: answer for output, answer in zip(signature.outputs, answers, strict=True)}}


def _output_answer(answer: OutputAnswer, output: Output, request: ScoreRequest) -> dict[str, Any]:
    label, probabilities = answer
    if not output.classes:
        return {"value": label}
    if probabilities is None or request.returns == Returns.LABEL:
        return {"label": label}
    ranked: Iterable[tuple[str, float]] = zip(output.class_names, probabilities, strict=True)
    if request.top_k:  # sorting keeps equals in the order of the classes
        ranked = sorted(ranked, key=_probability, reverse=True)[: request.top_k]
    if request.returns == Returns.PROBABILITIES:
        return {"probabilities": dict(ranked)}
    return {"label": label, "probabilities": dict(ranked)}


def chunk_answers(rows: Sequence[RowAnswer | RowFailure], signature: Signature, request: ScoreRequest) -> bytes:
    """The answers of one chunk, as a JSON array in input order."""
    return _encode([answer_of(row, signature, request) for row in rows])


def failed_chunk(rows: int, error: dict[str, str]) -> bytes:
    """The answers of a chunk none of whose rows could be scored."""
    return _encode([{"error": error}] * rows)


def single_document(
    claimed: Claimed,
    answer: dict[str, Any],
    *,
    version: LoadedVersion | None,
    started_ms: float,
    compute_ms: float,
) -> tuple[State, bytes]:
    """The final document of a single job, and the state it states.

    Args:
        claimed: the job's entry.
        answer: from `answer_of`, or `{"error": …}`.
        version: what scored it, if anything did.
        started_ms: when its micro-batch began, in ms since 1970.
        compute_ms: how long the estimator took for the micro-batch.
    """
    now_ms = time.time() * 1000
    state = State.FAILED if "error" in answer else State.SUCCEEDED
    request = claimed.request
    document: dict[str, Any] = {
        "id": request.job_id,
        "status": state,
        "kind": request.kind,
        "lane": claimed.lane,
        "priority": claimed.priority,
        "version": version.name if version else None,
        "artifact_sha256": version.manifest.artifact_sha256 if version else None,
        "request_id": request.request_id,
        "submitted_at": _iso(claimed.submitted_ms),
        "finished_at": _iso(now_ms),
        "timings": {
            "queued_ms": _span(started_ms - claimed.submitted_ms),
            "compute_ms": round(compute_ms, 3),
            "total_ms": _span(now_ms - claimed.submitted_ms),
        },
    }
    if state is State.FAILED:
        document["error"] = answer["error"]
    else:
        document["result"] = answer
    return state, _encode(document)


def _iso(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _span(milliseconds: float) -> float:
    """Redis stamps submissions, the worker the rest: two clocks may disagree by a little."""
    return round(max(0.0, milliseconds), 3)
