"""Requests that wait without a thread: each wait ends once, by its notice, by its time, or by a look at the job."""

import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from redis import Redis

from gateway.notices import Notices
from gateway.parking import Ending, Parked, Parking
from gateway.round_trips import Look
from rhizome import keys
from rhizome.connection import connect
from tests.support.service import eventually

PATIENCE_SECONDS = 10.0
LOOK_SECONDS = 0.05  #: of the notices thread, so that it ends soon; parking keeps its own


class Request:
    """What is parked, and how it was called back."""

    def __init__(self) -> None:
        self.outcomes: list[bytes] = []
        self.looks: list[Ending] = []
        self.looked = threading.Event()

    def settle(self, outcome: bytes) -> None:
        self.outcomes.append(outcome)

    def look(self, ending: Ending) -> None:
        self.looks.append(ending)
        self.looked.set()


@pytest.fixture
def notices(redis_server: str, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notices]:
    monkeypatch.setattr("gateway.notices.LOOK_SECONDS", LOOK_SECONDS)
    notices = Notices(lambda: connect(redis_server), 2, 0, lambda: None)
    yield notices
    notices.stop()


@pytest.fixture
def parking(notices: Notices) -> Parking:
    return Parking(notices, lambda looks: None)


def park(parking: Parking, request: Request, job_id: str = "j1", seconds: float = 30.0) -> Parked:
    parked = parking.park(job_id, time.monotonic() + seconds, request.settle, request.look)
    assert parked is not None
    return parked


def test_a_notice_settles_the_wait(parking: Parking, redis: Redis) -> None:
    request = Request()
    park(parking, request)
    assert request.looked.wait(PATIENCE_SECONDS)  # the subscription stands: something may have been missed

    redis.publish(keys.FINISHED, b"other x\nj1 {}")

    eventually(lambda: request.outcomes, what="the outcome")
    assert request.outcomes == [b"{}"]
    assert parking.notices.waiting == 0


def test_a_notice_without_an_outcome_is_a_reason_to_look(parking: Parking, redis: Redis) -> None:
    request = Request()
    park(parking, request)
    assert request.looked.wait(PATIENCE_SECONDS)
    request.looked.clear()

    redis.publish(keys.FINISHED, b"j1")

    assert request.looked.wait(0.9)  # sooner than a look comes by itself
    assert request.looks[-1] is Ending.LOOK
    assert parking.notices.waiting == 1


def test_who_only_wants_to_look_is_not_settled(parking: Parking, redis: Redis) -> None:
    request = Request()
    assert parking.park("j1", time.monotonic() + 30, None, request.look) is not None
    assert request.looked.wait(PATIENCE_SECONDS)
    request.looked.clear()

    redis.publish(keys.FINISHED, b"j1 {}")

    assert request.looked.wait(0.9)
    assert not request.outcomes


def test_a_missed_notice_heals(parking: Parking) -> None:
    request = Request()
    park(parking, request)

    eventually(lambda: len(request.looks) >= 3, what="looks without a notice")


def test_the_end_of_the_time_is_told_until_the_request_leaves(parking: Parking) -> None:
    request = Request()
    parked = park(parking, request, seconds=0.1)

    eventually(lambda: request.looks.count(Ending.TIME_OVER) >= 2, what="the end")
    assert parked.leave()
    time.sleep(0.2)
    told = len(request.looks)
    time.sleep(0.2)

    assert len(request.looks) == told


def test_wake_ups_do_not_multiply_looks(parking: Parking) -> None:
    request = Request()
    parked = park(parking, request)
    for _ in range(100):
        parked.wake(None)
    eventually(lambda: request.looks, what="a look")

    time.sleep(2.5)  # each planned look would come again every second

    assert len(request.looks) < 20


def test_looks_go_together_and_their_slowness_delays_no_end(notices: Notices) -> None:
    read: list[int] = []
    slow = threading.Event()

    def read_slowly(looks: Sequence[Look]) -> None:
        read.append(len(looks))
        slow.wait(PATIENCE_SECONDS)

    parking, over = Parking(notices, read_slowly), Request()
    look = Look("j1", ("state",), lambda *_: None)
    assert parking.park("j1", time.monotonic() + 30, None, lambda _: look) is not None
    eventually(lambda: read, what="the first look")
    park(parking, over, "j2", seconds=0.1)

    eventually(lambda: Ending.TIME_OVER in over.looks, what="the end")
    assert read == [1]
    slow.set()
    eventually(lambda: len(read) > 1, what="the next look")


def test_only_one_leaves(parking: Parking) -> None:
    parked = park(parking, Request())

    assert [parked.leave(), parked.leave()] == [True, False]


def test_places_are_bounded_and_come_back(parking: Parking) -> None:
    first = park(parking, Request())
    park(parking, Request(), "j2")
    assert parking.park("j3", time.monotonic() + 1, None, lambda _: None) is None

    first.leave()

    assert parking.park("j3", time.monotonic() + 1, None, lambda _: None) is not None


def test_a_request_that_fails_harms_no_other(parking: Parking, redis: Redis) -> None:
    request, broken = Request(), Request()

    def fail(_: object) -> None:
        raise ValueError("gone")

    assert parking.park("j0", time.monotonic() + 30, fail, fail) is not None
    park(parking, request)
    assert request.looked.wait(PATIENCE_SECONDS)

    redis.publish(keys.FINISHED, b"j0 {}\nj1 {}")

    eventually(lambda: request.outcomes, what="the outcome")
    assert not broken.outcomes
