"""Training runs as Redis records them: at most one runs, at most one waits, and how the last one ended.

Shared, because the gateway asks for runs and shows them and the trainer carries them out. A run is asked for and its
Celery message written in one script, so that neither can be lost without the other; no Celery is needed for that.

Who asks while a run is queued is served by that run. Who asks while one runs is served by a run after it: the one
that runs may have read its data before. Its message is sent when that one has ended.

A queued run is *pending* until its TTL; a running one is pending by a lease that its process renews. Celery may
deliver a message twice: a run that has finished, or that another process holds, is not begun again.
"""

import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

from redis import Redis

from rhizome import keys
from rhizome.lua_scripts import read_source
from rhizome.task_message import RETRAIN_TASK, build_task_message

#: A run that no trainer takes up within this no longer bars another.
QUEUED_TTL_SECONDS = 3600
#: A run whose process has not renewed its lease for this long is taken for dead.
LEASE_SECONDS = 30
RENEWAL_SECONDS = 5.0
#: A run that kills its process each time is given up.
MAXIMUM_ATTEMPTS = 3

_KEYS = (keys.TRAINING, keys.TRAINING_PENDING, keys.TRAINING_QUEUE)


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
    UNCHANGED = "unchanged"  #: nothing was trained: it would have given a version that stands already
    REFUSED = "refused"  #: published; the gate, or a champion that moved meanwhile, stood against it
    FAILED = "failed"


def request_run(redis: Redis, reason: str, now: datetime, *, force: bool = False) -> tuple[str, bool]:
    """Asks the trainer for a run.

    Args:
        redis: where the runs are recorded.
        reason: who or what asks, for the record.
        now: the time to record.
        force: train though nothing has changed; a queued run that stands for this one then does, too.

    Returns:
        The run's id, and whether it is new; False where a queued one, which will read its data later, stands for it.
    """
    run_id = uuid.uuid4().hex
    message = build_task_message(RETRAIN_TASK, keys.TRAINING_QUEUE, [run_id, reason])
    forced = "1" if force else ""
    answer = _evaluate(redis, "request_run", run_id, reason, _moment(now), QUEUED_TTL_SECONDS, message, forced)
    return _standing_run(answer)


def claim_run(redis: Redis, reason: str, now: datetime) -> tuple[str, bool]:
    """Like `request_run`, for a process that carries the run out itself: nothing is sent to the trainer.

    Returns:
        The run's id and True, or the id of the one that is queued or runs and False: the caller has to wait.
    """
    arguments = (uuid.uuid4().hex, reason, _moment(now), LEASE_SECONDS, QUEUED_TTL_SECONDS)
    return _standing_run(_evaluate(redis, "claim_run", *arguments))


def begin_run(redis: Redis, run_id: str, now: datetime) -> Start:
    """Takes a requested run up; only after `BEGUN` may the caller train."""
    arguments = (run_id, _moment(now), LEASE_SECONDS, MAXIMUM_ATTEMPTS)
    return Start(cast(bytes, _evaluate(redis, "begin_run", *arguments)).decode())


def is_forced(redis: Redis) -> bool:
    """Whether the run that runs is to train though nothing has changed."""
    return redis.hget(keys.TRAINING, "force") == b"1"


def renew_run(redis: Redis, run_id: str) -> bool:
    """Prolongs the lease; False if the run is no longer the caller's."""
    return bool(_evaluate(redis, "renew_run", run_id, LEASE_SECONDS))


def finish_run(
    redis: Redis, run_id: str, now: datetime, outcome: Outcome, *, version: str = "", detail: str = ""
) -> bool:
    """Records how the run ended; False if it is no longer the caller's, or was recorded before."""
    arguments = (run_id, _moment(now), outcome.value, version, detail, QUEUED_TTL_SECONDS)
    return bool(_evaluate(redis, "finish_run", *arguments))


def relieve_run(redis: Redis, now: datetime) -> bool:
    """Lets the run that waits begin where the process of the one before it has died; True if it does."""
    return bool(_evaluate(redis, "relieve_run", _moment(now), QUEUED_TTL_SECONDS))


def read_runs(redis: Redis) -> dict[str, Any]:
    """What the trainer does and did last.

    Returns:
        `state`: `idle`, `queued`, `running`, or `stalled` where nothing holds the run any more; `current`: the queued
        or running run or None; `next`: the one to follow it or None; `last`: the last finished run or None. A run is a
        dictionary of text: `run_id`, `reason`, `queued_at`, `started_at`, and once finished `finished_at`, `outcome`,
        `version`, `detail`.
    """
    pipeline = redis.pipeline(transaction=True)
    pipeline.hgetall(keys.TRAINING)
    pipeline.exists(keys.TRAINING_PENDING)
    raw, is_pending = cast(tuple[dict[bytes, bytes], int], pipeline.execute())
    fields = {name.decode(): value.decode() for name, value in raw.items()}
    state = fields.pop("state", "idle")
    for internal in ("attempts", "force", "next_force", "next_message"):
        fields.pop(internal, None)
    runs: dict[str, dict[str, str]] = {"current": {}, "next": {}, "last": {}}
    for name, value in fields.items():
        which, _, field = name.partition("_")
        if which in runs:
            runs[which][field] = value
        else:
            runs["current"][name] = value
    if state != "idle" and not is_pending:
        state = "stalled"
    return {"state": state} | {which: run or None for which, run in runs.items()}


def _standing_run(answer: object) -> tuple[str, bool]:
    run_id, is_callers = cast(tuple[bytes, int], answer)
    return run_id.decode(), bool(is_callers)


def _moment(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="milliseconds")


def _evaluate(redis: Redis, name: str, *arguments: object) -> Any:
    source = read_source("rhizome", "common_run") + read_source("rhizome", name)
    return redis.eval(source, len(_KEYS), *_KEYS, *cast(tuple[str, ...], arguments))
