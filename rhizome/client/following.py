"""Following a job by its events, up to its end; a broken stream goes on where it broke."""

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from rhizome.client.errors import UnexpectedAnswer
from rhizome.client.jobs import Event, Job
from rhizome.client.retries import Patience, Pauses, open_answer, unavailable
from rhizome.client.server_sent_events import EventParser, Message
from rhizome.client.session import check_content_type
from rhizome.client.steps import Emit, Feed, Lost, Read, Request, Sleep, Step

_CONTENT_TYPE = "text/event-stream"
#: The service comments on an idle stream every 10 s.
_SILENCE_SECONDS = 35.0
#: A connection that carries something after so long is no failure, though no event came: the job waits for its turn.
_ALIVE_SECONDS = 5.0


def follow_events(url_path: str, patience: Patience) -> Feed[Event]:
    """The events of the stream at `url_path`, each once.

    Args:
        url_path: relative to the service.
        patience: its outage is counted from the last sign of life.

    Raises:
        ClientError: the service refuses, or there was no sign of life for too long.
    """
    line = _Line()
    while True:
        request = Request("GET", url_path, headers=line.headers(), patience_seconds=_SILENCE_SECONDS)
        reply = yield from open_answer(request, patience.since(line.alive_at))
        if reply.status == 204:
            return
        check_content_type(reply, _CONTENT_TYPE)
        if (yield from _emit_events(line)):
            return
        pause = max(line.parser.retry_seconds or 0.0, line.pauses.next_seconds())
        if patience.is_exhausted(line.alive_at, pause):
            raise unavailable(Lost("its stream of events breaks off again and again"))
        yield Sleep(pause)


@dataclass
class _Line:
    """What outlives a connection: the last event, and when there was a sign of life."""

    parser: EventParser = field(default_factory=EventParser)
    pauses: Pauses = field(default_factory=Pauses)
    alive_at: float = field(default_factory=time.monotonic)

    def headers(self) -> dict[str, str]:
        seen = {"Last-Event-ID": self.parser.last_id} if self.parser.last_id else {}
        return {"Accept": _CONTENT_TYPE, **seen}

    def is_alive(self) -> None:
        self.alive_at = time.monotonic()
        self.pauses.begin_again()


def _emit_events(line: _Line) -> Generator[Step | Emit[Event], Any, bool]:
    """Reads what is open to its end; returns whether the job's last event came."""
    line.parser.begin_again()
    opened_at = time.monotonic()
    while True:
        seen_before = line.parser.last_id
        block = cast(bytes | Lost, (yield Read()))
        if isinstance(block, Lost) or not block:
            return False
        messages = line.parser.feed(block)
        if line.parser.last_id != seen_before or time.monotonic() - opened_at > _ALIVE_SECONDS:
            line.is_alive()
        for message in messages:
            yield Emit(_event_of(message))
            if message.type == "done":
                return True


def _event_of(message: Message) -> Event:
    try:
        return Event(message.type, message.id, msgspec.json.decode(message.data, type=Job))
    except msgspec.DecodeError:
        raise UnexpectedAnswer("the stream holds an event that is not Rhizome's") from None
