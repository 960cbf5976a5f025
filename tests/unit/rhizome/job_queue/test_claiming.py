"""Claiming and finishing: interactive first, each entry to one scorer, the first result stands."""

import pytest
from redis import Redis
from redis.client import PubSub

from rhizome import keys
from rhizome.jobs import Lane, State
from tests.support.queue import Queue, build_request, succeed


def ids_of(claimed: list) -> list[str]:
    return [entry.request.job_id for entry in claimed]


def test_jobs_are_claimed_in_the_order_they_came(queue: Queue) -> None:
    submitted = [queue.submit() for _ in range(5)]

    assert ids_of(queue.scorer().claim()) == submitted


def test_a_claimed_entry_carries_the_request_and_when_it_came(queue: Queue) -> None:
    request = build_request(queue.submissions.mint_id(), pinned=True, waited=True, request_id="r-7")
    receipt = queue.resubmit(request)

    (claimed,) = queue.scorer().claim()

    assert claimed.request == request
    assert (claimed.lane, claimed.deliveries) == (Lane.INTERACTIVE, 1)
    assert claimed.submitted_ms == receipt.submitted_ms


def test_no_entry_goes_to_two_scorers(queue: Queue) -> None:
    submitted = {queue.submit() for _ in range(4)}

    first, second = queue.scorer("one").claim(), queue.scorer("two").claim()

    assert set(ids_of(first)) == submitted
    assert second == []


def test_a_micro_batch_is_bounded(redis: Redis) -> None:
    queue = Queue(redis, micro_batch_rows=3)
    submitted = [queue.submit() for _ in range(5)]
    scorer = queue.scorer()

    assert ids_of(scorer.claim()) == submitted[:3]
    assert ids_of(scorer.claim()) == submitted[3:]
    assert scorer.claim() == []


def test_each_lane_is_left_to_its_own_scorers(queue: Queue) -> None:
    batch, single = queue.submit_batch(1), queue.submit()
    of_singles, of_batches = queue.scorer(), queue.batch_scorer()

    taken = [scorer.claim() for scorer in (of_batches, of_singles) for _ in range(2)]

    assert [ids_of(claimed) for claimed in taken] == [[batch], [], [single], []]


def test_what_a_silent_scorer_held_is_taken_over_by_its_own_lane_only(redis: Redis) -> None:
    queue = Queue(redis, lease_seconds=0.001)
    batch, single = queue.submit_batch(1), queue.submit()
    queue.scorer("silent").claim()
    queue.batch_scorer("silent, too").claim()
    queue.let_lease_expire()

    taken = []
    for scorer in (queue.batch_scorer(), queue.scorer()):
        taken += [claimed := scorer.reclaim()]
        scorer.finish([succeed(entry) for entry in claimed], claim_next=False)
        taken += [scorer.reclaim()]
    assert [ids_of(claimed) for claimed in taken] == [[batch], [], [single], []]


def test_one_batch_chunk_is_claimed_at_a_time(queue: Queue) -> None:
    queue.submit_batch(1, 1, 1)
    scorer = queue.batch_scorer()

    claims = [scorer.claim() for _ in range(4)]

    assert [[entry.request.chunk for entry in claimed] for claimed in claims] == [[0], [1], [2], []]


def test_finishing_takes_the_next_micro_batch_in_the_same_call(redis: Redis) -> None:
    queue = Queue(redis, micro_batch_rows=1)
    first, second = queue.submit(), queue.submit()
    scorer = queue.scorer()
    claimed = scorer.claim()

    following = scorer.finish([succeed(entry) for entry in claimed], claim_next=True)

    assert (ids_of(claimed), ids_of(following)) == ([first], [second])


def test_finishing_takes_nothing_unless_asked(queue: Queue) -> None:
    queue.submit()
    scorer = queue.scorer()
    claimed = scorer.claim()
    queue.submit()

    assert scorer.finish([succeed(entry) for entry in claimed], claim_next=False) == []
    assert queue.waiting(Lane.INTERACTIVE) == 1


def test_a_finished_entry_leaves_the_stream_and_the_pending_list(queue: Queue) -> None:
    queue.submit()
    scorer = queue.scorer()

    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=False)

    assert queue.redis.xlen(keys.lane(Lane.INTERACTIVE)) == 0
    assert queue.deliveries(keys.lane(Lane.INTERACTIVE)) == []
    assert queue.in_flight(Lane.INTERACTIVE) == 0


def test_the_first_result_stands(redis: Redis) -> None:
    queue = Queue(redis, lease_seconds=0.001)
    job_id, slow, quick = queue.submit(), queue.scorer("slow"), queue.scorer("quick")
    (held,) = slow.claim()
    queue.let_lease_expire()
    (taken,) = quick.reclaim()

    quick.finish([succeed(taken, b'"quick"')], claim_next=False)
    slow.finish([succeed(held, b'"slow"', state=State.FAILED)], claim_next=False)

    job = queue.read(job_id)
    assert (job.state, job.outcome) == (State.SUCCEEDED, b'"quick"')


