"""Rows that end whoever scores them: found by calling them alone, and answered with the reason.

A strike is a process that ended amid a call for one entry alone; the child that takes its seat notes it. Rows of a
chunk that were struck together are called one by one when the chunk comes back. One that was struck twice alone is not
called again: once may have been an operator's kill.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from numpy.typing import NDArray

from rhizome.inference import AnswerArrays
from rhizome.job_queue.claiming import Claims
from rhizome.job_queue.entries import Claimed
from rhizome.jobs import Returns
from worker.micro_batch import RowAnswer, RowFailure, score_rows, score_together
from worker.seats import Ending, Seat, Work
from worker.shelf import LoadedVersion

CODE = "quarantined"
STRIKES_ALONE = 2  #: then a row is not called again
MOST_STRIKES = 20  #: of a chunk; then none of its rows is

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class Strike(msgspec.Struct, frozen=True, array_like=True):
    """Rows from `first` to `last`, exclusive, were in the call amid which a process ended."""

    reason: str
    first: int
    last: int

    @property
    def is_alone(self) -> bool:
        return self.last - self.first == 1


def note_ending(claims: Claims, ending: Ending) -> None:
    """Notes what the child before left unfinished, as a strike against it."""
    work = ending.work
    facts = {"reason": ending.reason, "job_id": work.job_id if work else "", "chunk": work.chunk if work else 0}
    log.error("child_ended_in_a_call", extra=facts)
    if work is not None:
        strike = msgspec.json.encode(Strike(ending.reason, work.first, work.last))
        claims.note_strike(ending.consumer, work.stream_index, work.entry_id, f"{work.job_id}:{work.chunk}", strike)


class Suspects:
    """What is known of an entry's rows.

    Args:
        entry: what is scored.
        strikes: against it, as they were noted.
        seat: is told which rows are in a call.
    """

    def __init__(self, entry: Claimed, strikes: Sequence[bytes], seat: Seat) -> None:
        self._entry = entry
        self._strikes = [msgspec.json.decode(strike, type=Strike) for strike in strikes]
        self._seat = seat
        self._is_checked = not strikes

    @property
    def sentence(self) -> str:
        """Why no row of the entry is called again; empty while it may be."""
        if self._entry.request.kind != "single" and len(self._strikes) < MOST_STRIKES:
            return ""
        return self._judge(0) or (_tell(self._strikes) if len(self._strikes) >= MOST_STRIKES else "")

    def score(
        self, version: LoadedVersion, array: NDArray[Any], offset: int, returns: Returns, *, row_by_row: bool = False
    ) -> tuple[AnswerArrays, ...] | list[RowAnswer | RowFailure]:
        """As `score_together`, of the entry's rows from `offset` on, or as `score_rows`.

        Raises:
            EstimatorUnsound: no row is at fault.
        """
        end = offset + len(array)
        if any(strike.first < end and offset < strike.last for strike in self._strikes):
            return [row for at in range(len(array)) for row in self._score_row(version, array, offset, at, returns)]
        score = score_rows if row_by_row else score_together
        return self.call(version, offset, end, lambda: score(version.calls, array, version.signature, returns))

    def call(self, version: LoadedVersion, first: int, last: int, score: Callable[[], Answer]) -> Answer:
        """Scores rows of this entry, and of no other."""
        self._check(version)
        entry, request = self._entry, self._entry.request
        work = Work(entry.stream_index, entry.entry_id.decode(), request.job_id, request.chunk, first, last)
        self._seat.work_on(work)
        try:
            return score()
        finally:
            self._seat.work_on(None)

    def _check(self, version: LoadedVersion) -> None:
        """Before what has ended a process is called again: where a sound row ends this one, too, the version did it."""
        if self._is_checked or version.calls.sound_rows is None:
            return
        self._is_checked = True
        with self._seat.testing(version.name):
            score_rows(version.calls, version.calls.sound_rows, version.signature)

    def _score_row(
        self, version: LoadedVersion, array: NDArray[Any], offset: int, at: int, returns: Returns
    ) -> list[RowAnswer | RowFailure]:
        row = offset + at
        if reason := self._judge(row):
            log.error("row_quarantined", extra={"job_id": self._entry.request.job_id, "row": row, "reason": reason})
            return [RowFailure(CODE, reason)]
        one = array[at : at + 1]
        return self.call(version, row, row + 1, lambda: score_rows(version.calls, one, version.signature, returns))

    def _judge(self, row: int) -> str:
        alone = [strike for strike in self._strikes if strike.is_alone and strike.first == row]
        return _tell(alone) if len(alone) >= STRIKES_ALONE else ""


def _tell(strikes: Sequence[Strike]) -> str:
    return f"not tried again after {len(strikes)} processes; of the last: {strikes[-1].reason}"
