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
    """Submits jobs at `rate` a second, each on whichever connection is free; where none is, it waits for one.

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
        super().__init__(port, users, mode, warmup_seconds, seconds, dialect)
        self._rate = rate
        self._chooser = random.Random(SEED)
        self._idle = list(reversed(self._users))
        self._waiting: deque[float] = deque()  # when each was to arrive

    def _begin(self) -> None:
        self._push(clock() + self._chooser.expovariate(self._rate), None)

    def _arrive(self, due_at: float) -> None:
        next_at = due_at + self._chooser.expovariate(self._rate)
        if next_at < self._window_end:
            self._push(next_at, None)
        self._waiting.append(due_at)
        if self._idle:
            now = clock()
            self._tally.delays_seconds.append(now - due_at)
            self._act(self._idle.pop())

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
