"""Rollback: back to the newest former champion that may serve, once, whoever asks."""

import pytest
from redis import Redis

from rhizome import keys
from rhizome.errors import ChampionMoved, NoChampion, PromotionRefused, VersionNotFound
from rhizome.registry import Registry
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


def test_rollback_puts_the_former_champion_back(registry: Registry) -> None:
    registry.promote(A, reason="")
    registry.promote(B, reason="")

    standing = registry.roll_back(reason="an operator")

    assert champion_of(registry) == A
    assert (standing.version, standing.reason, standing.previous) == (A, "an operator", B)
    assert registry.rejected() == {}


def test_rollbacks_go_back_step_by_step(registry: Registry) -> None:
    for version in (A, B, C):
        registry.promote(version, reason="")

    went = [registry.roll_back(reason="").version for _ in range(2)]

    assert went == [B, A]
    with pytest.raises(PromotionRefused, match="no former champion"):
        registry.roll_back(reason="")
    assert champion_of(registry) == A


def test_after_a_rollback_a_promotion_can_be_rolled_back_again(registry: Registry) -> None:
    registry.promote(A, reason="")
    registry.promote(B, reason="")
    registry.roll_back(reason="")
    registry.promote(C, reason="")

    registry.roll_back(reason="")

    assert champion_of(registry) == A


def test_without_a_champion_there_is_nothing_to_roll_back(registry: Registry) -> None:
    with pytest.raises(NoChampion):
        registry.roll_back(reason="")


def test_a_version_that_failed_is_rejected_and_rolled_back(registry: Registry) -> None:
    registry.promote(A, reason="")
    registry.promote(B, reason="")

    standing = registry.roll_back(reason="B failed", failed=B)

    assert standing.version == champion_of(registry) == A
    assert registry.rejected() == {B: "B failed"}


def test_many_workers_that_report_the_same_failure_roll_back_once(registry: Registry) -> None:
    for version in (A, B, C):
        registry.promote(version, reason="")

    stood = [registry.roll_back(reason="C failed", failed=C).version for _ in range(4)]

    assert stood == [B] * 4
    assert champion_of(registry) == B
    assert history_of(registry) == [A]


def test_a_failed_version_that_is_not_champion_is_rejected_only(registry: Registry) -> None:
    registry.promote(A, reason="")
    registry.promote(B, reason="")

    standing = registry.roll_back(reason="A failed", failed=A)

    assert standing.version == champion_of(registry) == B
    assert registry.rejected() == {A: "A failed"}


def test_a_failed_first_champion_stays_for_want_of_a_former_one(registry: Registry) -> None:
    registry.promote(A, reason="")

    with pytest.raises(PromotionRefused):
        registry.roll_back(reason="A failed", failed=A)

    assert champion_of(registry) == A
    assert registry.rejected() == {}, "it may still be loaded the next time"


def test_a_rejected_version_is_not_promoted_again(registry: Registry) -> None:
    registry.promote(A, reason="")
    registry.promote(B, reason="")
    registry.roll_back(reason="B failed", failed=B)

    with pytest.raises(PromotionRefused, match="B failed"):
        registry.promote(B, reason="")

    assert champion_of(registry) == A


def test_rollback_skips_rejected_and_forgotten_versions(registry: Registry) -> None:
    for version in (A, B, C, D):
        registry.promote(version, reason="")
    registry.roll_back(reason="B failed", failed=B)
    registry.forget(C)

    standing = registry.roll_back(reason="")

    assert standing.version == A


def test_a_rollback_that_finds_nobody_leaves_the_history(registry: Registry, redis: Redis) -> None:
    for version in (A, B, C):
        registry.promote(version, reason="")
    redis.hset(keys.rejected(MODEL_NAME), mapping={A: "it failed then", B: "it failed then"})

    for failed in ("", C):
        with pytest.raises(PromotionRefused, match="no former champion"):
            registry.roll_back(reason="", failed=failed)

    assert champion_of(registry) == C
    assert history_of(registry) == [B, A]


def test_a_former_champion_that_comes_back_can_be_gone_back_to(registry: Registry) -> None:
    for version in (A, B, C):
        registry.promote(version, reason="")
    registry.roll_back(reason="C failed", failed=C)
    registry.forget(A)
    with pytest.raises(PromotionRefused):
        registry.roll_back(reason="")

    registry.register(build_manifest(version=A, artifact_sha256=A[9:15] * 10 + "abcd"))

    assert registry.roll_back(reason="").version == A


def test_a_rollback_takes_what_it_passed_over_out_of_the_history(registry: Registry) -> None:
    for version in (A, B, C, D):
        registry.promote(version, reason="")
    registry.forget(C)

    registry.roll_back(reason="")

    assert champion_of(registry) == B
    assert history_of(registry) == [A]


def test_a_forgotten_version_is_unknown_and_no_longer_rejected(registry: Registry) -> None:
    registry.promote(A, reason="")
    registry.roll_back(reason="B failed", failed=B)

    registry.forget(B)

    with pytest.raises(VersionNotFound):
        registry.manifest(B)
    assert registry.rejected() == {}


def test_an_operator_may_lift_a_rejection(registry: Registry) -> None:
    registry.promote(A, reason="")
    registry.promote(B, reason="")
    registry.roll_back(reason="B failed", failed=B)

    registry.promote(B, reason="", lift_rejection=True)

    assert champion_of(registry) == B
    assert registry.rejected() == {}


def test_a_promotion_that_comes_too_late_lifts_no_rejection(registry: Registry) -> None:
    registry.promote(A, reason="")
    registry.promote(B, reason="")
    registry.roll_back(reason="B failed", failed=B)

    with pytest.raises(ChampionMoved):
        registry.promote(B, reason="", expected=C, lift_rejection=True)

    assert registry.rejected() == {B: "B failed"}


def test_promoting_the_champion_again_changes_nothing(registry: Registry) -> None:
    registry.promote(A, reason="")
    registry.promote(B, reason="first")

    pointer = registry.promote(B, reason="second")

    assert (pointer.previous, pointer.reason) == (A, "first")
    assert [former.version for former in registry.history()] == [A]
