"""A seat tells the warden who takes too long, and the next child what the one before left unfinished."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from worker import seats
from worker.seats import EstimatorExited, Seat, Seats, Work

WORK = Work(1, "1-1", "a-job", 0, 0, 1)
ROWS = np.zeros((1, 4))


def call_until_the_end(seat: Seat, work: Work | None) -> None:
    """The process ends amid a call: as much is left in the seat as a signal would leave."""
    left: list[Any] = []

    def crash(_: Any) -> None:
        left.append((seat._record.calling_since, seat._record.work))

    seat.work_on(work)
    seat.watch(crash, lambda rows: 1.0)(ROWS)
    seat._record.calling_since, seat._record.work = left[0]


def load_until_the_end(seat: Seat, version: str) -> None:
    with seat.loading(version):
        since = seat._record.loading_since
    seat._record.loading_since = since


@pytest.fixture
def place() -> Seats:
    return Seats(load_limit_seconds=0.05, most_call_seconds=0.05)


def test_a_child_that_ended_in_order_leaves_nothing(place: Seats) -> None:
    place.at(0).take("", "first")
    place.at(0).watch(lambda rows: rows, lambda rows: 1.0)(ROWS)

    assert place.at(0).take("its process ended with exit code 0", "second") is None


def test_a_child_learns_what_the_one_before_was_called_for(place: Seats) -> None:
    place.at(3).take("", "first")
    call_until_the_end(place.at(3), WORK)

    ending = place.at(3).take("its process was ended by signal 11", "second")

    assert ending == ("its process was ended by signal 11", "first", WORK)
    assert place.at(3).take("", "third") is None


def test_an_end_amid_a_call_for_many_is_nobodys(place: Seats) -> None:
    place.at(0).take("", "first")
    call_until_the_end(place.at(0), None)

    ending = place.at(0).take("killed", "second")

    assert ending is not None
    assert ending.work is None


def test_a_call_that_takes_too_long_is_seen_and_its_reason_told(place: Seats, monkeypatch: pytest.MonkeyPatch) -> None:
    seat = place.at(0)
    seat.take("", "first")
    call_until_the_end(seat, WORK)
    assert place.judge(0, os.getpid()) == ""

    time.sleep(0.06)

    assert "the estimator took longer" in place.judge(0, os.getpid())
    assert place.judge(0, os.getpid()) == "", "once is enough"
    ending = place.at(0).take("its process was ended by signal 9", "second")
    assert ending is not None
    assert "the estimator took longer" in ending.reason


def test_a_call_that_others_keep_from_its_processor_is_given_time() -> None:
    place = Seats(load_limit_seconds=60.0, most_call_seconds=60.0)
    seat = place.at(0)
    seat.take("", "first")
    call_until_the_end(seat, WORK)
    seat._record.calling_since -= 2 * seats.MIN_CALL_SECONDS

    assert place.judge(0, os.getpid()) == "", "this process runs, and has taken no time since the call began"

    seat._record.cpu_since = time.process_time() - seats.MIN_CALL_SECONDS
    assert "the estimator took longer" in place.judge(0, os.getpid())


def test_a_version_that_ends_a_process_amid_a_sound_row_is_not_loaded_again_at_once(place: Seats) -> None:
    place.at(0).take("", "first")
    with place.at(0).testing("v2"):
        call_until_the_end(place.at(0), None)
    place.at(0)._record.is_testing = 1

    successor = place.at(0)
    successor.take("its process was ended by signal 11", "second")

    assert "signal 11" in successor.why_unloadable("v2")


def test_another_process_is_not_judged_by_what_was_left(place: Seats) -> None:
    seat = place.at(0)
    seat.take("", "first")
    call_until_the_end(seat, WORK)
    time.sleep(0.06)

    assert place.judge(0, os.getpid() + 1) == ""


def test_a_call_may_take_what_calls_of_its_size_make_expect() -> None:
    limits = []
    for expected_ms in (1.0, 1_000.0, 100_000.0):
        seat = Seat(most_call_seconds=120.0)
        seat.watch(lambda rows: rows, lambda rows, expected_ms=expected_ms: expected_ms)(ROWS)  # type: ignore[misc]
        limits.append(seat._record.call_limit)

    assert limits == [seats.MIN_CALL_SECONDS, 20.0, 120.0]


def test_a_version_that_took_too_long_is_not_loaded_again_at_once(place: Seats) -> None:
    place.at(0).take("", "first")
    load_until_the_end(place.at(0), "v2")
    time.sleep(0.06)
    assert "loading it took longer" in place.judge(0, os.getpid())

    successor = place.at(0)
    successor.take("its process was ended by signal 9", "second")

    assert "loading it took longer" in successor.why_unloadable("v2")
    successor._unloadable["v2"] = "it took longer", time.monotonic() - 1
    assert successor.why_unloadable("v2") == "", "later it may be tried again"


def test_a_version_is_suspected_when_a_second_process_ended_while_it_was_loaded(place: Seats) -> None:
    whys = []
    place.at(0).take("", "first")
    for consumer in ("second", "third"):
        load_until_the_end(place.at(0), "v2")
        successor = place.at(0)
        successor.take("its process was ended by signal 11", consumer)
        whys.append(successor.why_unloadable("v2"))

    assert whys == ["", "its process was ended by signal 11"]


def test_what_was_half_written_is_no_strike(place: Seats) -> None:
    seat = place.at(0)
    seat.take("", "first")
    call_until_the_end(seat, WORK)
    seat._record.work = b'[1,"1-1'

    ending = place.at(0).take("killed", "second")

    assert ending is not None
    assert ending.work is None


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt()])
def test_an_estimator_that_would_end_the_process_fails_its_row(error: BaseException) -> None:
    def end(_: object) -> None:
        raise error

    with pytest.raises(EstimatorExited, match=type(error).__name__):
        Seat().watch(end, lambda _: 1.0)(ROWS)


def test_a_process_that_is_told_to_end_amid_a_call_ends() -> None:
    code = """
import os, signal
from billiard.common import reset_signals
from worker.seats import Seat
reset_signals()
Seat().watch(lambda _: os.kill(os.getpid(), signal.SIGTERM) or 1, lambda _: 1.0)([0])
"""

    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)

    assert done.returncode == signal.SIGTERM  # as Billiard tells its parent: -(256 - 15), of which a byte is left
