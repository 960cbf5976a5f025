"""The deliverer: what one `worker.deliver_webhooks` does between the bell and its return, in one of many threads."""

import logging
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from rhizome.webhooks.outbox import Delivery, Outbox, Verdict
from worker.webhooks.messages import build_body, message_type, trace_id
from worker.webhooks.retries import judge
from worker.webhooks.sender import Answer, Sender

SETTLE_SECONDS = 3.0  #: across a short absence of Redis; then the lease runs out, and the event is sent again
SETTLE_RETRY_SECONDS = 0.2
#: Of the threads: these serve only receivers whose last attempt was quick, so that others cannot hold them all.
RESERVED_SHARE = 0.25

log = logging.getLogger(__name__)


class Deliverer:
    """Takes events that are due and sends them until none is, or its time is over.

    Args:
        outbox: holds the events.
        sender: sends them.
        concurrency: threads that call `run`.
        max_age_seconds: after which an event is given up.
        run_seconds: after which a run ends, and rings for its successor.
        is_stopping: tells that the process shuts down.
    """

    def __init__(
        self,
        outbox: Outbox,
        sender: Sender,
        *,
        concurrency: int,
        max_age_seconds: float,
        run_seconds: float,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._outbox = outbox
        self._sender = sender
        self._places = threading.Semaphore(concurrency - int(concurrency * RESERVED_SHARE))
        self._max_age_seconds = max_age_seconds
        self._run_seconds = run_seconds
        self._is_stopping = is_stopping

    def run(self) -> None:
        """Sends what is due, one after the other; other threads are woken for the rest."""
        self._outbox.answer_bell()
        until = time.monotonic() + self._run_seconds
        while time.monotonic() < until and not self._is_stopping():
            if not self._deliver_next():
                return
        self._outbox.wake()

    def _deliver_next(self) -> bool:
        """Sends one; False where nothing is due that this thread may send."""
        has_place = self._places.acquire(blocking=False)
        try:
            delivery = self._outbox.claim(only_quick=not has_place)
            if delivery is None:
                return False
            if has_place and delivery.is_quick:
                self._places.release()
                has_place = False
            self.deliver(delivery)
        finally:
            if has_place:
                self._places.release()
        return True

    def deliver(self, delivery: Delivery) -> Verdict:
        """One attempt, and its note."""
        begun = time.monotonic()
        answer = self._attempt(delivery)
        duration_ms = (time.monotonic() - begun) * 1000
        verdict = judge(
            answer,
            attempt=delivery.cycle_attempt,
            age_seconds=delivery.age_seconds,
            max_age_seconds=self._max_age_seconds,
        )
        _log(delivery, answer, verdict, duration_ms)
        self._settle(delivery, verdict, duration_ms)
        return verdict

    def _attempt(self, delivery: Delivery) -> Answer:
        try:
            return self._sender.send(delivery.text("url"), delivery.id, trace_id(delivery), build_body(delivery))
        except Exception:  # a delivery that cannot be sent must be given up some day, like any other
            log.exception("webhook_not_sendable", extra={"delivery_id": delivery.id})
            return Answer(error="internal_error")

    def _settle(self, delivery: Delivery, verdict: Verdict, duration_ms: float) -> None:
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                return self._outbox.settle(delivery, verdict, duration_ms)
            except RedisError:
                if time.monotonic() > until:
                    raise
            time.sleep(SETTLE_RETRY_SECONDS)


def _log(delivery: Delivery, answer: Answer, verdict: Verdict, duration_ms: float) -> None:
    facts = {
        "delivery_id": delivery.id,
        "job_id": delivery.job_id,
        "request_id": delivery.text("request_id"),
        "type": message_type(delivery),
        "host": urlsplit(delivery.text("url")).hostname,  # path and query may hold a secret of the receiver's
        "attempt": delivery.attempt,
        "status": verdict.status,
        "duration_ms": round(duration_ms, 1),
    }
    if verdict.outcome == "delivered":
        log.info("webhook_delivered", extra=facts)
        return
    facts |= {"error": verdict.error, "said": answer.said}
    if verdict.outcome == "retry":
        log.warning("webhook_attempt_failed", extra=facts | {"retry_in_seconds": round(verdict.delay_seconds, 1)})
    else:
        log.error("webhook_given_up", extra=facts)
