"""What a submit may ask for besides its rows, wherever it says so."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from gateway.options import JobOptions, read_options
from gateway.validation import Validator
from rhizome import keys
from rhizome.errors import InvalidRequest
from rhizome.jobs import Lane, decode_request
from rhizome.signature import Feature
from tests.support.versions import IRIS_SAMPLE, iris_signature

GIVEN = {
    "priority": 2,
    "deadline_ms": 60_000,
    "return": "label",
    "top_k": 2,
    "webhook": "https://example.com/hook",
    "webhook_events": ["completed", "started"],
    "error_threshold": 5,
}
READ = JobOptions(None, 2, 60_000, "label", 2, "https://example.com/hook", ("completed", "started"), 5)
IN_QUERY = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in GIVEN.items()}


def options_of(app: Flask, in_body: dict[str, Any], query: dict[str, str], headers: dict[str, str]) -> JobOptions:
    with app.test_request_context("/predict", query_string=query, headers=headers):
        return read_options(in_body)


def test_options_are_read_from_a_body(app: Flask) -> None:
    assert options_of(app, GIVEN, {}, {}) == READ


def test_options_are_read_from_the_query(app: Flask) -> None:
    assert options_of(app, {}, IN_QUERY, {}) == READ


def test_nothing_asked_for_is_the_default(app: Flask) -> None:
    assert options_of(app, {}, {"wait": "5"}, {}) == JobOptions()


def test_the_query_overrules_the_header_and_the_header_the_body(app: Flask) -> None:
    header = {"X-Priority": "0"}

    assert options_of(app, {"priority": 2}, {}, header).priority == 0
    assert options_of(app, {"priority": 2}, {"priority": "1"}, header).priority == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("priority", "3"),
        ("priority", "-1"),
        ("priority", "high"),
        ("deadline_ms", "0"),
        ("deadline_ms", "1.5"),
        ("deadline_ms", "1e9999"),
        ("deadline_ms", "604800001"),
        ("return", "everything"),
        ("top_k", "0"),
        ("webhook", ""),
        ("webhook", "x" * 2049),
        ("webhook_events", "completed,ended"),
        ("webhook_events", ""),
        ("error_threshold", "-2"),
        ("version", "v" * 65),
    ],
)
def test_a_parameter_that_means_nothing_is_refused_with_the_remedy(app: Flask, name: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        options_of(app, {}, {name: text}, {})

    (problem,) = refusal.value.problems
    assert (refusal.value.code, problem["field"]) == ("bad_parameter", name)
    assert str(problem["remedy"]).startswith("send ")


@pytest.mark.parametrize("name", [name for name in GIVEN if name != "error_threshold"])
@pytest.mark.parametrize("value", ["", -7, True, [], {}, [[]], 10**30])
def test_an_option_in_a_body_is_refused_by_name(client: FlaskClient, name: str, value: Any) -> None:
    response = client.post("/predict", json=IRIS_SAMPLE | {name: value})

    assert response.status_code == 422
    (problem,) = response.get_json()["errors"]
    assert (problem["field"].partition(".")[0], problem["remedy"][:5]) == (name, "send ")


def test_a_whole_number_may_be_written_with_a_point(client: FlaskClient) -> None:
    receipt = client.post("/predict", json=IRIS_SAMPLE | {"priority": 2.0}).get_json()

    assert receipt["priority"] == 2


def test_a_misspelt_option_is_recognised(client: FlaskClient) -> None:
    (problem,) = client.post("/predict", json=IRIS_SAMPLE | {"retrun": "label"}).get_json()["errors"]

    assert "did you mean 'return'?" in problem["remedy"]


def test_a_single_job_has_no_error_threshold(client: FlaskClient) -> None:
    response = client.post("/predict", json=IRIS_SAMPLE | {"error_threshold": 1})

    assert response.get_json()["errors"][0]["field"] == "error_threshold"


def test_a_feature_with_the_name_of_an_option_is_a_feature() -> None:
    features = tuple(Feature(name=name, dtype="float64") for name in ("priority", "return"))
    validator = Validator(iris_signature().model_copy(update={"features": features}))

    rows = validator.parse_single(b'{"priority": 0.5, "return": 3, "top_k": 2}')

    assert (rows.options, rows.row_counts) == ({"top_k": 2}, [1])


def test_options_given_as_null_are_not_given(client: FlaskClient) -> None:
    assert (
        client.post("/predict", json=IRIS_SAMPLE | dict.fromkeys(GIVEN.keys() - {"error_threshold"})).status_code == 202
    )


def test_a_job_travels_with_what_was_asked_for(client: FlaskClient, redis: Redis) -> None:
    options = {name: value for name, value in GIVEN.items() if name != "error_threshold" and "webhook" not in name}

    receipt = client.post("/predict", json=IRIS_SAMPLE | options).get_json()

    ((_, fields),) = redis.xrange(keys.lane(f"{Lane.INTERACTIVE}:2"))
    request = decode_request(fields[b"m"])
    assert (request.returns, request.top_k) == ("label", 2)
    assert (receipt["priority"], receipt["expires_at"] > receipt["submitted_at"]) == (2, True)
    assert client.get(receipt["urls"]["result"]).get_json()["expires_at"] == receipt["expires_at"]


def test_an_error_threshold_is_kept_with_the_batch(client: FlaskClient, redis: Redis) -> None:
    body = {"instances": [IRIS_SAMPLE], "error_threshold": 0}

    job_id = client.post("/predict/batch", json=body).get_json()["id"]

    assert redis.hget(keys.job(job_id), "error_threshold") == b"0"
