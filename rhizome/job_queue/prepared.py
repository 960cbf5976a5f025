"""One job as `submit.lua` takes it, and what the script says of it.

Apart from the submissions, which may send several at once.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from rhizome.errors import DeadlineUnmeetable, IdempotencyConflict, LaneFull, RhizomeError
from rhizome.job_queue.terms import Terms
from rhizome.job_queue.views import Receipt
from rhizome.jobs import Lane, ScoreRequest


class PreparedSubmit(NamedTuple):
    """One job as `submit.lua` takes it.

    Attributes:
        args: its arguments.
        lane: where it waits.
        deadline_ms: after its acceptance; 0 for none.
        refusal: what is raised if it is not known from before.
    """

    args: list[bytes]
    lane: Lane
    deadline_ms: int
    refusal: RhizomeError | None

    def receipt_of(self, answer: Sequence[Any]) -> Receipt:
        """What the script answered for this job.

        Raises:
            DeadlineUnmeetable, IdempotencyConflict, LaneFull, StorageFull: as `Submissions.submit`.
        """
        status, entry, before, job_id, estimate = cast(tuple[bytes, bytes, int, bytes, int], answer)
        if self.refusal and status == b"no_room":
            raise self.refusal
        if status == b"full":
            raise LaneFull(self.lane, before)
        if status == b"late":
            raise DeadlineUnmeetable(estimate, self.deadline_ms)
        if status == b"conflict":
            raise IdempotencyConflict("this Idempotency-Key was used for another request; send a new key")
        submitted_ms = int(entry.split(b"-")[0])
        return Receipt(
            job_id.decode(),
            before,
            submitted_ms,
            status == b"replayed",
            estimate if estimate >= 0 else None,
            submitted_ms + self.deadline_ms if self.deadline_ms else None,
        )


def record_fields(stream: str, rows: int, first: ScoreRequest, terms: Terms) -> list[Any]:
    """Names and values of a job's record, flat."""
    fields: list[Any] = [
        "lane",
        stream,
        "kind",
        first.kind,
        "rows",
        rows,
        "chunk_rows",
        first.rows,
        "request_id",
        first.request_id,
    ]
    for fact in terms.record.items():
        fields += fact
    if terms.error_threshold >= 0:
        fields += ("error_threshold", terms.error_threshold)
    return fields
