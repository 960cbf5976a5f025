"""The queue heals itself: from a Redis that lost its data, from lost bells, from ghosts."""

import time

import pytest
from redis import Redis

from rhizome import keys
from rhizome.errors import JobNotFound
from rhizome.job_queue.claiming import UPKEEP_SECONDS
from rhizome.jobs import Lane, State
from tests.support.queue import Queue, succeed

LANE = keys.lane(Lane.INTERACTIVE)


def test_after_a_flush_a_submit_makes_the_group_anew(queue: Queue) -> None:
    queue.submit()
    queue.redis.flushall()
    scorer = queue.scorer()

    job_id = queue.submit()

    assert [entry.request.job_id for entry in scorer.claim()] == [job_id]


@pytest.mark.parametrize("call", ["claim", "listen", "reclaim", "renew", "stay", "leave", "maintain"])
def test_after_a_flush_no_call_of_a_scorer_fails(queue: Queue, call: str) -> None:
    scorer = queue.scorer()
    queue.submit()
    scorer.claim()
    queue.redis.flushall()

    {
        "claim": scorer.claim,
        "listen": scorer.listen,
        "reclaim": scorer.reclaim,
        "renew": scorer.renew,
        "stay": scorer.stay,
        "leave": lambda: scorer.leave(ring=True),
        "maintain": scorer.maintain,
    }[call]()

    job_id = queue.submit()
    assert [entry.request.job_id for entry in scorer.claim()] == [job_id]


def test_after_a_flush_what_was_in_flight_is_finished_without_a_trace(queue: Queue) -> None:
    job_id, scorer = queue.submit(), queue.scorer()
    claimed = scorer.claim()
    queue.redis.flushall()

    following = scorer.finish([succeed(entry) for entry in claimed], claim_next=True)

    assert following == []
    assert not queue.redis.exists(keys.job(job_id))


def test_after_a_flush_a_listening_scorer_takes_what_came_since(queue: Queue) -> None:
    scorer = queue.scorer()
    scorer.claim()
    queue.redis.flushall()
    job_id = queue.submit()

    assert [entry.request.job_id for entry in scorer.listen()] == [job_id]


def test_after_a_flush_depths_are_empty_and_old_ids_unknown(queue: Queue) -> None:
    job_id = queue.submit()
    queue.redis.flushall()

    assert [tuple(depth) for depth in queue.submissions.depths().values()] == [(0, 0, None), (0, 0, None)]
    with pytest.raises(JobNotFound):
        queue.read(job_id)


def test_after_a_flush_new_ids_are_recognised_by_other_gateways(queue: Queue) -> None:
    queue.submit()
    queue.redis.flushall()

    job_id = queue.submit()

    assert Queue(queue.redis).read(job_id).state is State.QUEUED


def test_scripts_that_redis_forgot_are_sent_again(queue: Queue) -> None:
    queue.submit()
    queue.redis.script_flush()

    job_id = queue.submit()

    assert queue.read(job_id).state is State.QUEUED


def note_listeners(queue: Queue, *listening: str) -> None:
    """Somebody listens on these lanes for a minute."""
    for key in listening or (keys.LISTENING, keys.BATCH_LISTENING):
        queue.redis.zadd(key, {"listener": time.time() * 1000 + 60_000})


def test_upkeep_of_an_idle_queue_rings_nothing(queue: Queue) -> None:
    note_listeners(queue)

    assert queue.scorer().maintain() == (0, 0)
    assert (queue.bells(), queue.bells(keys.BATCH_QUEUE)) == (0, 0)


@pytest.mark.parametrize(
    ("listening", "queue_of_bell"), [(keys.LISTENING, keys.BATCH_QUEUE), (keys.BATCH_LISTENING, keys.SCORING_QUEUE)]
)
def test_upkeep_rings_for_the_lane_that_nobody_listens_to(queue: Queue, listening: str, queue_of_bell: str) -> None:
    note_listeners(queue, listening)

    assert queue.scorer().maintain() == (1, 0)
    assert queue.bells(queue_of_bell) == queue.bells() + queue.bells(keys.BATCH_QUEUE) == 1


