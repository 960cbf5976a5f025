"""Waiting without polling: a notice wakes exactly the requests that sleep on its job."""

import time
from collections.abc import Callable, Iterator
from queue import Empty

import pytest
from redis import Redis

from gateway.notices import Notices, Waiter
from rhizome import keys
from rhizome.connection import connect
from rhizome.embedded_redis import find_free_port
from tests.support.service import eventually

PATIENCE_SECONDS = 10.0

Build = Callable[..., Notices]


@pytest.fixture
def build(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    monkeypatch.setattr("gateway.notices.LOOK_SECONDS", 0.05)
    built: list[Notices] = []

    def make(max_waiters: int = 10, url: str = redis_server, moved: Callable[[], None] = lambda: None) -> Notices:
        built.append(Notices(lambda: connect(url), max_waiters, max_waiters, moved))
        return built[-1]

    yield make
    for notices in built:
        notices.stop()


def take_place(notices: Notices, job_id: str) -> Waiter:
    waiter = notices.register(job_id)
    assert waiter is not None
    return waiter


def await_subscription(waiter: Waiter) -> None:
    """The first wake-up says that the subscription stands: look at the job, something may have been missed."""
    assert waiter.box.get(timeout=PATIENCE_SECONDS) is None


def test_a_notice_with_the_outcome_hands_it_over(build: Build, redis: Redis) -> None:
    waiter = take_place(build(), "j1")
    await_subscription(waiter)

    redis.publish(keys.FINISHED, b'j1 {"id": "j1", "b": 1}')

    assert waiter.box.get(timeout=PATIENCE_SECONDS) == b'{"id": "j1", "b": 1}'


def test_a_notice_without_the_outcome_wakes_all_the_same(build: Build, redis: Redis) -> None:
    waiter = take_place(build(), "j1")
    await_subscription(waiter)

    redis.publish(keys.FINISHED, b"j1")

    assert waiter.box.get(timeout=PATIENCE_SECONDS) is None


def test_a_notice_of_a_whole_micro_batch_wakes_each_of_its_waiters_and_no_other(build: Build, redis: Redis) -> None:
    notices = build()
    waiters = {job_id: take_place(notices, job_id) for job_id in ("j1", "j2", "j3", "j4")}
    for waiter in waiters.values():
        await_subscription(waiter)

    redis.publish(keys.FINISHED, b"j0\nj1 1\nj2\nj3 3")

    assert [waiters[job_id].box.get(timeout=PATIENCE_SECONDS) for job_id in ("j1", "j2", "j3")] == [b"1", None, b"3"]
    with pytest.raises(Empty):
        waiters["j4"].box.get_nowait()


def test_two_requests_may_wait_for_one_job(build: Build, redis: Redis) -> None:
    notices = build()
    waiters = [take_place(notices, "j1"), take_place(notices, "j1")]
    for waiter in waiters:
        await_subscription(waiter)

    redis.publish(keys.FINISHED, b"j1 1")

    assert [waiter.box.get(timeout=PATIENCE_SECONDS) for waiter in waiters] == [b"1", b"1"]


def test_sleeping_returns_the_outcome(build: Build, redis: Redis) -> None:
    waiter = take_place(build(), "j1")
    await_subscription(waiter)
    redis.publish(keys.FINISHED, b"j1 1")

    until = time.monotonic() + PATIENCE_SECONDS
    outcome = None
    while outcome is None and time.monotonic() < until:
        outcome = waiter.sleep(until)

    assert outcome == b"1"


def test_sleeping_without_a_notice_says_look_yourself(build: Build) -> None:
    waiter = take_place(build(), "j1")
    await_subscription(waiter)

    assert waiter.sleep(time.monotonic() + PATIENCE_SECONDS) is None
    assert waiter.sleep(time.monotonic() - 1) is None


def test_no_more_requests_wait_than_there_are_places(build: Build) -> None:
    notices = build(max_waiters=2)
    first, _ = take_place(notices, "j1"), take_place(notices, "j2")

    assert notices.register("j3") is None
    assert notices.waiting == 2

    with first:
        pass
    assert notices.waiting == 1
    assert notices.register("j3") is not None


def test_without_places_nobody_waits_and_no_thread_runs(build: Build) -> None:
    notices = build(max_waiters=0)

    assert notices.register("j1") is None
    assert notices.waiting == 0


def test_a_place_is_given_up_even_when_the_request_fails(build: Build) -> None:
    notices = build()

    with pytest.raises(RuntimeError), take_place(notices, "j1"):
        raise RuntimeError

    assert notices.waiting == 0


def test_giving_up_one_place_leaves_the_others_of_that_job(build: Build, redis: Redis) -> None:
    notices = build()
    leaving, staying = take_place(notices, "j1"), take_place(notices, "j1")
    await_subscription(staying)

    with leaving:
        pass
    redis.publish(keys.FINISHED, b"j1 1")

    assert staying.box.get(timeout=PATIENCE_SECONDS) == b"1"


def test_a_moved_champion_is_told(build: Build, redis: Redis) -> None:
    moves: list[int] = []
    waiter = take_place(build(moved=lambda: moves.append(1)), "j1")
    await_subscription(waiter)

    redis.publish(keys.CHAMPION_MOVED, "v2")

    eventually(lambda: moves, PATIENCE_SECONDS, "the champion's move")


def test_a_lost_connection_is_replaced_and_everyone_told_to_look(
    build: Build, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.notices.RECONNECT_SECONDS", 0.01)
    waiter = take_place(build(), "j1")
    await_subscription(waiter)

    redis.client_kill_filter(_type="pubsub")

    await_subscription(waiter)
    redis.publish(keys.FINISHED, b"j1 1")
    assert waiter.box.get(timeout=PATIENCE_SECONDS) == b"1"


def test_without_redis_waiters_sleep_and_look_themselves(build: Build) -> None:
    notices = build(url=f"redis://127.0.0.1:{find_free_port()}/0")

    with take_place(notices, "j1") as waiter:
        assert waiter.sleep(time.monotonic() + PATIENCE_SECONDS) is None


@pytest.mark.parametrize("noise", [b"", b"\n\n", b" ", b"j2 2", b"j1x 1", b"j 1"])
def test_other_notices_wake_nobody(build: Build, redis: Redis, noise: bytes) -> None:
    waiter = take_place(build(), "j1")
    await_subscription(waiter)

    redis.publish(keys.FINISHED, noise)
    redis.publish(keys.FINISHED, b"j1 end")

    assert waiter.box.get(timeout=PATIENCE_SECONDS) == b"end"
