"""JSON logs, the same in every process: one object a line on standard output, with the ids that tie lines together."""

import logging
import logging.config
import os
from datetime import UTC, datetime
from typing import Any, Literal

from pythonjsonlogger.msgspec import MsgspecFormatter

#: Libraries that log each connection or request at INFO.
_CHATTY = ("kombu", "amqp", "urllib3")

Stream = Literal["stdout", "stderr"]


class JsonFormatter(MsgspecFormatter):
    """Adds UTC time, level, logger and process name to what the caller put into `extra`."""

    def __init__(self, process: str) -> None:
        super().__init__("%(message)s", rename_fields={"message": "event"})
        self._process = process

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname.lower()
        log_data["process"] = self._process
        log_data["pid"] = os.getpid()
        log_data["logger"] = record.name
        super().add_fields(log_data, record, message_dict)


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
