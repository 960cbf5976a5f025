"""A version is rolled back when most of the living worker processes, and of their hosts, cannot load it."""

import time

import pytest
from redis import Redis

from rhizome.heartbeats import LIVING_SECONDS, Heartbeat
from rhizome.registry import Pointer, Registry
from tests.support.heartbeats import write_silent
from tests.support.versions import MODEL_NAME, build_manifest

GOOD, BAD, LATER = (f"20260101T{number:06d}Z-0123abcd" for number in range(1, 4))


@pytest.fixture
def registry(redis: Redis) -> Registry:
    """`BAD` is champion, after `GOOD`."""
    registry = Registry(redis, MODEL_NAME)
    for version in (GOOD, BAD, LATER):
        registry.register(build_manifest(version=version, artifact_sha256=version[9:15] * 10 + "abcd"))
    registry.promote(GOOD, reason="")
    registry.promote(BAD, reason="")
    return registry


def live(
    redis: Redis, *processes: str, role: str = "worker", age: float = 0.0, skew: float = 0.0, **facts: str
) -> None:
    """Each of `processes` (`host:pid`) gave a sign of life so long ago, by a clock that differs from Redis's."""
    for process in processes:
        host, pid = process.split(":")
        now = time.time() + skew
        heartbeat = Heartbeat(role=role, host=host, pid=int(pid), state="serving", at=now, started_at=now, **facts)
        write_silent(redis, heartbeat, seconds=age)


def vote(registry: Registry, process: str, version: str = BAD) -> Pointer | None:
    return registry.vote_against(
        version, reason=f"{process} cannot load it", process=f"worker:{process}", host=process.split(":", maxsplit=1)[0]
    )


def champion_of(registry: Registry) -> str:
    pointer = registry.champion()
    assert pointer is not None
    return pointer.version


def test_the_vote_of_a_single_process_decides(registry: Registry, redis: Redis) -> None:
    live(redis, "a:1")

    standing = vote(registry, "a:1")

    assert standing is not None
    assert standing.version == champion_of(registry) == GOOD
    assert registry.rejected() == {BAD: "a:1 cannot load it"}


@pytest.mark.parametrize(
    ("living", "against"),
    [
        (("a:1", "a:2"), ("a:1",)),
        (("a:1", "a:2", "b:1", "b:2"), ("a:1", "a:2")),
        (("a:1", "a:2", "a:3", "b:1"), ("a:1", "a:2", "a:3")),
    ],
    ids=["one of two", "one of two hosts", "most processes, on one of two hosts"],
)
def test_one_host_decides_nothing_for_the_others(
    registry: Registry, redis: Redis, living: tuple[str, ...], against: tuple[str, ...]
) -> None:
    live(redis, *living)

    stood = [vote(registry, process) for process in against]

    assert stood == [None] * len(against)
    assert champion_of(registry) == BAD
    assert registry.rejected() == {}


def test_a_version_that_is_bad_for_all_is_rolled_back_by_the_last_vote_needed(registry: Registry, redis: Redis) -> None:
    live(redis, "a:1", "a:2", "b:1", "b:2")

    stood = [vote(registry, process) for process in ("a:1", "b:1", "a:2")]

    assert [standing is None for standing in stood] == [True, True, False]
    assert champion_of(registry) == GOOD


def test_only_living_worker_processes_are_asked(registry: Registry, redis: Redis) -> None:
    live(redis, "a:1")
    live(redis, "b:1", age=LIVING_SECONDS + 2)
    live(redis, "c:1", role="trainer")

    vote(registry, "a:1")

    assert champion_of(registry) == GOOD


def test_a_host_with_a_wrong_clock_is_asked_too(registry: Registry, redis: Redis) -> None:
    live(redis, "a:1")
    live(redis, "b:1", skew=-3600.0)

    assert vote(registry, "a:1") is None


def test_those_who_score_single_jobs_are_enough(registry: Registry, redis: Redis) -> None:
    live(redis, "a:1", "a:2")
    live(redis, "a:3", "a:4", lane="batch")

    stood = [vote(registry, process) for process in ("a:1", "a:2")]

    assert [standing is None for standing in stood] == [True, False]


def test_those_who_score_batches_alone_are_not(registry: Registry, redis: Redis) -> None:
    live(redis, "a:1", "a:2")
    live(redis, "a:3", "a:4", lane="batch")

    assert [vote(registry, process) for process in ("a:3", "a:4")] == [None, None]


def test_the_votes_of_the_dead_do_not_count(registry: Registry, redis: Redis) -> None:
    live(redis, "a:1", "a:2", "b:1", "b:2")
    vote(registry, "a:1")
    vote(registry, "b:1")
    live(redis, "a:1", age=LIVING_SECONDS + 2)

    vote(registry, "b:2")

    assert champion_of(registry) == BAD, "two of three, but on one of two hosts"


def test_a_vote_that_was_withdrawn_does_not_count(registry: Registry, redis: Redis) -> None:
    live(redis, "a:1", "a:2", "a:3")
    vote(registry, "a:1")
    registry.withdraw_vote(BAD, process="worker:a:1")

    assert vote(registry, "a:2") is None
    assert champion_of(registry) == BAD


def test_a_process_alone_rejects_no_version_that_is_champion_no_more(registry: Registry, redis: Redis) -> None:
    live(redis, "a:1", "b:1")
    registry.promote(LATER, reason="")

    vote(registry, "a:1")

    assert champion_of(registry) == LATER
    assert registry.rejected() == {}
