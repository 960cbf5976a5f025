"""The record of training runs: one at a time, none lost, none done twice."""

import base64
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
    is_forced,
    read_runs,
    relieve_run,
    renew_run,
    request_run,
)
from trainer.schedule import claim_slot

NOW = datetime(2026, 1, 1, 3, tzinfo=UTC)


def test_a_requested_run_is_queued_and_its_message_sent(redis: Redis) -> None:
    run_id, created = request_run(redis, "a test", NOW)

    message = msgspec.json.decode(redis.lindex(keys.TRAINING_QUEUE, 0))
    assert created
    assert message["headers"]["task"] == RETRAIN_TASK
    runs = read_runs(redis)
    assert runs["state"] == "queued"
    assert runs["current"] == {
        "run_id": run_id,
        "reason": "a test",
        "queued_at": "2026-01-01T03:00:00.000+00:00",
        "started_at": "",
    }


def test_a_second_request_joins_the_queued_run(redis: Redis) -> None:
    run_id, _ = request_run(redis, "first", NOW)

    assert request_run(redis, "second", NOW) == (run_id, False)
    assert redis.llen(keys.TRAINING_QUEUE) == 1


def test_a_request_during_a_run_is_served_by_one_after_it(redis: Redis) -> None:
    first, _ = request_run(redis, "first", NOW)
    begin_run(redis, first, NOW)

    second, created = request_run(redis, "second", NOW)

    assert created
    assert request_run(redis, "third", NOW) == (second, False)
    assert redis.llen(keys.TRAINING_QUEUE) == 1  # it is sent when its turn comes
    runs = read_runs(redis)
    assert (runs["state"], runs["current"]["run_id"]) == ("running", first)
    assert runs["next"] == {"run_id": second, "reason": "second", "queued_at": "2026-01-01T03:00:00.000+00:00"}
    finish_run(redis, first, NOW, Outcome.PROMOTED)
    assert redis.llen(keys.TRAINING_QUEUE) == 2
    assert second.encode() in base64.b64decode(msgspec.json.decode(redis.lindex(keys.TRAINING_QUEUE, 0))["body"])
    runs = read_runs(redis)
    assert (runs["state"], runs["current"]["run_id"], runs["next"]) == ("queued", second, None)
    assert runs["current"]["reason"] == "second"
    assert begin_run(redis, second, NOW) is Start.BEGUN


def test_a_run_that_waits_begins_where_the_one_before_it_died(redis: Redis) -> None:
    dead, _ = request_run(redis, "first", NOW)
    begin_run(redis, dead, NOW)
    second, _ = request_run(redis, "second", NOW)
    assert not relieve_run(redis, NOW)
    redis.delete(keys.TRAINING_PENDING)

    assert relieve_run(redis, NOW)

    assert redis.llen(keys.TRAINING_QUEUE) == 2
    assert begin_run(redis, second, NOW) is Start.BEGUN
    assert read_runs(redis)["last"]["run_id"] == dead
    assert begin_run(redis, dead, NOW) is Start.FINISHED


def test_a_run_that_died_alone_is_left_to_be_delivered_again(redis: Redis) -> None:
    run_id, _ = request_run(redis, "first", NOW)
    begin_run(redis, run_id, NOW)
    redis.delete(keys.TRAINING_PENDING)

    assert not relieve_run(redis, NOW)
    assert begin_run(redis, run_id, NOW) is Start.BEGUN


def test_a_request_after_a_death_joins_the_run_that_waited(redis: Redis) -> None:
    dead, _ = request_run(redis, "first", NOW)
    begin_run(redis, dead, NOW)
    second, _ = request_run(redis, "second", NOW)
    redis.delete(keys.TRAINING_PENDING)

    assert request_run(redis, "third", NOW) == (second, False)
    assert claim_run(redis, "command line", NOW) == (second, False)
    assert read_runs(redis)["state"] == "queued"


def test_a_claimed_run_sends_no_message_and_is_held_briefly(redis: Redis) -> None:
    run_id, created = claim_run(redis, "command line", NOW)

    assert created
    assert redis.llen(keys.TRAINING_QUEUE) == 0
    assert redis.ttl(keys.TRAINING_PENDING) <= LEASE_SECONDS
    assert begin_run(redis, run_id, NOW) is Start.BEGUN


def test_a_claim_waits_for_the_run_that_stands(redis: Redis) -> None:
    run_id, _ = request_run(redis, "first", NOW)
    assert claim_run(redis, "command line", NOW) == (run_id, False)

    begin_run(redis, run_id, NOW)

    assert claim_run(redis, "command line", NOW) == (run_id, False)
    assert read_runs(redis)["next"] is None


def test_a_run_is_begun_once(redis: Redis) -> None:
    run_id, _ = request_run(redis, "a test", NOW)

    assert begin_run(redis, run_id, NOW) is Start.BEGUN
    assert begin_run(redis, run_id, NOW) is Start.HELD
    assert read_runs(redis)["state"] == "running"


