"""The gateway's view of the champion: looked up rarely, told at once when it moves."""

import pytest

from gateway.champion import VALIDATORS_KEPT, ChampionView
from rhizome import keys
from rhizome.errors import NoChampion, VersionNotFound
from rhizome.registry import Registry
from tests.support.versions import MODEL_NAME, build_manifest
from tests.unit.gateway.conftest import CHAMPION, OTHER


@pytest.fixture
def view(registry: Registry) -> ChampionView:
    return ChampionView(registry)


def test_the_champion_comes_with_its_validator(view: ChampionView) -> None:
    known = view.champion()

    assert known.manifest == CHAMPION
    assert known.validator.signature == CHAMPION.signature
    assert view.pointer().version == CHAMPION.version


def test_a_moved_champion_is_seen_at_once_when_told(view: ChampionView, registry: Registry) -> None:
    view.champion()
    registry.promote(OTHER.version, reason="")

    view.forget()

    assert view.champion().manifest == OTHER
    assert view.pointer().version == OTHER.version


def test_a_moved_champion_is_seen_in_time_when_not_told(
    view: ChampionView, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    view.champion()
    registry.promote(OTHER.version, reason="")

    monkeypatch.setattr("gateway.champion.REFRESH_SECONDS", -1.0)

    assert view.champion().manifest == OTHER


def test_a_champion_that_stands_keeps_its_validator(view: ChampionView) -> None:
    before = view.champion().validator
    view.forget()

    assert view.champion().validator is before


def test_without_a_champion_nothing_can_be_validated(redis, registry: Registry) -> None:  # type: ignore[no-untyped-def]
    redis.delete(keys.champion(MODEL_NAME))

    with pytest.raises(NoChampion):
        ChampionView(registry).champion()


def test_the_first_champion_is_seen_by_the_next_request(redis, registry: Registry) -> None:  # type: ignore[no-untyped-def]
    redis.delete(keys.champion(MODEL_NAME))
    view = ChampionView(registry)
    with pytest.raises(NoChampion):
        view.champion()

    registry.promote(CHAMPION.version, reason="")

    assert view.champion().manifest == CHAMPION


def test_another_version_can_be_looked_up(view: ChampionView) -> None:
    assert view.version(OTHER.version).manifest == OTHER
    with pytest.raises(VersionNotFound):
        view.version("unheard-of")


def test_many_versions_can_be_looked_up_without_keeping_them_all(view: ChampionView, registry: Registry) -> None:
    names = [f"20260202T{number:06d}Z-0123abcd" for number in range(VALIDATORS_KEPT + 4)]
    for name in names:
        registry.register(build_manifest(version=name))

    found = [view.version(name).manifest.version for name in names + names[:2]]

    assert found == names + names[:2]
