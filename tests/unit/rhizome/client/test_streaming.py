"""Events arrive whatever breaks between them, each once."""

import time
from http.server import BaseHTTPRequestHandler
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhizome.client import NotFound, Unavailable, UnexpectedAnswer, following
from rhizome.client.server_sent_events import EventParser, Message
from tests.support.scripted_server import Behaviour, ScriptedServer, Seen, hangs_up, problem, sends, streams
from tests.unit.rhizome.client.conftest import Call

RUNNING = b'event: progress\nid: running-1\ndata: {"id": "a", "status": "running"}\n\n'
DONE = b'event: done\nid: succeeded-2\ndata: {"id": "a", "status": "succeeded"}\n\n'


def test_events_come_in_order_up_to_the_end(server: ScriptedServer, call: Call) -> None:
    server.answers(streams(b"retry: 10\n\n: still here\n\n" + RUNNING + DONE + RUNNING))

    events = call("stream", "a")

    assert [(event.type, event.job.status) for event in events] == [("progress", "running"), ("done", "succeeded")]
    assert server.seen[0].headers["accept"] == "text/event-stream"
    assert "last-event-id" not in server.seen[0].headers


def test_a_broken_stream_is_taken_up_after_the_last_event(server: ScriptedServer, call: Call) -> None:
    server.answers(streams(b"retry: 10\n\n" + RUNNING + DONE[:30]), hangs_up, streams(DONE))

    events = call("stream", "a")

    assert [event.type for event in events] == ["progress", "done"]
    assert [seen.headers.get("last-event-id") for seen in server.seen] == [None, "running-1", "running-1"]


def test_a_stream_whose_end_was_seen_is_over(server: ScriptedServer, call: Call) -> None:
    server.answers(streams(b"retry: 10\n\n" + RUNNING), sends(b"", 204))

    assert len(call("stream", "a")) == 1


def test_the_stream_of_no_job_is_an_error(server: ScriptedServer, call: Call) -> None:
    server.answers(problem(404, "job_not_found"))

    with pytest.raises(NotFound):
        call("stream", "a")


def test_events_of_something_else_are_refused(server: ScriptedServer, call: Call) -> None:
    server.answers(streams(b"data: hello\n\n"))

    with pytest.raises(UnexpectedAnswer):
        call("stream", "a")


@pytest.mark.parametrize(
    "nothing_new",
    [
        streams(b""),
        streams(b"retry: 1\n\n: still here\n\n"),
        streams(b"retry: 999999999\n\n"),
        streams(b"retry: " + b"9" * 5000 + b"\n\n"),
        streams(RUNNING),
        sends(b"", 202),
    ],
    ids=["nothing", "comments", "a long pause", "no number", "the same again", "another status"],
)
def test_a_stream_that_says_nothing_new_is_an_outage(
    server: ScriptedServer, call: Call, nothing_new: Behaviour
) -> None:
    server.answers(nothing_new)
    begun = time.monotonic()

    with pytest.raises(Unavailable):
        call("stream", "a", timeout_seconds=0.5)

    assert time.monotonic() - begun < 5


def test_a_stream_that_is_alive_while_the_job_waits_is_no_outage(
    server: ScriptedServer, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def comments(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        streams(b"retry: 1\n\n")(handler, seen)
        for _ in range(4):
            time.sleep(0.1)
            handler.wfile.write(b": still here\n\n")
            handler.wfile.flush()

    monkeypatch.setattr(following, "_ALIVE_SECONDS", 0.05)
    server.answers(comments, comments, comments, streams(DONE))

    assert [event.type for event in call("stream", "a", timeout_seconds=0.6)] == ["done"]


@pytest.mark.parametrize(
    "answer", [sends(b"<html>log in</html>", Content_Type="text/html"), sends(b"", 301, Location="/login")]
)
def test_an_answer_of_something_else_is_no_stream(server: ScriptedServer, call: Call, answer: Behaviour) -> None:
    server.answers(answer)

    with pytest.raises(UnexpectedAnswer, match="is the address right"):
        call("stream", "a")

    assert len(server.seen) == 1


@given(st.lists(st.integers(min_value=0, max_value=200), max_size=8))
def test_messages_are_the_same_wherever_the_blocks_are_cut(cuts: list[int]) -> None:
    text = "id: 1\ndata: grün\ndata: two\n\n: comment\n\nevent: done\r\nid: 2\r\ndata:x\r\n\r\nretry: 250\n\n".encode()
    edges = [0, *sorted(cut % len(text) for cut in cuts), len(text)]
    parser = EventParser()

    messages = [message for start, end in pairwise(edges) for message in parser.feed(text[start:end])]

    assert messages == [Message("message", "grün\ntwo", "1"), Message("done", "x", "2")]
    assert parser.retry_seconds == 0.25
