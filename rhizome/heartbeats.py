"""Heartbeats: each worker child, deliverer and trainer says once a second that it lives and what it serves.

Redis stamps each with its own time, and who reads them asks for that time again: so who lives is judged by one clock,
and a host whose clock is wrong is known by it.
"""

from typing import cast

import msgspec
from redis import Redis

from rhizome import keys
from rhizome.lua_scripts import Script, read_source

BEAT_SECONDS = 1.0
LIVING_SECONDS = 5.0  #: a process silent for longer counts as dead
FORGET_SECONDS = 120.0


class Heartbeat(msgspec.Struct, frozen=True, omit_defaults=True):
    """One process's last sign of life.

    Attributes:
        role: `worker`, `trainer` or `webhooks` (the deliverer).
        host, pid: where it runs.
        lane: which lane a worker serves.
        state: `serving`, `loading`, `waiting` (no champion yet) or `failed`.
        version, artifact_sha256: what it serves.
        at, started_at: seconds since 1970, by the process's own clock.
        runs: scorer runs begun; a bell that nobody answers shows here.
        detail: why it failed to load.
        single_ms, entry_ms: what a micro-batch of one and each job of a full micro-batch cost it; 0 before the first.
        chunk_ms, chunk_call_ms, row_ms: what a chunk costs as they come, whatever it holds, and for each row.
        measured_at: when it last measured what its lane is estimated by, by its own clock; 0 before the first.
        heard_at: when Redis heard it, by Redis's clock, which stamps it.
        silent_seconds: how long ago that is, by the same clock; told to who reads it.
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
    lane: str = "interactive"
    heard_at: float = 0.0
    silent_seconds: float = 0.0

    @property
    def key(self) -> str:
        """Its field in the hash of processes."""
        return f"{self.role}:{self.host}:{self.pid}"

    @property
    def skew_seconds(self) -> float:
        """How far its clock is ahead of Redis's (negative: behind), beside the way to Redis."""
        return self.at - self.heard_at

    def seconds_since(self, moment: float) -> float:
        """The age of a moment by the process's own clock, such as `measured_at`, whatever that clock says."""
        return self.silent_seconds + self.at - moment


def beat(redis: Redis, heartbeat: Heartbeat) -> None:
    """Writes a sign of life."""
    script = Script(redis, read_source("rhizome", "beat"), is_repeatable=True)
    script([keys.PROCESSES], [heartbeat.key, msgspec.json.encode(heartbeat)])


def withdraw(redis: Redis, heartbeat: Heartbeat) -> None:
    """Removes it: the process ends in order."""
    redis.hdel(keys.PROCESSES, heartbeat.key)


def forget(redis: Redis, role: str, host: str, pid: str) -> None:
    """Removes that of a process that is known to have ended otherwise."""
    redis.hdel(keys.PROCESSES, f"{role}:{host}:{pid}")


def living(redis: Redis) -> list[Heartbeat]:
    """The processes that gave a sign of life within `LIVING_SECONDS`."""
    return [heartbeat for heartbeat in _all(redis) if heartbeat.silent_seconds <= LIVING_SECONDS]


def prune(redis: Redis) -> None:
    """Forgets processes that have been silent for long."""
    dead = [heartbeat.key for heartbeat in _all(redis) if heartbeat.silent_seconds > FORGET_SECONDS]
    if dead:
        redis.hdel(keys.PROCESSES, *dead)


def _all(redis: Redis) -> list[Heartbeat]:
    pipeline = redis.pipeline(transaction=False)
    pipeline.time()
    pipeline.hgetall(keys.PROCESSES)
    (seconds, microseconds), raw = cast(tuple[tuple[int, int], dict[bytes, bytes]], pipeline.execute())
    now = seconds + microseconds / 1e6
    beats = [msgspec.json.decode(value, type=Heartbeat) for value in raw.values()]
    return sorted((_stamp(heartbeat, now) for heartbeat in beats), key=lambda heartbeat: heartbeat.key)


def _stamp(heartbeat: Heartbeat, now: float) -> Heartbeat:
    heard_at = heartbeat.heard_at or heartbeat.at  # one of an earlier release, during an upgrade
    return msgspec.structs.replace(heartbeat, heard_at=heard_at, silent_seconds=max(0.0, now - heard_at))
