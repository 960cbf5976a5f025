"""The outbox: nothing is lost, no receiver keeps another waiting, and what is settled is kept for a while."""

import pytest
from redis import Redis

from rhizome import keys
from rhizome.errors import WebhooksFull
from rhizome.task_message import DELIVER_TASK, build_task_message
from rhizome.webhooks.addresses import parse_allowances
from rhizome.webhooks.ledger import Ledger
from rhizome.webhooks.outbox import MAX_LOG_LINES, STANDING_SECONDS, Verdict
from rhizome.webhooks.scripts import PER_RECEIVER, STANDINGS
from rhizome.webhooks.targets import parse_target
from tests.support.queue import DEADLINE_SECONDS, Queue
from tests.support.service import eventually
from tests.support.webhooks import build_outbox, let_all_be_due, submit_single, take_all

SLOW, FAST = "https://slow.example/", "https://fast.example/"
RETRY, DELIVERED, FAILED = (
    Verdict("retry", 500, "unavailable", 3600.0),
    Verdict("delivered", 204),
    Verdict("failed", 404),
)
TIMEOUT = Verdict("retry", None, "timeout", 3600.0)


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return Queue(redis)


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis, max_pending=1000)


def happen(queue: Queue, count: int = 1, url: str = FAST) -> list[str]:
    """So many jobs come to their end; their ids."""
    job_ids = [submit_single(queue, url) for _ in range(count)]
    for job_id in job_ids:
        queue.submissions.cancel(job_id)
    return job_ids


def test_a_delivery_is_given_to_one_thread_alone(queue: Queue, redis: Redis) -> None:
    (job_id,) = happen(queue)

    first, second = build_outbox(redis).claim(), build_outbox(redis).claim()

    assert first is not None
    assert (first.job_id, first.attempt, first.cycle_attempt) == (job_id, 1, 1)
    assert second is None


def test_a_delivery_whose_sender_fell_silent_comes_back(queue: Queue, redis: Redis) -> None:
    happen(queue)
    outbox = build_outbox(redis, lease_seconds=0.05)
    first = outbox.claim()

    second = eventually(outbox.claim, DEADLINE_SECONDS)

    assert first is not None
    assert (second.id, second.attempt) == (first.id, 2)


def test_a_delivery_to_be_retried_waits(queue: Queue, redis: Redis, ledger: Ledger) -> None:
    (job_id,) = happen(queue)
    outbox = build_outbox(redis)
    delivery = outbox.claim()
    assert delivery is not None

    outbox.settle(delivery, RETRY, 12.3)

    assert outbox.claim() is None
    (view,), (attempt,) = ledger.read(job_id)
    assert view.facts["state"] == b"pending"
    assert int(view.facts["next_at"]) == attempt.next_at
    assert (attempt.outcome, attempt.status, attempt.error, attempt.duration_ms) == ("retry", 500, "unavailable", 12.3)
    assert redis.ttl(keys.webhook(delivery.id)) == -1
    let_all_be_due(redis)
    again = outbox.claim()
    assert again is not None
    assert (again.id, again.attempt) == (delivery.id, 2)


@pytest.mark.parametrize("verdict", [DELIVERED, FAILED])
def test_a_settled_delivery_is_kept_for_a_while_and_leaves_the_outbox(
    queue: Queue, redis: Redis, ledger: Ledger, verdict: Verdict
) -> None:
    (job_id,) = happen(queue)
    outbox = build_outbox(redis, keep_seconds=600)
    delivery = outbox.claim()
    assert delivery is not None

    outbox.settle(delivery, verdict, 1.0)

    last = ledger.last(job_id)
    assert last is not None
    assert last.facts["state"].decode() == verdict.outcome
    kept = [keys.webhook(delivery.id), keys.webhooks_of(job_id), keys.webhooks_log(job_id)]
    assert all(0 < redis.ttl(key) <= 600 for key in kept)
    assert (ledger.depth().pending, ledger.depth().due) == (0, 0)
    left = {keys.WEBHOOKS_PENDING, *map(keys.webhooks_due, STANDINGS), keys.webhooks_waiting("fast.example")}
    assert not redis.exists(*left, keys.webhooks_busy("fast.example"))


def test_an_attempt_that_ended_after_its_lease_cannot_put_off_the_next_one(
    queue: Queue, redis: Redis, ledger: Ledger
) -> None:
    (job_id,) = happen(queue)
    outbox = build_outbox(redis, lease_seconds=0.05)
    late = outbox.claim()
    assert late is not None
    present = eventually(outbox.claim, DEADLINE_SECONDS)

    outbox.settle(late, FAILED, 1.0)
    outbox.settle(present, DELIVERED, 1.0)
    outbox.settle(late, FAILED, 1.0)

    last = ledger.last(job_id)
    assert last is not None
    assert last.facts["state"] == b"delivered"


