"""Parsing of a stream of server-sent events (WHATWG HTML, section 9.2.6), block by block."""

import re
from typing import NamedTuple

_MILLISECONDS = re.compile(r"[0-9]{1,9}")


class Message(NamedTuple):
    """One event as it came."""

    type: str
    data: str
    id: str


class EventParser:
    """Makes messages of blocks of bytes, wherever these are cut.

    Attributes:
        last_id: of the last message; to be sent as `Last-Event-ID`.
        retry_seconds: how long to wait before coming back, if the service said so.
    """

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self.retry_seconds: float | None = None
        self._rest = b""
        self._type, self._data, self._id = "", list[str](), last_id

    def begin_again(self) -> None:
        """After the connection was lost: half an event is no event."""
        self._rest = b""
        self._type, self._data, self._id = "", [], self.last_id

    def feed(self, block: bytes) -> list[Message]:
        """The messages that the block completes."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        messages = []
        for line in lines:
            if message := self._take(line.removesuffix(b"\r").decode("utf-8", "replace")):
                messages.append(message)
        return messages

    def _take(self, line: str) -> Message | None:
        if not line:
            self.last_id = self._id  # not before the event is whole, or its repetition would be missed
            message = Message(self._type or "message", "\n".join(self._data), self.last_id) if self._data else None
            self._type, self._data = "", []
            return message
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and _MILLISECONDS.fullmatch(value):
            self.retry_seconds = int(value) / 1000
        return None
