"""What the queue says of a job and of a lane."""

from collections.abc import Sequence
from typing import NamedTuple

from rhizome.jobs import State, lane_of, priority_of


class Receipt(NamedTuple):
    """What a submitter gets.

    Attributes:
        job_id: the job's; an earlier one's where the Idempotency-Key was used before.
        position: entries that wait before the job.
        submitted_ms: when it was accepted, in ms since 1970.
        is_replay: it was accepted before, under the same Idempotency-Key.
        eta_ms: when it will be done, from now, as the measured pace has it; None where nothing was measured yet.
        expires_ms: its deadline, in ms since 1970; None for none.
    """

    job_id: str
    position: int
    submitted_ms: int
    is_replay: bool = False
    eta_ms: int | None = None
    expires_ms: int | None = None


class JobView(NamedTuple):
    """A job as it stands.

    Attributes:
        state: running is derived from the stream, all others are recorded.
        outcome: the final JSON document of a single job, ready to send; None until then and for batch jobs.
        facts: the record's remaining fields, as bytes.
    """

    job_id: str
    state: State
    outcome: bytes | None
    facts: dict[str, bytes]

    @property
    def is_final(self) -> bool:
        return self.state.is_final

    @property
    def submitted_ms(self) -> int:
        return int(self.facts["entry"].split(b"-")[0])

    @property
    def lane(self) -> str:
        return lane_of(self.facts["lane"].decode())

    @property
    def priority(self) -> int:
        """0 to 2, the smaller the more urgent."""
        return priority_of(self.facts["lane"].decode())


class LaneDepth(NamedTuple):
    """Entries of one lane: waiting, with a scorer, and the age of the oldest waiting one (seconds; None if none)."""

    waiting: int
    in_flight: int
    oldest_waiting_seconds: float | None


def add_up(streams: Sequence[Sequence[int]]) -> LaneDepth:
    """One lane's streams together."""
    waiting, in_flight, ages = (list(column) for column in zip(*streams, strict=True))
    oldest = max(ages)
    return LaneDepth(sum(waiting), sum(in_flight), None if oldest < 0 else oldest / 1000)
