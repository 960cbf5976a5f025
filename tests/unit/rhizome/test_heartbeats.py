"""Heartbeats: who lives, who has been silent for too long, who is forgotten."""

import time
from typing import Any

import msgspec
import pytest
from redis import Redis

from rhizome import keys
from rhizome.heartbeats import FORGET_SECONDS, LIVING_SECONDS, Heartbeat, beat, living, prune, withdraw
from tests.support.heartbeats import write_silent


def build_heartbeat(**changes: Any) -> Heartbeat:
    facts = {"role": "worker", "host": "here", "pid": 1, "state": "serving", "at": time.time(), "started_at": 0.0}
    return Heartbeat(**(facts | changes))


def test_a_process_that_beats_lives(redis: Redis) -> None:
    heartbeat = build_heartbeat(version="v1", artifact_sha256="ab", runs=3)

    beat(redis, heartbeat)

    (heard,) = living(redis)
    assert msgspec.structs.replace(heard, heard_at=0.0, silent_seconds=0.0) == heartbeat


def test_a_process_is_known_once_by_role_host_and_pid(redis: Redis) -> None:
    beat(redis, build_heartbeat(runs=1))
    beat(redis, build_heartbeat(runs=2))
    beat(redis, build_heartbeat(host="there"))
    beat(redis, build_heartbeat(pid=2))
    beat(redis, build_heartbeat(role="trainer"))

    assert [(it.role, it.host, it.pid, it.runs) for it in living(redis)] == [
        ("trainer", "here", 1, 0),
        ("worker", "here", 1, 2),
        ("worker", "here", 2, 0),
        ("worker", "there", 1, 0),
    ]


def test_a_silent_process_does_not_live(redis: Redis) -> None:
    write_silent(redis, build_heartbeat(), LIVING_SECONDS + 1)

    assert living(redis) == []


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_process_whose_clock_is_wrong_lives_as_any_other(redis: Redis, hours: float) -> None:
    now = time.time() + hours * 3600

    beat(redis, build_heartbeat(at=now, measured_at=now - 20))

    (heard,) = living(redis)
    assert heard.skew_seconds == pytest.approx(hours * 3600, abs=5)
    assert heard.seconds_since(heard.measured_at) == pytest.approx(20, abs=5)


def test_a_process_that_is_silent_is_dead_whatever_its_clock_says(redis: Redis) -> None:
    write_silent(redis, build_heartbeat(at=time.time() + 3600), LIVING_SECONDS + 1)

    assert living(redis) == []


def test_a_process_of_an_earlier_release_is_judged_by_its_own_clock(redis: Redis) -> None:
    heartbeat = build_heartbeat()
    redis.hset(keys.PROCESSES, heartbeat.key, msgspec.json.encode(heartbeat))

    (heard,) = living(redis)

    assert heard.skew_seconds == 0


def test_a_process_that_withdraws_is_gone_at_once(redis: Redis) -> None:
    heartbeat = build_heartbeat()
    beat(redis, heartbeat)

    withdraw(redis, heartbeat)

    assert living(redis) == []
    assert redis.hlen(keys.PROCESSES) == 0


def test_only_the_long_silent_are_forgotten(redis: Redis) -> None:
    beat(redis, build_heartbeat(pid=1))
    write_silent(redis, build_heartbeat(pid=2), LIVING_SECONDS + 1)
    write_silent(redis, build_heartbeat(pid=3), FORGET_SECONDS + 1)

    prune(redis)

    assert redis.hkeys(keys.PROCESSES) == [b"worker:here:1", b"worker:here:2"]


def test_pruning_nothing_changes_nothing(redis: Redis) -> None:
    prune(redis)

    assert living(redis) == []
