"""Scoring many rows with one call, such that a row the estimator cannot take spoils no other."""

import math
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import msgspec
import numpy as np
from celery.exceptions import SoftTimeLimitExceeded
from numpy.typing import NDArray

from rhizome.errors import RhizomeError
from rhizome.inference import AnswerArrays, Calls, predict_arrays, to_array
from rhizome.jobs import Encoding, Returns, ScoreRequest
from rhizome.signature import ClassLabel, Signature

_FLOAT64_BYTES = 8


class OutputAnswer(NamedTuple):
    """One row's answer for one output; `probabilities` in the order of its classes. What was not wanted is None."""

    label: ClassLabel | None
    probabilities: list[float] | None


#: One row's answers, in the order of the signature's outputs.
RowAnswer = tuple[OutputAnswer, ...]


class RowFailure(NamedTuple):
    """One row the estimator could not score.

    Attributes:
        cause: the exception's type, for the log; it is never sent.
        quarantined: why the row was not tried; empty where it was.
    """

    cause: str
    quarantined: str = ""


class UnreadablePayload(RhizomeError):
    """An entry's payload does not hold the rows it claims to."""

    code = "unreadable_payload"


class EstimatorUnsound(RhizomeError):
    """The estimator cannot answer rows here that it answered when it was loaded: no row is at fault."""

    code = "estimator_unsound"


def decode_rows(requests: Sequence[ScoreRequest], signature: Signature) -> NDArray[Any]:
    """The rows of all `requests`, in order: an array of shape (total rows, n features).

    Raises:
        UnreadablePayload: a payload is not `rows` x `n features` values.
    """
    if all(request.encoding == Encoding.FLOAT64 for request in requests) and signature.is_numeric:
        payload = b"".join(request.payload for request in requests)
        total = sum(request.rows for request in requests)
        if len(payload) != total * len(signature.features) * _FLOAT64_BYTES:
            raise UnreadablePayload("the payload does not hold the promised rows")
        return np.frombuffer(payload, dtype="<f8").reshape(total, len(signature.features))
    rows: list[list[Any]] = []
    for request in requests:
        rows += _decode_json_rows(request, signature)
    return to_array(rows, signature)


def _decode_json_rows(request: ScoreRequest, signature: Signature) -> list[list[Any]]:
    if request.encoding != Encoding.JSON:
        raise UnreadablePayload("the payload's encoding does not fit the signature")
    try:
        rows = msgspec.json.decode(request.payload, type=list[list[Any]])
    except msgspec.DecodeError as error:
        raise UnreadablePayload("the payload is not JSON rows") from error
    if len(rows) != request.rows or any(len(row) != len(signature.features) for row in rows):
        raise UnreadablePayload("the payload does not hold the promised rows")
    return rows


def score_rows(
    estimator: Any, array: NDArray[Any], signature: Signature, returns: Returns = Returns.BOTH
) -> list[RowAnswer | RowFailure]:
    """One answer per row of `array` (n rows, n features), in order, with at least what `returns` says.

    All rows go to the estimator in one call. If it raises, each half is tried by itself, down to the rows at fault;
    k bad rows among n cost about k log2(n) further calls. MemoryError is an error like any other here: escaping a
    task, it would end the whole Celery worker.

    Raises:
        EstimatorUnsound: it fails a row that it is known to answer, too.
    """
    scored = score_together(estimator, array, signature, returns)
    return scored if isinstance(scored, list) else list(zip(*map(row_by_row, scored), strict=True))


def score_together(
    estimator: Any, array: NDArray[Any], signature: Signature, returns: Returns
) -> tuple[AnswerArrays, ...] | list[RowAnswer | RowFailure]:
    """As `score_rows`, but as arrays, one item per output, where there is an answer to every row."""
    try:
        return _score_once(estimator, array, signature, returns)
    except SoftTimeLimitExceeded:
        raise  # the clock's verdict on the run, not the estimator's on a row
    except Exception as error:  # an estimator may raise anything
        if len(array) == 1:
            return _judge_row(estimator, array, signature, returns, error)
    half = len(array) // 2
    return score_rows(estimator, array[:half], signature, returns) + score_rows(
        estimator, array[half:], signature, returns
    )


def _score_once(
    estimator: Any, array: NDArray[Any], signature: Signature, returns: Returns
) -> tuple[AnswerArrays, ...] | list[RowAnswer | RowFailure]:
    outputs = predict_arrays(estimator, array, signature, returns)
    if any(output.probabilities is not None and not _is_finite(output.probabilities) for output in outputs):
        raise ValueError("the estimator gave a probability that is not a number")
    if signature.task != "regression" or all(_is_finite(output.labels) for output in outputs):
        return outputs
    rows = zip(*map(row_by_row, outputs), strict=True)
    return [row if _is_number(row) else RowFailure("NonFiniteValue") for row in rows]


def _judge_row(
    estimator: Any, array: NDArray[Any], signature: Signature, returns: Returns, error: Exception
) -> tuple[AnswerArrays, ...] | list[RowAnswer | RowFailure]:
    """What to say of a row that has failed alone: the fault is its own only if a row known to be sound does not fail.

    It is then tried once more, since what was amiss may have passed before the sound row was.
    """
    sound_rows = estimator.sound_rows if isinstance(estimator, Calls) else None
    if sound_rows is None:
        return [RowFailure(type(error).__name__)]
    try:
        predict_arrays(estimator, sound_rows, signature, returns)
    except SoftTimeLimitExceeded:
        raise
    except Exception as fault:
        raise EstimatorUnsound(f"the estimator fails its golden row, too ({type(fault).__name__})") from error
    try:
        return _score_once(estimator, array, signature, returns)
    except SoftTimeLimitExceeded:
        raise
    except Exception as again:
        return [RowFailure(type(again).__name__)]


def row_by_row(output: AnswerArrays) -> Iterable[OutputAnswer]:
    """One output's answers of n rows, one by one."""
    labels, probabilities = output
    return map(
        OutputAnswer,
        repeat(None) if labels is None else labels.tolist(),
        repeat(None) if probabilities is None else probabilities.tolist(),
    )


def _is_finite(values: Any) -> bool:
    return bool(np.isfinite(np.asarray(values)).all())


def _is_number(row: RowAnswer) -> bool:
    """JSON has no NaN or infinity, and neither is a prediction."""
    return all(isinstance(answer.label, int | float) and math.isfinite(answer.label) for answer in row)
