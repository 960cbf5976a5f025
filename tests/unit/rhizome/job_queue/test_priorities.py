"""Within the interactive lane the more urgent goes first, whoever came before."""

import pytest

from rhizome.errors import LaneFull
from rhizome.job_queue.terms import Terms
from rhizome.jobs import PRIORITIES, Lane, State
from tests.support.queue import Queue, build_request, succeed

URGENT, USUAL, PATIENT = (Terms(priority=priority) for priority in PRIORITIES)


def test_jobs_are_taken_in_the_order_of_their_urgency(queue: Queue) -> None:
    patient, usual, urgent = queue.submit(PATIENT), queue.submit(USUAL), queue.submit(URGENT)

    claimed = queue.scorer().claim()

    assert [entry.request.job_id for entry in claimed] == [urgent, usual, patient]
    assert [entry.priority for entry in claimed] == [0, 1, 2]


def test_jobs_of_one_priority_are_taken_in_the_order_they_came(queue: Queue) -> None:
    ids = [queue.submit(URGENT) for _ in range(5)]

    assert [entry.request.job_id for entry in queue.scorer().claim()] == ids


def test_a_full_micro_batch_leaves_the_least_urgent_behind(narrow: Queue) -> None:
    patient = narrow.submit(PATIENT)
    urgent = [narrow.submit(URGENT) for _ in range(2)]
    scorer = narrow.scorer()

    first = scorer.claim()
    following = scorer.finish([succeed(entry) for entry in first], claim_next=True)

    assert [entry.request.job_id for entry in first] == urgent
    assert [entry.request.job_id for entry in following] == [patient]


def test_only_what_goes_before_a_job_counts_for_its_position(queue: Queue) -> None:
    for terms in (URGENT, USUAL, USUAL, PATIENT):
        queue.submit(terms)

    assert [queue.offer(terms).position for terms in (URGENT, USUAL, PATIENT)] == [1, 4, 6]


@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_job_of_any_priority_is_read_finished_and_cancelled_like_another(queue: Queue, priority: int) -> None:
    finished, cancelled = queue.submit(Terms(priority)), queue.submit(Terms(priority))
    queue.submissions.cancel(cancelled)
    scorer = queue.scorer()
    (entry,) = scorer.claim()
    running = queue.read(finished)

    scorer.finish([succeed(entry)], claim_next=False)

    assert (running.state, running.lane, running.priority) == (State.RUNNING, Lane.INTERACTIVE, priority)
    assert queue.read(finished).state is State.SUCCEEDED
    assert queue.read(cancelled).state is State.CANCELLED
    assert (queue.waiting(Lane.INTERACTIVE), queue.in_flight(Lane.INTERACTIVE)) == (0, 0)


@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_listening_scorer_hears_every_priority(queue: Queue, priority: int) -> None:
    scorer = queue.scorer()
    scorer.claim()
    job_id = queue.submit(Terms(priority))

    assert [entry.request.job_id for entry in scorer.listen()] == [job_id]


def test_jobs_of_every_priority_are_taken_over_from_a_silent_scorer(hasty: Queue) -> None:
    ids = {hasty.submit(Terms(priority)) for priority in PRIORITIES}
    hasty.scorer("silent").claim()
    hasty.let_lease_expire()

    heir = hasty.scorer("heir")

    assert {entry.request.job_id for _ in PRIORITIES for entry in heir.reclaim()} == ids


def test_the_depth_of_the_lane_is_that_of_all_its_priorities(queue: Queue) -> None:
    for terms in (URGENT, USUAL, PATIENT):
        queue.submit(terms)

    depth = queue.submissions.depths()[Lane.INTERACTIVE]

    assert depth.waiting == 3
    assert depth.oldest_waiting_seconds is not None


def small_batch(queue: Queue) -> str:
    chunk = build_request(queue.submissions.mint_id(), kind="batch", rows=2, payload=b"")
    queue.submissions.submit(Lane.INTERACTIVE, [chunk])
    return chunk.job_id


def test_a_small_batch_of_a_waiting_caller_is_the_interactive_lanes(queue: Queue) -> None:
    queue.submit_batch(1)
    small, scorer = small_batch(queue), queue.scorer()
    (entry,) = scorer.claim()

    following = scorer.finish([succeed(entry)], claim_next=True)

    assert entry.request.job_id == small
    assert following == []
    assert queue.read(small).state is State.SUCCEEDED
    assert (queue.read(small).lane, queue.read(small).priority) == (Lane.INTERACTIVE, 1)


def test_single_jobs_of_every_priority_go_before_small_batches_which_are_taken_one_at_a_time(queue: Queue) -> None:
    small = [small_batch(queue) for _ in range(2)]
    patient = queue.submit(PATIENT)
    scorer = queue.scorer()

    taken = [scorer.claim() for _ in range(3)]

    assert [[entry.request.job_id for entry in entries] for entries in taken] == [[patient], [small[0]], [small[1]]]


def test_the_bound_of_the_lane_is_that_of_all_its_jobs(queue: Queue) -> None:
    bounded = Queue(queue.redis, max_waiting_interactive=2)
    bounded.submit(URGENT)
    bounded.submit(PATIENT)

    with pytest.raises(LaneFull):
        bounded.submit(USUAL)


@pytest.fixture
def narrow(queue: Queue) -> Queue:
    """Its micro-batches hold two jobs."""
    return Queue(queue.redis, micro_batch_rows=2)


@pytest.fixture
def hasty(queue: Queue) -> Queue:
    """Its leases are short."""
    return Queue(queue.redis, lease_seconds=0.05)
