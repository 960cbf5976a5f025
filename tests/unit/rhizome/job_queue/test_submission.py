"""Submitting and reading: accepted once, in order, with every state told from Redis alone."""

import threading

import pytest
from redis import Redis

from rhizome import keys
from rhizome.connection import connect
from rhizome.embedded_redis import find_free_port
from rhizome.errors import JobExpired, JobNotFound, LaneFull, QueueUnavailable
from rhizome.job_ids import SECRET_BYTES, JobIds
from rhizome.job_queue.submission import Submissions
from rhizome.jobs import Lane, State
from tests.support.queue import Queue, build_chunks, build_request, succeed


def test_a_submitted_job_is_queued(queue: Queue) -> None:
    job_id = queue.submit(request_id="r-7")

    job = queue.read(job_id)

    assert job.state is State.QUEUED
    assert not job.is_final
    assert job.outcome is None
    assert (job.facts["kind"], job.facts["lane"], job.facts["request_id"]) == (b"single", b"interactive", b"r-7")


def test_a_receipt_tells_how_many_wait_before(queue: Queue) -> None:
    receipts = [queue.resubmit(build_request(queue.submissions.mint_id())) for _ in range(3)]

    assert [receipt.position for receipt in receipts] == [0, 1, 2]
    assert receipts[0].submitted_ms == queue.read(receipts[0].job_id).submitted_ms


def test_a_claimed_job_is_running_without_a_write_to_its_record(queue: Queue) -> None:
    job_id = queue.submit()
    recorded = queue.redis.hgetall(keys.job(job_id))

    queue.scorer().claim()

    assert queue.read(job_id).state is State.RUNNING
    assert queue.redis.hgetall(keys.job(job_id)) == recorded


def test_only_the_claimed_job_is_running(queue: Queue) -> None:
    first = queue.submit()
    queue.scorer().claim()
    second = queue.submit()

    assert [queue.read(first).state, queue.read(second).state] == [State.RUNNING, State.QUEUED]


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
def test_a_finished_job_shows_its_outcome(queue: Queue, state: State) -> None:
    job_id, scorer = queue.submit(), queue.scorer()
    (claimed,) = scorer.claim()

    scorer.finish([succeed(claimed, b'{"done":1}', state=state)], claim_next=False)

    job = queue.read(job_id)
    assert (job.state, job.outcome, job.is_final) == (state, b'{"done":1}', True)
    assert int(job.facts["finished_at"]) >= job.submitted_ms


def test_a_repeated_submit_is_one_job(queue: Queue) -> None:
    request = build_request(queue.submissions.mint_id())
    first = queue.resubmit(request)

    second = queue.resubmit(request)

    assert second.submitted_ms == first.submitted_ms
    assert queue.waiting(Lane.INTERACTIVE) == 1
    assert len(queue.scorer().claim()) == 1


def test_a_submit_repeated_after_its_answer_changes_nothing(queue: Queue) -> None:
    request, scorer = build_request(queue.submissions.mint_id()), queue.scorer()
    queue.resubmit(request)
    scorer.finish([succeed(entry, b"{}") for entry in scorer.claim()], claim_next=False)

    queue.resubmit(request)

    assert queue.read(request.job_id).state is State.SUCCEEDED
    assert queue.waiting(Lane.INTERACTIVE) == 0


def test_a_full_lane_refuses(redis: Redis) -> None:
    queue = Queue(redis, max_waiting_interactive=2)
    queue.submit()
    queue.submit()
    refused = build_request(queue.submissions.mint_id())

    with pytest.raises(LaneFull) as refusal:
        queue.resubmit(refused)

    assert (refusal.value.lane, refusal.value.waiting) == ("interactive", 2)
    assert queue.waiting(Lane.INTERACTIVE) == 2
    assert not redis.exists(keys.job(refused.job_id))
    with pytest.raises(JobNotFound):
        queue.read(refused.job_id)


def test_claimed_jobs_leave_room_in_the_lane(redis: Redis) -> None:
    queue = Queue(redis, max_waiting_interactive=1)
    queue.submit()

    queue.scorer().claim()

    assert queue.read(queue.submit()).state is State.QUEUED


def test_lanes_fill_by_themselves(redis: Redis) -> None:
    queue = Queue(redis, max_waiting_interactive=1, max_waiting_batch=2)
    queue.submit_batch(1, 1)

    queue.submit()

    assert queue.waiting(Lane.INTERACTIVE) == 1
    with pytest.raises(LaneFull):
        queue.submit_batch(1)


def test_a_batch_that_does_not_fit_whole_is_refused_whole(redis: Redis) -> None:
    queue = Queue(redis, max_waiting_batch=2)

    with pytest.raises(LaneFull):
        queue.submit_batch(1, 1, 1)

    assert queue.waiting(Lane.BATCH) == 0
    assert queue.bells() == 0


