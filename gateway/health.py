"""The health report: what an on-call engineer needs first, and never behind inference."""

import os
import socket
import time
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from gateway.champion import ChampionView
from gateway.notices import Notices
from gateway.process_health import clock_problems, describe_worker, workers_of
from gateway.shared_computation import SharedComputation
from gateway.waiting_health import report_waiting
from gateway.webhook_health import report_webhooks
from rhizome import heartbeats, keys, latency
from rhizome.blob_store import BlobStore
from rhizome.connection import says_cannot_write
from rhizome.errors import (
    BlobStoreFull,
    BlobStoreUnavailable,
    NoChampion,
    QueueUnavailable,
    RhizomeError,
    StorageFull,
)
from rhizome.heartbeats import Heartbeat
from rhizome.job_queue.pace import Pace
from rhizome.job_queue.submission import HIGH_WATER, Submissions
from rhizome.jobs import Lane
from rhizome.registry import Pointer
from rhizome.training_runs import read_runs
from rhizome.webhooks.ledger import Ledger

KEEP_SECONDS = 1.0  #: a report is good for so long; heartbeats come no more often
_WINDOW_SECONDS = latency.BUCKET_SECONDS * latency.WINDOW_BUCKETS


class HealthReporter:
    """Builds reports for one gateway process, one at a time for all who ask.

    Args:
        redis, submissions, champion, notices, webhooks: looked at.
        micro_batch_rows: single jobs of a full call of the workers.
        started_at: when this process did, in seconds since 1970.
    """

    def __init__(
        self,
        redis: Redis,
        submissions: Submissions,
        champion: ChampionView,
        notices: Notices,
        webhooks: Ledger,
        blobs: BlobStore,
        *,
        micro_batch_rows: int,
        started_at: float,
    ) -> None:
        self._redis = redis
        self._submissions = submissions
        self._champion = champion
        self._notices = notices
        self._webhooks = webhooks
        self._micro_batch_rows = micro_batch_rows
        self._blobs = blobs
        self._started_at = started_at
        #: Whether a job submitted now would be answered, and if not, why.
        self.is_ready = SharedComputation(self._find_ready)
        #: Whether the service can answer, and everything there is to know.
        self.report = SharedComputation(self._report, KEEP_SECONDS)

    def _find_ready(self) -> tuple[bool, str]:
        try:
            pointer = self._champion.pointer()
            workers = workers_of(heartbeats.living(self._redis))
            if not any(worker.version and worker.lane == Lane.INTERACTIVE for worker in workers):
                return False, "no worker has loaded a version yet"
            stuck = report_waiting(self._submissions.depths(), workers, self._micro_batch_rows).stuck
            self._submissions.check_accepting()
        except (RedisError, RhizomeError) as error:
            return False, _describe_failure(error)
        return not stuck, stuck or f"version {pointer.version}"

    def _report(self) -> tuple[bool, dict[str, Any]]:
        gateway = {
            "uptime_seconds": round(time.time() - self._started_at, 1),
            "waiting_requests": self._notices.waiting,
        }
        try:
            return self._full_report(gateway)
        except (RedisError, RhizomeError) as error:
            return False, {
                "status": "unavailable",
                "problems": [_describe_failure(error)],
                "redis": {"reachable": not _is_away(error)},
                "gateway": gateway,
            }

    def _full_report(self, gateway: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        begun = time.perf_counter()
        depths = self._submissions.depths()
        redis_ms = round((time.perf_counter() - begun) * 1000, 3)
        living = heartbeats.living(self._redis)
        workers = workers_of(living)
        champion = self._pointer()
        converged = champion is not None and bool(workers) and all(w.version == champion.version for w in workers)
        memory = self._submissions.memory_fraction()
        fatal, other = _problems(workers, champion, converged)
        waiting = report_waiting(depths, workers, self._micro_batch_rows)
        fatal += [waiting.stuck] if workers and waiting.stuck else []
        other += waiting.other + clock_problems([*living, self._own_beat()])
        webhooks, undelivered = report_webhooks(self._webhooks, living)
        other += undelivered
        fatal += self._find_refusal()
        if memory > HIGH_WATER:
            other.append(
                "Redis's memory is almost full: no jobs are accepted until results have expired; raise its maxmemory "
                "(RHIZOME_REDIS_MAXMEMORY) or shorten RHIZOME_RESULT_TTL_SECONDS"
            )
        other += _store_problems(self._blobs)
        status = "unavailable" if fatal else "degraded" if other else "ok"
        return not fatal, {
            "status": status,
            "problems": fatal + other,
            "redis": {"reachable": True, "latency_ms": redis_ms, "memory_used_fraction": round(memory, 3)},
            "queue": {name: depth._asdict() for name, depth in depths.items()}
            | {"dead_letters": self._redis.xlen(keys.DEAD_LETTERS)},
            "pace": _pace_facts(self._submissions.pace()),
            "latency": self._latency(),
            "workers": {
                "living": len(workers),
                "converged": converged,
                "processes": [describe_worker(worker) for worker in workers],
            },
            "champion": _pointer_facts(champion),
            "webhooks": webhooks,
            "training": read_runs(self._redis),
            "gateway": gateway,
        }

    def _find_refusal(self) -> list[str]:
        """Why Redis would refuse every submit, beside its high-water mark, at which results are still written."""
        try:
            self._submissions.check_accepting()
        except StorageFull:
            return []
        except QueueUnavailable as error:
            if not _cannot_write(error):
                raise
            return [_describe_failure(error)]
        return []

    def _own_beat(self) -> Heartbeat:
        """This process as the others tell of themselves: its clock beside Redis's."""
        seconds, microseconds = self._redis.time()
        now = time.time()
        return Heartbeat(
            role="gateway",
            host=socket.gethostname(),
            pid=os.getpid(),
            state="serving",
            at=now,
            started_at=self._started_at,
            heard_at=seconds + microseconds / 1e6,
        )

    def _pointer(self) -> Pointer | None:
        try:
            return self._champion.pointer()
        except NoChampion:
            return None

    def _latency(self) -> dict[str, float | int | None]:
        """Submit to result of interactive jobs, over the window."""
        histogram = latency.recent(self._redis)
        shown: dict[str, float | int | None] = {"window_seconds": _WINDOW_SECONDS, "jobs": histogram.total()}
        for name, fraction in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
            value = latency.percentile(histogram, fraction)
            shown[name] = round(value, 2) if value is not None else None
        return shown


def _is_away(error: Exception) -> bool:
    return isinstance(error, (RedisError, QueueUnavailable)) and not _cannot_write(error)


def _cannot_write(error: Exception) -> bool:
    cause = error.__cause__ or error
    return isinstance(cause, ResponseError) and says_cannot_write(cause)


def _describe_failure(error: Exception) -> str:
    if _cannot_write(error):
        return "Redis cannot write (its memory or disk is full, or it is a replica), so no job is accepted; see its log"
    return "Redis does not answer" if _is_away(error) else str(error)


def _problems(workers: list[Heartbeat], champion: Pointer | None, converged: bool) -> tuple[list[str], list[str]]:
    """What keeps the service from answering, and what an operator should know besides."""
    fatal, other = [], []
    if champion is None:
        fatal.append("no version has been promoted yet; train one with: rhizome train")
    if not workers:
        fatal.append("no worker process gives a sign of life; accepted jobs wait until one does")
    elif not any(worker.version for worker in workers):
        fatal.append("no worker process has a version loaded")
    elif Lane.INTERACTIVE not in (lanes := {worker.lane for worker in workers if worker.version}):
        fatal.append("no worker process serves single jobs; they wait until one does")
    elif Lane.BATCH not in lanes:
        other.append("no worker process serves batches and files; they wait until one does")
    if champion is not None and workers and not converged:
        other.append(f"not every worker process serves {champion.version} yet")
    other += [f"worker {worker.host}:{worker.pid}: {worker.detail}" for worker in workers if worker.detail]
    return fatal, other


def _store_problems(blobs: BlobStore) -> list[str]:
    """What keeps files from being taken in and answered."""
    try:
        blobs.check_room()
    except BlobStoreFull:
        return [
            "the store of files is full (RHIZOME_BLOB_MIN_FREE_BYTES stay free): no file is accepted, and jobs of "
            "files wait until results have expired or space is freed"
        ]
    except BlobStoreUnavailable as error:
        return [str(error)]
    return []


def _pace_facts(pace: Pace | None) -> dict[str, float] | None:
    """How fast the queue would drain, as the workers measure it; None while none has."""
    if pace is None:
        return None
    return {
        "scorers": pace.scorers,
        "batch_scorers": pace.batch_scorers,
        "interactive_jobs_per_second": round(1000 * pace.scorers / pace.entry_ms, 1) if pace.entry_ms else 0.0,
        "batch_chunks_per_second": round(1000 * pace.batch_scorers / pace.chunk_ms, 1) if pace.chunk_ms else 0.0,
    }


def _pointer_facts(pointer: Pointer | None) -> dict[str, Any] | None:
    if pointer is None:
        return None
    return {
        "version": pointer.version,
        "artifact_sha256": pointer.artifact_sha256,
        "promoted_at": pointer.promoted_at,
        "reason": pointer.reason,
        "previous": pointer.previous or None,
    }
