"""Bells: a wake-up whenever one is needed, and never a pile of them."""

import json
import time

import msgspec
import pytest
from redis import Redis

from rhizome import keys
from rhizome.job_queue.entries import Next
from rhizome.job_queue.scripts import BELL_TTL_SECONDS
from rhizome.jobs import Lane
from rhizome.task_message import SCORE_TASK
from tests.support.queue import Queue, succeed


def test_a_submit_rings(queue: Queue) -> None:
    queue.submit()

    assert queue.bells() == 1
    message = msgspec.json.decode(queue.redis.lindex(keys.SCORING_QUEUE, 0))
    assert message["headers"]["task"] == SCORE_TASK


def test_there_is_never_more_than_one_unanswered_bell(queue: Queue) -> None:
    for _ in range(20):
        queue.submit()
        queue.submit_batch(1, 1)

    assert queue.bells() == 1


def test_a_bell_on_its_way_is_not_followed_by_another(queue: Queue) -> None:
    queue.submit()
    queue.hear_bell()

    queue.submit()

    assert queue.bells() == 0


def test_an_answered_bell_lets_the_next_submit_ring(queue: Queue) -> None:
    queue.submit()
    queue.hear_bell()
    queue.scorer().answer_bell()

    queue.submit()

    assert queue.bells() == 1


def test_no_two_bells_have_the_same_id(queue: Queue) -> None:
    heard = []
    for _ in range(3):
        queue.submit()
        heard.append(msgspec.json.decode(queue.redis.rpop(keys.SCORING_QUEUE)))
        queue.scorer().answer_bell()

    ids = {message["headers"]["id"] for message in heard}
    assert len(ids) == 3
    assert {message["properties"]["delivery_tag"] for message in heard} == ids
    assert b"@" not in b"".join(sorted(message.encode() for message in ids))


def test_a_bell_that_nobody_answers_is_rung_again_after_its_time(queue: Queue) -> None:
    queue.submit()
    queue.hear_bell()
    assert 0 < queue.redis.ttl(keys.BELL) <= BELL_TTL_SECONDS

    queue.redis.pexpire(keys.BELL, 1)
    deadline = time.monotonic() + 5
    while queue.redis.exists(keys.BELL) and time.monotonic() < deadline:
        time.sleep(0.001)
    queue.submit()

    assert queue.bells() == 1


def test_a_bell_unanswered_on_the_queue_is_not_doubled_when_its_time_is_over(queue: Queue) -> None:
    queue.submit()
    queue.redis.delete(keys.BELL)

    queue.submit()

    assert queue.bells() == 1


def test_a_listening_scorer_needs_no_bell(queue: Queue) -> None:
    scorer = queue.scorer()
    scorer.claim()

    queue.submit()

    assert queue.bells() == 0


def test_a_scorer_that_finished_and_found_nothing_listens(queue: Queue) -> None:
    queue.submit()
    queue.hear_bell()
    scorer = queue.scorer()
    scorer.answer_bell()

    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=True)
    queue.submit()

    assert queue.bells() == 0


def test_what_waits_behind_a_listening_scorer_is_taken_by_it(queue: Queue) -> None:
    scorer = queue.scorer()
    scorer.claim()
    queue.submit()

    queue.submit()

    assert queue.bells() == 0
    assert len(scorer.claim()) == 2


def test_a_scorer_at_work_on_single_jobs_needs_no_bell(queue: Queue) -> None:
    scorer = queue.scorer()
    scorer.claim()
    queue.submit()
    claimed = scorer.claim()

    queue.submit()

    assert queue.bells() == 0
    assert len(scorer.finish([succeed(entry) for entry in claimed], claim_next=True)) == 1


def test_a_scorer_at_work_on_a_chunk_rings_for_another(queue: Queue) -> None:
    scorer = queue.batch_scorer()
    scorer.claim()
    queue.submit_batch(1)
    scorer.claim()

    queue.submit_batch(1)

    assert queue.bells(keys.BATCH_QUEUE) == 1


def test_of_two_that_hear_nothing_one_goes_on_listening(queue: Queue) -> None:
    first, second = queue.scorer("first"), queue.scorer("second")
    first.claim()
    second.claim()

    following = [first.stay(), second.stay()]

    assert following == [Next.LEAVE, Next.LISTEN]


def test_who_has_refused_something_wakes_others_and_is_not_relied_on(queue: Queue) -> None:
    refuser, other = queue.scorer("refuser"), queue.scorer("other")
    queue.submit()
    queue.hear_bell()
    refuser.answer_bell()

    refuser.refuse(refuser.claim())

    assert queue.bells() == 1
    assert refuser.claim() == []
    other.answer_bell()
    assert other.claim() == []
    assert (refuser.stay(), other.stay()) == (Next.LEAVE, Next.LISTEN)


@pytest.mark.parametrize(("is_heard", "bells"), [(True, 0), (False, 1)])
def test_a_run_that_ends_rings_where_nobody_listens(queue: Queue, is_heard: bool, bells: int) -> None:
    if is_heard:
        queue.scorer("other").claim()
    scorer = queue.scorer()
    scorer.claim()

    scorer.leave(ring=True)

    assert queue.bells() == bells


def test_a_scorer_that_listens_no_more_needs_a_bell(queue: Queue) -> None:
    scorer = queue.scorer()
    scorer.claim()
    scorer.leave(ring=False)

    queue.submit()

    assert queue.bells() == 1


def test_a_listener_that_vanished_is_not_relied_on_for_long(queue: Queue) -> None:
    queue.redis.zadd(keys.LISTENING, {"ghost": time.time() * 1000 - 1})

    queue.submit()

    assert queue.bells() == 1


