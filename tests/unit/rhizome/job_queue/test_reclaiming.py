"""What a silent scorer held is taken over after its lease; what seems to kill scorers is taken alone."""

import pytest
from redis import Redis

from rhizome import keys
from rhizome.job_queue.claiming import Claims
from rhizome.job_queue.entries import Claimed
from rhizome.jobs import Lane, State
from tests.support.queue import Queue, build_request, succeed

LANE = keys.lane(Lane.INTERACTIVE)


@pytest.fixture
def hasty(redis: Redis) -> Queue:
    """A queue with a lease of a millisecond."""
    return Queue(redis, lease_seconds=0.001)


def take_over(queue: Queue, scorer: Claims) -> list[Claimed]:
    queue.let_lease_expire()
    return scorer.reclaim()


def ids_of(claimed: list[Claimed]) -> list[str]:
    return [entry.request.job_id for entry in claimed]


def test_within_the_lease_nothing_is_taken_over(queue: Queue) -> None:
    queue.submit()
    queue.scorer("silent").claim()

    assert queue.scorer("other").reclaim() == []


def test_after_the_lease_everything_of_a_silent_scorer_is_taken_over(hasty: Queue) -> None:
    submitted = [hasty.submit() for _ in range(3)]
    hasty.scorer("silent").claim()

    claimed = take_over(hasty, hasty.scorer("other"))

    assert ids_of(claimed) == submitted
    assert [entry.deliveries for entry in claimed] == [2, 2, 2]
    assert {entry["consumer"] for entry in hasty.deliveries(LANE)} == {b"other"}


def test_what_was_taken_over_can_be_finished(hasty: Queue) -> None:
    job_id, other = hasty.submit(), hasty.scorer("other")
    hasty.scorer("silent").claim()

    other.finish([succeed(entry) for entry in take_over(hasty, other)], claim_next=False)

    assert hasty.read(job_id).state is State.SUCCEEDED
    assert hasty.in_flight(Lane.INTERACTIVE) == 0


def test_an_entry_taken_over_again_is_taken_alone(hasty: Queue) -> None:
    suspicious = [hasty.submit() for _ in range(2)]
    hasty.scorer("first").claim()
    take_over(hasty, hasty.scorer("second"))

    claimed = take_over(hasty, hasty.scorer("third"))

    assert ids_of(claimed) == suspicious[:1]
    assert claimed[0].deliveries == 3


def test_the_innocent_around_a_suspicious_entry_are_taken_without_it(hasty: Queue) -> None:
    suspicious = hasty.submit()
    hasty.scorer("first").claim()
    take_over(hasty, hasty.scorer("second"))
    innocent = [hasty.submit() for _ in range(2)]
    hasty.scorer("third").claim()

    claimed = take_over(hasty, hasty.scorer("fourth"))

    assert ids_of(claimed) == innocent
    assert {entry["consumer"] for entry in hasty.deliveries(LANE)} == {b"second", b"fourth"}
    assert hasty.read(suspicious).state is State.RUNNING


def test_every_suspicious_entry_gets_its_turn(hasty: Queue) -> None:
    submitted = [hasty.submit() for _ in range(3)]
    hasty.scorer("first").claim()
    take_over(hasty, hasty.scorer("second"))
    third, seen = hasty.scorer("third"), []

    for _ in submitted:
        claimed = take_over(hasty, third)
        seen += ids_of(claimed)
        third.finish([succeed(entry) for entry in claimed], claim_next=False)

    assert sorted(seen) == sorted(submitted)


def test_small_batches_are_taken_over_after_single_jobs(hasty: Queue) -> None:
    chunk = build_request(hasty.submissions.mint_id(), kind="batch", rows=2, payload=b"")
    hasty.submissions.submit(Lane.INTERACTIVE, [chunk])
    silent, other = hasty.scorer("silent"), hasty.scorer("other")
    silent.claim()
    single = hasty.submit()
    silent.claim()

    first = take_over(hasty, other)
    other.finish([succeed(entry) for entry in first], claim_next=False)

    assert ids_of(first) == [single]
    assert ids_of(take_over(hasty, other)) == [chunk.job_id]


