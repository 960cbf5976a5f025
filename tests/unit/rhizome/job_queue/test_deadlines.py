"""Deadlines: refused at once where they cannot be met, expired where they passed before the job was taken."""

import time

import pytest

from rhizome import keys
from rhizome.errors import DeadlineUnmeetable, JobFinished
from rhizome.heartbeats import Heartbeat, beat
from rhizome.job_queue import pace
from rhizome.job_queue.terms import Idempotency, Terms
from rhizome.jobs import Lane, State
from tests.support.heartbeats import write_silent
from tests.support.queue import DEADLINE_SECONDS, Queue, build_request, succeed

SOON = Terms(deadline_ms=30)
LATER = Terms(deadline_ms=60_000)


def let_pass(queue: Queue, *ids: str) -> None:
    """Waits until Redis's clock is past the deadline of every job."""
    for job_id in ids:
        expires_ms, deadline = (
            int(queue.redis.hget(keys.job(job_id), "expires_at") or 0),
            time.monotonic() + DEADLINE_SECONDS,
        )
        while (clock := queue.redis.time())[0] * 1000 + clock[1] // 1000 <= expires_ms:
            assert time.monotonic() < deadline, "Redis's clock stands still"
            time.sleep(0.002)


def report_pace(queue: Queue, host: str = "here", **changes: float) -> None:
    """A worker of each lane says what its work costs: a single job 10 ms, each of a backlog 1 ms, a chunk 100 ms."""
    costs = {"single_ms": 10.0, "entry_ms": 1.0, "chunk_ms": 100.0, "chunk_call_ms": 50.0, "row_ms": 2.0}
    facts = {"measured_at": time.time()} | costs | changes
    for pid, lane in enumerate(Lane):
        beat(queue.redis, Heartbeat("worker", host, pid, "serving", time.time(), 0.0, "v1", lane=lane, **facts))


def test_a_job_whose_deadline_passed_in_the_queue_is_never_given_to_a_scorer(queue: Queue) -> None:
    late, in_time = queue.submit(SOON), queue.submit(LATER)
    let_pass(queue, late)

    claimed = queue.scorer().claim()

    assert [entry.request.job_id for entry in claimed] == [in_time]
    assert queue.read(late).state is State.EXPIRED
    assert queue.in_flight(Lane.INTERACTIVE) == 1


def test_expired_jobs_do_not_make_a_micro_batch_smaller(queue: Queue) -> None:
    narrow = Queue(queue.redis, micro_batch_rows=2)
    late = [narrow.submit(SOON) for _ in range(5)]
    in_time = [narrow.submit(LATER) for _ in range(2)]
    let_pass(narrow, *late)

    assert [entry.request.job_id for entry in narrow.scorer().claim()] == in_time


def test_a_job_whose_deadline_passed_expires_when_it_is_read_though_no_scorer_lives(queue: Queue) -> None:
    job_id = queue.submit(SOON)
    let_pass(queue, job_id)

    job = queue.read(job_id)

    assert (job.state, job.is_final) == (State.EXPIRED, True)
    assert queue.waiting(Lane.INTERACTIVE) == 0
    assert 0 < queue.redis.ttl(keys.job(job_id)) <= queue.settings.result_ttl_seconds


def test_a_job_that_was_taken_in_time_is_answered_after_its_deadline(queue: Queue) -> None:
    job_id = queue.submit(SOON)
    scorer = queue.scorer()
    claimed = scorer.claim()
    let_pass(queue, job_id)
    running = queue.read(job_id).state

    scorer.finish([succeed(entry) for entry in claimed], claim_next=False)

    assert (running, queue.read(job_id).state) == (State.RUNNING, State.SUCCEEDED)


def test_a_late_job_of_a_silent_scorer_expires_instead_of_being_taken_over(queue: Queue) -> None:
    hasty = Queue(queue.redis, lease_seconds=0.02)
    job_id = hasty.submit(SOON)
    hasty.scorer("silent").claim()
    let_pass(hasty, job_id)
    hasty.let_lease_expire()

    assert hasty.scorer("heir").reclaim() == []
    assert hasty.read(job_id).state is State.EXPIRED
    assert hasty.in_flight(Lane.INTERACTIVE) == 0