def test_a_late_attempt_that_delivered_counts(queue: Queue, redis: Redis, ledger: Ledger) -> None:
    (job_id,) = happen(queue)
    outbox = build_outbox(redis, lease_seconds=0.05)
    late = outbox.claim()
    assert late is not None
    present = eventually(outbox.claim, DEADLINE_SECONDS)

    outbox.settle(late, DELIVERED, 1.0)
    outbox.settle(present, RETRY, 1.0)

    last = ledger.last(job_id)
    assert last is not None
    assert last.facts["state"] == b"delivered"
    let_all_be_due(redis)
    assert outbox.claim() is None


def test_what_is_left_of_an_older_cycle_cannot_settle_a_redelivery(queue: Queue, redis: Redis, ledger: Ledger) -> None:
    (job_id,) = happen(queue)
    outbox = build_outbox(redis, lease_seconds=0.05)
    first = outbox.claim()
    assert first is not None
    second = eventually(outbox.claim, DEADLINE_SECONDS)
    outbox.settle(first, DELIVERED, 1.0)
    ledger.redeliver(job_id)

    for verdict in (FAILED, RETRY, DELIVERED):
        outbox.settle(second, verdict, 1.0)

    last = ledger.last(job_id)
    assert last is not None
    assert last.facts["state"] == b"pending"
    again = outbox.claim()
    assert again is not None
    assert (again.id, again.attempt, again.cycle_attempt) == (first.id, 3, 1)


def test_one_host_is_one_receiver_whatever_its_ports(queue: Queue, redis: Redis) -> None:
    for url in (
        "https://slow.example/",
        "http://slow.example:8080/",
        "https://slow.example.:8443/",
        "http://[2a00::1]:80/",
    ):
        happen(queue, PER_RECEIVER, url)

    hosts = [delivery.text("receiver") for delivery in take_all(build_outbox(redis))]

    assert sorted(set(hosts)) == ["[2a00::1]", "slow.example"]
    assert hosts.count("slow.example") == PER_RECEIVER


@pytest.mark.parametrize(("verdict", "duration_ms"), [(TIMEOUT, 1000.0), (DELIVERED, 9000.0)])
def test_a_receiver_that_took_long_comes_behind_the_others(
    queue: Queue, redis: Redis, verdict: Verdict, duration_ms: float
) -> None:
    happen(queue, 2, SLOW)
    outbox = build_outbox(redis)
    first = outbox.claim()
    assert first is not None
    outbox.settle(first, verdict, duration_ms)
    happen(queue, 1, FAST)

    urls = [delivery.text("url") for delivery in take_all(outbox)]

    assert urls == [FAST, SLOW]


def test_a_receiver_that_was_quick_comes_before_one_that_is_new(queue: Queue, redis: Redis) -> None:
    happen(queue, 3, FAST)
    outbox = build_outbox(redis)
    first = outbox.claim()
    assert first is not None
    assert not first.is_quick
    happen(queue, 1, SLOW)

    outbox.settle(first, FAILED, 1.0)
    reserved = [outbox.claim(only_quick=True) for _ in range(3)]
    rest = outbox.claim()

    assert [delivery and delivery.is_quick for delivery in reserved] == [True, True, None]
    assert rest is not None
    assert (rest.text("url"), rest.is_quick) == (SLOW, False)


def test_what_is_known_of_a_receiver_is_forgotten(queue: Queue, redis: Redis) -> None:
    happen(queue, 1, SLOW)
    outbox = build_outbox(redis)
    first = outbox.claim()
    assert first is not None
    outbox.settle(first, TIMEOUT, 1.0)

    assert 0 < redis.ttl(keys.webhooks_standing("slow.example")) <= STANDING_SECONDS


def test_a_receiver_is_sent_few_at_once_and_keeps_nobody_else_waiting(queue: Queue, redis: Redis) -> None:
    happen(queue, 3 * PER_RECEIVER, SLOW)
    happen(queue, 2, FAST)

    taken = [delivery.text("url") for delivery in take_all(build_outbox(redis))]

    assert taken.count(SLOW) == PER_RECEIVER
    assert taken.count(FAST) == 2


def test_a_receiver_that_has_answered_is_sent_the_next(queue: Queue, redis: Redis) -> None:
    happen(queue, PER_RECEIVER + 1, SLOW)
    outbox = build_outbox(redis)
    first, *_ = take_all(outbox)

    outbox.settle(first, DELIVERED, 1.0)

    assert len(take_all(outbox)) == 1


