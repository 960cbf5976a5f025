"""What happens to a job is in the outbox the moment it happens: once, and only if somebody asked to be told."""

import pytest
from redis import Redis

from rhizome import keys
from rhizome.job_queue.terms import Terms
from rhizome.jobs import Lane, State
from tests.support.queue import DEADLINE_SECONDS, Queue, build_request, succeed
from tests.support.service import eventually
from tests.support.webhooks import ALL_EVENTS, URL, build_outbox, submit_batch, submit_single, take_all


def events_of(redis: Redis) -> list[tuple[str, str]]:
    """Name and state of every event that is due."""
    return [(delivery.text("event"), delivery.text("status")) for delivery in take_all(build_outbox(redis))]


def score_all(queue: Queue, **changes: object) -> None:
    for scorer in (queue.scorer(), queue.batch_scorer()):
        while claimed := scorer.claim():
            for entry in claimed:
                if entry.request.kind != "single":
                    scorer.bind_version(entry.request.job_id, "v1")
            scorer.finish([succeed(entry, **changes) for entry in claimed], claim_next=False)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
def test_a_finished_job_is_in_the_outbox_with_its_document(queue: Queue, redis: Redis, state: State) -> None:
    job_id = submit_single(queue)

    score_all(queue, state=state)

    (delivery,) = take_all(build_outbox(redis))
    assert (delivery.id, delivery.text("status"), delivery.text("url")) == (f"{job_id}_completed", state, URL)
    assert delivery.facts["outcome"] == queue.read(job_id).outcome


def test_a_job_without_a_webhook_leaves_nothing(queue: Queue, redis: Redis) -> None:
    queue.submit()
    batch = queue.submit_batch(1, 1)
    score_all(queue)
    cancelled = queue.submit()
    queue.submissions.cancel(cancelled)

    assert queue.read(batch).is_final
    assert list(redis.scan_iter("rhizome:webhook*")) == []
    assert redis.llen(keys.WEBHOOKS_QUEUE) == 0


def test_a_cancelled_job_is_told(queue: Queue, redis: Redis) -> None:
    job_id = submit_single(queue)

    queue.submissions.cancel(job_id)
    queue.submissions.cancel(job_id)

    assert events_of(redis) == [("completed", "cancelled")]


def test_a_job_that_expires_while_it_waits_is_told(queue: Queue, redis: Redis) -> None:
    job_id = submit_single(queue, deadline_ms=1)

    eventually(lambda: queue.read(job_id).state is State.EXPIRED, DEADLINE_SECONDS)

    assert events_of(redis) == [("completed", "expired")]


def test_a_job_that_is_finished_twice_is_told_once(queue: Queue, redis: Redis) -> None:
    submit_single(queue)
    claimed = queue.scorer().claim()

    for name in ("one", "other"):
        queue.scorer(name).finish([succeed(entry) for entry in claimed], claim_next=False)

    assert len(take_all(build_outbox(redis))) == 1


def test_a_batch_tells_its_start_its_progress_and_its_end(queue: Queue, redis: Redis) -> None:
    submit_batch(queue, 1, 1, 1, events=ALL_EVENTS)

    score_all(queue)

    told = events_of(redis)
    assert sorted(told) == [
        ("completed", "succeeded"),
        ("progress-3", "running"),
        ("progress-6", "running"),
        ("started", "running"),
    ]


def test_there_is_no_more_than_one_progress_per_tenth(queue: Queue, redis: Redis) -> None:
    submit_batch(queue, *[1] * 47, events=("progress",))

    score_all(queue)

    outbox, told = build_outbox(redis), redis.zrange(keys.WEBHOOKS_PENDING, 0, -1)
    assert sorted(name.decode().rpartition("-")[2] for name in told) == [str(tenth) for tenth in range(1, 10)]
    assert outbox.claim()


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (("started",), ["started"]),
        (("completed",), ["completed"]),
        (("started", "completed"), ["completed", "started"]),
    ],
)
def test_only_what_was_asked_for_is_told(queue: Queue, redis: Redis, events: tuple[str, ...], told: list[str]) -> None:
    submit_batch(queue, 1, 1, events=events)

    score_all(queue)

    assert sorted(name for name, _ in events_of(redis)) == told


def test_a_batch_that_fails_too_often_is_told_as_failed(queue: Queue, redis: Redis) -> None:
    job_id = submit_batch(queue, 1, 1, 1, error_threshold=0)

    score_all(queue, failed_rows=1)

    (delivery,) = take_all(build_outbox(redis))
    assert (delivery.job_id, delivery.text("status")) == (job_id, "failed")
    assert b"too_many_errors" in delivery.facts["error"]


def test_a_single_job_has_no_start_of_its_own(queue: Queue, redis: Redis) -> None:
    submit_single(queue, events=ALL_EVENTS)

    score_all(queue)

    assert events_of(redis) == [("completed", "succeeded")]


def test_an_event_rings_for_the_deliverer_once(queue: Queue, redis: Redis) -> None:
    for _ in range(3):
        submit_single(queue)

    score_all(queue)

    assert redis.llen(keys.WEBHOOKS_QUEUE) == 1
    assert redis.llen(keys.SCORING_QUEUE) <= 1


def test_the_event_outlives_the_result(redis: Redis) -> None:
    queue = Queue(redis, result_ttl_seconds=1)
    job_id = submit_single(queue)
    score_all(queue)

    eventually(lambda: not redis.exists(keys.job(job_id)), DEADLINE_SECONDS)

    assert redis.ttl(keys.webhook(f"{job_id}_completed")) == -1
    assert [delivery.job_id for delivery in take_all(build_outbox(redis))] == [job_id]


def test_a_repeated_submit_has_one_event(queue: Queue, redis: Redis) -> None:
    request = build_request(queue.submissions.mint_id())
    terms = Terms(record={"webhook": URL, "webhook_events": "completed"})
    for _ in range(2):
        queue.submissions.submit(Lane.INTERACTIVE, [request], terms=terms)

    score_all(queue)

    assert len(take_all(build_outbox(redis))) == 1
