"""Loads the outbox's Lua scripts behind the names that they share with Python."""

from functools import cache
from importlib import resources

from redis import Redis
from redis.commands.core import Script

from rhizome import keys
from rhizome.task_message import DELIVER_TASK, build_task_message

BELL_ID = "@bell@"
BELL_TTL_SECONDS = 5  #: a bell that nobody answered is rung again after this
#: Deliveries that are being sent to one receiver at once: a slow one leaves the other threads to the others.
PER_RECEIVER = 4


def load_script(redis: Redis, name: str) -> Script:
    """Registers `<name>.lua` behind `outbox.lua`; sent to Redis at the first call."""
    return redis.register_script(outbox_source() + _source(name))


@cache
def outbox_source() -> str:
    """`outbox.lua` with its constants, for every script in whose course something happens that a webhook tells."""
    texts = {
        "JOB": keys.job(""),
        "WEBHOOK": keys.webhook(""),
        "WEBHOOKS_OF": keys.webhooks_of(""),
        "WEBHOOKS_LOG": keys.webhooks_log(""),
        "WEBHOOKS_DUE": keys.WEBHOOKS_DUE,
        "WEBHOOKS_WAITING": keys.webhooks_waiting(""),
        "WEBHOOKS_BUSY": keys.webhooks_busy(""),
        "WEBHOOKS_PENDING": keys.WEBHOOKS_PENDING,
        "WEBHOOKS_BELL": keys.WEBHOOKS_BELL,
        "WEBHOOKS_QUEUE": keys.WEBHOOKS_QUEUE,
        "WEBHOOKS_BELL_ID": BELL_ID,
        "WEBHOOKS_BELL_MESSAGE": bell_template().decode(),
    }
    lines = [f"local {name} = [==[{text}]==]" for name, text in texts.items()]
    lines.append(f"local WEBHOOKS_BELL_TTL_SECONDS = {BELL_TTL_SECONDS}")
    lines.append(f"local WEBHOOKS_PER_RECEIVER = {PER_RECEIVER}")
    return "\n".join(lines) + "\n" + _source("outbox")


@cache
def bell_template() -> bytes:
    """The wake-up for one thread of the deliverer; `outbox.lua` puts a fresh id in place of `BELL_ID`."""
    return build_task_message(DELIVER_TASK, keys.WEBHOOKS_QUEUE, task_id=BELL_ID)


def _source(name: str) -> str:
    return resources.files("rhizome.webhooks").joinpath(f"{name}.lua").read_text()
