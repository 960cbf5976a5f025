"""What the load generator sends, and what it takes for a right answer."""

import json

import pytest

from benchmarks.wire import SAMPLES, build_get, build_post, decode_answer, is_right, parse_response

SETOSA, VERSICOLOR, _ = SAMPLES


def respond(body: bytes, head: str = "HTTP/1.1 200 OK") -> bytes:
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_post_carries_the_sample_and_the_preference():
    head, _, body = build_post(SETOSA, wait_seconds=10).partition(b"\r\n\r\n")

    assert head.startswith(b"POST /predict HTTP/1.1\r\n")
    assert b"\r\nPrefer: wait=10\r\n" in head
    assert head.endswith(f"Content-Length: {len(body)}".encode())
    assert json.loads(body)["petal_length"] == 1.4


def test_a_poll_asks_for_no_waiting():
    assert b"Prefer" not in build_post(SETOSA)
    assert build_get("abc").startswith(b"GET /result/abc HTTP/1.1\r\n")
    assert build_get("abc", 10).startswith(b"GET /result/abc?wait=10 HTTP/1.1\r\n")


@pytest.mark.parametrize("cut", [0, 5, 20, 40, -1])
def test_a_part_of_a_response_is_not_one(cut: int):
    assert parse_response(respond(b"hello")[:cut]) is None


def test_a_response_ends_where_its_length_says():
    whole = respond(b"hello", "HTTP/1.1 202 Accepted\r\nServer: any")

    response = parse_response(bytearray(whole + b"HTTP/1.1 200"))

    assert response is not None
    assert (response.status, response.body, response.size, response.closes) == (202, b"hello", len(whole), False)


def test_a_server_that_closes_is_noticed():
    response = parse_response(respond(b"", "HTTP/1.1 200 OK\r\nConnection: Close"))

    assert response is not None
    assert response.closes


@pytest.mark.parametrize("junk", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_what_is_no_plain_response_is_refused(junk: bytes):
    with pytest.raises(ValueError, match="response"):
        parse_response(junk)


@pytest.mark.parametrize(
    ("result", "right"),
    [
        ({"label": "setosa", "probabilities": {"setosa": 0.9, "virginica": 0.1}}, True),
        ({"label": "versicolor", "probabilities": {"versicolor": 1.0}}, False),
        ({"label": "setosa", "probabilities": {"setosa": 0.5}}, False),
        (None, False),
    ],
)
def test_only_the_label_of_the_sample_with_whole_probabilities_is_right(result: object, right: bool):
    answer = decode_answer(json.dumps({"id": "1", "status": "succeeded", "result": result, "more": 1}).encode())

    assert is_right(answer.result, SETOSA) is right
