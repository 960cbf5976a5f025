"""The JSON a worker writes for what it scored: a single job's final document, and the answers of a chunk."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

import msgspec

from rhizome.inference import AnswerArrays
from rhizome.job_queue.entries import Claimed
from rhizome.jobs import Returns, ScoreRequest, State
from rhizome.signature import Output, Signature
from rhizome.struct_types import build_struct
from worker.micro_batch import OutputAnswer, RowAnswer, RowFailure, row_by_row
from worker.shelf import LoadedVersion

_encode = msgspec.json.Encoder().encode
_probability = itemgetter(1)
# An enum's members and their values are looked up anew each time: a quarter of a microsecond.
_SUCCEEDED, _FAILED = State.SUCCEEDED, State.FAILED
_SUCCEEDED_WORD, _FAILED_WORD = State.SUCCEEDED.value, State.FAILED.value
_LABEL, _PROBABILITIES = Returns.LABEL.value, Returns.PROBABILITIES.value

_MOST_PLAIN_CLASSES = 100  #: a type is made for them

ROW_FAILED = {"code": "scoring_failed", "detail": "the estimator could not score this row"}


def error_of(code: str, detail: str) -> dict[str, str]:
    """An error as results carry it."""
    return {"code": code, "detail": detail}


def answer_of(row: RowAnswer | RowFailure, signature: Signature, request: ScoreRequest) -> dict[str, Any]:
    """One row's part of a result, as far as `request` wants it: per output a label, probabilities or a value."""
    if isinstance(row, RowFailure):
        return {"error": error_of("quarantined", row.quarantined) if row.quarantined else ROW_FAILED}
    if len(row) == 1:
        return _output_answer(row[0], signature.outputs[0], request)
    answers = [_output_answer(*each, request) for each in zip(row, signature.outputs, strict=True)]
    return {"outputs": {output.name: answer for output, answer in zip(signature.outputs, answers, strict=True)}}


def _output_answer(answer: OutputAnswer, output: Output, request: ScoreRequest) -> dict[str, Any]:
    label, probabilities = answer
    if not output.classes:
        return {"value": label}
    if probabilities is None or request.returns == _LABEL:
        return {"label": label}
    ranked: Iterable[tuple[str, float]] = zip(output.class_names, probabilities, strict=True)
    if request.top_k:  # sorting keeps equals in the order of the classes
        ranked = sorted(ranked, key=_probability, reverse=True)[: request.top_k]
    if request.returns == _PROBABILITIES:
        return {"probabilities": dict(ranked)}
    return {"label": label, "probabilities": dict(ranked)}


class _Probable(msgspec.Struct, gc=False):
    probabilities: msgspec.Struct


class _Labelled(msgspec.Struct, gc=False):
    label: Any
    probabilities: msgspec.Struct


def answers_of_arrays(outputs: Sequence[AnswerArrays], signature: Signature, request: ScoreRequest) -> list[Any]:
    """What `answer_of` says of each of n rows, as JSON has it; in a fifth of its time where all classes are wanted.

    Args:
        outputs: what was predicted, one item per output.
        signature: of the version that did.
        request: how much of it is wanted.
    """
    make = _find_maker(outputs, signature, request)
    labels, probabilities = outputs[0]
    if make is None or probabilities is None:
        rows = zip(*map(row_by_row, outputs), strict=True)
        return [answer_of(row, signature, request) for row in rows]
    chances = map(make, *probabilities.T.tolist())  # column by column: half the time of a call with each row unpacked
    if labels is None or request.returns == _PROBABILITIES:
        return list(map(_Probable, chances))
    return list(map(_Labelled, labels.tolist(), chances))


def encode_answers(answers: Sequence[Any]) -> bytes:
    """The answers of one chunk, as a JSON array in input order."""
    return _encode(answers)


def _find_maker(
    outputs: Sequence[AnswerArrays], signature: Signature, request: ScoreRequest
) -> type[msgspec.Struct] | None:
    """The type of all classes' probabilities; None where something else is wanted or known."""
    names = signature.outputs[0].class_names
    is_plain = len(outputs) == 1 and outputs[0].probabilities is not None and len(names) <= _MOST_PLAIN_CLASSES
    return _probabilities_type(names) if is_plain and not request.top_k and request.returns != _LABEL else None


@lru_cache(maxsize=32)
def _probabilities_type(names: tuple[str, ...]) -> type[msgspec.Struct] | None:
    return build_struct("Probabilities", dict.fromkeys(names, float))


def failed_chunk(rows: int, error: dict[str, str]) -> bytes:
    """The answers of a chunk none of whose rows could be scored."""
    return _encode([{"error": error}] * rows)


class _Timings(msgspec.Struct):
    queued_ms: float
    compute_ms: float
    total_ms: float


class _SingleDocument(msgspec.Struct):
    """The order of the fields is the document's."""

    id: str
    status: str
    kind: str
    lane: str
    priority: int
    version: str | None
    artifact_sha256: str | None
    request_id: str
    submitted_at: str
    finished_at: str
    timings: _Timings
    error: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    result: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class SingleDocuments:
    """Writes the final documents of single jobs that were scored together.

    Args:
        version: what scored them, if anything did.
        started_ms: when their micro-batch began, in ms since 1970.
        compute_ms: how long the estimator took for all of them.
    """

    def __init__(self, version: LoadedVersion | None, started_ms: float, compute_ms: float) -> None:
        self._version = version.name if version else None
        self._artifact_sha256 = version.manifest.artifact_sha256 if version else None
        self._started_ms = started_ms
        self._compute_ms = round(compute_ms, 3)
        self._now_ms = time.time() * 1000
        self._finished_at = _iso(int(self._now_ms))

    def write(self, claimed: Claimed, answer: dict[str, Any]) -> tuple[State, bytes]:
        """A job's final document, and the state it states.

        Args:
            claimed: the job's entry.
            answer: from `answer_of`, or `{"error": …}`.
        """
        request, submitted_ms = claimed.request, claimed.submitted_ms
        # Redis stamps submissions, the worker the rest: two clocks may disagree by a little.
        queued_ms, total_ms = max(0.0, self._started_ms - submitted_ms), max(0.0, self._now_ms - submitted_ms)
        document = _SingleDocument(
            request.job_id,
            _SUCCEEDED_WORD,
            request.kind,
            claimed.lane,
            claimed.priority,
            self._version,
            self._artifact_sha256,
            request.request_id,
            _iso(submitted_ms),
            self._finished_at,
            _Timings(round(queued_ms, 3), self._compute_ms, round(total_ms, 3)),
        )
        error = answer.get("error")
        if error is None:
            document.result = answer
            return _SUCCEEDED, _encode(document)
        document.status, document.error = _FAILED_WORD, error
        return _FAILED, _encode(document)


def _iso(milliseconds: int) -> str:
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}+00:00"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
