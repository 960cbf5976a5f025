"""Training runs as Redis records them: at most one is queued or runs, and how the last one ended.

Shared, because the gateway asks for runs and shows them and the trainer carries them out. A run is asked for and its
Celery message written in one script, so that neither can be lost without the other; no Celery is needed for that.

A queued run is *pending* until its TTL; a running one is pending by a lease that its process renews. Celery may
deliver a message twice: a run that has finished, or that another process holds, is not begun again.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from importlib import resources
from typing import Any, cast

from redis import Redis

from rhizome import keys
from rhizome.task_message import RETRAIN_TASK, build_task_message

#: A run that no trainer takes up within this no longer bars another.
QUEUED_TTL_SECONDS = 3600
#: A run whose process has not renewed its lease for this long is taken for dead.
LEASE_SECONDS = 30
RENEWAL_SECONDS = 5.0
#: A run that kills its process each time is given up.
MAXIMUM_ATTEMPTS = 3

_HASH_AND_PENDING = (keys.TRAINING, keys.TRAINING_PENDING)


class Start(StrEnum):
    """What became of the wish to begin a run."""

    BEGUN = "begun"
    FINISHED = "finished"  #: it ended before: a duplicate delivery
    SUPERSEDED = "superseded"  #: it waited too long, and another was asked for since
    HELD = "held"  #: another process runs it
    EXHAUSTED = "exhausted"  #: it was begun too often and never ended


class Outcome(StrEnum):
    """How a run ended."""

    PROMOTED = "promoted"
    TRAINED = "trained"  #: published; promotion was not asked for
    REFUSED = "refused"  #: published; the gate, or a champion that moved meanwhile, stood against it
    FAILED = "failed"


def request_run(redis: Redis, reason: str, now: datetime) -> tuple[str, bool]:
    """Asks the trainer for a run.

    Args:
        redis: where the runs are recorded.
        reason: who or what asks, for the record.
        now: the time to record.

    Returns:
        The run's id, and whether it is new; False where a queued or running one stands for it.
    """
    run_id = uuid.uuid4().hex
    message = build_task_message(RETRAIN_TASK, keys.TRAINING_QUEUE, [run_id, reason])
    return _request(redis, run_id, reason, now, QUEUED_TTL_SECONDS, message)


def claim_run(redis: Redis, reason: str, now: datetime) -> tuple[str, bool]:
    """Like `request_run`, for a process that carries the run out itself: nothing is sent to the trainer."""
    return _request(redis, uuid.uuid4().hex, reason, now, LEASE_SECONDS, b"")


def begin_run(redis: Redis, run_id: str, now: datetime) -> Start:
    """Takes a requested run up; only after `BEGUN` may the caller train."""
    arguments = [run_id, _moment(now), LEASE_SECONDS, MAXIMUM_ATTEMPTS]
    return Start(cast(bytes, _evaluate(redis, "begin_run.lua", _HASH_AND_PENDING, arguments)).decode())


def renew_run(redis: Redis, run_id: str) -> bool:
    """Prolongs the lease; False if the run is no longer the caller's."""
    return bool(_evaluate(redis, "renew_run.lua", _HASH_AND_PENDING, [run_id, LEASE_SECONDS]))


def finish_run(
    redis: Redis, run_id: str, now: datetime, outcome: Outcome, *, version: str = "", detail: str = ""
) -> bool:
    """Records how the run ended; False if it is no longer the caller's, or was recorded before."""
    arguments = [run_id, _moment(now), outcome.value, version, detail]
    return bool(_evaluate(redis, "finish_run.lua", _HASH_AND_PENDING, arguments))


def read_runs(redis: Redis) -> dict[str, Any]:
    """What the trainer does and did last.

    Returns:
        `state`: `idle`, `queued`, `running`, or `stalled` where nothing holds the run any more; `current`: the queued
        or running run or None; `last`: the last finished run or None. A run is a dictionary of text: `run_id`,
        `reason`, `queued_at`, `started_at`, and once finished `finished_at`, `outcome`, `version`, `detail`.
    """
    pipeline = redis.pipeline(transaction=True)
    pipeline.hgetall(keys.TRAINING)
    pipeline.exists(keys.TRAINING_PENDING)
    raw, is_pending = cast(tuple[dict[bytes, bytes], int], pipeline.execute())
    fields = {name.decode(): value.decode() for name, value in raw.items()}
    state = fields.pop("state", "idle")
    fields.pop("attempts", None)
    last = {name.removeprefix("last_"): value for name, value in fields.items() if name.startswith("last_")}
    current = {name: value for name, value in fields.items() if not name.startswith("last_")}
    if state != "idle" and not is_pending:
        state = "stalled"
    return {"state": state, "current": current or None, "last": last or None}


def _request(
    redis: Redis, run_id: str, reason: str, now: datetime, ttl_seconds: int, message: bytes
) -> tuple[str, bool]:
    names = (*_HASH_AND_PENDING, keys.TRAINING_QUEUE)
    arguments = [run_id, reason, _moment(now), ttl_seconds, message]
    standing, created = cast(tuple[bytes, int], _evaluate(redis, "request_run.lua", names, arguments))
    return standing.decode(), bool(created)


def _moment(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="milliseconds")


def _evaluate(redis: Redis, script: str, names: Sequence[str], arguments: Sequence[object]) -> Any:
    text = resources.files("rhizome").joinpath(script).read_text()
    return redis.eval(text, len(names), *names, *cast(Sequence[str], arguments))
