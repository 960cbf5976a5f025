"""JSON logs, the same in every process: one object a line on standard output, with the ids that tie lines together."""

import logging
import logging.config
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from pythonjsonlogger.msgspec import MsgspecFormatter

#: Libraries that log each connection or request at INFO.
_CHATTY = ("kombu", "amqp", "urllib3")

_encode = msgspec.json.Encoder().encode
#: What no caller put there.
_OF_EVERY_RECORD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

Stream = Literal["stdout", "stderr"]


class JsonFormatter(MsgspecFormatter):
    """Adds UTC time, level, logger and process name to what the caller put into `extra`.

    An ordinary line (no exception, values that JSON knows) is encoded here at a third of the cost of the library, which
    takes all others: a gateway process writes a line per job.
    """

    def __init__(self, process: str) -> None:
        super().__init__("%(message)s", rename_fields={"message": "event"})
        self._process = process
        self._second = (-1, "")  # the last one that was written, and how

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        is_special = record.args or record.exc_info or record.exc_text or record.stack_info
        if type(record.msg) is str and not is_special:
            extra = {name: value for name, value in record.__dict__.items() if name not in _OF_EVERY_RECORD}
            try:
                return self.encode_event(record.msg, record.created, record.levelname, record.name, extra).decode()
            except (TypeError, ValueError, OverflowError):
                pass  # the library has a way for every value
        return super().format(record)

    def encode_event(
        self, event: str, created: float, level_name: str, logger_name: str, extra: Mapping[str, Any]
    ) -> bytes:
        """A line without its end.

        Raises:
            TypeError, ValueError, OverflowError: JSON has no such value.
        """
        return _encode({"event": event} | self._describe(created, level_name, logger_name) | dict(extra))

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data |= self._describe(record.created, record.levelname, record.name)
        super().add_fields(log_data, record, message_dict)

    def _describe(self, created: float, level_name: str, logger_name: str) -> dict[str, Any]:
        return {
            "time": self._write_time(created),
            "level": level_name.lower(),
            "process": self._process,
            "pid": os.getpid(),
            "logger": logger_name,
        }

    def _write_time(self, created: float) -> str:
        """As RFC 3339 has it, in milliseconds; the date is written once a second."""
        second, written = self._second
        if int(created) != second:
            second, written = int(created), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created))
            self._second = (second, written)
        return f"{written}.{int((created - second) * 1000):03d}+00:00"


class EventLog:
    """The lines of every job: those that `logging` would write, at a fifth of its cost.

    It goes through `logging` wherever that could show: where anything but the handler of `configure_logging` listens,
    or the level hides the line.

    Args:
        name: the logger's.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, **extra: Any) -> None:
        """Writes one line."""
        direct = _direct
        if direct is None or logging.root.handlers != direct.handlers or not self._logger.isEnabledFor(logging.INFO):
            self._logger.info(event, extra=extra)
            return
        try:
            line = direct.formatter.encode_event(event, time.time(), "info", self._logger.name, extra)
            os.write(direct.file, line + b"\n")
        except (TypeError, ValueError, OverflowError, OSError):
            self._logger.info(event, extra=extra)


class _Direct(NamedTuple):
    """Where `configure_logging` has set that lines go."""

    handlers: list[logging.Handler]
    formatter: JsonFormatter
    file: int


_direct: _Direct | None = None


def log_config(process: str, level: str, stream: Stream = "stdout") -> dict[str, Any]:
    """A `logging.config` dictionary for one process.

    Args:
        process: `gateway`, `worker`, `trainer`, `beat` or `up`.
        level: the least level that is written.
        stream: where to.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "rhizome.telemetry.JsonFormatter", "process": process}},
        "handlers": {
            "stream": {"class": "logging.StreamHandler", "stream": f"ext://sys.{stream}", "formatter": "json"}
        },
        "root": {"handlers": ["stream"], "level": level},
        "loggers": {name: {"level": "WARNING"} for name in _CHATTY}
        # Granian installs handlers of its own; its lines go through ours instead.
        | {name: {"handlers": [], "propagate": True, "level": level} for name in ("_granian", "granian.access")},
    }


def configure_logging(process: str, level: str, stream: Stream = "stdout") -> None:
    """Sends this process's logs to standard output, or to standard error, as JSON.

    What no line shows is not collected [1]: thread, process and source line cost a third of a line.

    [1] https://docs.python.org/3/howto/logging.html#optimization
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # the documented switch has this name
    logging.config.dictConfig(log_config(process, level, stream))
    logging.captureWarnings(True)
    global _direct  # noqa: PLW0603 - as `logging` itself: one configuration for a process
    handlers = list(logging.root.handlers)
    formatter = handlers[0].formatter
    try:
        file = getattr(sys, stream).fileno()
    except (AttributeError, OSError):
        return  # no file is behind it
    if isinstance(formatter, JsonFormatter):
        _direct = _Direct(handlers, formatter, file)
