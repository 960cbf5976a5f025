"""What libraries print past `logging` becomes log lines, too, so that each line of a log file is a JSON object.

Two kinds of lines cannot be caught here: what C code writes to the file descriptor itself as it dies (glibc, OpenBLAS,
a panic in Rust), and what an interpreter prints before its process has set up its logs.
"""

import io
import logging
import os
import sys
import threading
import time
from types import TracebackType
from typing import Any

import msgspec

from rhizome.telemetry import JsonFormatter, Stream

_LEVELS: dict[Stream, str] = {"stdout": "info", "stderr": "warning"}
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

log = logging.getLogger(__name__)


class LineStream(io.TextIOBase):
    """Stands in for a standard stream: each line that is written becomes a log line, unless it is one already.

    Past `logging`, whose own complaints come here; without a lock, which a fork could leave taken.

    Args:
        name: of the stream, and of the logger that its lines name.
        file: the descriptor behind it.
        formatter: of this process's log.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, name: Stream, file: int, formatter: JsonFormatter) -> None:
        self.name = name
        self._file = file
        self._formatter = formatter
        self._begun = threading.local()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file

    def write(self, text: str) -> int:
        *lines, self._begun.line = (getattr(self._begun, "line", "") + text).split("\n")
        for line in lines:
            self._put(line)
        return len(text)

    def flush(self) -> None:
        begun, self._begun.line = getattr(self._begun, "line", ""), ""
        self._put(begun)

    def _put(self, line: str) -> None:
        if not line.strip():
            return
        raw = line.encode(errors=self.errors)
        if not _is_json(raw):
            event = raw.decode()
            raw = self._formatter.encode_event(event, time.time(), _LEVELS[self.name], self.name, {})
        os.write(self._file, raw + b"\n")


def _is_json(line: bytes) -> bool:
    try:
        _decode(line)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def log_stray_output(process: str) -> None:
    """Has what this process prints, and what it dies of, written as lines of its log.

    Args:
        process: as for `configure_logging`.
    """
    formatter = JsonFormatter(process)
    for name in _LEVELS:
        stream = getattr(sys, name)
        if not isinstance(stream, LineStream):
            setattr(sys, name, LineStream(name, stream.fileno(), formatter))
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    log.critical("process_failed", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(facts: Any) -> None:
    exc_info = (facts.exc_type, facts.exc_value, facts.exc_traceback)
    log.error("thread_failed", exc_info=exc_info, extra={"thread_name": facts.thread and facts.thread.name})
