"""The keeper of a worker process: beats the heart, renews leases, heals the queue, and has the champion followed.

Two threads, apart from the scorer and from each other: an idle prefork child runs no task and must reload all the same,
and neither a long micro-batch nor a long load may look like a dead worker.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from redis import Redis
from redis.exceptions import RedisError

from rhizome.heartbeats import BEAT_SECONDS, Heartbeat, beat, prune, withdraw
from rhizome.job_queue.claiming import Claims
from rhizome.pulse import Pulse
from rhizome.registry import Registry
from worker.flags import Flags
from worker.follower import Follower
from worker.latencies import Latencies
from worker.pace import WorkPace
from worker.shelf import Shelf

TICK_SECONDS = 0.1  #: how soon a broadcast hint is seen

log = logging.getLogger(__name__)


class Keeper:
    """Runs until stopped; every failure is logged and survived, since nobody would miss a dead thread."""

    def __init__(
        self,
        redis: Redis,
        registry: Registry,
        shelf: Shelf,
        claims: Claims,
        latencies: Latencies,
        pace: WorkPace,
        flags: Flags,
        busy_since: Callable[[], float | None],
        lease_seconds: float,
        pulse: Pulse,
    ) -> None:
        self._redis = redis
        self._shelf = shelf
        self._claims = claims
        self._latencies = latencies
        self._pace = pace
        self._flags = flags
        self._busy_since = busy_since
        self._renew_after = lease_seconds / 3
        self._renewed_at = 0.0
        self._pulse = pulse
        self._follower = Follower(registry, shelf)
        self._started_at = time.time()
        self._is_away = False
        self._stopped = threading.Event()
        self.runs = 0
        self._threads = [
            threading.Thread(target=self._keep, name="keeper", daemon=True),
            threading.Thread(target=self._follow, name="follower", daemon=True),
        ]

    def start(self) -> None:
        """Loads the champion if there is one, reports, and goes on in the background."""
        self._try(self._beat)  # others that cannot load it are to know that there is one more to ask
        self._try(self._follower.follow)
        self._try(self._beat)
        self._pulse.beat()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the threads and withdraws the heartbeat."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=BEAT_SECONDS)
        self._pulse.withdraw()
        for _ in range(2):  # what was counted last rests for one flush
            self._try(self._hand_latencies_on)
        self._try(lambda: withdraw(self._redis, self._heartbeat()))

    def _keep(self) -> None:
        beaten_at = time.monotonic()
        while not self._stopped.wait(TICK_SECONDS):
            if time.monotonic() - beaten_at >= BEAT_SECONDS:
                beaten_at = time.monotonic()
                self._try(self._beat)
                self._try(self._hand_latencies_on)
                self._try(self._maintain)
                self._pulse.beat()
            self._try(self._renew)

    def _follow(self) -> None:
        hints, looked_at = self._flags.reload_hints, time.monotonic()
        while not self._stopped.wait(TICK_SECONDS):
            if self._flags.reload_hints != hints or time.monotonic() - looked_at >= BEAT_SECONDS:
                hints, looked_at = self._flags.reload_hints, time.monotonic()
                self._try(self._follower.follow)
                self._try(self._beat)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except RedisError as error:
            if not self._is_away:
                log.warning("redis_unreachable", extra={"reason": type(error).__name__})
            self._is_away = True
        except Exception:
            log.exception("keeper_failed")

    def _beat(self) -> None:
        beat(self._redis, self._heartbeat())
        self._is_away = False

    def _heartbeat(self) -> Heartbeat:
        loaded = self._shelf.champion
        chunk_call_ms, row_ms = self._pace.chunk_costs
        return Heartbeat(
            role="worker",
            host=socket.gethostname(),
            pid=os.getpid(),
            state=self._follower.state,
            at=time.time(),
            started_at=self._started_at,
            version=loaded.name if loaded else "",
            artifact_sha256=loaded.manifest.artifact_sha256 if loaded else "",
            runs=self.runs,
            detail=self._follower.detail or self._shelf.trouble,
            single_ms=round(self._pace.single_ms, 4),
            entry_ms=round(self._pace.entry_ms, 4),
            chunk_ms=round(self._pace.chunk_ms, 4),
            chunk_call_ms=round(chunk_call_ms, 4),
            row_ms=round(row_ms, 6),
            measured_at=self._pace.measured_at,
            lane=self._claims.lane.value,
        )

    def _hand_latencies_on(self) -> None:
        self._latencies.flush(self._redis)

    def _maintain(self) -> None:
        if healed := self._claims.maintain_if_due():
            prune(self._redis)
            if any(healed):
                rung, forgotten = healed
                log.info("queue_healed", extra={"rung": rung, "consumers_forgotten": forgotten})

    def _renew(self) -> None:
        busy_since, now = self._busy_since(), time.monotonic()
        if busy_since is None or now - max(busy_since, self._renewed_at) < self._renew_after:
            return
        self._renewed_at = now
        self._claims.renew()