def test_a_backlog_behind_a_claim_rings_for_help(redis: Redis) -> None:
    queue = Queue(redis, micro_batch_rows=2)
    for _ in range(5):
        queue.submit()
    queue.hear_bell()
    scorer = queue.scorer()
    scorer.answer_bell()

    scorer.claim()

    assert queue.bells() == 1


def test_a_claim_that_takes_everything_rings_for_nobody(queue: Queue) -> None:
    for _ in range(5):
        queue.submit()
    queue.hear_bell()
    scorer = queue.scorer()
    scorer.answer_bell()

    scorer.claim()

    assert queue.bells() == 0


def test_each_lane_has_its_own_bell(queue: Queue) -> None:
    queue.submit_batch(1)
    bells = [(queue.bells(), queue.bells(keys.BATCH_QUEUE))]
    queue.submit()
    bells.append((queue.bells(), queue.bells(keys.BATCH_QUEUE)))

    assert bells == [(0, 1), (1, 1)]
    assert json.loads(queue.redis.lindex(keys.BATCH_QUEUE, 0))["headers"]["task"] == SCORE_TASK
    assert queue.redis.exists(keys.BELL, keys.BATCH_BELL) == 2


def test_nothing_that_happens_to_a_batch_rings_the_interactive_lane(queue: Queue) -> None:
    queue.submit_batch(*[1] * 40)
    scorer, other = queue.batch_scorer(), queue.batch_scorer("batch-scorer-2")
    for _ in range(20):
        queue.redis.delete(keys.BATCH_QUEUE, keys.BATCH_BELL)
        claimed = [*scorer.claim(), *other.claim()]
        other.leave(ring=False)
        scorer.finish([succeed(entry) for entry in claimed], claim_next=False)
    scorer.leave(ring=True)

    assert queue.waiting(Lane.BATCH) == 0
    assert queue.bells(keys.BATCH_QUEUE) == 1
    assert queue.bells() == 0
    assert not queue.redis.exists(keys.BELL)


def test_nothing_that_happens_to_single_jobs_rings_the_batch_lane(redis: Redis) -> None:
    queue = Queue(redis, micro_batch_rows=1)
    for _ in range(5):
        queue.submit()
    scorer, claimed = queue.scorer(), queue.scorer().claim()
    while claimed:
        queue.redis.delete(keys.SCORING_QUEUE, keys.BELL)
        claimed = scorer.finish([succeed(entry) for entry in claimed], claim_next=True)
    scorer.leave(ring=True)

    assert queue.bells(keys.BATCH_QUEUE) == 0
    assert not queue.redis.exists(keys.BATCH_BELL)


def test_a_listener_of_one_lane_spares_no_bell_of_the_other(queue: Queue) -> None:
    queue.scorer().claim()

    queue.submit_batch(1)
    queue.submit()

    assert (queue.bells(), queue.bells(keys.BATCH_QUEUE)) == (0, 1)


@pytest.mark.parametrize(("waits", "ring", "bells"), [(1, False, 1), (0, False, 0), (0, True, 1), (1, True, 1)])
def test_a_scorer_that_leaves_rings_for_what_waits_or_in_any_case(
    queue: Queue, waits: int, ring: bool, bells: int
) -> None:
    for _ in range(waits):
        queue.submit()
        queue.hear_bell()
    scorer = queue.scorer()
    scorer.answer_bell()

    scorer.leave(ring=ring)

    assert queue.bells() == bells


def test_a_listener_that_hears_nothing_goes_on_and_is_relied_on(queue: Queue) -> None:
    scorer = queue.scorer()
    scorer.claim()
    queue.redis.delete(keys.LISTENING)

    assert scorer.stay() is Next.LISTEN

    queue.submit()
    assert queue.bells() == 0


def test_the_note_of_a_listener_is_written_again_only_when_it_runs_out(redis: Redis) -> None:
    queue = Queue(redis, linger_seconds=5)
    scorer = queue.scorer()
    scorer.claim()
    noted = redis.zscore(keys.LISTENING, "scorer-1")

    scorer.stay()

    assert redis.zscore(keys.LISTENING, "scorer-1") == noted


def test_a_listener_is_told_of_what_came_meanwhile(queue: Queue) -> None:
    scorer = queue.scorer()
    scorer.claim()
    queue.submit()

    assert scorer.stay() is Next.CLAIM
    assert queue.waiting(Lane.INTERACTIVE) == 1


@pytest.mark.parametrize("other", [keys.UPKEEP_QUEUE, keys.EXPORT_QUEUE])
def test_a_listener_is_told_that_its_process_is_wanted_elsewhere(queue: Queue, other: str) -> None:
    scorer = queue.batch_scorer()
    scorer.claim()
    assert not scorer.is_wanted_elsewhere()

    queue.redis.lpush(other, "a message")

    assert scorer.stay() is Next.LEAVE
    assert scorer.is_wanted_elsewhere()


@pytest.mark.parametrize("other", [keys.UPKEEP_QUEUE, keys.EXPORT_QUEUE])
def test_a_listener_of_the_interactive_lane_is_wanted_nowhere_else(queue: Queue, other: str) -> None:
    scorer = queue.scorer()
    scorer.claim()

    queue.redis.lpush(other, "a message")

    assert scorer.stay() is Next.LISTEN
    assert not scorer.is_wanted_elsewhere()


def test_a_refused_submit_does_not_ring(redis: Redis) -> None:
    queue = Queue(redis, max_waiting_batch=1)

    with pytest.raises(Exception, match="batch lane"):
        queue.submit_batch(1, 1)

    assert queue.bells(keys.BATCH_QUEUE) == 0
