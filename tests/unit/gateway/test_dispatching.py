"""Which thread serves which request: bodies are read by few, and those few are never all taken."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from gateway.dispatching import PATIENCE_SECONDS, PUMPS, READERS
from tests.support.dispatched import Answer, Dispatched, dispatched
from tests.support.versions import IRIS_SAMPLE

WAIT_SECONDS = 10.0
SAMPLE = json.dumps(IRIS_SAMPLE).encode()
LARGE = {"Content-Length": str(4 * 1024 * 1024)}


class Trickle:
    """A body that does not come before it is let."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.is_let = threading.Event()
        self.is_read = threading.Event()

    def read(self, size: int = -1, /) -> bytes:
        self.is_read.set()
        assert self.is_let.wait(WAIT_SECONDS)
        data, self._data = self._data, b""
        return data


@pytest.fixture
def gateway(app: Flask) -> Iterator[Dispatched]:
    with dispatched(app) as sender:
        yield sender


def trickle(gateway: Dispatched, headers: dict[str, str]) -> tuple[Trickle, threading.Thread, list[Answer]]:
    """Sends a request whose body stays away, in a thread as the server has them."""
    body, answers = Trickle(SAMPLE), []
    path = "/predict/batch" if headers else "/predict"  # which reads a large body
    thread = threading.Thread(target=lambda: answers.append(gateway.begin("POST", path, SAMPLE, headers, stream=body)))
    thread.start()
    assert body.is_read.wait(WAIT_SECONDS)
    return body, thread, answers


@pytest.mark.parametrize(("headers", "most"), [({}, READERS), (LARGE, PUMPS)], ids=["small", "large"])
def test_where_all_places_are_taken_a_body_is_not_read(gateway: Dispatched, headers: dict[str, str], most: int) -> None:
    slow = [trickle(gateway, headers) for _ in range(most)]

    refused = gateway.send("POST", "/predict", SAMPLE, headers)
    shown = gateway.send("GET", "/livez")

    assert (refused.status, refused.json["code"], refused.headers["retry-after"]) == (503, "too_many_waiters", "1")
    assert refused.headers["connection"] == "close"  # its body is still on the wire
    assert shown.status == 200
    for body, thread, answers in slow:
        body.is_let.set()
        thread.join(WAIT_SECONDS)
        assert answers[0].wait().status in (202, 400, 422)  # the sample is no batch


def test_in_a_rush_a_body_waits_for_its_place(gateway: Dispatched) -> None:
    slow = [trickle(gateway, {}) for _ in range(READERS)]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(gateway.send, "POST", "/predict", SAMPLE)
        time.sleep(3 * PATIENCE_SECONDS)
        for body, _, _ in slow:
            body.is_let.set()

        assert waiting.result(WAIT_SECONDS).status == 202
    for _, thread, _ in slow:
        thread.join(WAIT_SECONDS)


@pytest.mark.parametrize("headers", [{}, LARGE], ids=["small", "large"])
def test_a_place_is_free_again_after_each_body(gateway: Dispatched, headers: dict[str, str]) -> None:
    for _ in range(3 * max(READERS, PUMPS)):
        assert gateway.send("POST", "/predict", SAMPLE, headers).status in (202, 413)


def test_a_body_in_pieces_of_unknown_number_reaches_its_route(gateway: Dispatched) -> None:
    batch = json.dumps({"instances": [IRIS_SAMPLE] * 30}).encode()
    body = Trickle(batch)
    body.is_let.set()
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}

    answer = gateway.send("POST", "/predict/batch", None, headers, stream=body)

    assert (answer.status, answer.json["rows"]) == (202, 30)


def test_what_fails_in_a_route_is_answered(gateway: Dispatched, app: Flask) -> None:
    @app.before_request
    def fail() -> None:
        raise ValueError("inside")

    answer = gateway.send("GET", "/models")

    assert (answer.status, answer.json["code"]) == (500, "internal_error")
    assert b"inside" not in answer.body
