"""The record of training runs: one at a time, none lost, none done twice."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
from redis import Redis

from rhizome import keys
from rhizome.task_message import RETRAIN_TASK
from rhizome.training_runs import (
    LEASE_SECONDS,
    MAXIMUM_ATTEMPTS,
    Outcome,
    Start,
    begin_run,
    claim_run,
    finish_run,
    read_runs,
    renew_run,
    request_run,
)
from trainer.schedule import claim_slot

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def lose_the_lease(redis: Redis) -> None:
    """What time does after the process that held it died."""
    redis.delete(keys.TRAINING_PENDING)


def test_nothing_has_run_at_first(redis: Redis) -> None:
    assert read_runs(redis) == {"state": "idle", "current": None, "last": None}


def test_a_request_is_recorded_and_sent_to_the_trainer(redis: Redis) -> None:
    run_id, created = request_run(redis, "admin", NOW)

    assert created
    (message,) = redis.lrange(keys.TRAINING_QUEUE, 0, -1)
    assert msgspec.json.decode(message)["headers"]["task"] == RETRAIN_TASK
    runs = read_runs(redis)
    assert runs["state"] == "queued"
    assert runs["current"] == {
        "run_id": run_id,
        "reason": "admin",
        "queued_at": "2026-01-02T03:04:05.000+00:00",
        "started_at": "",
    }


def test_a_second_request_joins_the_first(redis: Redis) -> None:
    first, _ = request_run(redis, "admin", NOW)
    assert request_run(redis, "drift", NOW) == (first, False)
    begin_run(redis, first, NOW)
    assert request_run(redis, "schedule", NOW) == (first, False)
    assert redis.llen(keys.TRAINING_QUEUE) == 1


def test_a_run_goes_from_queued_over_running_to_idle(redis: Redis) -> None:
    run_id, _ = request_run(redis, "admin", NOW)
    assert begin_run(redis, run_id, NOW) is Start.BEGUN
    assert read_runs(redis)["state"] == "running"

    assert finish_run(redis, run_id, NOW, Outcome.REFUSED, version="v", detail="worse")

    runs = read_runs(redis)
    assert (runs["state"], runs["current"]) == ("idle", None)
    assert runs["last"]["run_id"] == run_id
    assert (runs["last"]["outcome"], runs["last"]["version"], runs["last"]["detail"]) == ("refused", "v", "worse")
    assert request_run(redis, "admin", NOW)[1]


def test_a_duplicate_delivery_after_the_end_does_nothing(redis: Redis) -> None:
    run_id, _ = request_run(redis, "admin", NOW)
    begin_run(redis, run_id, NOW)
    finish_run(redis, run_id, NOW, Outcome.PROMOTED)
    assert begin_run(redis, run_id, NOW) is Start.FINISHED
    assert not finish_run(redis, run_id, NOW, Outcome.FAILED)
    assert read_runs(redis)["last"]["outcome"] == "promoted"


def test_a_duplicate_delivery_during_the_run_does_not_begin_it_again(redis: Redis) -> None:
    run_id, _ = request_run(redis, "admin", NOW)
    begin_run(redis, run_id, NOW)
    assert begin_run(redis, run_id, NOW) is Start.HELD


def test_a_run_whose_process_died_is_taken_over(redis: Redis) -> None:
    run_id, _ = request_run(redis, "admin", NOW)
    begin_run(redis, run_id, NOW)
    lose_the_lease(redis)
    assert read_runs(redis)["state"] == "stalled"
    assert begin_run(redis, run_id, NOW) is Start.BEGUN


def test_a_run_that_dies_each_time_is_given_up(redis: Redis) -> None:
    run_id, _ = request_run(redis, "admin", NOW)
    for _ in range(MAXIMUM_ATTEMPTS):
        assert begin_run(redis, run_id, NOW) is Start.BEGUN
        lose_the_lease(redis)
    assert begin_run(redis, run_id, NOW) is Start.EXHAUSTED


def test_a_run_that_died_makes_room_and_is_remembered_as_failed(redis: Redis) -> None:
    dead, _ = request_run(redis, "admin", NOW)
    begin_run(redis, dead, NOW)
    lose_the_lease(redis)

    fresh, created = request_run(redis, "admin", NOW)

    assert created
    assert read_runs(redis)["last"]["run_id"] == dead
    assert read_runs(redis)["last"]["detail"] == "the training process died"
    assert begin_run(redis, dead, NOW) is Start.FINISHED
    assert begin_run(redis, fresh, NOW) is Start.BEGUN


def test_a_lease_is_renewed_by_its_run_alone(redis: Redis) -> None:
    run_id, _ = request_run(redis, "admin", NOW)
    begin_run(redis, run_id, NOW)
    redis.expire(keys.TRAINING_PENDING, 1)
    assert renew_run(redis, run_id)
    assert redis.ttl(keys.TRAINING_PENDING) > LEASE_SECONDS - 5
    assert not renew_run(redis, "another")


def test_a_claim_sends_nothing_and_is_held_briefly(redis: Redis) -> None:
    run_id, created = claim_run(redis, "command line", NOW)
    assert created
    assert redis.llen(keys.TRAINING_QUEUE) == 0
    assert redis.ttl(keys.TRAINING_PENDING) <= LEASE_SECONDS
    assert begin_run(redis, run_id, NOW) is Start.BEGUN


def test_moments_are_recorded_in_utc(redis: Redis) -> None:
    request_run(redis, "admin", NOW.astimezone(timezone(timedelta(hours=2))))
    assert read_runs(redis)["current"]["queued_at"] == "2026-01-02T03:04:05.000+00:00"


def test_a_slot_is_claimed_once(redis: Redis) -> None:
    assert claim_slot(redis, "20260102T0300Z")
    assert not claim_slot(redis, "20260102T0300Z")
    assert claim_slot(redis, "20260103T0300Z")
