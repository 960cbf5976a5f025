"""The load: users who do everything in turn, at an easy pace."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from tests.chaos.suite.ledger import Ledger
from tests.chaos.suite.users import CALL_SECONDS, User
from tests.support.service import eventually

USERS = 4
PAUSE_SECONDS = 0.02
#: How often each kind comes up in a round.
ROUND: tuple[tuple[Callable[[User], None], int], ...] = (
    (User.single_waited, 12),
    (User.single_polled, 6),
    (User.single_pinned, 4),
    (User.single_urgent, 2),
    (User.single_with_webhook, 2),
    (User.small_batch, 4),
    (User.repeated, 3),
    (User.batch, 1),
    (User.cancelled, 1),
    (User.csv_file, 1),
    (User.ndjson_file, 1),
    (User.parquet_file, 1),
)
KINDS = tuple(kind for kind, times in ROUND for _ in range(times))


class Load:
    """`USERS` users at work.

    Args:
        url: of the service.
        ledger: takes every answer.
        hook: where webhooks are sent; empty for none.
        kinds: what each user does in a round, in an order of its own.
        pause_seconds: between two of these.
    """

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        hook: str = "",
        kinds: Sequence[Callable[[User], None]] = KINDS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self.ledger = ledger
        self._kinds = kinds
        self._pause_seconds = pause_seconds
        self._stopped = threading.Event()
        seed = time.monotonic_ns() % 2**32
        self.users = [User(url, ledger, seed + number, hook) for number in range(USERS)]
        self._threads = [
            threading.Thread(target=self._use, args=(user, seed + number)) for number, user in enumerate(self.users)
        ]

    def _use(self, user: User, seed: int) -> None:
        order = np.random.default_rng(seed)
        with user.http:
            while True:
                for place in order.permutation(len(self._kinds)):
                    if self._stopped.wait(self._pause_seconds):
                        return
                    self._do(self._kinds[place], user)

    def _do(self, kind: Callable[[User], None], user: User) -> None:
        try:
            kind(user)
        except Exception as error:  # an answer that no user understands
            self.ledger.fault("broken", f"{kind.__name__}: {error!r}")

    @contextmanager
    def running(self) -> Iterator["Load"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        """No further submits."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * CALL_SECONDS)

    def await_more(self, count: int, seconds: float = 60.0) -> None:
        """Until `count` more jobs have been accepted."""
        goal = len(self.ledger.jobs) + count
        eventually(lambda: len(self.ledger.jobs) >= goal, seconds, f"{count} more accepted jobs")

    @property
    def waited(self) -> list[float]:
        return [seconds for user in self.users for seconds in user.waited]