def test_finishing_twice_changes_nothing(queue: Queue) -> None:
    job_id, scorer = queue.submit(), queue.scorer()
    finished = [succeed(entry, b'"first"') for entry in scorer.claim()]
    scorer.finish(finished, claim_next=False)
    recorded = queue.redis.hgetall(keys.job(job_id))

    scorer.finish(finished, claim_next=False)

    assert queue.redis.hgetall(keys.job(job_id)) == recorded


def test_a_result_without_a_record_makes_none(queue: Queue) -> None:
    job_id, scorer = queue.submit(), queue.scorer()
    claimed = scorer.claim()
    queue.redis.delete(keys.job(job_id))

    scorer.finish([succeed(entry) for entry in claimed], claim_next=False)

    assert not queue.redis.exists(keys.job(job_id))
    assert queue.in_flight(Lane.INTERACTIVE) == 0


def test_only_final_records_expire(queue: Queue) -> None:
    queued, scorer = queue.submit(), queue.scorer()
    assert queue.redis.ttl(keys.job(queued)) == -1
    claimed = scorer.claim()
    assert queue.redis.ttl(keys.job(queued)) == -1

    scorer.finish([succeed(entry) for entry in claimed], claim_next=False)

    assert 0 < queue.redis.ttl(keys.job(queued)) <= queue.settings.result_ttl_seconds


def test_an_entry_that_comes_while_a_scorer_listens_is_handed_over(redis: Redis) -> None:
    queue = Queue(redis, linger_seconds=5)
    scorer = queue.scorer()
    assert scorer.claim() == []
    job_id = queue.submit()

    assert ids_of(scorer.listen()) == [job_id]


def test_listening_ends_with_nothing_when_nothing_comes(queue: Queue) -> None:
    scorer = queue.scorer()
    scorer.claim()

    assert scorer.listen() == []


def test_a_listening_scorer_hears_its_own_lane_only(queue: Queue) -> None:
    of_singles, of_batches = queue.scorer(), queue.batch_scorer()
    of_singles.claim()
    of_batches.claim()
    single, batch = queue.submit(), queue.submit_batch(1)

    heard = {entry.lane: entry.request.job_id for scorer in (of_singles, of_batches) for entry in scorer.listen()}

    assert heard == {Lane.INTERACTIVE: single, Lane.BATCH: batch}


def test_a_listening_scorer_leaves_the_other_chunks_of_a_batch_to_others(queue: Queue) -> None:
    scorer = queue.batch_scorer()
    scorer.claim()
    queue.submit_batch(1, 1, 1, 1)

    claimed = scorer.listen()

    assert [entry.request.chunk for entry in claimed] == [0]
    assert queue.waiting(Lane.BATCH) == 3


@pytest.fixture
def notices(redis: Redis) -> PubSub:
    subscription = redis.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(keys.FINISHED)
    subscription.get_message(timeout=5)
    return subscription


def read_notice(notices: PubSub) -> list[bytes]:
    message = notices.get_message(timeout=5)
    assert message is not None, "nothing was published"
    return list(message["data"].split(b"\n"))


def test_a_notice_carries_the_outcome_only_where_someone_waits(queue: Queue, notices: PubSub) -> None:
    waited, unwaited, scorer = queue.submit(waited=True), queue.submit(), queue.scorer()

    scorer.finish([succeed(entry, b'{"a":1}') for entry in scorer.claim()], claim_next=False)

    lines = read_notice(notices)
    notices.close()
    assert lines == [waited.encode() + b' {"a":1}', unwaited.encode()]


def test_one_micro_batch_gives_one_notice(queue: Queue, notices: PubSub) -> None:
    submitted, scorer = [queue.submit() for _ in range(5)], queue.scorer()

    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=False)

    assert read_notice(notices) == [job_id.encode() for job_id in submitted]
    assert notices.get_message(timeout=0.05) is None
    notices.close()


def test_a_result_that_does_not_stand_gives_no_notice(queue: Queue, notices: PubSub) -> None:
    queue.submit()
    scorer = queue.scorer()
    finished = [succeed(entry) for entry in scorer.claim()]
    scorer.finish(finished, claim_next=False)
    read_notice(notices)

    scorer.finish(finished, claim_next=False)

    assert notices.get_message(timeout=0.05) is None
    notices.close()


def test_the_shortest_linger_is_no_read_without_an_end(redis: Redis) -> None:
    scorer = Queue(redis, linger_seconds=0.0001).scorer()
    scorer.claim()

    assert scorer.listen() == []
