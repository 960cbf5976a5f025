"""Recovery: after Redis or the disk lost something, what is left is put together again."""

import shutil
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from redis import Redis

from rhizome import keys
from rhizome.manifest import Manifest
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.training_runs import begin_run, claim_run, read_runs, request_run
from rhizome.version_store import VersionStore
from tests.support.service import eventually
from trainer.journal import read_journal, update_journal
from trainer.promotion import Promoter
from trainer.recovery import adopt
from trainer.training import train
from trainer.upkeep import Upkeep


def ignore(_: str) -> None:
    """Stands in for the broadcast where no worker listens."""


@pytest.fixture
def promoted(settings: Settings, registry: Registry, store: VersionStore) -> list[Manifest]:
    """Three versions; the second is champion, the first its predecessor."""
    manifests = [train(settings, registry, f"run {number}") for number in range(3)]
    for manifest in manifests[:2]:
        Promoter(registry, store, ignore).promote_version(manifest.version, reason="test")
    return manifests


def test_nothing_on_disk_gives_no_champion(settings: Settings, registry: Registry) -> None:
    assert adopt(settings, registry) is None


def test_a_wiped_redis_gets_versions_champion_and_history_back(
    settings: Settings, registry: Registry, redis: Redis, promoted: list[Manifest]
) -> None:
    before = (registry.champion(), registry.history(), registry.versions())
    redis.flushall()

    assert adopt(settings, registry) == before[0]

    assert (registry.champion(), registry.history(), registry.versions()) == before


def test_the_newest_version_that_passed_stands_in_for_a_lost_journal(
    settings: Settings, registry: Registry, store: VersionStore, redis: Redis, promoted: list[Manifest]
) -> None:
    redis.flushall()
    store.journal.write_text("{broken")

    pointer = adopt(settings, registry)

    journal = read_journal(store)
    assert pointer is not None
    assert pointer.version == promoted[-1].version
    assert journal is not None
    assert journal.pointer == pointer


def test_a_version_that_failed_in_service_is_not_chosen_again(
    settings: Settings, registry: Registry, store: VersionStore, redis: Redis, promoted: list[Manifest]
) -> None:
    registry.promote(promoted[2].version, reason="test")
    registry.roll_back(reason="failed in service", failed=promoted[2].version)
    update_journal(store, registry)
    redis.flushall()
    shutil.rmtree(store.path(promoted[1].version))

    pointer = adopt(settings, registry)

    assert pointer is not None
    assert pointer.version == promoted[0].version


def test_a_standing_champion_is_left_alone(
    settings: Settings, registry: Registry, store: VersionStore, promoted: list[Manifest]
) -> None:
    store.journal.unlink()
    champion = registry.champion()
    assert adopt(settings, registry) == champion
    assert registry.champion() == champion


def test_a_champion_that_vanished_from_the_disk_is_replaced(
    settings: Settings, registry: Registry, store: VersionStore, promoted: list[Manifest]
) -> None:
    shutil.rmtree(store.path(promoted[1].version))

    pointer = adopt(settings, registry)

    assert pointer is not None
    assert pointer.version == promoted[2].version
    assert "cannot be used" in pointer.reason


def test_an_emptied_models_folder_asks_for_training_but_keeps_the_champion_known(
    settings: Settings, registry: Registry, store: VersionStore, promoted: list[Manifest]
) -> None:
    shutil.rmtree(store.root)

    assert adopt(settings, registry) is None

    assert [manifest.version for manifest in registry.versions()] == [promoted[1].version]


def test_a_tampered_version_is_not_adopted_as_champion(
    settings: Settings, registry: Registry, store: VersionStore, redis: Redis, promoted: list[Manifest]
) -> None:
    redis.flushall()
    (store.path(promoted[1].version) / "model.joblib").write_bytes(b"tampered")
    (store.path(promoted[2].version) / "model.joblib").write_bytes(b"tampered")

    pointer = adopt(settings, registry)

    assert pointer is not None
    assert pointer.version == promoted[0].version


def test_unsigned_versions_are_not_adopted_once_a_key_is_set(
    settings: Settings, registry: Registry, redis: Redis, promoted: list[Manifest]
) -> None:
    redis.flushall()
    signed = settings.model_copy(update={"signing_key": SecretStr("key")})
    assert adopt(signed, registry) is None
    assert registry.versions() == []


def test_a_run_that_waits_behind_a_dead_one_is_let_begin(settings: Settings, redis: Redis) -> None:
    now = datetime.now(UTC)
    dead, _ = claim_run(redis, "a command line that was killed", now)
    begin_run(redis, dead, now)
    waiting, _ = request_run(redis, "test", now)
    redis.delete(keys.TRAINING_PENDING)  # what time does
    upkeep = Upkeep(settings)

    upkeep.start()
    try:
        eventually(lambda: redis.llen(keys.TRAINING_QUEUE) == 1, what="the message of the run that waited")
    finally:
        upkeep.stop()

    assert read_runs(redis)["current"]["run_id"] == waiting
    assert read_runs(redis)["last"]["run_id"] == dead
