"""Loads the queue's Lua scripts behind the constants that they share with Python."""

from functools import cache

from redis import Redis

from rhizome import keys
from rhizome.blob_slices import FileFormat
from rhizome.jobs import PRIORITIES, STREAMS, Lane
from rhizome.lua_scripts import Script, read_source, write_constants
from rhizome.task_message import SCORE_TASK, build_task_message
from rhizome.webhooks.scripts import outbox_source

BELL_ID = "@bell@"
#: Redis builds what the scripts share anew at each call. A script may answer before it needs any of that.
COMMON_LINE = "-- COMMON\n"
#: Behind a scorer's name: who holds the entries that it has let go of, until they are taken over.
REFUSED_BY, GIVEN_BACK_BY = ":refused", ":given-back"
PURGED = "purged"  #: in place of a state: the job was removed for good
BELL_TTL_SECONDS = 5  #: a bell that nobody answered is rung again after this
#: Of each lane, in the order of `Lane`: the Celery queue of its scorers, their bell, and who of them listens.
LANE_QUEUES = [keys.SCORING_QUEUE, keys.BATCH_QUEUE]
LANE_BELLS = [keys.BELL, keys.BATCH_BELL]
LANE_LISTENING = [keys.LISTENING, keys.BATCH_LISTENING]
#: Chunks of one batch job that may be in the stream where no scorer is at work.
LEAST_WINDOW = 4
#: The streams' names in the order of `STREAMS`; scripts name a stream by its index here, counted from 1.
STREAM_KEYS = [keys.lane(stream) for stream in STREAMS]


def load_script(redis: Redis, name: str) -> Script:
    """`<name>.lua` with the constants, the outbox and `common.lua` in front, or where its line `COMMON` stands."""
    before, _, after = _source(name).rpartition(COMMON_LINE)
    return Script(redis, before + _constants() + outbox_source() + _source("common") + after)


def lane_number(lane: Lane) -> int:
    """How the scripts call a lane."""
    return list(Lane).index(lane) + 1


@cache
def bell_template(lane: Lane = Lane.INTERACTIVE) -> bytes:
    """The wake-up for a scorer; `common.lua` puts a fresh id in place of `BELL_ID` whenever it rings."""
    return build_task_message(SCORE_TASK, LANE_QUEUES[lane_number(lane) - 1], task_id=BELL_ID)


def _source(name: str) -> str:
    return read_source("rhizome.job_queue", name)


@cache
def _constants() -> str:
    """Key names and the bell as Lua locals."""
    return write_constants(
        {
            "GROUP": keys.GROUP,
            "ROWS": keys.rows(""),
            "REFUSED": keys.refused(""),
            "REFUSED_BY": REFUSED_BY,
            "GIVEN_BACK_BY": GIVEN_BACK_BY,
            "STRIKES": keys.strikes(""),
            "EXPORT": keys.EXPORT,
            "FORMS": [form.value for form in FileFormat],
            "PURGED": PURGED,
            "LANE": keys.lane(""),
            "OPEN": keys.open_entries(""),
            "REST": keys.rest(""),
            "REST_COUNT": keys.REST_COUNT,
            "LEAST_WINDOW": LEAST_WINDOW,
            "BELLS": LANE_BELLS,
            "LISTENING": LANE_LISTENING,
            "QUEUES": LANE_QUEUES,
            "UPKEEP_QUEUE": keys.UPKEEP_QUEUE,
            "EXPORT_QUEUE": keys.EXPORT_QUEUE,
            "FINISHED": keys.FINISHED,
            "DEAD_LETTERS": keys.DEAD_LETTERS,
            "ID_SECRET": keys.ID_SECRET,
            "BELL_ID": BELL_ID,
            "BELL_MESSAGES": [bell_template(lane).decode() for lane in Lane],
            "BELL_TTL_SECONDS": BELL_TTL_SECONDS,
            "SINGLES": len(PRIORITIES),  # the first of STREAMS hold single jobs, the others chunks
            "STREAMS": STREAM_KEYS,
        }
    )
