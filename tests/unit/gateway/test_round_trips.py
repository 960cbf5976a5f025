"""What concurrent requests ask of Redis goes in one round trip, and each is told its own answer."""

import threading
from typing import Any

import pytest
from redis import Redis

from gateway.round_trips import RoundTrips
from rhizome.connection import connect
from rhizome.embedded_redis import find_free_port
from rhizome.errors import LaneFull, QueueUnavailable
from rhizome.job_queue.prepared import PreparedSubmit
from rhizome.job_queue.submission import Submissions
from rhizome.jobs import Lane
from tests.support.queue import Queue, build_request

PATIENCE_SECONDS = 10.0


class Told:
    """Collects answers."""

    def __init__(self, count: int) -> None:
        self.answers: dict[str, Any] = {}
        self.errors: dict[str, Any] = {}
        self._left = threading.Semaphore(0)
        self._count = count

    def of(self, name: str) -> Any:
        def tell(answer: Any, error: Exception | None) -> None:
            self.answers[name], self.errors[name] = answer, error
            self._left.release()

        return tell

    def wait(self) -> None:
        for _ in range(self._count):
            assert self._left.acquire(timeout=PATIENCE_SECONDS)


def prepare(submissions: Submissions, job_id: str = "") -> tuple[str, PreparedSubmit]:
    job_id = job_id or submissions.mint_id()
    return job_id, submissions.prepare(Lane.INTERACTIVE, [build_request(job_id)])


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return Queue(redis)


def test_concurrent_submits_are_accepted_each_once(queue: Queue) -> None:
    trips, prepared = RoundTrips(queue.submissions), [prepare(queue.submissions) for _ in range(64)]
    told, start = Told(len(prepared)), threading.Barrier(8)

    def submit(some: list[tuple[str, PreparedSubmit]]) -> None:
        start.wait()
        for job_id, one in some:
            trips.submit(one, told.of(job_id))

    threads = [threading.Thread(target=submit, args=(prepared[at::8],)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.wait()

    assert {job_id: one.receipt_of(told.answers[job_id]).job_id for job_id, one in prepared} == {
        job_id: job_id for job_id, _ in prepared
    }
    assert sorted(entry.request.job_id for entry in queue.scorer().claim()) == sorted(told.answers)


def test_those_who_come_meanwhile_go_together_in_the_next_round_trip(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips, told, calls = RoundTrips(queue.submissions), Told(4), []
    first, later = prepare(queue.submissions), [prepare(queue.submissions) for _ in range(2)]

    def while_under_way(answer: Any, error: Any) -> None:
        for job_id, one in later:
            trips.submit(one, told.of(job_id))
        trips.read(first[0], ("state",), told.of("read"))
        told.of(first[0])(answer, error)

    def count(batch: Any) -> Any:
        calls.append(len(batch))
        return go(batch)

    go = trips._go
    monkeypatch.setattr(trips, "_go", count)
    trips.submit(first[1], while_under_way)
    told.wait()

    assert calls == [1, 3]
    assert told.answers["read"] == [b"queued"]
    assert [one.receipt_of(told.answers[job_id]).position for job_id, one in (first, *later)] == [0, 1, 2]


def test_one_refusal_leaves_the_others_alone(redis: Redis) -> None:
    queue = Queue(redis, max_waiting_interactive=1)
    trips, told = RoundTrips(queue.submissions), Told(2)
    (first, one), (second, two) = prepare(queue.submissions), prepare(queue.submissions)

    trips.submit(one, told.of(first))
    trips.submit(two, told.of(second))
    told.wait()

    assert one.receipt_of(told.answers[first]).job_id == first
    with pytest.raises(LaneFull):
        two.receipt_of(told.answers[second])


def test_scripts_that_redis_forgot_are_sent_again(queue: Queue, redis: Redis) -> None:
    trips, told = RoundTrips(queue.submissions), Told(2)
    job_id, one = prepare(queue.submissions)
    trips.submit(one, told.of("before"))
    redis.script_flush()

    trips.read(job_id, ("state",), told.of("after"))
    told.wait()

    assert told.answers["after"] == [b"queued"]


def test_without_redis_everybody_is_told(queue: Queue) -> None:
    gone = Submissions(connect(f"redis://127.0.0.1:{find_free_port()}/0"), queue.settings.max_waiting, 60)
    job_id, one = prepare(queue.submissions)
    trips, told = RoundTrips(gone), Told(1)

    trips.submit(one, told.of(job_id))
    told.wait()

    assert isinstance(told.errors[job_id], QueueUnavailable)


def test_an_answer_that_cannot_be_told_harms_nobody_else(queue: Queue) -> None:
    trips, told = RoundTrips(queue.submissions), Told(1)
    (_, one), (second, two) = prepare(queue.submissions), prepare(queue.submissions)

    def fail(*_: Any) -> None:
        trips.submit(two, told.of(second))
        raise ValueError("nobody listens")

    trips.submit(one, fail)
    told.wait()

    assert two.receipt_of(told.answers[second]).job_id == second
