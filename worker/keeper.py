"""The keeper thread of a worker process: follows the champion pointer, beats the heart, renews leases.

Apart from the scorer, because an idle prefork child runs no task and must reload all the same, and because a long
micro-batch must not look like a dead worker.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from redis import Redis
from redis.exceptions import RedisError

from rhizome.errors import RhizomeError
from rhizome.heartbeats import BEAT_SECONDS, Heartbeat, beat, withdraw
from rhizome.job_queue.claiming import Claims
from rhizome.pulse import Pulse
from rhizome.registry import Pointer, Registry
from worker.flags import Flags
from worker.latencies import Latencies
from worker.shelf import Shelf

TICK_SECONDS = 0.1  #: how soon a broadcast hint is seen
RETRY_FAILED_SECONDS = 30.0  #: a version that could not be loaded, and stayed champion, is tried again

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
        flags: Flags,
        busy_since: Callable[[], float | None],
        lease_seconds: float,
        pulse: Pulse,
    ) -> None:
        self._redis = redis
        self._registry = registry
        self._shelf = shelf
        self._claims = claims
        self._latencies = latencies
        self._flags = flags
        self._busy_since = busy_since
        self._renew_after = lease_seconds / 3
        self._renewed_at = 0.0
        self._pulse = pulse
        self._started_at = time.time()
        self._failed: tuple[Pointer, str, float] | None = None
        self._is_away = False
        self._stopped = threading.Event()
        self.runs = 0
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Loads the champion if there is one, reports, and goes on in the background."""
        self._step(self._follow_champion)
        self._step(self._beat)
        self._pulse.beat()
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and withdraws the heartbeat."""
        self._stopped.set()
        self._thread.join(timeout=BEAT_SECONDS)
        self._pulse.withdraw()
        for _ in range(2):  # what was counted last rests for one flush
            self._step(self._latencies_out)
        self._step(lambda: withdraw(self._redis, self._heartbeat()))

    def _run(self) -> None:
        hints, beaten_at = self._flags.reload_hints, time.monotonic()
        while not self._stopped.wait(TICK_SECONDS):
            is_hinted = self._flags.reload_hints != hints
            is_due = time.monotonic() - beaten_at >= BEAT_SECONDS
            if is_hinted or is_due:
                hints, beaten_at = self._flags.reload_hints, time.monotonic()
                self._step(self._follow_champion)
                self._step(self._beat)
                self._step(self._latencies_out)
                self._pulse.beat()
            self._step(self._renew)

    def _step(self, action: Callable[[], None]) -> None:
        try:
            action()
            self._is_away = False
        except RedisError as error:
            if not self._is_away:
                log.warning("redis_unreachable", extra={"reason": type(error).__name__})
            self._is_away = True
        except Exception:
            log.exception("keeper_failed")

    def _follow_champion(self) -> None:
        pointer = self._registry.champion()
        loaded = self._shelf.champion
        if pointer is None or (loaded is not None and loaded.name == pointer.version):
            self._failed = None
            return
        if self._failed and self._failed[0] == pointer and time.monotonic() < self._failed[2]:
            return
        try:
            self._shelf.load_champion(pointer)
            self._failed = None
        except Exception as error:  # whatever it is, a version that cannot be loaded must not stay champion
            self._reject(pointer, error)

    def _reject(self, pointer: Pointer, error: Exception) -> None:
        reason = str(error) if isinstance(error, RhizomeError) else f"could not be loaded ({type(error).__name__})"
        self._failed = (pointer, reason, time.monotonic() + RETRY_FAILED_SECONDS)
        log.error("version_failed", extra={"version": pointer.version, "reason": reason}, exc_info=error)
        try:
            standing = self._registry.roll_back(reason=f"{pointer.version} failed: {reason}", failed=pointer.version)
        except RhizomeError as refusal:
            log.error("rollback_impossible", extra={"version": pointer.version, "reason": str(refusal)})
            return
        log.warning("rolled_back", extra={"version": standing.version, "failed": pointer.version})
        if standing.version != pointer.version:
            self._follow_champion()

    def _beat(self) -> None:
        beat(self._redis, self._heartbeat())

    def _heartbeat(self) -> Heartbeat:
        loaded = self._shelf.champion
        settled = "serving" if loaded else "waiting"
        return Heartbeat(
            role="worker",
            host=socket.gethostname(),
            pid=os.getpid(),
            state="failed" if self._failed else settled,
            at=time.time(),
            started_at=self._started_at,
            version=loaded.name if loaded else "",
            artifact_sha256=loaded.manifest.artifact_sha256 if loaded else "",
            runs=self.runs,
            detail=self._failed[1] if self._failed else "",
        )

    def _latencies_out(self) -> None:
        self._latencies.flush(self._redis)

    def _renew(self) -> None:
        busy_since, now = self._busy_since(), time.monotonic()
        if busy_since is None or now - max(busy_since, self._renewed_at) < self._renew_after:
            return
        self._renewed_at = now
        self._claims.renew()
