"""The part of the health report that is about what waits: whether it is backlog, which passes, or nothing gets on.

How long something waits does not tell: a backlog that drains may be minutes deep. So it is asked, too, when anything
was finished last, which the workers' heartbeats say.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rhizome.heartbeats import Heartbeat
from rhizome.job_queue.views import LaneDepth
from rhizome.jobs import Lane

#: An interactive job that waits for so long is late for whoever asked: where all is well they wait for milliseconds.
LATE_SECONDS = 5.0
#: So long may nothing be finished while interactive jobs wait: several times what a heartbeat takes to tell of it, and
#: longer than a worker that died needs to be there again.
STUCK_SECONDS = 15.0
#: As `STUCK_SECONDS`, of the batch lane: the first chunk of a file may take long, and nobody has measured one yet.
BATCH_STUCK_SECONDS = 60.0
CALLS = 3  #: or so many calls as they were measured, where an estimator is slow


class Waiting(NamedTuple):
    """What is wrong with what waits.

    Attributes:
        stuck: why no job submitted now would be answered; empty where one would.
        other: what an operator should know besides.
    """

    stuck: str
    other: list[str]


def report_waiting(depths: Mapping[str, LaneDepth], workers: Sequence[Heartbeat], micro_batch_rows: int) -> Waiting:
    """Judges the lanes.

    Args:
        depths: by lane.
        workers: the living ones.
        micro_batch_rows: single jobs of a full call.
    """
    interactive, batch = depths[Lane.INTERACTIVE.value], depths[Lane.BATCH.value]
    of_singles = [worker for worker in workers if worker.lane == Lane.INTERACTIVE]
    of_batches = [worker for worker in workers if worker.lane == Lane.BATCH]
    singles_ms = max((worker.entry_ms for worker in of_singles), default=0.0) * micro_batch_rows
    chunk_ms = max((worker.chunk_ms for worker in of_batches), default=0.0)
    singles_quiet = _quiet_seconds([(worker, worker.single_ms) for worker in of_singles])
    chunks_quiet = _quiet_seconds([(worker, worker.chunk_ms) for worker in of_batches])
    stuck, other = "", []
    if _is_stuck(interactive, singles_quiet, max(STUCK_SECONDS, CALLS * singles_ms / 1000)):
        stuck = _describe_stuck(interactive, singles_quiet)
    elif (late := interactive.oldest_waiting_seconds or 0.0) > LATE_SECONDS:
        other.append(f"interactive jobs wait for {late:.0f} s: more come than the worker processes answer; add some")
    if _is_stuck(batch, chunks_quiet, max(BATCH_STUCK_SECONDS, CALLS * chunk_ms / 1000)):
        waits = f"batch chunks have waited for {batch.oldest_waiting_seconds:.0f} s"
        other.append(f"{waits} and none was finished for {chunks_quiet:.0f} s; see the workers' logs")
    return Waiting(stuck, other)


def _quiet_seconds(measured: Sequence[tuple[Heartbeat, float]]) -> float:
    """How long ago one of the workers finished something of which it has measured the cost, or else started."""
    moments = ((worker, max(worker.started_at, worker.measured_at if cost else 0.0)) for worker, cost in measured)
    return min((worker.seconds_since(moment) for worker, moment in moments), default=0.0)


def _is_stuck(depth: LaneDepth, quiet_seconds: float, patience_seconds: float) -> bool:
    return min(depth.oldest_waiting_seconds or 0.0, quiet_seconds) > patience_seconds


def _describe_stuck(depth: LaneDepth, quiet_seconds: float) -> str:
    if not depth.in_flight:
        return "jobs wait and nothing is in flight: the workers live but do not consume; restart them"
    waited = f"jobs have waited for {depth.oldest_waiting_seconds:.0f} s, {depth.in_flight} are with the workers"
    return f"{waited} and none was finished for {quiet_seconds:.0f} s: the workers live but hang; restart them"
