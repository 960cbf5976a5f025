"""The warden ends a child that takes too long, and knows how the last one on a seat ended."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import billiard
import pytest

from tests.support.service import eventually, is_alive
from worker.seats import Seats
from worker.warden import Warden

LIMIT_SECONDS = 0.2


@pytest.fixture
def seats() -> Seats:
    return Seats(LIMIT_SECONDS, LIMIT_SECONDS)


@pytest.fixture
def served() -> list[str]:
    return []


@pytest.fixture
def warden(seats: Seats, served: list[str]) -> Warden:
    return Warden(seats, served.append)


def load_for_ever(seats: Seats) -> None:
    seat = seats.at(0)
    seat.take("", "a-child")
    with seat.loading("v1"):
        while True:
            pass


def serve_for_ever(seats: Seats) -> None:
    seat = seats.at(0)
    seat.take("", "a-child")
    seat.serve("v1")
    signal.pause()


@pytest.fixture
def fork(seats: Seats) -> Iterator[Any]:
    """Starts real children, as Billiard's pool does, on the first seat."""
    started: list[Any] = []

    def start(target: Any) -> Any:
        child = billiard.get_context("fork").Process(target=target, args=(seats,))
        child.index = 0
        child.start()
        started.append(child)
        return child

    yield start
    for child in started:
        if child.is_alive():
            os.kill(child.pid, signal.SIGKILL)
        child.join()


def test_a_child_that_loads_for_too_long_is_killed(warden: Warden, fork: Any) -> None:
    child = fork(load_for_ever)

    def is_over() -> bool:
        warden.look([child])
        return not is_alive(child.pid)

    eventually(is_over, what="the end of the child")
    child.join()
    assert warden.how_ended(0) == "its process was ended by signal 9"


def test_a_child_that_serves_lives_and_its_version_is_told_once(
    warden: Warden, fork: Any, seats: Seats, served: list[str]
) -> None:
    child = fork(serve_for_ever)
    eventually(lambda: seats.serving(0), what="a version")

    for _ in range(3):
        warden.look([child])

    assert served == ["v1"]
    assert is_alive(child.pid)


def test_before_a_first_child_nothing_is_known(warden: Warden) -> None:
    assert warden.how_ended(0) == warden.how_ended(None) == "its process ended"
