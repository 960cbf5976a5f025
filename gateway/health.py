"""The health report: what an on-call engineer needs first, read from Redis alone and never behind inference."""

import time
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from gateway.champion import ChampionView
from gateway.notices import Notices
from gateway.webhook_health import report_webhooks
from rhizome import heartbeats, keys, latency
from rhizome.blob_store import BlobStore
from rhizome.errors import BlobStoreFull, BlobStoreUnavailable, NoChampion, QueueUnavailable, RhizomeError
from rhizome.heartbeats import Heartbeat
from rhizome.job_queue.pace import Pace
from rhizome.job_queue.submission import HIGH_WATER, Submissions
from rhizome.job_queue.views import LaneDepth
from rhizome.registry import Pointer
from rhizome.training_runs import read_runs
from rhizome.webhooks.ledger import Ledger

#: A waiting job this old, while nothing is in flight, means: the workers live but do not consume.
STALLED_SECONDS = 15.0
_WINDOW_SECONDS = latency.BUCKET_SECONDS * latency.WINDOW_BUCKETS


class HealthReporter:
    """Builds reports for one gateway process."""

    def __init__(
        self,
        redis: Redis,
        submissions: Submissions,
        champion: ChampionView,
        notices: Notices,
        webhooks: Ledger,
        blobs: BlobStore,
        *,
        started_at: float,
    ) -> None:
        self._redis = redis
        self._submissions = submissions
        self._champion = champion
        self._notices = notices
        self._webhooks = webhooks
        self._blobs = blobs
        self._started_at = started_at

    def is_ready(self) -> tuple[bool, str]:
        """Whether a job submitted now would be answered, and if not, why."""
        try:
            pointer = self._champion.pointer()
            workers = _workers(heartbeats.living(self._redis))
        except (RedisError, RhizomeError) as error:
            is_away = isinstance(error, (RedisError, QueueUnavailable))
            return False, "Redis does not answer" if is_away else str(error)
        if not any(worker.version for worker in workers):
            return False, "no worker has loaded a version yet"
        return True, f"version {pointer.version}"

    def report(self) -> tuple[bool, dict[str, Any]]:
        """Whether the service can answer, and everything there is to know."""
        gateway = {
            "uptime_seconds": round(time.time() - self._started_at, 1),
            "waiting_requests": self._notices.waiting,
        }
        try:
            return self._full_report(gateway)
        except (RedisError, RhizomeError) as error:
            is_away = isinstance(error, (RedisError, QueueUnavailable))
            problem = "Redis does not answer" if is_away else str(error)
            return False, {
                "status": "unavailable",
                "problems": [problem],
                "redis": {"reachable": not is_away},
                "gateway": gateway,
            }

    def _full_report(self, gateway: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        begun = time.perf_counter()
        depths = self._submissions.depths()
        redis_ms = round((time.perf_counter() - begun) * 1000, 3)
        living = heartbeats.living(self._redis)
        workers = _workers(living)
        champion = self._pointer()
        converged = champion is not None and bool(workers) and all(w.version == champion.version for w in workers)
        memory = self._submissions.memory_fraction()
        fatal, other = _problems(depths, workers, champion, converged)
        webhooks, undelivered = report_webhooks(self._webhooks, living)
        other += undelivered
        if memory > HIGH_WATER:
            other.append("Redis's memory is almost full: no jobs are accepted until results have expired")
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
                "processes": [_describe(worker) for worker in workers],
            },
            "champion": _pointer_facts(champion),
            "webhooks": webhooks,
            "training": read_runs(self._redis),
            "gateway": gateway,
        }

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


def _workers(living: list[Heartbeat]) -> list[Heartbeat]:
    return [process for process in living if process.role == "worker"]


def _problems(
    depths: dict[str, LaneDepth], workers: list[Heartbeat], champion: Pointer | None, converged: bool
) -> tuple[list[str], list[str]]:
    """What keeps the service from answering, and what an operator should know besides."""
    fatal, other = [], []
    if champion is None:
        fatal.append("no version has been promoted yet; train one with: rhizome train")
    if not workers:
        fatal.append("no worker process gives a sign of life; accepted jobs wait until one does")
    elif not any(worker.version for worker in workers):
        fatal.append("no worker process has a version loaded")
    if workers and _is_stalled(depths):
        fatal.append("jobs wait and nothing is in flight: the workers live but do not consume; restart them")
    if champion is not None and workers and not converged:
        other.append(f"not every worker process serves {champion.version} yet")
    other += [f"worker {worker.host}:{worker.pid}: {worker.detail}" for worker in workers if worker.state == "failed"]
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


def _is_stalled(depths: dict[str, LaneDepth]) -> bool:
    oldest = max((depth.oldest_waiting_seconds or 0.0 for depth in depths.values()), default=0.0)
    return oldest > STALLED_SECONDS and not any(depth.in_flight for depth in depths.values())


def _describe(worker: Heartbeat) -> dict[str, Any]:
    return {
        "host": worker.host,
        "pid": worker.pid,
        "state": worker.state,
        "version": worker.version or None,
        "artifact_sha256": worker.artifact_sha256 or None,
        "heartbeat_age_seconds": round(max(0.0, time.time() - worker.at), 2),
        "uptime_seconds": round(time.time() - worker.started_at, 1),
        "runs": worker.runs,
    }


def _pace_facts(pace: Pace | None) -> dict[str, float] | None:
    """How fast the queue would drain, as the workers measure it; None while none has."""
    if pace is None:
        return None
    return {
        "scorers": pace.scorers,
        "interactive_jobs_per_second": round(1000 * pace.scorers / pace.entry_ms, 1) if pace.entry_ms else 0.0,
        "batch_chunks_per_second": round(1000 * pace.scorers / pace.chunk_ms, 1) if pace.chunk_ms else 0.0,
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
