"""Errors on the wire: each code has its status, each body is RFC 9457, nothing internal leaves the gateway."""

import ast
import inspect
from pathlib import Path

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from werkzeug.test import TestResponse

import gateway
from gateway.problems import CONTENT_TYPE, STATUS_OF_CODE
from rhizome import errors
from rhizome.errors import DeadlineUnmeetable, InvalidRequest, LaneFull, RangeNotSatisfiable, RhizomeError

SECRET = "/srv/models/secret.joblib hunter2"

#: What each deliberate error means to a caller; 500 says that the caller can do nothing about it.
STATUS_OF_ERROR = {
    "RhizomeError": 500,
    "SettingsError": 500,
    "StartupError": 500,
    "InvalidRequest": 422,
    "RowsFailed": 422,
    "LaneFull": 429,
    "DeadlineUnmeetable": 429,
    "WebhookNotFound": 404,
    "WebhooksSwitchedOff": 403,
    "WebhooksFull": 429,
    "JobNotFound": 404,
    "JobExpired": 410,
    "IdempotencyConflict": 409,
    "JobFinished": 409,
    "JobCancelled": 409,
    "AnswerOverdue": 504,
    "AnswerUnavailable": 503,
    "TooManyWaiters": 503,
    "StorageFull": 503,
    "BlobStoreFull": 503,
    "BlobStoreUnavailable": 503,
    "BlobNotFound": 410,
    "RowsIncomplete": 409,
    "ExportNotReady": 409,
    "NotAcceptable": 406,
    "RangeNotSatisfiable": 416,
    "QueueUnavailable": 503,
    "DatasetError": 500,
    "ArtifactError": 500,
    "ArtifactMissing": 500,
    "ArtifactTampered": 500,
    "SelfTestFailed": 500,
    "RegistryError": 500,
    "ModelNotFound": 404,
    "VersionNotFound": 404,
    "NoChampion": 503,
    "ChampionMoved": 409,
    "PromotionRefused": 409,
}
ERRORS = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, RhizomeError)}


def raise_in(app: Flask, error: Exception) -> TestResponse:
    """What a route answers that raises `error`."""

    def route() -> str:
        raise error

    app.add_url_rule("/raise", view_func=route)
    return app.test_client().get("/raise")


def assert_is_problem(response: TestResponse, status: int, code: str) -> dict[str, object]:
    document = response.get_json()
    assert response.status_code == status
    assert response.content_type == CONTENT_TYPE
    assert document["code"] == code
    assert document["status"] == status
    assert document["type"] == f"urn:rhizome:problem:{code}"
    assert document["title"] != "Error"
    assert document["detail"]
    assert document["request_id"] == response.headers["X-Request-ID"]
    return dict(document)


def test_every_deliberate_error_has_a_status() -> None:
    assert set(STATUS_OF_ERROR) == set(ERRORS)


@pytest.mark.parametrize("name", [name for name, status in STATUS_OF_ERROR.items() if status != 500])
def test_an_error_a_caller_can_act_on_is_told(app: Flask, name: str) -> None:
    kind = ERRORS[name]
    facts = {LaneFull: ("batch", 7), DeadlineUnmeetable: (900, 500), RangeNotSatisfiable: (7,)}
    error = kind(*facts.get(kind, ("what is wrong",)))

    document = assert_is_problem(raise_in(app, error), STATUS_OF_ERROR[name], kind.code)

    assert document["detail"] == str(error)


@pytest.mark.parametrize("name", [name for name, status in STATUS_OF_ERROR.items() if status == 500])
def test_an_internal_error_is_hidden(app: Flask, name: str) -> None:
    response = raise_in(app, ERRORS[name](SECRET))

    assert_is_problem(response, 500, "internal_error")
    assert "hunter2" not in response.text


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(SECRET),
        KeyError(SECRET),
        MemoryError(SECRET),
        RecursionError(SECRET),
        UnicodeDecodeError("utf-8", b"hunter2", 0, 1, SECRET),
        OSError(2, SECRET, "/srv/models/secret.joblib"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_nothing_internal_leaks_on_an_unexpected_exception(app: Flask, error: Exception) -> None:
    response = raise_in(app, error)

    assert_is_problem(response, 500, "internal_error")
    for leak in ("hunter2", "/srv", "Traceback", type(error).__name__, __file__):
        assert leak not in response.text


@pytest.mark.parametrize("error", [RedisConnectionError("10.0.0.7:6379"), ResponseError("OOM at 10.0.0.7")])
def test_an_absent_redis_is_temporary_and_its_address_hidden(app: Flask, error: Exception) -> None:
    response = raise_in(app, error)

    assert_is_problem(response, 503, "queue_unavailable")
    assert "10.0.0.7" not in response.text
    assert response.headers["Retry-After"].isdigit()


def test_a_full_lane_says_when_to_come_back(app: Flask) -> None:
    assert raise_in(app, LaneFull("batch", 7)).headers["Retry-After"].isdigit()


def test_the_problems_of_an_invalid_request_are_listed(app: Flask) -> None:
    problems = ({"field": "size", "problem": "is missing", "remedy": "add it"},)

    response = raise_in(app, InvalidRequest("one problem", code="invalid_fields", problems=problems))

    assert assert_is_problem(response, 422, "invalid_fields")["errors"] == list(problems)


@pytest.mark.parametrize("path", ["/nowhere", "/predict/", "/docs/assets/../../app.py", "/docs/assets/docs.html"])
def test_an_unknown_address_is_a_404(client: FlaskClient, path: str) -> None:
    assert_is_problem(client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST"),
        ("PUT", "/predict/batch", "POST"),
        ("POST", "/health", "GET"),
        ("GET", "/retrain", "POST"),
    ],
)
def test_another_method_is_a_405_that_names_the_right_one(
    client: FlaskClient, method: str, path: str, allowed: str
) -> None:
    response = client.open(path, method=method)

    assert_is_problem(response, 405, "method_not_allowed")
    assert allowed in response.headers["Allow"].split(", ")


def test_a_request_that_breaks_off_gets_a_code_of_the_table(app: Flask) -> None:
    app.add_url_rule("/abort", view_func=lambda: abort(400))

    response = app.test_client().get("/abort")

    assert response.content_type == CONTENT_TYPE
    assert response.get_json()["code"] in STATUS_OF_CODE


def test_every_code_named_in_the_gateway_has_a_status_in_the_table() -> None:
    named = set()
    for path in Path(inspect.getfile(gateway)).parent.glob("*.py"):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            named |= {keyword.value.value for keyword in call.keywords if is_code(keyword)}
            if isinstance(call.func, ast.Name) and call.func.id == "problem" and isinstance(call.args[0], ast.Constant):
                named.add(call.args[0].value)

    assert {"malformed_json", "invalid_fields", "admin_key_required"} <= named
    assert named <= set(STATUS_OF_CODE)


def is_code(keyword: ast.keyword) -> bool:
    return keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