def test_a_running_batch_expires_at_its_next_chunk_and_keeps_what_is_done(queue: Queue) -> None:
    job_id = queue.submit_batch(2, 2, 2, terms=SOON)
    scorer = queue.batch_scorer()
    (chunk,) = scorer.claim()
    let_pass(queue, job_id)

    following = scorer.finish([succeed(chunk)], claim_next=True)

    job = queue.read(job_id)
    assert (following, job.state, job.facts["done"]) == ([], State.EXPIRED, b"2")
    assert queue.redis.xlen(keys.lane(Lane.BATCH)) == 0
    assert queue.submissions.read_chunks(job_id, range(3))[1:] == [None, None]


def test_an_expired_job_cannot_be_cancelled(queue: Queue) -> None:
    job_id = queue.submit(SOON)
    let_pass(queue, job_id)

    with pytest.raises(JobFinished, match="expired"):
        queue.submissions.cancel(job_id)


def test_waiters_are_told_that_a_job_expired(queue: Queue) -> None:
    job_id = queue.submit(SOON)
    let_pass(queue, job_id)
    with queue.redis.pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.subscribe(keys.FINISHED)
        subscription.get_message(timeout=1)

        queue.scorer().claim()

        message = subscription.get_message(timeout=DEADLINE_SECONDS)
    assert message is not None
    assert message["data"] == job_id.encode()


def test_without_a_measurement_nothing_is_estimated_and_nothing_refused(queue: Queue) -> None:
    receipt = queue.offer(Terms(deadline_ms=1))

    assert receipt.eta_ms is None
    assert receipt.expires_ms == receipt.submitted_ms + 1


def test_the_estimate_grows_with_what_waits_before_the_job(queue: Queue) -> None:
    report_pace(queue)

    estimates = [queue.offer().eta_ms for _ in range(3)]

    assert estimates == [10, 11, 12]


def test_a_more_urgent_job_is_estimated_sooner(queue: Queue) -> None:
    report_pace(queue)
    for _ in range(5):
        queue.submit()

    assert [queue.offer(Terms(priority=priority)).eta_ms for priority in (0, 1)] == [10, 16]


def test_two_scorers_drain_a_backlog_twice_as_fast(queue: Queue) -> None:
    report_pace(queue)
    report_pace(queue, host="there")
    for _ in range(4):
        queue.submit()

    assert queue.offer().eta_ms == 12


def test_a_batch_waits_for_chunks_and_not_for_interactive_jobs(queue: Queue) -> None:
    report_pace(queue)
    queue.submit_batch(1, 1)
    queue.submit()

    assert queue.offer_batch(10, 10, 5).eta_ms == (3 * 50 + 25 * 2) + 2 * 100


def test_a_small_batch_waits_for_no_more_chunks_of_a_large_one_than_have_their_turn_before_it(queue: Queue) -> None:
    report_pace(queue)
    queue.submit_batch(*[1] * 200)

    small, large = queue.offer_batch(10), queue.offer_batch(*[10] * 300)

    assert small.eta_ms == (50 + 10 * 2) + 4 * 100
    assert large.eta_ms == 300 * (50 + 10 * 2) + 201 * 100


def test_a_deadline_that_cannot_be_met_is_refused_at_once_and_nothing_is_kept(queue: Queue) -> None:
    report_pace(queue)
    request = build_request(queue.submissions.mint_id())

    with pytest.raises(DeadlineUnmeetable, match="about 10 ms, after its deadline of 9 ms") as refusal:
        queue.submissions.submit(Lane.INTERACTIVE, [request], Idempotency("k" * 40, "f"), Terms(deadline_ms=9))

    assert refusal.value.retry_after_seconds == 1
    assert not queue.redis.exists(keys.job(request.job_id), keys.idempotency("k" * 40))
    assert queue.waiting(Lane.INTERACTIVE) == 0


def test_a_deadline_that_can_just_be_met_is_accepted(queue: Queue) -> None:
    report_pace(queue)

    assert queue.offer(Terms(deadline_ms=10)).eta_ms == 10


