"""Loads the outbox's Lua scripts behind the names that they share with Python."""

from functools import cache

from redis import Redis

from rhizome import keys
from rhizome.lua_scripts import Script, read_source, write_constants
from rhizome.task_message import DELIVER_TASK, build_task_message

BELL_ID = "@bell@"
BELL_TTL_SECONDS = 5  #: a bell that nobody answered is rung again after this
#: Deliveries that are being sent to one receiver at once: a slow one leaves the other threads to the others.
PER_RECEIVER = 4
#: How a receiver stands, in the order in which receivers are served: its last attempt did not take long, there was none
#: lately, or it took long.
STANDINGS = ("quick", "new", "slow")


def load_script(redis: Redis, name: str) -> Script:
    """`<name>.lua` behind `outbox.lua`.

    All of them may be run twice: where the answer of the first was lost, a delivery that was taken comes back after its
    lease, and an attempt that was noted has one line more in the log.
    """
    return Script(redis, outbox_source() + _source(name), is_repeatable=True)


@cache
def outbox_source() -> str:
    """`outbox.lua` with its constants, for every script in whose course something happens that a webhook tells."""
    constants = write_constants(
        {
            "JOB": keys.job(""),
            "WEBHOOK": keys.webhook(""),
            "WEBHOOKS_OF": keys.webhooks_of(""),
            "WEBHOOKS_LOG": keys.webhooks_log(""),
            "WEBHOOKS_DUE": keys.webhooks_due(""),
            "WEBHOOKS_WAITING": keys.webhooks_waiting(""),
            "WEBHOOKS_BUSY": keys.webhooks_busy(""),
            "WEBHOOKS_STANDING": keys.webhooks_standing(""),
            "WEBHOOKS_STANDINGS": STANDINGS,
            "WEBHOOKS_PENDING": keys.WEBHOOKS_PENDING,
            "WEBHOOKS_BELL": keys.WEBHOOKS_BELL,
            "WEBHOOKS_QUEUE": keys.WEBHOOKS_QUEUE,
            "WEBHOOKS_BELL_ID": BELL_ID,
            "WEBHOOKS_BELL_MESSAGE": bell_template().decode(),
            "WEBHOOKS_BELL_TTL_SECONDS": BELL_TTL_SECONDS,
            "WEBHOOKS_PER_RECEIVER": PER_RECEIVER,
        }
    )
    return constants + _source("outbox")


@cache
def bell_template() -> bytes:
    """The wake-up for one thread of the deliverer; `outbox.lua` puts a fresh id in place of `BELL_ID`."""
    return build_task_message(DELIVER_TASK, keys.WEBHOOKS_QUEUE, task_id=BELL_ID)


def _source(name: str) -> str:
    return read_source("rhizome.webhooks", name)
