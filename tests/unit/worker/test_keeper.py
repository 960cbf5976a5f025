"""The keeper: follows the champion pointer, reports, renews leases, and survives everything."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from rhizome import heartbeats, keys
from rhizome.connection import connect
from rhizome.embedded_redis import find_free_port
from rhizome.job_queue.claiming import Claims
from rhizome.jobs import Lane
from rhizome.pulse import Pulse, read_pulses
from rhizome.registry import Registry
from tests.support.service import eventually
from tests.support.versions import MODEL_NAME, Written, promote, write_broken, write_iris
from tests.unit.worker.conftest import Bench, BuildBench
from worker import follower
from worker.flags import Flags
from worker.keeper import Keeper
from worker.pace import WorkPace

NEVER_SECONDS = 3600.0
SOON_SECONDS = 0.02

BuildKeeper = Callable[..., Keeper]


@pytest.fixture
def registry(redis: Redis) -> Registry:
    return Registry(redis, MODEL_NAME)


@pytest.fixture
def idle(build_bench: BuildBench) -> Bench:
    """A process that has not loaded anything."""
    return build_bench()


@pytest.fixture
def build_keeper(idle: Bench, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[BuildKeeper]:
    """Builds keepers that tick fast and beat once; they are stopped in the end."""
    monkeypatch.setattr("worker.keeper.TICK_SECONDS", 0.005)
    monkeypatch.setattr("worker.keeper.BEAT_SECONDS", NEVER_SECONDS)
    built: list[Keeper] = []

    def build(**changes: Any) -> Keeper:
        facts: dict[str, Any] = {
            "redis": redis,
            "registry": Registry(redis, MODEL_NAME),
            "shelf": idle.shelf,
            "claims": idle.claims,
            "latencies": idle.latencies,
            "pace": WorkPace(256),
            "flags": Flags(),
            "busy_since": lambda: None,
            "lease_seconds": 3.0,
            "pulse": Pulse(None, "child", 30.0),
        }
        built.append(Keeper(**(facts | changes)))
        return built[-1]

    yield build
    for keeper in built:
        if keeper._threads[0].ident:
            keeper.stop()


def champion_of(registry: Registry) -> str:
    pointer = registry.champion()
    assert pointer is not None
    return pointer.version


def served(bench: Bench) -> str | None:
    return bench.shelf.champion.name if bench.shelf.champion else None


def heartbeat_of(redis: Redis) -> heartbeats.Heartbeat:
    (heartbeat,) = heartbeats.living(redis)
    return heartbeat


def test_the_champion_is_loaded_at_the_start(idle: Bench, build_keeper: BuildKeeper, redis: Redis) -> None:
    written = write_iris(idle.models_dir)
    promote(redis, written)

    build_keeper().start()

    assert served(idle) == written.version
    heartbeat = heartbeat_of(redis)
    assert (heartbeat.role, heartbeat.state, heartbeat.version) == ("worker", "serving", written.version)
    assert heartbeat.artifact_sha256 == written.manifest.artifact_sha256


def test_without_a_champion_a_process_waits(idle: Bench, build_keeper: BuildKeeper, redis: Redis) -> None:
    build_keeper().start()

    heartbeat = heartbeat_of(redis)
    assert (heartbeat.state, heartbeat.version) == ("waiting", "")
    assert served(idle) is None


def test_a_hint_brings_the_new_champion_without_waiting_for_the_poll(
    idle: Bench, build_keeper: BuildKeeper, redis: Redis
) -> None:
    flags, first, second = Flags(), write_iris(idle.models_dir, number=1), write_iris(idle.models_dir, number=2)
    promote(redis, first)
    build_keeper(flags=flags).start()

    promote(redis, second)
    flags.hint_reload()

    eventually(lambda: served(idle) == second.version, 10.0, "the reload")
    eventually(lambda: heartbeat_of(redis).version == second.version, 10.0, "the report")


def test_a_missed_hint_heals_by_the_poll(
    idle: Bench, build_keeper: BuildKeeper, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.keeper.BEAT_SECONDS", SOON_SECONDS)
    build_keeper().start()

    written = write_iris(idle.models_dir)
    promote(redis, written)

    eventually(lambda: served(idle) == written.version, 10.0, "the champion")


def damaged(bench: Bench) -> Written:
    written = write_iris(bench.models_dir, number=9)
    (written.path / "model.joblib").write_bytes(b"damaged")
    return written


@pytest.mark.parametrize("kind", ["fails its self-test", "is damaged", "is not on disk"])
def test_a_champion_that_cannot_be_loaded_is_rolled_back(
    idle: Bench,
    build_keeper: BuildKeeper,
    registry: Registry,
    redis: Redis,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follower, "PATIENCE_SECONDS", 0.0)
    good = write_iris(idle.models_dir, number=1)
    bad = write_broken(idle.models_dir, number=2) if kind == "fails its self-test" else damaged(idle)
    promote(redis, good)
    promote(redis, bad)
    if kind == "is not on disk":
        bad.path.rename(idle.models_dir / "elsewhere")

    build_keeper().start()

    assert champion_of(registry) == served(idle) == good.version
    assert list(registry.rejected()) == [bad.version]
    assert heartbeat_of(redis).state == "serving"


def test_a_champion_whose_files_come_late_is_waited_for(
    idle: Bench, build_keeper: BuildKeeper, registry: Registry, redis: Redis
) -> None:
    former, late = write_iris(idle.models_dir, number=1), write_iris(idle.models_dir, number=2)
    elsewhere = idle.models_dir / "elsewhere"
    promote(redis, former)
    promote(redis, late)
    late.path.rename(elsewhere)

    flags = Flags()
    build_keeper(flags=flags).start()
    assert heartbeat_of(redis).state == "failed"
    elsewhere.rename(late.path)
    flags.hint_reload()

    eventually(lambda: served(idle) == late.version, 10.0, "the champion")
    assert champion_of(registry) == late.version
    assert registry.rejected() == {}


def test_a_bad_champion_that_comes_while_serving_is_rolled_back_without_a_gap(
    idle: Bench, build_keeper: BuildKeeper, registry: Registry, redis: Redis
) -> None:
    flags, good = Flags(), write_iris(idle.models_dir, number=1)
    promote(redis, good)
    build_keeper(flags=flags).start()
    serving = idle.shelf.champion

    promote(redis, write_broken(idle.models_dir, number=2))
    flags.hint_reload()

    eventually(lambda: champion_of(registry) == good.version, 10.0, "the rollback")
    assert idle.shelf.champion is serving


def test_two_processes_that_reject_the_same_version_roll_back_once(
    idle: Bench, build_bench: BuildBench, build_keeper: BuildKeeper, registry: Registry, redis: Redis
) -> None:
    versions = [write_iris(idle.models_dir, number=number) for number in (1, 2)]
    for written in (*versions, write_broken(idle.models_dir, number=3)):
        promote(redis, written)
    other = build_bench()

    build_keeper().start()
    build_keeper(shelf=other.shelf).start()

    assert champion_of(registry) == served(idle) == served(other) == versions[1].version


def test_a_first_champion_that_cannot_be_loaded_is_reported_as_failed(
    idle: Bench, build_keeper: BuildKeeper, registry: Registry, redis: Redis
) -> None:
    broken = write_broken(idle.models_dir, number=1)
    promote(redis, broken)

    build_keeper().start()

    heartbeat = heartbeat_of(redis)
    assert (heartbeat.state, heartbeat.version) == ("failed", "")
    assert "golden row" in heartbeat.detail
    assert champion_of(registry) == broken.version


def test_a_failed_process_recovers_with_the_next_champion(idle: Bench, build_keeper: BuildKeeper, redis: Redis) -> None:
    flags = Flags()
    promote(redis, write_broken(idle.models_dir, number=1))
    build_keeper(flags=flags).start()
    good = write_iris(idle.models_dir, number=2)

    promote(redis, good)
    flags.hint_reload()

    eventually(lambda: heartbeat_of(redis).state == "serving", 10.0, "the recovery")
    assert served(idle) == good.version


def test_a_process_that_ends_in_order_withdraws_its_heartbeat(build_keeper: BuildKeeper, redis: Redis) -> None:
    keeper = build_keeper()
    keeper.start()

    keeper.stop()

    assert heartbeats.living(redis) == []


def test_a_living_keeper_has_a_pulse_until_it_ends(build_keeper: BuildKeeper, tmp_path: Path) -> None:
    keeper = build_keeper(pulse=Pulse(tmp_path, "child", 30.0))
    keeper.start()
    (pulse,) = read_pulses(tmp_path)
    assert (pulse.role, pulse.pid) == ("child", os.getpid())

    keeper.stop()

    assert read_pulses(tmp_path) == []


def test_runs_are_reported(build_keeper: BuildKeeper, redis: Redis) -> None:
    flags = Flags()
    keeper = build_keeper(flags=flags)
    keeper.start()

    keeper.runs = 3
    flags.hint_reload()

    eventually(lambda: heartbeat_of(redis).runs == 3, 10.0, "the report")


def test_a_redis_that_is_away_is_survived(build_keeper: BuildKeeper) -> None:
    absent = connect(f"redis://127.0.0.1:{find_free_port()}/0")
    keeper = build_keeper(redis=absent, registry=Registry(absent, MODEL_NAME))

    keeper.start()

    assert all(thread.is_alive() for thread in keeper._threads)
    keeper.stop()
    absent.close()


def hold_for_an_hour(bench: Bench, redis: Redis) -> Callable[[], int]:
    """Claims an entry and makes it an hour idle; returns a look at its idle time."""
    bench.queue.submit()
    (entry,) = bench.claims.claim()
    stream = keys.lane(Lane.INTERACTIVE)
    redis.xclaim(stream, keys.GROUP, "this-process", 0, [entry.entry_id], idle=3_600_000, justid=True)
    return lambda: int(bench.queue.deliveries(stream)[0]["time_since_delivered"])


def test_the_lease_of_a_long_micro_batch_is_renewed(idle: Bench, build_keeper: BuildKeeper, redis: Redis) -> None:
    idle_ms = hold_for_an_hour(idle, redis)

    build_keeper(busy_since=lambda: time.monotonic() - 100).start()

    eventually(lambda: idle_ms() < 3_600_000, 10.0, "the renewal")


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "just begun"])
def test_without_a_long_micro_batch_no_lease_is_renewed(
    idle: Bench, build_keeper: BuildKeeper, redis: Redis, busy: bool
) -> None:
    idle_ms, flags = hold_for_an_hour(idle, redis), Flags()
    keeper = build_keeper(flags=flags, busy_since=(time.monotonic if busy else lambda: None))
    keeper.start()

    keeper.runs = 1
    for runs in (2, 3, 4):
        flags.hint_reload()
        keeper.runs = runs
        eventually(lambda: heartbeat_of(redis).runs > 0, 10.0, "a turn of the keeper")

    assert idle_ms() >= 3_600_000


def test_claims_are_only_touched_by_renewing(idle: Bench, build_keeper: BuildKeeper, redis: Redis) -> None:
    idle.queue.submit()
    other: Claims = idle.queue.scorer("other")

    build_keeper(busy_since=lambda: time.monotonic() - 100).start()

    assert len(other.claim()) == 1


def test_one_process_of_two_rolls_nothing_back_and_is_named(
    idle: Bench, build_keeper: BuildKeeper, registry: Registry, redis: Redis
) -> None:
    flags, good, bad = Flags(), write_iris(idle.models_dir, number=1), write_broken(idle.models_dir, number=2)
    promote(redis, good)
    build_keeper(flags=flags).start()
    now = time.time()
    heartbeats.beat(redis, heartbeats.Heartbeat("worker", "another-host", 1, "serving", now + 3600, now))

    promote(redis, bad)
    flags.hint_reload()

    eventually(lambda: heartbeats_here(redis).state == "failed", 10.0, "the report")
    assert champion_of(registry) == bad.version
    assert served(idle) == good.version, "it goes on with what it has"
    assert "golden row" in heartbeats_here(redis).detail


def test_a_vote_is_withdrawn_once_the_version_can_be_loaded(
    idle: Bench, build_keeper: BuildKeeper, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "PATIENCE_SECONDS", 0.0)
    now, flags = time.time(), Flags()
    heartbeats.beat(redis, heartbeats.Heartbeat("worker", "another-host", 1, "serving", now + 3600, now))
    late = write_iris(idle.models_dir)
    promote(redis, late)
    late.path.rename(idle.models_dir / "elsewhere")
    build_keeper(flags=flags).start()
    votes = keys.votes(MODEL_NAME, late.version)
    assert redis.hlen(votes) == 1

    (idle.models_dir / "elsewhere").rename(late.path)
    flags.hint_reload()

    eventually(lambda: served(idle) == late.version, 10.0, "the champion")
    eventually(lambda: redis.hlen(votes) == 0, 10.0, "the withdrawal")


def heartbeats_here(redis: Redis) -> heartbeats.Heartbeat:
    (here,) = (each for each in heartbeats.living(redis) if each.host != "another-host")
    return here
