"""The deliverer between outbox and receiver, both real."""

import threading
from typing import Any

import pytest
from redis import Redis

from rhizome import keys
from rhizome.webhooks.addresses import parse_allowances
from rhizome.webhooks.ledger import Ledger
from rhizome.webhooks.outbox import Outbox
from rhizome.webhooks.signing import parse_secrets
from tests.support.queue import Queue, succeed
from tests.support.service import eventually
from tests.support.webhooks import SECRET, Receiver, build_outbox, let_all_be_due, submit_batch, submit_single
from worker.webhooks.deliverer import Deliverer
from worker.webhooks.sender import Sender


def build_deliverer(outbox: Outbox, **changes: Any) -> Deliverer:
    sender = Sender(parse_secrets(SECRET), parse_allowances("127.0.0.0/8"), 5.0)
    facts: dict[str, Any] = {
        "concurrency": 4,
        "max_age_seconds": 3600,
        "run_seconds": 20.0,
        "is_stopping": lambda: False,
    }
    return Deliverer(outbox, sender, **(facts | changes))


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return Queue(redis)


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, max_pending=1000)


def score_all(queue: Queue) -> None:
    for scorer in (queue.scorer(), queue.batch_scorer()):
        while claimed := scorer.claim():
            scorer.finish([succeed(entry) for entry in claimed], claim_next=False)


def test_everything_that_is_due_is_sent(queue: Queue, redis: Redis, receiver: Receiver, ledger: Ledger) -> None:
    job_ids = [submit_single(queue, receiver.url) for _ in range(5)]
    score_all(queue)

    build_deliverer(build_outbox(redis)).run()

    assert sorted(message.body["data"]["id"] for message in receiver.messages) == sorted(job_ids)
    assert {message.type for message in receiver.messages} == {"job.succeeded"}
    assert ledger.depth().pending == 0


def test_the_data_of_a_single_job_is_its_document(queue: Queue, redis: Redis, receiver: Receiver) -> None:
    job_id = submit_single(queue, receiver.url)
    score_all(queue)

    build_deliverer(build_outbox(redis)).run()

    (message,) = receiver.messages
    assert message.body["data"] == {"id": job_id, "status": "succeeded"}
    assert message.body["timestamp"].endswith("+00:00")


def test_a_batch_is_told_with_its_counts(queue: Queue, redis: Redis, receiver: Receiver) -> None:
    job_id = submit_batch(queue, 2, 1, url=receiver.url)
    score_all(queue)

    build_deliverer(build_outbox(redis)).run()

    (message,) = receiver.messages
    data = message.body["data"]
    assert message.type == "job.succeeded"
    assert (data["kind"], data["lane"], data["rows"]) == ("batch", "batch", {"total": 3, "done": 3, "failed": 0})
    assert data["urls"]["result"] == f"/result/{job_id}"
    assert "results" not in data


def test_progress_is_told_with_its_pace_as_it_was_then(queue: Queue, redis: Redis, receiver: Receiver) -> None:
    job_id = submit_batch(queue, 2, 2, url=receiver.url, events=("progress",))
    scorer = queue.batch_scorer()
    (first,) = scorer.claim()
    scorer.bind_version(job_id, "v1")
    redis.hincrby(keys.job(job_id), "started_at", -1000)
    scorer.finish([succeed(first)], claim_next=False)

    build_deliverer(build_outbox(redis)).run()

    (message,) = receiver.messages
    data = message.body["data"]
    assert (message.type, data["rows"]["done"]) == ("job.progress", 2)
    assert 0 < data["rows_per_second"] <= 2
    assert data["eta_ms"] == pytest.approx(2 / data["rows_per_second"] * 1000, rel=0.1)


@pytest.mark.parametrize(("deadline_ms", "kind"), [(0, "job.cancelled"), (1, "job.expired")])
def test_a_job_that_ended_early_is_told(
    queue: Queue, redis: Redis, receiver: Receiver, deadline_ms: int, kind: str
) -> None:
    job_id = submit_single(queue, receiver.url, deadline_ms=deadline_ms)
    if deadline_ms:
        while not queue.read(job_id).is_final:
            pass
    else:
        queue.submissions.cancel(job_id)

    build_deliverer(build_outbox(redis)).run()

    (message,) = receiver.messages
    assert message.type == kind
    assert message.body["data"]["status"] == kind.removeprefix("job.")
    assert ("error" in message.body["data"]) is bool(deadline_ms)


