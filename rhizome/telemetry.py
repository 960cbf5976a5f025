"""JSON logs, the same in every process: one object a line on standard output, with the ids that tie lines together."""

import logging
import logging.config
import os
import time
from typing import Any, Literal

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
            line = {"event": record.msg} | self._fields_of(record)
            line |= {name: value for name, value in record.__dict__.items() if name not in _OF_EVERY_RECORD}
            try:
                return _encode(line).decode()
            except (TypeError, ValueError, OverflowError):
                pass  # the library has a way for every value
        return super().format(record)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data |= self._fields_of(record)
        super().add_fields(log_data, record, message_dict)

    def _fields_of(self, record: logging.LogRecord) -> dict[str, Any]:
        return {
            "time": self._write_time(record.created),
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": os.getpid(),
            "logger": record.name,
        }

    def _write_time(self, created: float) -> str:
        """As RFC 3339 has it, in milliseconds; the date is written once a second."""
        second, written = self._second
        if int(created) != second:
            second, written = int(created), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created))
            self._second = (second, written)
        return f"{written}.{int((created - second) * 1000):03d}+00:00"


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