def test_a_finished_run_is_not_begun_again(redis: Redis) -> None:
    run_id, _ = request_run(redis, "a test", NOW)
    begin_run(redis, run_id, NOW)

    assert finish_run(redis, run_id, NOW, Outcome.PROMOTED, version="v1", detail="better")

    assert begin_run(redis, run_id, NOW) is Start.FINISHED
    runs = read_runs(redis)
    assert (runs["state"], runs["current"]) == ("idle", None)
    assert (runs["last"]["run_id"], runs["last"]["outcome"], runs["last"]["version"]) == (run_id, "promoted", "v1")


def test_a_run_is_finished_once(redis: Redis) -> None:
    run_id, _ = request_run(redis, "a test", NOW)
    begin_run(redis, run_id, NOW)
    finish_run(redis, run_id, NOW, Outcome.FAILED)

    assert not finish_run(redis, run_id, NOW, Outcome.PROMOTED)
    assert read_runs(redis)["last"]["outcome"] == "failed"


def test_after_a_run_another_can_be_asked_for(redis: Redis) -> None:
    first, _ = request_run(redis, "first", NOW)
    begin_run(redis, first, NOW)
    finish_run(redis, first, NOW, Outcome.REFUSED)

    second, created = request_run(redis, "second", NOW)

    assert created
    assert second != first


def test_a_run_whose_lease_is_over_stalls_and_is_recorded_as_failed_by_the_next(redis: Redis) -> None:
    dead, _ = request_run(redis, "first", NOW)
    begin_run(redis, dead, NOW)
    redis.delete(keys.TRAINING_PENDING)
    assert read_runs(redis)["state"] == "stalled"

    _, created = request_run(redis, "second", NOW)

    last = read_runs(redis)["last"]
    assert created
    assert (last["run_id"], last["outcome"], last["detail"]) == (dead, "failed", "the training process died")
    assert begin_run(redis, dead, NOW) is Start.FINISHED


def test_a_superseded_run_is_not_begun(redis: Redis) -> None:
    old, _ = request_run(redis, "first", NOW)
    redis.delete(keys.TRAINING_PENDING)
    request_run(redis, "second", NOW)
    redis.delete(keys.TRAINING_PENDING)
    request_run(redis, "third", NOW)

    assert begin_run(redis, old, NOW) is Start.SUPERSEDED


def test_a_run_that_kills_its_process_each_time_is_given_up(redis: Redis) -> None:
    run_id, _ = request_run(redis, "a test", NOW)

    starts = []
    for _ in range(MAXIMUM_ATTEMPTS + 1):
        starts.append(begin_run(redis, run_id, NOW))
        redis.delete(keys.TRAINING_PENDING)

    assert starts == [Start.BEGUN] * MAXIMUM_ATTEMPTS + [Start.EXHAUSTED]


def test_only_the_holder_renews(redis: Redis) -> None:
    run_id, _ = request_run(redis, "a test", NOW)
    assert not renew_run(redis, run_id)
    begin_run(redis, run_id, NOW)
    redis.expire(keys.TRAINING_PENDING, 1)

    assert renew_run(redis, run_id)
    assert not renew_run(redis, "another")
    assert redis.ttl(keys.TRAINING_PENDING) > 1


def test_nothing_was_ever_run(redis: Redis) -> None:
    assert read_runs(redis) == {"state": "idle", "current": None, "next": None, "last": None}


def test_moments_are_recorded_in_utc(redis: Redis) -> None:
    request_run(redis, "a test", NOW.astimezone(timezone(timedelta(hours=2))))

    assert read_runs(redis)["current"]["queued_at"] == "2026-01-01T03:00:00.000+00:00"


def test_a_slot_is_claimed_once(redis: Redis) -> None:
    assert claim_slot(redis, "20260102T0300Z")
    assert not claim_slot(redis, "20260102T0300Z")
    assert claim_slot(redis, "20260103T0300Z")


def test_a_forced_request_forces_the_queued_run_that_stands_for_it(redis: Redis) -> None:
    run_id, _ = request_run(redis, "schedule", NOW)
    assert not is_forced(redis)

    assert request_run(redis, "somebody", NOW, force=True) == (run_id, False)
    request_run(redis, "another", NOW)
    begin_run(redis, run_id, NOW)

    assert is_forced(redis)
    assert "force" not in read_runs(redis)["current"]


def test_a_forced_request_during_a_run_forces_the_one_after_it_alone(redis: Redis) -> None:
    first, _ = request_run(redis, "first", NOW)
    begin_run(redis, first, NOW)
    second, _ = request_run(redis, "second", NOW)
    request_run(redis, "third", NOW, force=True)
    assert not is_forced(redis)
    assert set(read_runs(redis)["next"]) == {"run_id", "reason", "queued_at"}

    finish_run(redis, first, NOW, Outcome.UNCHANGED, version="v1")
    begin_run(redis, second, NOW)

    assert is_forced(redis)
    finish_run(redis, second, NOW, Outcome.PROMOTED, version="v2")
    assert not is_forced(redis)