def test_an_attempt_that_fails_is_repeated_with_the_same_id_and_body(
    queue: Queue, redis: Redis, receiver: Receiver, ledger: Ledger
) -> None:
    job_id = submit_single(queue, receiver.url)
    score_all(queue)
    receiver.statuses = [500, 503]
    deliverer = build_deliverer(build_outbox(redis))

    for _ in range(3):
        let_all_be_due(redis)
        deliverer.run()

    first, second, third = receiver.messages
    assert first.id == second.id == third.id == f"{job_id}_completed"
    assert first.body == second.body == third.body
    (view,), attempts = ledger.read(job_id)
    assert view.facts["state"] == b"delivered"
    assert [attempt.outcome for attempt in attempts] == ["retry", "retry", "delivered"]
    assert [attempt.status for attempt in attempts] == [500, 503, 204]


def test_a_receiver_that_is_gone_is_not_tried_again(
    queue: Queue, redis: Redis, receiver: Receiver, ledger: Ledger
) -> None:
    job_id = submit_single(queue, receiver.url)
    score_all(queue)
    receiver.statuses = [410]
    deliverer = build_deliverer(build_outbox(redis))

    for _ in range(2):
        deliverer.run()

    last = ledger.last(job_id)
    assert last is not None
    assert (last.facts["state"], last.facts["last_error"]) == (b"failed", b"gone")
    assert len(receiver.messages) == 1


def test_an_event_too_old_is_given_up(queue: Queue, redis: Redis, receiver: Receiver, ledger: Ledger) -> None:
    job_id = submit_single(queue, receiver.url)
    score_all(queue)
    receiver.statuses = [500]

    build_deliverer(build_outbox(redis), max_age_seconds=0).run()

    last = ledger.last(job_id)
    assert last is not None
    assert last.facts["state"] == b"failed"


def test_a_delivery_that_cannot_be_sent_is_tried_like_any_other(
    queue: Queue, redis: Redis, receiver: Receiver, ledger: Ledger
) -> None:
    job_id = submit_batch(queue, 1, url=receiver.url)
    score_all(queue)
    redis.hset(f"rhizome:webhook:{job_id}_completed", "rows", "many")

    build_deliverer(build_outbox(redis)).run()

    last = ledger.last(job_id)
    assert last is not None
    assert (last.facts["state"], last.facts["last_error"]) == (b"pending", b"internal_error")
    assert receiver.messages == []


def test_a_process_that_stops_takes_nothing_more_and_rings(queue: Queue, redis: Redis, receiver: Receiver) -> None:
    submit_single(queue, receiver.url)
    score_all(queue)
    redis.delete("rhizome-webhooks")

    build_deliverer(build_outbox(redis), is_stopping=lambda: True).run()

    assert receiver.messages == []
    assert redis.llen("rhizome-webhooks") == 1


def test_the_job_is_followed_by_its_trace(queue: Queue, redis: Redis, receiver: Receiver) -> None:
    submit_single(queue, receiver.url)
    score_all(queue)
    receiver.statuses = [500]
    deliverer = build_deliverer(build_outbox(redis))

    for _ in range(2):
        let_all_be_due(redis)
        deliverer.run()

    traces = {message.headers["traceparent"].split("-")[1] for message in receiver.messages}
    assert len(traces) == 1
    assert len(traces.pop()) == 32


def test_receivers_that_hang_leave_a_thread_to_one_that_answers(queue: Queue, redis: Redis, receiver: Receiver) -> None:
    deliverer, other = build_deliverer(build_outbox(redis)), Receiver(host="127.0.0.2")
    submit_single(queue, receiver.url)
    score_all(queue)
    deliverer.run()
    other.hold.clear()
    with other.running():
        for _ in range(4):
            submit_single(queue, other.url)
        score_all(queue)
        threads = [threading.Thread(target=deliverer.run) for _ in range(4)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(other.messages) == 3, what="three threads to hang")

        job_id = submit_single(queue, receiver.url)
        score_all(queue)
        deliverer.run()

        assert [message.body["data"]["id"] for message in receiver.messages[1:]] == [job_id]
        assert len(other.messages) == 3
        other.hold.set()
        for thread in threads:
            thread.join(10)
    assert len(other.messages) == 4


def test_a_place_is_given_back_where_nothing_is_due(queue: Queue, redis: Redis, receiver: Receiver) -> None:
    deliverer = build_deliverer(build_outbox(redis), concurrency=1)
    for _ in range(3):
        deliverer.run()
    submit_single(queue, receiver.url)
    score_all(queue)

    deliverer.run()

    assert len(receiver.messages) == 1
