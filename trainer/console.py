"""What a person at a terminal sees of the trainer's log: one line per event, no JSON and no traces."""

import logging

#: Everything a record has of itself; what is left came in `extra`.
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_LONG = frozenset({"sha256", "artifact_sha256"})
_DIGITS = 8


class ConsoleFormatter(logging.Formatter):
    """`event_name` with its fields as `event name: field value, …`; an error as `error: what and how to mend it`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the record carries."""
        fields = {name: value for name, value in record.__dict__.items() if name not in _OWN}
        if record.levelno >= logging.ERROR:
            return f"error: {fields.get('detail', record.getMessage())}"
        shown = ", ".join(f"{name.replace('_', ' ')} {_show(name, value)}" for name, value in fields.items())
        event = record.getMessage().replace("_", " ")
        return f"{event}: {shown}" if shown else event


def configure_console() -> None:
    """Sends this process's log to standard output, for people."""
    handler = logging.StreamHandler()
    handler.setFormatter(ConsoleFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in ("kombu", "celery"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _show(name: str, value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)[:_DIGITS] if name in _LONG else str(value)
