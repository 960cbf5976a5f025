"""The registry on a real Redis: the champion pointer moves atomically, or not at all."""

from typing import cast

import pytest
from redis import Redis
from redis.client import PubSub

from rhizome import keys
from rhizome.errors import ArtifactError, ChampionMoved, VersionNotFound
from rhizome.registry import HISTORY_LENGTH, Pointer, Registry
from tests.support.versions import MODEL_NAME, build_manifest

A, B, C, D = (f"20260101T{number:06d}Z-0123abcd" for number in range(1, 5))


@pytest.fixture
def registry(redis: Redis) -> Registry:
    """With four registered versions, none of them promoted."""
    registry = Registry(redis, MODEL_NAME)
    for version in (A, B, C, D):
        registry.register(build_manifest(version=version, artifact_sha256=version[9:15] * 10 + "abcd"))
    return registry


def champion_of(registry: Registry) -> str:
    pointer = registry.champion()
    assert pointer is not None
    return pointer.version


def history_of(registry: Registry) -> list[str]:
    return [former.version for former in registry.history()]


def test_before_the_first_promotion_there_is_no_champion(registry: Registry) -> None:
    assert registry.champion() is None
    assert registry.history() == []


def test_registered_versions_are_listed_newest_first(registry: Registry) -> None:
    assert [manifest.version for manifest in registry.versions()] == [D, C, B, A]
    assert registry.manifest(B) == registry.versions()[2]


def test_version_names_are_listed_newest_first(registry: Registry) -> None:
    assert registry.version_names() == [D, C, B, A]


def test_registering_twice_changes_nothing(registry: Registry) -> None:
    registry.register(registry.manifest(A))

    assert len(registry.versions()) == 4


def test_promotion_swings_the_pointer(registry: Registry) -> None:
    promoted = registry.promote(A, reason="first")

    assert registry.champion() == promoted
    assert promoted.artifact_sha256 == registry.manifest(A).artifact_sha256
    assert promoted.signature == registry.manifest(A).signature.digest
    assert (promoted.reason, promoted.previous) == ("first", "")


def test_the_former_champion_goes_to_the_history(registry: Registry) -> None:
    for version in (A, B, C):
        registry.promote(version, reason="")

    assert history_of(registry) == [B, A]
    assert cast(Pointer, registry.champion()).previous == B


def test_promoting_the_champion_again_leaves_the_history(registry: Registry) -> None:
    registry.promote(A, reason="")
    registry.promote(B, reason="")

    registry.promote(B, reason="again")

    assert history_of(registry) == [A]


def test_the_history_is_bounded(registry: Registry) -> None:
    for turn in range(HISTORY_LENGTH + 5):
        registry.promote(A if turn % 2 else B, reason="")

    assert len(registry.history()) == HISTORY_LENGTH


def test_an_unknown_version_is_not_promoted(registry: Registry) -> None:
    with pytest.raises(VersionNotFound):
        registry.promote("20990101T000000Z-00000000", reason="")

    assert registry.champion() is None


def test_a_version_forgotten_while_it_is_promoted_is_not_promoted(registry: Registry, redis: Redis) -> None:
    manifest = registry.manifest(A)
    redis.hdel(keys.versions(MODEL_NAME), A)
    registry.manifest = lambda _: manifest  # type: ignore[method-assign]  # as read just before it was forgotten

    with pytest.raises(VersionNotFound):
        registry.promote(A, reason="")

    assert registry.champion() is None


def test_a_promotion_with_the_expected_champion_goes_through(registry: Registry) -> None:
    registry.promote(A, reason="", expected="")
    registry.promote(B, reason="", expected=A)

    assert champion_of(registry) == B


@pytest.mark.parametrize("expected", ["", C])
def test_a_promotion_is_refused_when_the_champion_has_moved(registry: Registry, expected: str) -> None:
    registry.promote(A, reason="")

    with pytest.raises(ChampionMoved):
        registry.promote(B, reason="", expected=expected)

    assert champion_of(registry) == A
    assert history_of(registry) == []


def test_of_two_promotions_that_expect_the_same_champion_one_wins(registry: Registry, redis: Redis) -> None:
    registry.promote(A, reason="")
    other = Registry(redis, MODEL_NAME)

    registry.promote(B, reason="", expected=A)
    with pytest.raises(ChampionMoved):
        other.promote(C, reason="", expected=A)

    assert champion_of(registry) == B


@pytest.fixture
def moves(redis: Redis) -> PubSub:
    """A subscription to the champion's moves."""
    subscription = redis.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(keys.CHAMPION_MOVED)
    while not subscription.subscribed:
        subscription.get_message(timeout=1)
    subscription.get_message(timeout=1)
    return subscription


def next_move(moves: PubSub) -> bytes | None:
    message = moves.get_message(timeout=1)
    return message["data"] if message else None


def test_every_swing_is_published(registry: Registry, moves: PubSub) -> None:
    registry.promote(A, reason="")
    registry.promote(B, reason="")
    registry.roll_back(reason="")

    published = [next_move(moves) for _ in range(3)]
    moves.close()

    assert published == [A.encode(), B.encode(), A.encode()]


def test_a_journalled_pointer_is_restored_into_an_empty_registry(registry: Registry, redis: Redis) -> None:
    for version in (A, B, C):
        registry.promote(version, reason="")
    pointer, history = registry.champion(), registry.history()
    assert pointer is not None
    redis.delete(keys.champion(MODEL_NAME), keys.champion_history(MODEL_NAME))

    restored = registry.restore(pointer, history)

    assert restored
    assert registry.champion() == pointer
    assert registry.history() == history


def test_nothing_is_restored_over_a_standing_champion(registry: Registry) -> None:
    journalled = registry.promote(A, reason="")
    registry.promote(B, reason="")

    restored = registry.restore(journalled, [])

    assert not restored
    assert champion_of(registry) == B


def test_two_model_names_do_not_meet(registry: Registry, redis: Redis) -> None:
    registry.promote(A, reason="")

    assert Registry(redis, "wine").champion() is None


def test_a_manifest_that_cannot_be_read_is_an_artifact_error(registry: Registry, redis: Redis) -> None:
    redis.hset(keys.versions(MODEL_NAME), A, "{}")

    with pytest.raises(ArtifactError):
        registry.manifest(A)