def test_concurrent_submits_of_one_id_are_one_job(queue: Queue) -> None:
    request = build_request(queue.submissions.mint_id())
    threads = [threading.Thread(target=queue.resubmit, args=(request,)) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert queue.waiting(Lane.INTERACTIVE) == 1


def test_an_id_that_was_never_minted_is_not_found(queue: Queue) -> None:
    foreign = JobIds(b"x" * SECRET_BYTES).mint()

    for job_id in (foreign, "a" * 32, "", "../x"):
        with pytest.raises(JobNotFound):
            queue.read(job_id)


def test_a_minted_id_that_was_never_submitted_is_not_found(queue: Queue) -> None:
    with pytest.raises(JobNotFound):
        queue.read(queue.submissions.mint_id())


def test_a_job_whose_time_is_over_has_expired(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    job_id, now = queue.submit(), time.time()
    queue.redis.delete(keys.job(job_id))
    monkeypatch.setattr("time.time", lambda: now + queue.settings.result_ttl_seconds + 1)

    with pytest.raises(JobExpired):
        queue.read(job_id)


def test_two_gateways_recognise_each_others_ids(queue: Queue) -> None:
    other = Submissions(queue.redis, queue.settings.max_waiting, 3600)

    job_id = queue.submit()

    assert other.read(job_id).state is State.QUEUED


def test_an_empty_queue_has_no_depth(queue: Queue) -> None:
    depths = queue.submissions.depths()

    assert [tuple(depths[lane]) for lane in Lane] == [(0, 0, None), (0, 0, None)]


def test_depths_tell_waiting_in_flight_and_the_age_of_the_oldest_waiting(queue: Queue) -> None:
    queue.submit()
    queue.scorer().claim()
    queue.submit()
    queue.submit()
    queue.submit_batch(1, 1, 1)

    depths = queue.submissions.depths()

    assert (depths["interactive"].waiting, depths["interactive"].in_flight) == (2, 1)
    assert (depths["batch"].waiting, depths["batch"].in_flight) == (3, 0)
    assert depths["interactive"].oldest_waiting_seconds is not None


def test_the_oldest_waiting_job_is_not_the_oldest_claimed_one(queue: Queue) -> None:
    ancient_ms = 1_000_000_000_000
    queue.redis.xgroup_create(keys.lane(Lane.INTERACTIVE), keys.GROUP, "0", mkstream=True)
    for serial in range(2):
        queue.redis.xadd(keys.lane(Lane.INTERACTIVE), {"m": b"-"}, id=f"{ancient_ms}-{serial}")
    queue.redis.xreadgroup(keys.GROUP, "scorer-1", {keys.lane(Lane.INTERACTIVE): ">"}, count=2)
    queue.submit()

    age = queue.submissions.depths()["interactive"].oldest_waiting_seconds

    assert age is not None
    assert age < 3600


def test_the_chunks_of_a_batch_are_read_by_index(queue: Queue) -> None:
    job_id, scorer = queue.submit_batch(2, 1), queue.batch_scorer()
    (first,) = scorer.claim()
    scorer.finish([succeed(first, b'[{"label":1},{"label":2}]')], claim_next=False)

    assert queue.submissions.read_chunks(job_id, [0, 1]) == [b'[{"label":1},{"label":2}]', None]
    assert queue.submissions.read_chunks(job_id, []) == []


def test_a_queue_that_does_not_answer_is_unavailable() -> None:
    client = connect(f"redis://127.0.0.1:{find_free_port()}/0")
    submissions = Submissions(client, {"interactive": 1, "batch": 1}, 3600)

    calls = [
        submissions.mint_id,
        submissions.depths,
        lambda: submissions.submit(Lane.INTERACTIVE, [build_request("a" * 32)]),
        lambda: submissions.read("a" * 32),
        lambda: submissions.read_chunks("a" * 32, [0]),
    ]

    for call in calls:
        with pytest.raises(QueueUnavailable):
            call()
    client.close()


def test_a_connection_cut_meanwhile_is_replaced_for_a_submit(queue: Queue) -> None:
    queue.submit()
    for client in queue.redis.client_list():
        if client["id"] != str(queue.redis.client_id()):
            queue.redis.client_kill_filter(_id=client["id"])
    queue.redis.client_kill_filter(_id=queue.redis.client_id(), skipme=False)

    job_id = queue.submissions.mint_id()
    queue.submissions.submit(Lane.INTERACTIVE, [build_request(job_id)])

    assert queue.read(job_id).state is State.QUEUED
    assert queue.waiting(Lane.INTERACTIVE) == 2


def test_the_record_of_a_batch_counts_all_its_rows(queue: Queue) -> None:
    job_id = queue.submissions.mint_id()

    queue.submissions.submit(Lane.BATCH, build_chunks(job_id, [100, 100, 7]))

    facts = queue.read(job_id).facts
    assert (facts["rows"], facts["chunk_rows"], facts["kind"]) == (b"207", b"100", b"batch")
