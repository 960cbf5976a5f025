"""One computation for all who ask at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.shared_computation import SharedComputation

DEADLINE_SECONDS = 10.0
ASKERS = 20


class Slow:
    """Counts its runs, each of which lasts until it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.runs = 0
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self._error = error

    def __call__(self) -> int:
        self.runs += 1
        self.begun.set()
        assert self.may_end.wait(DEADLINE_SECONDS)
        if self._error is not None:
            raise self._error
        return self.runs


def ask_together(shared: SharedComputation[int], slow: Slow) -> list[int | BaseException]:
    """Everybody asks while the first asker's computation is under way."""

    def ask(_: int) -> int | BaseException:
        try:
            return shared()
        except Exception as error:
            return error

    with ThreadPoolExecutor(ASKERS) as threads:
        first = threads.submit(ask, 0)
        assert slow.begun.wait(DEADLINE_SECONDS)
        others = [threads.submit(ask, asker) for asker in range(1, ASKERS)]
        slow.may_end.set()
        return [future.result(DEADLINE_SECONDS) for future in (first, *others)]


def test_who_asks_meanwhile_gets_the_same_value() -> None:
    slow = Slow()
    shared = SharedComputation(slow, keep_seconds=60)

    answers = ask_together(shared, slow)

    assert (answers, slow.runs) == ([1] * ASKERS, 1)


def test_a_value_is_kept_for_those_who_ask_later() -> None:
    slow = Slow()
    slow.may_end.set()
    kept, anew = SharedComputation(slow, keep_seconds=60), SharedComputation(slow)

    assert [kept(), kept(), anew(), anew()] == [1, 1, 2, 3]
    kept.forget()
    assert kept() == 4


def test_an_error_is_shared_and_not_kept() -> None:
    error = RuntimeError("no")
    slow = Slow(error)
    shared = SharedComputation(slow, keep_seconds=60)

    answers = ask_together(shared, slow)

    assert error in answers
    with pytest.raises(RuntimeError):
        shared()
    assert slow.runs > 1
