"""Loads the queue's Lua scripts and knows which keys they share."""

from functools import cache
from importlib import resources

from redis import Redis
from redis.commands.core import Script

from rhizome import keys
from rhizome.jobs import Lane
from rhizome.task_message import SCORE_TASK, build_task_message

BELL_ID = "@bell@"
BELL_TTL_SECONDS = 5  #: a bell that nobody answered is rung again after this

#: KEYS of every script that may ring.
QUEUE_KEYS = [
    keys.lane(Lane.INTERACTIVE),
    keys.lane(Lane.BATCH),
    keys.BELL,
    keys.LISTENING,
    keys.SCORING_QUEUE,
]


@cache
def _source(name: str) -> str:
    return resources.files("rhizome.job_queue").joinpath(f"{name}.lua").read_text()


def load_script(redis: Redis, name: str) -> Script:
    """Registers `<name>.lua` behind `common.lua`; sent to Redis at the first call, and again where Redis forgot it."""
    return redis.register_script(_source("common") + _source(name))


@cache
def bell_template() -> bytes:
    """The wake-up for one scorer; `common.lua` puts a fresh id in place of `BELL_ID` whenever it rings.

    Most submits ring nothing, so they should not pay for a message of their own.
    """
    return build_task_message(SCORE_TASK, keys.SCORING_QUEUE, task_id=BELL_ID)
