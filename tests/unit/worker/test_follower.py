"""The follower: what it serves it holds nothing against, whatever Redis does while it says so."""

import time

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from rhizome import keys
from rhizome.heartbeats import Heartbeat, beat
from rhizome.registry import Registry
from tests.support.versions import MODEL_NAME, Written, promote, write_iris
from tests.unit.worker.conftest import Bench, BuildBench
from worker import follower
from worker.follower import Follower

CUTS = 2


class CutRegistry(Registry):
    """Loses its connection whenever a vote is withdrawn, `cuts` times."""

    cuts = CUTS

    def withdraw_vote(self, version: str, *, process: str) -> None:
        if self.cuts:
            self.cuts -= 1
            raise RedisConnectionError("cut for a moment")
        super().withdraw_vote(version, process=process)


@pytest.fixture
def idle(build_bench: BuildBench) -> Bench:
    """A process that has not loaded anything."""
    return build_bench()


@pytest.fixture
def following(redis: Redis, idle: Bench) -> Follower:
    return Follower(CutRegistry(redis, MODEL_NAME), idle.shelf)


@pytest.fixture
def another_host(redis: Redis) -> None:
    """Serves whatever is promoted, so that no single vote decides."""
    now = time.time()
    beat(redis, Heartbeat("worker", "another-host", 1, "serving", now, now))


def look_through_cuts(following: Follower) -> None:
    for _ in range(CUTS):
        with pytest.raises(RedisConnectionError):
            following.follow()
    following.follow()


def served(bench: Bench) -> str | None:
    return bench.shelf.champion.name if bench.shelf.champion else None


def votes_against(redis: Redis, written: Written) -> dict[bytes, bytes]:
    return redis.hgetall(keys.votes(MODEL_NAME, written.version))


def test_a_connection_lost_after_the_load_is_not_the_versions_fault(
    redis: Redis, idle: Bench, following: Follower
) -> None:
    written = write_iris(idle.models_dir)
    promote(redis, written)

    with pytest.raises(RedisConnectionError):
        following.follow()

    assert (following.state, following.detail) == ("serving", "")
    assert served(idle) == written.version


@pytest.mark.usefixtures("another_host")
def test_a_vote_that_could_not_be_withdrawn_is_withdrawn_later(
    redis: Redis, idle: Bench, following: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "PATIENCE_SECONDS", 0.0)
    late, elsewhere = write_iris(idle.models_dir), idle.models_dir / "elsewhere"
    promote(redis, late)
    late.path.rename(elsewhere)
    following.follow()
    assert following.state == "failed"
    assert len(votes_against(redis, late)) == 1

    elsewhere.rename(late.path)
    look_through_cuts(following)

    assert (following.state, served(idle)) == ("serving", late.version)
    assert votes_against(redis, late) == {}


@pytest.mark.usefixtures("another_host")
def test_the_vote_of_a_former_process_of_this_number_is_withdrawn_in_the_end(
    redis: Redis, idle: Bench, following: Follower
) -> None:
    written = write_iris(idle.models_dir)
    promote(redis, written)
    redis.hset(keys.votes(MODEL_NAME, written.version), follower._process_key(), "it could not load it")

    look_through_cuts(following)

    assert votes_against(redis, written) == {}


@pytest.mark.usefixtures("another_host")
def test_a_vote_against_a_champion_that_was_replaced_is_withdrawn_before_the_next_is_loaded(
    redis: Redis, idle: Bench, following: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "PATIENCE_SECONDS", 0.0)
    missing, next_one = write_iris(idle.models_dir, number=1), write_iris(idle.models_dir, number=2)
    promote(redis, missing)
    missing.path.rename(idle.models_dir / "elsewhere")
    following.follow()

    promote(redis, next_one)
    look_through_cuts(following)

    assert (following.state, served(idle)) == ("serving", next_one.version)
    assert votes_against(redis, missing) == {}


@pytest.mark.parametrize("is_served", [True, False])
def test_what_is_lacking_here_is_no_vote_against_a_version_that_another_serves(
    redis: Redis, idle: Bench, monkeypatch: pytest.MonkeyPatch, is_served: bool
) -> None:
    """However many such processes there are: a stray worker with an empty folder rolls nothing back."""
    monkeypatch.setattr(follower, "PATIENCE_SECONDS", 0.0)
    registry = Registry(redis, MODEL_NAME)
    former, champion = write_iris(idle.models_dir, number=1), write_iris(idle.models_dir, number=2)
    promote(redis, former)
    promote(redis, champion)
    champion.path.rename(idle.models_dir / "elsewhere")
    now = time.time()
    if is_served:
        beat(redis, Heartbeat("worker", "another-host", 1, "serving", now, now, version=champion.version))

    stray = Follower(registry, idle.shelf)
    stray.follow()

    standing = registry.champion()
    assert standing is not None
    assert standing.version == (champion if is_served else former).version
    assert votes_against(redis, champion) == {}
    assert (stray.state == "failed") is is_served
