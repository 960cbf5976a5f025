"""Promotion and rollback: the pointer moves, the journal follows, and the workers are told."""

import pytest

from rhizome.errors import ChampionMoved, NoChampion, PromotionRefused, VersionNotFound
from rhizome.manifest import Manifest
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.version_store import VersionStore
from trainer.assembly import build_trainer
from trainer.journal import read_journal
from trainer.promotion import Promoter, broadcast_through
from trainer.publication import prune
from trainer.training import train


@pytest.fixture
def told() -> list[str]:
    """The versions that were announced."""
    return []


@pytest.fixture
def promoter(registry: Registry, store: VersionStore, told: list[str]) -> Promoter:
    return Promoter(registry, store, told.append)


def champion_of(registry: Registry) -> str:
    pointer = registry.champion()
    assert pointer is not None
    return pointer.version


def publish_some(settings: Settings, registry: Registry, count: int) -> list[Manifest]:
    return [train(settings, registry, f"run {number}") for number in range(count)]


def test_a_promotion_moves_the_pointer_writes_the_journal_and_tells_the_workers(
    settings: Settings, registry: Registry, store: VersionStore, promoter: Promoter, told: list[str]
) -> None:
    manifest = train(settings, registry, "first")

    pointer = promoter.promote_candidate(manifest)

    journal = read_journal(store)
    assert champion_of(registry) == manifest.version
    assert journal is not None
    assert journal.pointer == pointer
    assert told == [manifest.version]


def test_a_candidate_is_not_promoted_over_a_champion_it_was_not_compared_with(
    settings: Settings, registry: Registry, promoter: Promoter
) -> None:
    first, second = publish_some(settings, registry, 2)
    promoter.promote_candidate(first)
    with pytest.raises(ChampionMoved):
        promoter.promote_candidate(second)
    assert champion_of(registry) == first.version


def test_a_rollback_brings_the_former_champion_back(
    settings: Settings, registry: Registry, store: VersionStore, promoter: Promoter, told: list[str]
) -> None:
    first, second = publish_some(settings, registry, 2)
    promoter.promote_version(first.version, reason="test")
    promoter.promote_version(second.version, reason="test")

    pointer = promoter.roll_back(reason="it answers strangely")

    journal = read_journal(store)
    assert (pointer.version, pointer.reason) == (first.version, "it answers strangely")
    assert journal is not None
    assert journal.pointer.version == first.version
    assert told == [first.version, second.version, first.version]


def test_there_is_no_rollback_before_the_first_promotion(promoter: Promoter) -> None:
    with pytest.raises(NoChampion):
        promoter.roll_back(reason="test")


def test_there_is_no_rollback_from_the_only_champion(
    settings: Settings, registry: Registry, promoter: Promoter
) -> None:
    promoter.promote_candidate(train(settings, registry, "first"))
    with pytest.raises(PromotionRefused, match="no former champion"):
        promoter.roll_back(reason="test")


def test_a_version_without_a_gate_report_is_refused_unless_forced(
    settings: Settings, registry: Registry, promoter: Promoter
) -> None:
    manifest = train(settings, registry, "first").model_copy(update={"gate": {}})
    registry.register(manifest)
    with pytest.raises(PromotionRefused, match="no gate report"):
        promoter.promote_version(manifest.version, reason="test")
    assert promoter.promote_version(manifest.version, reason="test", force=True).version == manifest.version


def test_a_version_that_is_not_on_disk_is_not_promoted(promoter: Promoter) -> None:
    with pytest.raises(VersionNotFound):
        promoter.promote_version("20260101T000000Z-00000000", reason="test")


def test_a_broadcast_that_fails_does_not_undo_the_promotion(
    settings: Settings, registry: Registry, store: VersionStore
) -> None:
    nowhere = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    promoter = Promoter(registry, store, broadcast_through(build_trainer(nowhere)))
    manifest = train(settings, registry, "first")
    assert promoter.promote_candidate(manifest).version == manifest.version


def test_a_journal_that_cannot_be_written_does_not_undo_the_promotion(
    settings: Settings, registry: Registry, store: VersionStore, promoter: Promoter, told: list[str]
) -> None:
    manifest = train(settings, registry, "first")
    store.journal.mkdir()
    assert promoter.promote_candidate(manifest).version == manifest.version
    assert told == [manifest.version]


def test_prune_removes_the_oldest_but_neither_champion_nor_rollback_target(
    settings: Settings, registry: Registry, store: VersionStore, promoter: Promoter
) -> None:
    former, champion, third, fourth, fifth = publish_some(settings, registry, 5)
    promoter.promote_version(former.version, reason="test")
    promoter.promote_version(champion.version, reason="test")

    removed = prune(store, registry, keep=2)

    assert removed == [third.version]
    assert store.names() == [former.version, champion.version, fourth.version, fifth.version]
    assert {manifest.version for manifest in registry.versions()} == set(store.names())


def test_prune_protects_the_version_a_rollback_would_really_bring_back(
    settings: Settings, registry: Registry, store: VersionStore, promoter: Promoter
) -> None:
    oldest, failing, champion, _ = publish_some(settings, registry, 4)
    for manifest in (oldest, failing):
        promoter.promote_version(manifest.version, reason="test")
    registry.roll_back(reason="failed in service", failed=failing.version)
    promoter.promote_version(champion.version, reason="test")

    prune(store, registry, keep=1)

    assert oldest.version in store.names()
    assert failing.version not in store.names()
    assert promoter.roll_back(reason="test").version == oldest.version