def test_a_renewed_lease_keeps_others_away_and_counts_no_delivery(redis: Redis) -> None:
    queue = Queue(redis, lease_seconds=0.05)
    queue.submit()
    queue.submit_batch(1)
    holders = queue.scorer("holder"), queue.batch_scorer("holder")
    for holder in holders:
        holder.claim()
    queue.let_lease_expire()

    for holder in holders:
        holder.renew()

    for lane in Lane:
        (entry,) = queue.deliveries(keys.lane(lane))
        assert entry["consumer"] == b"holder"
        assert entry["times_delivered"] == 1
        assert entry["time_since_delivered"] < 60_000
    patient = Queue(redis, lease_seconds=60)
    assert patient.scorer("other").reclaim() == []


def test_renewing_resets_the_idle_time(redis: Redis) -> None:
    queue = Queue(redis, lease_seconds=60)
    queue.submit()
    holder = queue.scorer("holder")
    (entry,) = holder.claim()
    redis.xclaim(LANE, keys.GROUP, "holder", 0, [entry.entry_id], idle=3_600_000, justid=True)
    assert queue.deliveries(LANE)[0]["time_since_delivered"] >= 3_600_000

    holder.renew()

    assert queue.deliveries(LANE)[0]["time_since_delivered"] < 3_600_000
    assert queue.scorer("other").reclaim() == []


def test_what_was_claimed_ahead_is_renewed_from_when_its_scorer_knows_of_it(redis: Redis) -> None:
    queue = Queue(redis, lease_seconds=60)
    queue.submit()
    holder = queue.scorer("holder")
    holder.send_claim()
    (entry,) = holder.receive(())
    redis.xclaim(LANE, keys.GROUP, "holder", 0, [entry.entry_id], idle=3_600_000, justid=True)

    holder.renew()

    assert queue.deliveries(LANE)[0]["time_since_delivered"] < 3_600_000
    holder.send_finish([succeed(entry)])
    assert holder.receive([succeed(entry)]) == []
    assert queue.in_flight(Lane.INTERACTIVE) == 0


def test_a_scorer_at_work_is_not_said_to_listen(redis: Redis) -> None:
    queue = Queue(redis, lease_seconds=60)
    queue.submit()
    (entry,) = (scorer := queue.scorer()).claim()

    scorer.send_finish([succeed(entry)])
    scorer.receive([succeed(entry)])
    scorer.send_claim()
    scorer.receive(())

    assert redis.zcard(keys.LISTENING) == 0


def test_renewing_leaves_the_entries_of_others_alone(queue: Queue) -> None:
    queue.submit()
    queue.scorer("holder").claim()

    queue.scorer("other").renew()

    assert queue.deliveries(LANE)[0]["consumer"] == b"holder"


def test_a_given_up_job_is_recorded_as_a_dead_letter(hasty: Queue) -> None:
    job_id, scorer = hasty.submit(), hasty.scorer()
    (entry,) = scorer.claim()

    scorer.finish([succeed(entry, b"{}", state=State.FAILED, dead_reason="too many deliveries")], claim_next=False)

    ((_, letter),) = hasty.redis.xrange(keys.DEAD_LETTERS)
    assert letter == {b"job": job_id.encode(), b"entry": entry.entry_id, b"reason": b"too many deliveries"}
    assert hasty.read(job_id).state is State.FAILED


def test_an_ordinary_failure_is_no_dead_letter(queue: Queue) -> None:
    queue.submit()
    scorer = queue.scorer()

    scorer.finish([succeed(entry, b"{}", state=State.FAILED) for entry in scorer.claim()], claim_next=False)

    assert queue.redis.xlen(keys.DEAD_LETTERS) == 0


def test_a_claim_whose_reply_was_lost_is_not_renewed_and_comes_to_another(redis: Redis) -> None:
    queue = Queue(redis, lease_seconds=0.05)
    job_id = queue.submit()
    lost = queue.scorer("lost")
    redis.xgroup_create(LANE, keys.GROUP, "0")
    redis.xreadgroup(keys.GROUP, "lost", {keys.lane(Lane.INTERACTIVE): ">"})  # the scorer never sees the answer

    queue.let_lease_expire()
    lost.renew()

    assert [entry.request.job_id for entry in queue.scorer("other").reclaim()] == [job_id]
