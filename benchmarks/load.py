"""The load generator: closed-loop users on one port of this machine, in one process, on one `epoll`.

Run as `python -m benchmarks.load --port 8000 --users 32 --mode wait --seconds 5`; prints one JSON object. It
is a process of its own so that its CPU time is its own: a run whose `generator_cpu_share` nears 1 measured
the generator.
"""

import argparse
import gc
import heapq
import itertools
import json
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
    """Drives the users through warm-up, measured window and drain."""

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
        self._timers: list[tuple[float, int, User]] = []
        self._tickets = itertools.count()  # orders timers that are due at the same moment
        self._users = [User(number, port, dialect, mode, self._watch) for number in range(users)]
        self._window_seconds = seconds
        self._window_start = clock() + warmup_seconds
        self._window_end = self._window_start + seconds

    def run(self) -> LoadResult:
        """Blocks until the drain is over; warm-up + window + at most `DRAIN_SECONDS`."""
        gc.disable()  # nothing cyclic is made here, and a collection would show up as latency
        for user in self._users:
            self._plan(user, clock())
        self._loop_until(self._window_start)
        cpu_before = time.process_time()
        self._loop_until(self._window_end)
        cpu_seconds = time.process_time() - cpu_before
        self._loop_until(self._window_end + DRAIN_SECONDS, drain=True)
        self._close()
        return self._tally.summarise(self._window_seconds, cpu_seconds)

    def _loop_until(self, end: float, drain: bool = False) -> None:
        next_check = 0.0
        while (now := clock()) < end:
            if drain and all(user.started_at is None for user in self._users):
                return
            sleep = min(LONGEST_SLEEP_SECONDS, end - now)
            if self._timers:
                sleep = max(0.0, min(sleep, self._timers[0][0] - now))
            for fd, _ in self._epoll.poll(sleep):
                self._serve(self._by_fd[fd])
            self._fire_timers()
            if now >= next_check:
                self._give_up_stuck_jobs(now)
                next_check = now + STUCK_CHECK_SECONDS

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
        if self._window_start <= now < self._window_end:
            self._tally.latencies_seconds.append(now - started_at)
        self._act(user)

    def _act(self, user: User) -> None:
        now = clock()
        if user.started_at is None and now >= self._window_end:
            return  # the drain starts no new jobs
        try:
            user.act(now)
        except OSError:
            self._start_afresh(user, "disconnected")

    def _plan(self, user: User, due_at: float) -> None:
        user.due_at = due_at
        heapq.heappush(self._timers, (due_at, next(self._tickets), user))

    def _fire_timers(self) -> None:
        now = clock()
        while self._timers and self._timers[0][0] <= now:
            due_at, _, user = heapq.heappop(self._timers)
            if user.due_at == due_at:  # else the user started afresh meanwhile
                self._act(user)

    def _give_up_stuck_jobs(self, now: float) -> None:
        for user in self._users:
            if user.started_at is not None and now - user.started_at > JOB_LIMIT_SECONDS:
                self._start_afresh(user, "timed_out")

    def _start_afresh(self, user: User, error: str | None) -> None:
        """Counts the error, opens a new connection, and submits a new job after a pause."""
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

    def _close(self) -> None:
        unfinished = sum(user.started_at is not None for user in self._users)
        if unfinished:
            self._tally.errors["unfinished"] += unfinished
        self._tally.requests = sum(user.requests for user in self._users)
        for user in self._users:
            user.socket.close()
        self._epoll.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dialect", choices=tuple(DIALECTS), default="rhizome")
    parser.add_argument("--users", type=int, default=32)
    parser.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.WAIT)
    parser.add_argument("--warmup", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    try:
        result = Generator(
            given.port, given.users, given.mode, given.warmup, given.seconds, DIALECTS[given.dialect]
        ).run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    print(json.dumps(result.to_dict()))


if __name__ == "__main__":
    main()
