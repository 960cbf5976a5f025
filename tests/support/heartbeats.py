"""Signs of life that a test makes up."""

import msgspec
from redis import Redis

from rhizome import keys
from rhizome.heartbeats import Heartbeat


def write_silent(redis: Redis, heartbeat: Heartbeat, seconds: float) -> None:
    """A process that Redis heard so long ago for the last time."""
    heard = msgspec.structs.replace(heartbeat, heard_at=redis.time()[0] - seconds)
    redis.hset(keys.PROCESSES, heard.key, msgspec.json.encode(heard))
