"""Loads the queue's Lua scripts behind the constants that they share with Python."""

from functools import cache
from importlib import resources

from redis import Redis
from redis.commands.core import Script

from rhizome import keys
from rhizome.jobs import STREAMS, stream_name
from rhizome.task_message import SCORE_TASK, build_task_message
from rhizome.webhooks.scripts import outbox_source

BELL_ID = "@bell@"
BELL_TTL_SECONDS = 5  #: a bell that nobody answered is rung again after this
#: The streams' names in the order of `STREAMS`; scripts name a stream by its index here, counted from 1.
STREAM_KEYS = [keys.lane(stream_name(*stream)) for stream in STREAMS]


def load_script(redis: Redis, name: str) -> Script:
    """Registers `<name>.lua` behind `common.lua`; sent to Redis at the first call, and again where Redis forgot it."""
    return redis.register_script(_constants() + outbox_source() + _source("common") + _source(name))


@cache
def bell_template() -> bytes:
    """The wake-up for one scorer; `common.lua` puts a fresh id in place of `BELL_ID` whenever it rings."""
    return build_task_message(SCORE_TASK, keys.SCORING_QUEUE, task_id=BELL_ID)


@cache
def _source(name: str) -> str:
    return resources.files("rhizome.job_queue").joinpath(f"{name}.lua").read_text()


@cache
def _constants() -> str:
    """Key names and the bell as Lua locals: sent once with the script instead of with every call."""
    texts = {
        "GROUP": keys.GROUP,
        "ROWS": keys.rows(""),
        "LANE": keys.lane(""),
        "BELL": keys.BELL,
        "LISTENING": keys.LISTENING,
        "SCORING_QUEUE": keys.SCORING_QUEUE,
        "UPKEEP_QUEUE": keys.UPKEEP_QUEUE,
        "FINISHED": keys.FINISHED,
        "DEAD_LETTERS": keys.DEAD_LETTERS,
        "ID_SECRET": keys.ID_SECRET,
        "BELL_ID": BELL_ID,
        "BELL_MESSAGE": bell_template().decode(),
    }
    lines = [f"local {name} = [==[{text}]==]" for name, text in texts.items()]
    lines.append(f"local BELL_TTL_SECONDS = {BELL_TTL_SECONDS}")
    lines.append(f"local STREAMS = {{{', '.join(f'[==[{key}]==]' for key in STREAM_KEYS)}}}")
    return "\n".join(lines) + "\n"