def test_a_thread_that_leaves_work_behind_wakes_another(queue: Queue, redis: Redis) -> None:
    happen(queue, 2)
    redis.delete(keys.WEBHOOKS_QUEUE)
    outbox = build_outbox(redis)
    outbox.answer_bell()

    outbox.claim()

    (bell,) = redis.lrange(keys.WEBHOOKS_QUEUE, 0, -1)
    assert DELIVER_TASK.encode() in bell


def test_the_bell_is_a_message_of_celerys_own_form(queue: Queue, redis: Redis) -> None:
    happen(queue)

    rung = redis.rpop(keys.WEBHOOKS_QUEUE)

    assert isinstance(rung, bytes)
    bell_id = rung.decode().partition('"correlation_id":"')[2].partition('"')[0]
    assert rung == build_task_message(DELIVER_TASK, keys.WEBHOOKS_QUEUE, task_id=bell_id)


def test_a_lost_bell_is_rung_again_as_long_as_something_is_due(queue: Queue, redis: Redis) -> None:
    happen(queue)
    outbox = build_outbox(redis)
    redis.delete(keys.WEBHOOKS_QUEUE, keys.WEBHOOKS_BELL)

    outbox.wake()

    assert redis.llen(keys.WEBHOOKS_QUEUE) == 1
    take_all(outbox)
    redis.delete(keys.WEBHOOKS_QUEUE, keys.WEBHOOKS_BELL)
    outbox.wake()
    assert redis.llen(keys.WEBHOOKS_QUEUE) == 0


def test_what_was_settled_can_be_sent_again_under_the_same_id(queue: Queue, redis: Redis, ledger: Ledger) -> None:
    (job_id,) = happen(queue)
    outbox = build_outbox(redis)
    delivery = outbox.claim()
    assert delivery is not None
    outbox.settle(delivery, FAILED, 1.0)

    asked = [ledger.redeliver(job_id), ledger.redeliver(job_id)]

    again = outbox.claim()
    assert again is not None
    assert {delivery.id, again.id} == set(asked)
    assert (again.attempt, again.cycle_attempt) == (2, 1)
    assert outbox.claim() is None
    assert redis.ttl(keys.webhook(again.id)) == redis.ttl(keys.webhooks_log(job_id)) == -1


def test_a_job_without_events_cannot_be_sent_again(queue: Queue, ledger: Ledger) -> None:
    assert ledger.redeliver(submit_single(queue)) is None
    assert ledger.last(queue.submit()) is None


def test_the_log_keeps_the_last_attempts(queue: Queue, redis: Redis, ledger: Ledger) -> None:
    (job_id,) = happen(queue)
    outbox = build_outbox(redis)

    for _ in range(MAX_LOG_LINES + 5):
        let_all_be_due(redis)
        delivery = outbox.claim()
        assert delivery is not None
        outbox.settle(delivery, RETRY, 1.0)

    _, attempts = ledger.read(job_id)
    assert [attempt.attempt for attempt in attempts] == list(range(6, MAX_LOG_LINES + 6))


def test_what_accepted_jobs_have_yet_to_tell_comes_on_top(queue: Queue, redis: Redis) -> None:
    target, ledger = parse_target(FAST, parse_allowances("false")), Ledger(redis, max_pending=2)
    job_ids = []
    for _ in range(5):
        ledger.check_room(target)
        job_ids.append(submit_single(queue, FAST))

    for job_id in job_ids:
        queue.submissions.cancel(job_id)

    assert ledger.depth().pending == 5
    with pytest.raises(WebhooksFull):
        ledger.check_room(target)


def test_an_outbox_that_is_full_takes_no_further_jobs(queue: Queue, redis: Redis) -> None:
    slow, fast = (parse_target(url, parse_allowances("false")) for url in (SLOW, FAST))
    ledger = Ledger(redis, max_pending=4)
    ledger.check_room(slow)

    happen(queue, 2, SLOW)

    with pytest.raises(WebhooksFull, match="this webhook's receiver"):
        ledger.check_room(slow)
    ledger.check_room(fast)
    happen(queue, 1, FAST)
    happen(queue, 1, "https://third.example/")
    with pytest.raises(WebhooksFull, match="submit without a webhook"):
        ledger.check_room(fast)


def test_the_depth_counts_what_is_due(queue: Queue, redis: Redis, ledger: Ledger) -> None:
    assert ledger.depth() == (0, 0, None)
    happen(queue, 3, SLOW)
    happen(queue, 1, FAST)
    outbox = build_outbox(redis)
    delivery = outbox.claim()
    assert delivery is not None
    outbox.settle(delivery, RETRY, 1.0)

    depth = ledger.depth()

    assert (depth.pending, depth.due) == (4, 3)
    assert depth.oldest_due_seconds is not None
    assert 0 <= depth.oldest_due_seconds < DEADLINE_SECONDS
