"""The part of the health report that is about processes: who lives, what each serves, whose clock is wrong."""

from collections.abc import Sequence
from typing import Any

from rhizome.heartbeats import Heartbeat

#: Clocks that somebody sets differ by milliseconds; a beat may be under way for seconds where Redis is slow.
MAX_SKEW_SECONDS = 5.0


def workers_of(living: list[Heartbeat]) -> list[Heartbeat]:
    """The processes that score."""
    return [process for process in living if process.role == "worker"]


def clock_problems(processes: Sequence[Heartbeat]) -> list[str]:
    """The hosts whose clocks differ from Redis's: results name times of theirs."""
    by_host: dict[str, float] = {}
    for process in processes:
        by_host[process.host] = max(by_host.get(process.host, 0.0), process.skew_seconds, key=abs)
    return [
        f"the clock of host {host} is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} Redis's: times in its "
        "jobs' results are wrong; set it by NTP"
        for host, skew in sorted(by_host.items())
        if abs(skew) > MAX_SKEW_SECONDS
    ]


def describe_worker(worker: Heartbeat) -> dict[str, Any]:
    """A worker process as the report shows it."""
    return {
        "host": worker.host,
        "pid": worker.pid,
        "lane": worker.lane,
        "state": worker.state,
        "version": worker.version or None,
        "artifact_sha256": worker.artifact_sha256 or None,
        "heartbeat_age_seconds": round(worker.silent_seconds, 2),
        "uptime_seconds": round(worker.seconds_since(worker.started_at), 1),
        "runs": worker.runs,
    }
