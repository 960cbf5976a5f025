"""One id per request: a good one is kept, any other replaced, and the job carries it."""

import re

import pytest
from flask.testing import FlaskClient

from tests.support.queue import Queue
from tests.support.versions import IRIS_SAMPLE

MADE_HERE = re.compile(r"[0-9a-f]{16}")


@pytest.mark.parametrize("given", ["r", "a1b2", "A.b_c-9", "x" * 64])
def test_an_acceptable_id_is_kept(client: FlaskClient, given: str) -> None:
    assert client.get("/livez", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"b', "a\tb", "ä", "a,b", "{}", "a/b", "%0a"])
def test_any_other_id_is_replaced(client: FlaskClient, given: str) -> None:
    answered = client.get("/livez", headers={"X-Request-ID": given}).headers["X-Request-ID"]

    assert MADE_HERE.fullmatch(answered)


def test_two_requests_have_two_ids(client: FlaskClient) -> None:
    assert client.get("/livez").headers["X-Request-ID"] != client.get("/livez").headers["X-Request-ID"]


def test_a_refusal_carries_the_id_too(client: FlaskClient) -> None:
    response = client.get("/nowhere", headers={"X-Request-ID": "r-7"})

    assert response.get_json()["request_id"] == response.headers["X-Request-ID"] == "r-7"


def test_the_job_carries_the_id_to_the_worker(client: FlaskClient, queue: Queue) -> None:
    accepted = client.post("/predict", json=IRIS_SAMPLE, headers={"X-Request-ID": "r-7"}).get_json()

    (claimed,) = queue.scorer().claim()
    assert claimed.request.request_id == accepted["request_id"] == "r-7"
    assert client.get(accepted["urls"]["result"]).get_json()["request_id"] == "r-7"
