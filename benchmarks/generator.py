"""A closed loop of users on one port of this machine, in one process, on one `epoll`."""

import gc
import heapq
import itertools
import select
import time

from benchmarks.dialects import DIALECTS, SUCCEEDED, Dialect
from benchmarks.tally import LoadResult, Tally
from benchmarks.user import Mode, User

clock = time.perf_counter

JOB_LIMIT_SECONDS = 30.0  #: a job without an end for that long is an error, and its user starts afresh
DRAIN_SECONDS = 15.0  #: jobs in flight at the end get that long, or count as `unfinished`
PAUSE_AFTER_ERROR_SECONDS = 0.010  #: so that a stack that refuses everything is not flooded
LONGEST_SLEEP_SECONDS = 0.1
STUCK_CHECK_SECONDS = 1.0


class Generator:
    """A closed loop: every user submits its next job when its last has ended.

    Drives the users through warm-up, measured window and drain.
    """

    def __init__(
        self,
        port: int,
        users: int,
        mode: Mode,
        warmup_seconds: float,
        seconds: float,
        dialect: Dialect = DIALECTS["rhizome"],
    ) -> None:
        self._tally = Tally()
        self._epoll = select.epoll()
        self._by_fd: dict[int, User] = {}
        self._timers: list[tuple[float, int, User | None]] = []
        self._tickets = itertools.count()  # orders timers that are due at the same moment
        self._users = [User(number, port, dialect, mode, self._watch) for number in range(users)]
        self._window_seconds = seconds
        self._window_start = clock() + warmup_seconds
        self._window_end = self._window_start + seconds

    def run(self) -> LoadResult:
        """Blocks until the drain is over; warm-up + window + at most `DRAIN_SECONDS`."""
        gc.disable()  # nothing cyclic is made here, and a collection would show up as latency
        self._begin()
        self._loop_until(self._window_start)
        cpu_before = time.process_time()
        self._loop_until(self._window_end)
        cpu_seconds = time.process_time() - cpu_before
        self._loop_until(self._window_end + DRAIN_SECONDS, drain=True)
        self._close()
        return self._tally.summarise(self._window_seconds, cpu_seconds)

    def _begin(self) -> None:
        for user in self._users:
            self._plan(user, clock())

    def _offer(self, user: User, now: float) -> None:
        """Gives a user that is free its next job, if there is one."""
        if now < self._window_end:  # the drain starts no new jobs
            user.act(now)

    def _arrive(self, due_at: float) -> None:
        """Serves a timer that belongs to no user; a closed loop has none."""

    def _note(self, started_at: float, now: float) -> None:
        """Records the latency of a job that has succeeded, if it belongs to the measured window."""
        if self._window_start <= now < self._window_end:
            self._tally.latencies_seconds.append(now - started_at)
            self._tally.ended_in_window += 1

    def _is_drained(self) -> bool:
        return all(user.started_at is None for user in self._users)

    def _loop_until(self, end: float, drain: bool = False) -> None:
        next_check = 0.0
        while (now := clock()) < end:
            if drain and self._is_drained():
                return
            for fd, _ in self._poll(now, end):
                if user := self._by_fd.get(fd):  # else it was closed within this very round
                    self._serve(user)
            self._fire_timers()
            if now >= next_check:
                self._give_up_stuck_jobs(now)
                next_check = now + STUCK_CHECK_SECONDS

    def _poll(self, now: float, end: float) -> list[tuple[int, int]]:
        """Waits for answers until the next timer; to the microsecond, where `epoll` rounds up to a millisecond."""
        if not self._timers:
            return self._epoll.poll(min(LONGEST_SLEEP_SECONDS, end - now))
        sleep = max(0.0, min(LONGEST_SLEEP_SECONDS, end - now, self._timers[0][0] - now))
        if sleep:
            select.select((self._epoll,), (), (), sleep)
        return self._epoll.poll(0)

    def _serve(self, user: User) -> None:
        now = clock()
        try:
            outcome = user.receive(now)
        except OSError:
            self._start_afresh(user, "disconnected" if user.started_at is not None else None)
            return
        except ValueError:
            self._start_afresh(user, "unreadable")
            return
        if outcome is None:
            if user.due_at is not None:
                self._plan(user, user.due_at)
            return
        self._end_job(user, outcome, now)

    def _end_job(self, user: User, outcome: str, now: float) -> None:
        started_at, user.started_at = user.started_at, None
        if outcome != SUCCEEDED or started_at is None:
            self._tally.errors[outcome] += 1
            self._plan(user, now + PAUSE_AFTER_ERROR_SECONDS)
            return
        self._tally.jobs_finished += 1
        self._note(started_at, now)
        self._act(user)

    def _act(self, user: User) -> None:
        now = clock()
        try:
            if user.started_at is None:
                self._offer(user, now)
            else:
                user.act(now)
        except OSError:
            self._start_afresh(user, "disconnected")

    def _plan(self, user: User, due_at: float) -> None:
        user.due_at = due_at
        self._push(due_at, user)

    def _push(self, due_at: float, user: User | None) -> None:
        heapq.heappush(self._timers, (due_at, next(self._tickets), user))

    def _fire_timers(self) -> None:
        now = clock()
        while self._timers and self._timers[0][0] <= now:
            due_at, _, user = heapq.heappop(self._timers)
            if user is None:
                self._arrive(due_at)
            elif user.due_at == due_at:  # else the user started afresh meanwhile
                user.due_at = None
                self._act(user)

    def _give_up_stuck_jobs(self, now: float) -> None:
        for user in self._users:
            if user.started_at is not None and now - user.started_at > JOB_LIMIT_SECONDS:
                self._start_afresh(user, "timed_out")

    def _start_afresh(self, user: User, error: str | None) -> None:
        """Counts the error, opens a new connection, and goes on after a pause."""
        if error:
            self._tally.errors[error] += 1
        self._by_fd.pop(user.socket.fileno(), None)
        user.socket.close()
        user.started_at = None
        try:
            user.open()
        except OSError:  # tried again after the pause, when nothing can be sent
            self._tally.errors["not_connected"] += 1
        self._plan(user, clock() + PAUSE_AFTER_ERROR_SECONDS)

    def _watch(self, user: User) -> None:
        self._by_fd[user.socket.fileno()] = user
        self._epoll.register(user.socket.fileno(), select.EPOLLIN)
        self._tally.connections += 1

    def _count_unfinished(self) -> None:
        unfinished = sum(user.started_at is not None for user in self._users)
        if unfinished:
            self._tally.errors["unfinished"] += unfinished

    def _close(self) -> None:
        self._count_unfinished()
        self._tally.requests = sum(user.requests for user in self._users)
        for user in self._users:
            user.socket.close()
        self._epoll.close()
