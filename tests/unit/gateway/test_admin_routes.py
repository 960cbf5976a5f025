"""The admin calls: anyone may look, only the holder of the key may change something."""

import json

import pytest
from flask.testing import FlaskClient
from redis import Redis

from rhizome import keys
from rhizome.registry import Registry
from rhizome.task_message import ANNOUNCE_TASK, RETRAIN_TASK
from rhizome.training_runs import is_forced
from tests.support.versions import build_manifest
from tests.unit.gateway.conftest import ADMIN_KEY, CHAMPION, OTHER, BuildApp

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
GUARDED = [f"/models/{OTHER.version}/promote", "/models/rollback", "/retrain"]


def champion_of(registry: Registry) -> str:
    pointer = registry.champion()
    assert pointer is not None
    return pointer.version


def sent_tasks(redis: Redis) -> list[str]:
    return [json.loads(raw)["headers"]["task"] for raw in redis.lrange(keys.TRAINING_QUEUE, 0, -1)]


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {ADMIN_KEY}x"},
        {"Authorization": f"Bearer {ADMIN_KEY[:-1]}"},
        {"Authorization": f"Basic {ADMIN_KEY}"},
        {"Authorization": ADMIN_KEY},
        {"Authorization": "Bearer \xff"},
        {"X-Admin-Key": ADMIN_KEY},
    ],
    ids=str,
)
def test_without_the_key_nothing_is_changed(
    client: FlaskClient, registry: Registry, redis: Redis, path: str, headers: dict[str, str]
) -> None:
    response = client.post(path, headers=headers)

    assert response.status_code == 401
    assert response.get_json()["code"] == "admin_key_required"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert champion_of(registry) == CHAMPION.version
    assert sent_tasks(redis) == []


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("headers", [{}, KEY, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}], ids=str)
def test_without_a_key_in_the_settings_the_calls_are_switched_off(
    build_app: BuildApp, registry: Registry, path: str, headers: dict[str, str]
) -> None:
    response = build_app(admin_key=None).test_client().post(path, headers=headers)

    assert response.status_code == 403
    assert response.get_json()["code"] == "admin_switched_off"
    assert "RHIZOME_ADMIN_KEY" in response.get_json()["detail"]
    assert champion_of(registry) == CHAMPION.version


def test_the_key_is_never_sent_back(client: FlaskClient) -> None:
    response = client.post("/retrain", headers={"Authorization": "Bearer wrong"})

    assert ADMIN_KEY not in response.text
    assert "wrong" not in response.text


def test_promotion_swings_the_pointer_and_tells_the_trainer(
    client: FlaskClient, registry: Registry, redis: Redis
) -> None:
    response = client.post(f"/models/{OTHER.version}/promote", headers=KEY)

    assert response.status_code == 200
    assert response.get_json()["version"] == champion_of(registry) == OTHER.version
    assert response.get_json()["previous"] == CHAMPION.version
    assert sent_tasks(redis) == [ANNOUNCE_TASK]


def test_an_unknown_version_cannot_be_promoted(client: FlaskClient) -> None:
    response = client.post("/models/unheard-of/promote", headers=KEY)

    assert (response.status_code, response.get_json()["code"]) == (404, "version_not_found")


@pytest.mark.parametrize("gate", [{}, {"passed": False}, {"passed": None}], ids=str)
def test_a_version_that_did_not_pass_its_gate_cannot_be_promoted(
    client: FlaskClient, registry: Registry, gate: dict[str, object]
) -> None:
    failed = build_manifest(version="20260101T000003Z-0123abcd", gate=gate)
    registry.register(failed)

    response = client.post(f"/models/{failed.version}/promote", headers=KEY)

    assert (response.status_code, response.get_json()["code"]) == (409, "promotion_refused")
    assert champion_of(registry) == CHAMPION.version


def test_a_version_that_failed_in_service_cannot_be_promoted(client: FlaskClient, registry: Registry) -> None:
    registry.roll_back(reason="it burnt", failed=OTHER.version)

    response = client.post(f"/models/{OTHER.version}/promote", headers=KEY)

    assert (response.status_code, response.get_json()["code"]) == (409, "promotion_refused")


def test_rollback_puts_the_former_champion_back(client: FlaskClient, registry: Registry, redis: Redis) -> None:
    registry.promote(OTHER.version, reason="")

    response = client.post("/models/rollback", headers=KEY)

    assert response.status_code == 200
    assert response.get_json()["version"] == champion_of(registry) == CHAMPION.version
    assert sent_tasks(redis) == [ANNOUNCE_TASK]


def test_without_a_former_champion_a_rollback_is_refused(client: FlaskClient, registry: Registry) -> None:
    response = client.post("/models/rollback", headers=KEY)

    assert (response.status_code, response.get_json()["code"]) == (409, "promotion_refused")
    assert champion_of(registry) == CHAMPION.version


def test_without_a_champion_a_rollback_says_so(build_app: BuildApp, redis: Redis) -> None:
    response = build_app().test_client().post("/models/rollback", headers=KEY)

    assert (response.status_code, response.get_json()["code"]) == (503, "no_champion")


def test_retraining_is_asked_for_once(client: FlaskClient, redis: Redis) -> None:
    first = client.post("/retrain", headers=KEY)
    second = client.post("/retrain", headers=KEY)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.get_json()["run_id"] == second.get_json()["run_id"]
    assert [first.get_json()["status"], second.get_json()["status"]] == ["queued", "already_queued"]
    assert first.headers["Location"] == "/health"
    assert sent_tasks(redis) == [RETRAIN_TASK]


def test_anyone_may_look_at_the_versions(client: FlaskClient, registry: Registry) -> None:
    registry.promote(OTHER.version, reason="")
    registry.roll_back(reason="it burnt", failed=OTHER.version)

    document = client.get("/models").get_json()

    assert document["champion"] == CHAMPION.version
    assert [version["version"] for version in document["versions"]] == [OTHER.version, CHAMPION.version]
    assert [version["is_champion"] for version in document["versions"]] == [False, True]
    assert document["versions"][0]["rejected"] == "it burnt"
    assert "golden" not in document["versions"][0]


def test_looking_at_no_versions_is_no_error(build_app: BuildApp, redis: Redis) -> None:
    document = build_app().test_client().get("/models").get_json()

    assert (document["champion"], document["versions"], document["history"]) == (None, [], [])


def test_retraining_may_be_forced_though_nothing_has_changed(client: FlaskClient, redis: Redis) -> None:
    assert client.post("/retrain?force=false", headers=KEY).status_code == 202
    assert not is_forced(redis)

    response = client.post("/retrain?force=true", headers=KEY)

    assert (response.status_code, response.get_json()["status"]) == (202, "already_queued")
    assert is_forced(redis)


def test_a_force_that_is_no_flag_is_named(client: FlaskClient, redis: Redis) -> None:
    response = client.post("/retrain?force=1", headers=KEY)

    assert (response.status_code, response.get_json()["code"]) == (400, "bad_parameter")
    assert response.get_json()["errors"][0]["field"] == "force"
    assert sent_tasks(redis) == []


def test_every_change_names_its_model(client: FlaskClient) -> None:
    answers = [client.post(path, headers=KEY).get_json() for path in ("/retrain", GUARDED[0], "/models/rollback")]

    assert [answer["model"] for answer in answers] == ["iris"] * 3
