"""One training run from the first note in Redis to the last: claimed once, kept alive by a lease, always concluded.

Used by the Celery task and by the command line. NumPy and scikit-learn are imported when a run begins, so that the
resident processes stay small.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from billiard.exceptions import SoftTimeLimitExceeded
from redis import Redis
from redis.exceptions import RedisError

from rhizome.errors import ChampionMoved, PromotionRefused, RhizomeError
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.training_runs import (
    LEASE_SECONDS,
    RENEWAL_SECONDS,
    Outcome,
    Start,
    begin_run,
    finish_run,
    is_forced,
    renew_run,
)
from rhizome.version_store import VersionStore
from trainer.promotion import Announce, Promoter
from trainer.recovery import adopt
from trainer.unchanged import describe_unchanged, find_unchanged, is_left_over

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
#: A short absence of Redis at the end must not cost the record of a long run.
_FINISH_ATTEMPTS = 10
_SHOWN_CHARACTERS = 500  #: of an exception's message, which may hold a table


@dataclass(frozen=True)
class Wishes:
    """What whoever asked for a run wants of it; the defaults are a scheduled run's."""

    promote: bool = True
    force: bool = False  #: promote whatever the gate finds; implies `even_if_unchanged`
    even_if_unchanged: bool = False
    allow_new_schema: bool = False


@dataclass(frozen=True)
class Result:
    """How a run ended, with the version it published and what went wrong, if anything."""

    outcome: Outcome
    version: str = ""
    detail: str = ""


def execute_run(
    settings: Settings, redis: Redis, announce: Announce, run_id: str, reason: str, wishes: Wishes
) -> Result | None:
    """Carries a requested run out.

    Args:
        settings: of the training.
        redis: where runs and versions are recorded.
        announce: tells the workers of a new champion.
        run_id: from `request_run` or `claim_run`.
        reason: for the record.
        wishes: what to do beyond training.

    Returns:
        How it ended, or None where it had ended before or is another's.
    """
    start = _begin(redis, run_id)
    if start is Start.EXHAUSTED:
        result = Result(Outcome.FAILED, detail="the training process died in each attempt; see its memory limit")
    elif start is Start.BEGUN:
        with _lease(redis, run_id):
            result = _attempt(settings, redis, announce, reason, _with_requested(redis, wishes))
    else:
        logger.info("run_skipped", extra={"run_id": run_id, "detail": start.value})
        return None
    _finish(redis, run_id, result)
    return result


def _with_requested(redis: Redis, wishes: Wishes) -> Wishes:
    """What is asked for in Redis comes on top: somebody may have joined the run while it waited."""
    return replace(wishes, even_if_unchanged=wishes.even_if_unchanged or is_forced(redis))


def _begin(redis: Redis, run_id: str) -> Start:
    """Waits while a process that may be dead still holds the lease; a living one outlasts this."""
    deadline = time.monotonic() + LEASE_SECONDS + RENEWAL_SECONDS
    while True:
        start = begin_run(redis, run_id, datetime.now(UTC))
        if start is not Start.HELD or time.monotonic() > deadline:
            return start
        time.sleep(_POLL_SECONDS)


@contextmanager
def _lease(redis: Redis, run_id: str) -> Iterator[None]:
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEWAL_SECONDS):
            try:
                renew_run(redis, run_id)
            except RedisError as error:
                logger.warning("lease_not_renewed", extra={"run_id": run_id, "detail": type(error).__name__})

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _attempt(settings: Settings, redis: Redis, announce: Announce, reason: str, wishes: Wishes) -> Result:
    try:
        return _train_and_promote(settings, redis, announce, reason, wishes)
    except (Exception, KeyboardInterrupt) as error:  # an estimator of the user's may raise anything
        code, detail = _explain(error, settings)
        is_unknown = code == "internal_error"
        # The log is the operator's, and is told more than what is recorded.
        told = f"the run failed: {_name(error)}" if is_unknown else detail
        logger.error("training_failed", extra={"code": code, "detail": told}, exc_info=error if is_unknown else None)
        return Result(Outcome.FAILED, detail=_without_folders(detail, settings))


def _name(error: BaseException) -> str:
    """An exception's type and message, in one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}{': ' if message else ''}{message[:_SHOWN_CHARACTERS]}"


def _without_folders(detail: str, settings: Settings) -> str:
    """What is recorded can be read by anyone at /health: files keep their names, and lose where they are."""
    for path in (settings.dataset, settings.models_dir):
        for folder in {path.parent, path.absolute().parent, path.resolve().parent} - {Path()}:
            detail = detail.replace(f"{folder}/", "")
    return detail


def _explain(error: BaseException, settings: Settings) -> tuple[str, str]:
    """A code for programs and a line for people."""
    match error:
        case RhizomeError():
            return error.code, str(error)
        case RedisError():
            return "queue_unavailable", f"Redis did not answer during the run ({type(error).__name__})"
        case MemoryError():
            return "out_of_memory", "the memory limit was reached"
        case SoftTimeLimitExceeded():
            limit = settings.training_time_limit_seconds
            return "too_slow", f"the run took longer than RHIZOME_TRAINING_TIME_LIMIT_SECONDS ({limit})"
        case KeyboardInterrupt():
            return "interrupted", "the run was interrupted"
        case _:
            return "internal_error", "the run failed; the trainer's log has its trace"


def _train_and_promote(settings: Settings, redis: Redis, announce: Announce, reason: str, wishes: Wishes) -> Result:
    from trainer.publication import prune  # noqa: PLC0415 - see the docstring above
    from trainer.training import train  # noqa: PLC0415 - likewise

    registry = Registry(redis, settings.model_name)
    store = VersionStore(settings.models_dir, settings.model_name)
    adopt(settings, registry)  # a Redis that lost its data must not let the candidate pass without a champion
    standing = None
    if not (wishes.force or wishes.even_if_unchanged):
        standing = find_unchanged(settings, registry, allow_new_schema=wishes.allow_new_schema)
        if standing and not (wishes.promote and is_left_over(standing, registry)):
            detail = describe_unchanged(standing, registry)
            logger.info("training_unchanged", extra={"model": settings.model_name, "detail": detail})
            return Result(Outcome.UNCHANGED, standing.version, detail)
    manifest = standing or train(settings, registry, reason, allow_new_schema=wishes.allow_new_schema)
    result = Result(Outcome.TRAINED, manifest.version)
    if wishes.promote:
        try:
            Promoter(registry, store, announce).promote_candidate(manifest, force=wishes.force)
            result = Result(Outcome.PROMOTED, manifest.version)
        except (PromotionRefused, ChampionMoved) as error:
            logger.warning("promotion_refused", extra={"version": manifest.version, "detail": str(error)})
            result = Result(Outcome.REFUSED, manifest.version, str(error))
    try:
        prune(store, registry, settings.keep_versions)
    except (OSError, RhizomeError, RedisError) as error:  # the run has its outcome all the same
        logger.warning("prune_failed", extra={"detail": str(error)})
    return result


def _finish(redis: Redis, run_id: str, result: Result) -> None:
    for attempt in range(_FINISH_ATTEMPTS):
        if attempt:
            time.sleep(_POLL_SECONDS)
        try:
            finish_run(redis, run_id, datetime.now(UTC), result.outcome, version=result.version, detail=result.detail)
        except RedisError as error:
            logger.warning("run_not_recorded", extra={"run_id": run_id, "detail": type(error).__name__})
        else:
            logger.info(
                "run_finished",
                extra={"run_id": run_id, "outcome": result.outcome.value, "version": result.version},
            )
            return