def test_an_old_measurement_refuses_nothing(queue: Queue) -> None:
    report_pace(queue, single_ms=5000.0, measured_at=time.time() - pace.FRESH_SECONDS - 1)

    receipt = queue.offer(Terms(deadline_ms=9))

    assert receipt.eta_ms == 5000


@pytest.mark.parametrize("busy", list(Lane))
def test_a_busy_lane_does_not_keep_the_others_old_measurement_alive(queue: Queue, busy: Lane) -> None:
    costs = {"single_ms": 5000.0, "entry_ms": 1.0, "chunk_ms": 100.0, "chunk_call_ms": 5000.0, "row_ms": 2.0}
    now, soon = time.time(), Terms(deadline_ms=9)
    for pid, lane in enumerate(Lane):
        facts = costs | {"measured_at": now if lane is busy else now - pace.FRESH_SECONDS - 1}
        beat(queue.redis, Heartbeat("worker", "here", pid, "serving", now, 0.0, "v1", lane=lane, **facts))
    offers = {Lane.INTERACTIVE: lambda: queue.offer(soon), Lane.BATCH: lambda: queue.offer_batch(1, terms=soon)}

    with pytest.raises(DeadlineUnmeetable):
        offers.pop(busy)()
    (accepted,) = (offer() for offer in offers.values())

    assert (accepted.eta_ms or 0) >= 5000


def test_a_planned_file_keeps_its_deadline(queue: Queue) -> None:
    job_id = queue.submit_batch(1, terms=SOON)
    scorer = queue.batch_scorer()
    (entry,) = scorer.claim()
    scorer.add_chunks(entry, [build_request(job_id, kind="batch", chunk=chunk) for chunk in (1, 2)])
    let_pass(queue, job_id)

    following = scorer.finish([succeed(entry)], claim_next=True)

    assert (following, queue.read(job_id).state) == ([], State.EXPIRED)
    assert queue.redis.xlen(keys.lane(Lane.BATCH)) == 0


def test_a_batch_that_nobody_goes_on_with_expires_when_it_is_read(queue: Queue) -> None:
    job_id = queue.submit_batch(1, 1, terms=Terms(deadline_ms=300))
    scorer = queue.batch_scorer()
    claimed = scorer.claim()
    scorer.finish([succeed(entry) for entry in claimed], claim_next=False)
    between_chunks = queue.read(job_id).state
    let_pass(queue, job_id)

    assert (between_chunks, queue.read(job_id).state) == (State.RUNNING, State.EXPIRED)


def test_a_batch_is_not_expired_by_a_read_while_a_scorer_holds_a_chunk(queue: Queue) -> None:
    job_id = queue.submit_batch(1, 1, terms=Terms(deadline_ms=300))
    scorer = queue.batch_scorer()
    scorer.finish([succeed(entry) for entry in scorer.claim()], claim_next=True)
    let_pass(queue, job_id)

    assert queue.read(job_id).state is State.RUNNING


def test_dead_and_versionless_workers_do_not_count(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Heartbeat("worker", "here", 1, "serving", time.time(), 0.0, version="v1", single_ms=10)
    write_silent(queue.redis, silent, seconds=60)
    beat(queue.redis, Heartbeat("worker", "there", 1, "waiting", time.time(), 0.0, single_ms=10))

    assert pace.read_pace(queue.redis) is None


def test_before_a_chunk_was_scored_nothing_is_said_of_batches_and_none_is_refused(queue: Queue) -> None:
    report_pace(queue, chunk_ms=0.0, chunk_call_ms=0.0, row_ms=0.0)

    single, batch = queue.offer(), queue.offer_batch(1000, 1000, terms=Terms(deadline_ms=1))

    assert (single.eta_ms, batch.eta_ms) == (10, None)


def test_what_some_workers_have_measured_is_said_of_batches(queue: Queue) -> None:
    report_pace(queue, chunk_ms=0.0, chunk_call_ms=0.0, row_ms=0.0)
    report_pace(queue, host="there")

    assert queue.offer_batch(10, 10).eta_ms == 70
