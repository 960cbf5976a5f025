"""Heartbeats: each worker child and each trainer says once a second that it lives and what it serves."""

import time
from typing import cast

import msgspec
from redis import Redis

from rhizome import keys

BEAT_SECONDS = 1.0
LIVING_SECONDS = 5.0  #: a process silent for longer counts as dead
FORGET_SECONDS = 120.0


class Heartbeat(msgspec.Struct, frozen=True, omit_defaults=True):
    """One process's last sign of life.

    Attributes:
        role: `worker`, `trainer` or `webhooks` (the deliverer).
        host, pid: where it runs.
        state: `serving`, `loading`, `waiting` (no champion yet) or `failed`.
        version, artifact_sha256: what it serves.
        at, started_at: seconds since 1970.
        runs: scorer runs begun; a bell that nobody answers shows here.
        detail: why it failed to load.
        single_ms, entry_ms: what a micro-batch of one and each job of a full micro-batch cost it; 0 before the first.
        chunk_ms, chunk_call_ms, row_ms: what a chunk costs as they come, whatever it holds, and for each row.
        measured_at: when it last measured any of them, in seconds since 1970.
    """

    role: str
    host: str
    pid: int
    state: str
    at: float
    started_at: float
    version: str = ""
    artifact_sha256: str = ""
    runs: int = 0
    detail: str = ""
    single_ms: float = 0.0
    entry_ms: float = 0.0
    chunk_ms: float = 0.0
    chunk_call_ms: float = 0.0
    row_ms: float = 0.0
    measured_at: float = 0.0

    @property
    def key(self) -> str:
        """Its field in the hash of processes."""
        return f"{self.role}:{self.host}:{self.pid}"


def beat(redis: Redis, heartbeat: Heartbeat) -> None:
    """Writes a sign of life."""
    redis.hset(keys.PROCESSES, heartbeat.key, msgspec.json.encode(heartbeat))


def withdraw(redis: Redis, heartbeat: Heartbeat) -> None:
    """Removes it: the process ends in order."""
    redis.hdel(keys.PROCESSES, heartbeat.key)


def forget(redis: Redis, role: str, host: str, pid: str) -> None:
    """Removes that of a process that is known to have ended otherwise."""
    redis.hdel(keys.PROCESSES, f"{role}:{host}:{pid}")


def living(redis: Redis) -> list[Heartbeat]:
    """The processes that gave a sign of life within `LIVING_SECONDS`."""
    oldest = time.time() - LIVING_SECONDS
    return [heartbeat for heartbeat in _all(redis) if heartbeat.at >= oldest]


def prune(redis: Redis) -> None:
    """Forgets processes that have been silent for long."""
    oldest = time.time() - FORGET_SECONDS
    dead = [heartbeat.key for heartbeat in _all(redis) if heartbeat.at < oldest]
    if dead:
        redis.hdel(keys.PROCESSES, *dead)


def _all(redis: Redis) -> list[Heartbeat]:
    raw = cast(dict[bytes, bytes], redis.hgetall(keys.PROCESSES))
    beats = (msgspec.json.decode(value, type=Heartbeat) for value in raw.values())
    return sorted(beats, key=lambda heartbeat: heartbeat.key)
