"""Requests that wait for a job without holding a thread: a notice, their time or a look at the job ends the wait.

A thread per waiter would cost two changes of threads a job and bound how many may wait; here whoever brings the
outcome sends the answer, too.
"""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from typing import Any

from gateway.notices import LOOK_SECONDS, Notices
from gateway.round_trips import Look

SWEEP_SECONDS = 0.05  #: how exactly a wait ends

log = logging.getLogger(__name__)


class Ending(Enum):
    """Why a parked request is called back without an outcome."""

    LOOK = "look"  #: the job may be final: look at it
    TIME_OVER = "time over"


class Parked:
    """One request's place to wait.

    Args:
        parking: what it belongs to.
        job_id: what it waits for.
        until: monotonic seconds.
        settle: called with the outcome that ends the wait; the place is given up then. Without one, the job is looked
            at then, too.
        look: called by the parking's thread when the wait may be over; what it returns is read, all of them together.
            The place is kept, and given up by `leave`.
    """

    __slots__ = ("_look", "_parking", "_settle", "holds_thread", "job_id", "ticket", "until")

    def __init__(
        self,
        parking: "Parking",
        job_id: str,
        until: float,
        settle: Callable[[bytes], None] | None,
        look: Callable[[Ending], Look | None],
    ) -> None:
        self._parking = parking
        self.job_id = job_id
        self.holds_thread = False
        self.until = until
        self._settle = settle
        self._look: Callable[[Ending], Look | None] | None = look
        self.ticket = 0  #: of what is planned for it; what was planned before is void

    def wake(self, outcome: bytes | None) -> None:
        """A notice came; see `gateway.notices.Sleeper`."""
        settle = self._settle
        if outcome is None or settle is None:
            self._parking.look_soon(self)
        elif self.leave():
            self._guard(settle, outcome)

    def leave(self) -> bool:
        """Gives the place up; True for the one who does, and who answers the request."""
        if not self._parking.notices.give_up(self):
            return False
        self._settle = self._look = None  # the request is not kept until the next sweep
        return True

    def call_back(self, ending: Ending) -> Look | None:
        """Asks the request what it wants to read of its job."""
        look = self._look
        found: Look | None = self._guard(look, ending) if look else None
        return found

    def _guard(self, function: Callable[..., Any], *args: object) -> Any:
        try:
            return function(*args)
        except Exception:
            log.exception("parked_request_failed", extra={"job_id": self.job_id})  # the others wait for this thread
            return None


class Parking:
    """The parked requests of one process, and the thread that looks after those whom no notice wakes.

    Args:
        notices: wakes them.
        read: reads what they want to know of their jobs.
    """

    def __init__(self, notices: Notices, read: Callable[[Sequence[Look]], None]) -> None:
        self.notices = notices
        self._read = read
        #: In a thread of its own, one round trip for all at a time: while Redis hangs, waits still end on time.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="looks")
        self._reading: Future[None] | None = None
        self._due: list[tuple[float, int, Parked]] = []
        self._tickets = itertools.count()
        self._lock = threading.Lock()
        self._has_any = threading.Event()
        self._is_urgent = threading.Event()
        self._thread: threading.Thread | None = None

    def park(
        self,
        job_id: str,
        until: float,
        settle: Callable[[bytes], None] | None,
        look: Callable[[Ending], Look | None],
    ) -> Parked | None:
        """A place to wait on `job_id`, to be taken before the job is looked at; None where all are taken."""
        parked = Parked(self, job_id, until, settle, look)
        if not self.notices.admit(parked):
            return None
        now = time.monotonic()
        self._plan(parked, min(until, now + LOOK_SECONDS))
        return parked

    def look_soon(self, parked: Parked) -> None:
        """Has a parked request look at its job."""
        self._plan(parked, 0.0)

    def _plan(self, parked: Parked, due: float) -> None:
        with self._lock:
            parked.ticket = next(self._tickets)  # which also orders those that are due at the same moment
            heapq.heappush(self._due, (due, parked.ticket, parked))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="parking", daemon=True)
                self._thread.start()
        if not self._has_any.is_set() or not due:
            self._has_any.set()
            self._is_urgent.set()

    def _run(self) -> None:
        while True:
            self._has_any.wait()
            self._is_urgent.wait(SWEEP_SECONDS)
            self._is_urgent.clear()
            self._sweep(time.monotonic())

    def _sweep(self, now: float) -> None:
        is_free = self._reading is None or self._reading.done()
        wanted: list[Look] = []
        for parked in self._take_due(now):
            if not self.notices.is_waiting(parked):
                continue
            is_over = parked.until <= now or self.notices.is_closing
            soon = is_over or not is_free
            self._plan(parked, now + (SWEEP_SECONDS if soon else min(LOOK_SECONDS, parked.until - now)))
            if (is_over or is_free) and (look := parked.call_back(Ending.TIME_OVER if is_over else Ending.LOOK)):
                wanted.append(look)
        if wanted and is_free:  # the others come again
            self._reading = self._reader.submit(self._read, wanted)

    def _take_due(self, now: float) -> list[Parked]:
        due: list[Parked] = []
        with self._lock:
            while self._due and self._due[0][0] <= now:
                _, ticket, parked = heapq.heappop(self._due)
                if ticket == parked.ticket:
                    due.append(parked)
            if not self._due:
                self._has_any.clear()
        return due
