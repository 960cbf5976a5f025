"""Waiting without polling: one subscription per gateway process wakes the requests that sleep on a job.

A notice is only a wake-up that may be missed; whoever waits looks at the job itself from time to time. Who waits is
either a thread (`Waiter`) or a request that holds none (`gateway.parking`).
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rhizome import keys

RECONNECT_SECONDS = 0.5
LOOK_SECONDS = 1.0  #: how often a waiter looks at the job itself

log = logging.getLogger(__name__)


class Sleeper(Protocol):
    """Whoever waits for a job."""

    job_id: str
    holds_thread: bool

    def wake(self, outcome: bytes | None) -> None:
        """The job is final, with its outcome if the notice brought it; None says: look at the job."""


class Waiter:
    """One request's place to sleep; a context manager, so that it is always given up."""

    def __init__(self, notices: "Notices", job_id: str) -> None:
        self._notices = notices
        self.job_id = job_id
        self.holds_thread = True
        #: None is a wake-up without the outcome: look at the job.
        self.box: SimpleQueue[bytes | None] = SimpleQueue()

    def sleep(self, until: float) -> bytes | None:
        """Sleeps until a notice comes, `LOOK_SECONDS` pass or `until` (monotonic seconds).

        Returns:
            The job's outcome if the notice carried it. None says: look at the job itself.
        """
        with suppress(Empty):
            return self.box.get(timeout=max(0.0, min(LOOK_SECONDS, until - time.monotonic())))
        return None

    def has_time(self, until: float) -> bool:
        """Whether it may sleep on: `until` (monotonic seconds) has not come, and the process stays."""
        return time.monotonic() < until and not self._notices.is_closing

    def wake(self, outcome: bytes | None) -> None:
        """Ends the sleep."""
        self.box.put(outcome)

    def close(self) -> None:
        """Gives the place up; once more changes nothing."""
        self._notices.give_up(self)

    def __enter__(self) -> "Waiter":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


class Notices:
    """The waiters of one process and the thread that wakes them.

    Args:
        connect: opens a connection of its own for the subscription.
        max_waiters: so many requests may sleep at once; the rest is answered 202.
        max_threads: so many of them may hold a thread meanwhile.
        on_champion_moved: called when the champion pointer was swung.
    """

    def __init__(
        self, connect: Callable[[], Redis], max_waiters: int, max_threads: int, on_champion_moved: Callable[[], None]
    ) -> None:
        self._connect = connect
        self._max_waiters = max_waiters
        self._max_threads = max_threads
        self._on_champion_moved = on_champion_moved
        self._sleepers: dict[str, list[Sleeper]] = {}
        self._count = 0
        self._threads = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self.is_closing = False  #: nobody may wait any more

    @property
    def waiting(self) -> int:
        """How many requests sleep."""
        return self._count

    def register(self, job_id: str) -> Waiter | None:
        """A place to sleep on `job_id`; None where all are taken. To be taken before the job is looked at."""
        waiter = Waiter(self, job_id)
        return waiter if self.admit(waiter) else None

    def admit(self, sleeper: Sleeper) -> bool:
        """Gives a sleeper a place; False where all are taken."""
        with self._lock:
            if (
                self.is_closing
                or self._count >= self._max_waiters
                or (sleeper.holds_thread and self._threads >= self._max_threads)
            ):
                return False
            self._count += 1
            self._threads += sleeper.holds_thread
            self._sleepers.setdefault(sleeper.job_id, []).append(sleeper)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="notices", daemon=True)
                self._thread.start()
        return True

    def is_waiting(self, sleeper: Sleeper) -> bool:
        """Whether a sleeper still has its place."""
        with self._lock:
            return sleeper in self._sleepers.get(sleeper.job_id, ())

    def give_up(self, sleeper: Sleeper) -> bool:
        """Frees a sleeper's place; False where it has none any more."""
        with self._lock:
            others = self._sleepers.get(sleeper.job_id, [])
            if sleeper not in others:
                return False
            self._count -= 1
            self._threads -= sleeper.holds_thread
            others.remove(sleeper)
            if not others:
                del self._sleepers[sleeper.job_id]
        return True

    def end_waits(self) -> None:
        """Has all who wait go on as if their time were over: the process is about to end."""
        self.is_closing = True
        self._wake_all()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * LOOK_SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except RedisError as error:
                log.warning("notices_lost", extra={"reason": type(error).__name__})
                self._stopped.wait(RECONNECT_SECONDS)
            except Exception:
                log.exception("notices_failed")  # nobody would start this thread again
                self._stopped.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        redis = self._connect()
        with closing(redis), redis.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
            subscription.subscribe(keys.FINISHED, keys.CHAMPION_MOVED)
            self._wake_all()  # what was published while nobody listened
            # Read as it comes: the client's own way costs four times as much a message.
            connection = subscription.connection
            while not self._stopped.is_set():
                try:
                    kind, channel, data = connection.read_response(timeout=LOOK_SECONDS, disconnect_on_error=False)
                except RedisTimeoutError:
                    continue
                if kind != b"message":
                    continue  # the subscription stands
                if channel == keys.FINISHED.encode():
                    self._deliver(data)
                else:
                    self._on_champion_moved()

    def _deliver(self, notice: bytes) -> None:
        """A notice is one line per job: its id, and its outcome if the submitter said that it waits."""
        if not self._sleepers:
            return
        woken: list[tuple[Sleeper, bytes]] = []
        with self._lock:
            for line in notice.split(b"\n"):
                job_id, _, outcome = line.partition(b" ")
                woken += [(sleeper, outcome) for sleeper in self._sleepers.get(job_id.decode(), ())]
        for sleeper, outcome in woken:
            sleeper.wake(outcome or None)

    def _wake_all(self) -> None:
        with self._lock:
            everyone = [sleeper for sleepers in self._sleepers.values() for sleeper in sleepers]
        for sleeper in everyone:
            sleeper.wake(None)
