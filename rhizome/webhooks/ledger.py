"""The gateway's side of the outbox: is there room, how a job's deliveries stand, send the last one again."""

import time
from typing import Any, NamedTuple, cast

import msgspec
from redis import Redis

from rhizome import keys
from rhizome.errors import WebhooksFull
from rhizome.webhooks.scripts import load_script
from rhizome.webhooks.targets import Target

#: Of all deliveries that may be pending: what one receiver that is down may take of it.
RECEIVER_SHARE = 0.5
MAX_RECEIVERS_COUNTED = 1000  #: by a look at the depth


class DeliveryView(NamedTuple):
    """A delivery as it stands: its id and what the outbox holds of it."""

    id: str
    facts: dict[str, bytes]


class Attempt(msgspec.Struct, frozen=True):
    """A line of a job's delivery log; times in ms since 1970."""

    id: str
    attempt: int
    at: int
    outcome: str
    status: int | None
    error: str | None
    duration_ms: float
    next_at: int | None


class OutboxDepth(NamedTuple):
    """Deliveries that are not settled, those among them that are due, and for how long the first one is (s)."""

    pending: int
    due: int
    oldest_due_seconds: float | None


_decode_attempt = msgspec.json.Decoder(Attempt).decode


class Ledger:
    """Reads the outbox.

    Args:
        redis: a client; every call is one round trip.
        max_pending: deliveries that may wait before submits with a webhook are refused; more can come to wait.
    """

    def __init__(self, redis: Redis, max_pending: int) -> None:
        self._redis = redis
        self._max_pending = max_pending
        self._read = load_script(redis, "read")
        self._redeliver = load_script(redis, "redeliver")
        self._depth = load_script(redis, "depth")

    def check_room(self, target: Target) -> None:
        """Looks whether another job may have a webhook to this receiver.

        What counts are events that have happened. Those of jobs that were accepted and are not final come on top, one
        of each single job and eleven of each batch job at most, and so do redeliveries: what was promised is
        never dropped. So the outbox can exceed its bound by what the lanes hold (`RHIZOME_MAX_WAITING_*`).

        Raises:
            WebhooksFull: too many deliveries are pending, to this receiver or to all.
        """
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zcard(keys.WEBHOOKS_PENDING)
        pipeline.zcard(keys.webhooks_waiting(target.receiver))
        pending, waiting = pipeline.execute()
        if waiting >= max(1, int(self._max_pending * RECEIVER_SHARE)):
            raise WebhooksFull("too many events wait for this webhook's receiver; try again when it answers again")
        if pending >= self._max_pending:
            raise WebhooksFull("too many events wait for their receivers; try again later, or submit without a webhook")

    def read(self, job_id: str) -> tuple[list[DeliveryView], list[Attempt]]:
        """A job's deliveries in the order of their events, and its last attempts, the oldest first."""
        log, deliveries = cast(tuple[list[bytes], list[list[bytes]]], self._read(args=[job_id, "0"]))
        return [_view(flat) for flat in deliveries], [_decode_attempt(line) for line in log]

    def last(self, job_id: str) -> DeliveryView | None:
        """The delivery of a job's last event; None before its first."""
        _, deliveries = cast(tuple[Any, list[list[bytes]]], self._read(args=[job_id, "1"]))
        return _view(deliveries[-1]) if deliveries else None

    def redeliver(self, job_id: str) -> str | None:
        """Sends a job's last event again, unless it is still being tried; the delivery's id, None if there is none."""
        answer = cast(bytes | None, self._redeliver(args=[job_id, int(time.time() * 1000)]))
        return answer.decode() if answer else None

    def depth(self) -> OutboxDepth:
        """How full the outbox is."""
        args = [int(time.time() * 1000), MAX_RECEIVERS_COUNTED]
        pending, due, oldest = cast(list[int], self._depth(args=args))
        return OutboxDepth(pending, due, None if oldest < 0 else oldest / 1000)


def _view(flat: list[bytes]) -> DeliveryView:
    facts = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
    return DeliveryView(f"{facts['job'].decode()}_{facts['event'].decode()}", facts)
