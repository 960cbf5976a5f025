"""Events arrive whatever breaks between them, each once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhizome.client import NotFound, UnexpectedAnswer
from rhizome.client.server_sent_events import EventParser, Message
from tests.support.scripted_server import ScriptedServer, hangs_up, problem, sends, streams
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


@given(st.lists(st.integers(min_value=0, max_value=200), max_size=8))
def test_messages_are_the_same_wherever_the_blocks_are_cut(cuts: list[int]) -> None:
    text = "id: 1\ndata: grün\ndata: two\n\n: comment\n\nevent: done\r\nid: 2\r\ndata:x\r\n\r\nretry: 250\n\n".encode()
    edges = [0, *sorted(cut % len(text) for cut in cuts), len(text)]
    parser = EventParser()

    messages = [message for start, end in pairwise(edges) for message in parser.feed(text[start:end])]

    assert messages == [Message("message", "grün\ntwo", "1"), Message("done", "x", "2")]
    assert parser.retry_seconds == 0.25
