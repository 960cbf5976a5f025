"""An open loop: jobs arrive at a fixed rate whether or not the stack keeps up, as from a crowd that does not wait.

A job's latency counts from the moment it was to arrive, not from when the generator came to send it. So a stall of
the stack is felt by every job that falls into it, and the common mistake of leaving those out ("coordinated
omission", Gil Tene, *How NOT to Measure Latency*, 2013) is not made. Gaps between arrivals are exponential (a Poisson
process), from a fixed seed: every stack meets the same ones.
"""

import random
from collections import deque

from benchmarks.dialects import DIALECTS, Dialect
from benchmarks.generator import Generator, clock
from benchmarks.user import Mode, User

SEED = 42
NEVER_ENDED = "never_ended"  #: an error: no answer until the end of the drain


class ArrivalGenerator(Generator):
    """Submits jobs at `rate` a second, each on whichever connection is free.

    Where none is free, one more is opened, up to as many as there are `users`; beyond that, a job waits for one. None
    is opened ahead of need: some servers (gunicorn's threads) give a thread to each connection that has not spoken.

    A job without an answer when all has ended counts as the error `never_ended`, and its age as its latency:
    percentiles are then lower bounds.
    """

    def __init__(
        self,
        rate: float,
        port: int,
        users: int,
        mode: Mode,
        warmup_seconds: float,
        seconds: float,
        dialect: Dialect = DIALECTS["rhizome"],
    ) -> None:
        super().__init__(port, 0, mode, warmup_seconds, seconds, dialect)
        self._most_users = users
        self._open_one = lambda: User(len(self._users), port, dialect, mode, self._watch)
        self._rate = rate
        self._chooser = random.Random(SEED)
        self._idle: list[User] = []
        self._waiting: deque[float] = deque()  # when each was to arrive

    def _begin(self) -> None:
        self._push(clock() + self._chooser.expovariate(self._rate), None)

    def _arrive(self, due_at: float) -> None:
        next_at = due_at + self._chooser.expovariate(self._rate)
        if next_at < self._window_end:
            self._push(next_at, None)
        self._tally.arrived_in_window += self._window_start <= due_at < self._window_end
        self._tally.delays_seconds.append(clock() - due_at)
        self._waiting.append(due_at)
        if self._idle:
            self._act(self._idle.pop())
        elif len(self._users) < self._most_users:
            self._add_user()

    def _add_user(self) -> None:
        try:
            user = self._open_one()
        except OSError:
            self._tally.errors["not_connected"] += 1
            return
        self._users.append(user)
        self._act(user)

    def _offer(self, user: User, now: float) -> None:
        if not self._waiting:
            self._idle.append(user)
            return
        arrived_at = self._waiting.popleft()
        user.act(now)
        user.started_at = arrived_at

    def _note(self, started_at: float, now: float) -> None:
        if self._window_start <= started_at < self._window_end:
            self._tally.latencies_seconds.append(now - started_at)
        if self._window_start <= now < self._window_end:
            self._tally.ended_in_window += 1

    def _is_drained(self) -> bool:
        return not self._waiting and super()._is_drained()

    def _count_unfinished(self) -> None:
        now = clock()
        begun = [user.started_at for user in self._users if user.started_at is not None]
        for started_at in (*begun, *self._waiting):
            self._tally.errors[NEVER_ENDED] += 1
            if started_at >= self._window_start:
                self._tally.latencies_seconds.append(now - started_at)