@pytest.mark.parametrize(
    ("lane", "bell", "queue_of_bell"),
    [(Lane.INTERACTIVE, keys.BELL, keys.SCORING_QUEUE), (Lane.BATCH, keys.BATCH_BELL, keys.BATCH_QUEUE)],
)
def test_upkeep_by_any_scorer_rings_for_a_job_whose_bell_was_lost(
    queue: Queue, lane: Lane, bell: str, queue_of_bell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rhizome.job_queue.claiming.FORGOTTEN_MS", 0)
    if lane is Lane.BATCH:
        queue.submit_batch(1)
    else:
        queue.submit()
    queue.hear_bell(queue_of_bell)
    queue.redis.delete(bell)
    note_listeners(queue)

    assert queue.scorer().maintain() == (1, 0)
    assert queue.bells(queue_of_bell) == queue.bells() + queue.bells(keys.BATCH_QUEUE) == 1


def test_upkeep_leaves_what_has_just_come_to_the_scorer_at_work(queue: Queue) -> None:
    queue.submit()
    queue.hear_bell()
    queue.redis.delete(keys.BELL)
    note_listeners(queue)

    assert queue.scorer().maintain() == (0, 0)


def test_upkeep_does_not_double_a_bell(queue: Queue) -> None:
    queue.submit()
    note_listeners(queue)

    assert queue.scorer().maintain() == (0, 0)
    assert queue.bells() == 1


def test_upkeep_is_due_once_in_a_while_whoever_looks(queue: Queue) -> None:
    done = [scorer.maintain_if_due() for scorer in (queue.scorer(), queue.batch_scorer(), queue.scorer("third"))]

    assert done == [(2, 0), None, None]
    assert 0 < queue.redis.ttl(keys.UPKEEP) <= UPKEEP_SECONDS


def test_upkeep_rings_for_an_expired_lease(redis: Redis) -> None:
    queue = Queue(redis, lease_seconds=0.001)
    queue.submit()
    queue.hear_bell()
    silent = queue.scorer("silent")
    silent.answer_bell()
    silent.claim()
    queue.let_lease_expire()
    note_listeners(queue)

    assert queue.scorer("other").maintain() == (1, 0)


def test_upkeep_does_not_ring_for_a_lease_that_runs(queue: Queue) -> None:
    queue.submit()
    queue.hear_bell()
    holder = queue.scorer("holder")
    holder.answer_bell()
    holder.claim()
    note_listeners(queue)

    assert queue.scorer("other").maintain() == (0, 0)


def test_upkeep_forgets_consumers_that_are_long_gone_and_empty_handed(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.submit()
    ghost = queue.scorer("ghost")
    ghost.finish([succeed(entry) for entry in ghost.claim()], claim_next=False)
    monkeypatch.setattr("rhizome.job_queue.claiming.FORGET_CONSUMER_MS", -1)

    _, forgotten = queue.scorer("other").maintain()

    assert forgotten == 1
    assert queue.redis.xinfo_consumers(LANE, keys.GROUP) == []


def test_upkeep_never_forgets_a_consumer_that_holds_something(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.submit()
    queue.scorer("holder").claim()
    monkeypatch.setattr("rhizome.job_queue.claiming.FORGET_CONSUMER_MS", -1)

    _, forgotten = queue.scorer("other").maintain()

    assert forgotten == 0
    assert queue.in_flight(Lane.INTERACTIVE) == 1


def test_upkeep_leaves_a_consumer_that_was_seen_lately(queue: Queue) -> None:
    queue.submit()
    scorer = queue.scorer("recent")
    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=False)
    note_listeners(queue)

    assert queue.scorer("other").maintain() == (0, 0)
    assert [consumer["name"] for consumer in queue.redis.xinfo_consumers(LANE, keys.GROUP)] == [b"recent"]


def test_upkeep_leaves_one_message_of_those_that_beat_sent_while_no_worker_lived(queue: Queue) -> None:
    queue.redis.lpush(keys.UPKEEP_QUEUE, *(f"message {number}" for number in range(50)))

    queue.scorer().maintain()

    assert queue.redis.llen(keys.UPKEEP_QUEUE) == 1


def test_upkeep_forgets_listeners_whose_time_is_over(queue: Queue) -> None:
    now_ms = time.time() * 1000
    queue.redis.zadd(keys.LISTENING, {"ghost": now_ms - 60_000, "listener": now_ms + 60_000})

    queue.scorer().maintain()

    assert queue.redis.zrange(keys.LISTENING, 0, -1) == [b"listener"]
