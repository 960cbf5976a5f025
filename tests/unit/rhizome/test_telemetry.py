"""A log line is one JSON object, whatever happened."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rhizome.telemetry import EventLog, JsonFormatter, log_config


def format_line(message: str = "job_accepted", *, error: bool = False, **extra: object) -> dict[str, Any]:
    """One line as the gateway would write it."""
    exc_info = None
    if error:
        try:
            raise ValueError("first line\nsecond line")
        except ValueError:
            exc_info = sys.exc_info()
    logger = logging.getLogger("tests.telemetry")
    record = logger.makeRecord(logger.name, logging.WARNING, __file__, 1, message, (), exc_info, extra=extra)
    line = JsonFormatter("gateway").format(record)
    assert "\n" not in line
    document: dict[str, Any] = json.loads(line)
    return document


def test_a_line_names_time_level_process_and_event() -> None:
    line = format_line()

    assert (line["level"], line["process"], line["event"]) == ("warning", "gateway", "job_accepted")
    assert line["logger"] == "tests.telemetry"
    assert datetime.fromisoformat(line["time"]).tzinfo == UTC


def test_extras_stand_beside_the_event() -> None:
    line = format_line(job_id="j1", request_id="r1", rows=3)

    assert (line["job_id"], line["request_id"], line["rows"]) == ("j1", "r1", 3)


def test_a_message_over_several_lines_stays_one_line() -> None:
    assert format_line("one\ntwo\u2028three")["event"] == "one\ntwo\u2028three"


def test_an_exception_stays_in_its_line() -> None:
    line = format_line("request_failed", error=True)

    assert line["event"] == "request_failed"
    assert "ValueError: first line\nsecond line" in line["exc_info"]


@pytest.mark.parametrize(
    "value",
    [Path("/tmp"), {1, 2}, object(), ValueError("x"), float("nan"), datetime.now(UTC), b"bytes", 10**30],
    ids=lambda value: type(value).__name__,
)
def test_an_extra_that_json_does_not_know_loses_no_line(value: object) -> None:
    assert format_line(odd=value)["event"] == "job_accepted"


def test_a_whole_process_writes_nothing_but_json() -> None:
    program = """
import logging, warnings
from rhizome.telemetry import configure_logging
configure_logging("worker", "INFO")
log = logging.getLogger("anything")
log.debug("too_quiet")
log.info("started", extra={"job_id": "j1"})
warnings.warn("careful")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
"""

    written = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    lines = [json.loads(line) for line in written.stdout.splitlines()]
    assert written.stderr == ""
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert {line["process"] for line in lines} == {"worker"}
    assert "ZeroDivisionError" in lines[2]["exc_info"]


def test_chatty_libraries_are_held_back() -> None:
    loggers = log_config("worker", "DEBUG")["loggers"]

    assert {loggers[name]["level"] for name in ("kombu", "amqp", "urllib3")} == {"WARNING"}


def run(program: str) -> list[dict[str, Any]]:
    """The lines a process writes."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_an_event_is_the_line_that_logging_would_write() -> None:
    direct, usual = run(
        """
import logging
from rhizome.telemetry import EventLog, configure_logging
configure_logging("gateway", "INFO")
EventLog("any.name").info("job_accepted", job_id="j1", rows=3)
logging.getLogger("any.name").info("job_accepted", extra={"job_id": "j1", "rows": 3})
"""
    )

    assert list(direct) == list(usual)
    assert {**direct, "time": ""} == {**usual, "time": ""}


def test_a_hidden_event_is_not_written() -> None:
    assert not run(
        """
from rhizome.telemetry import EventLog, configure_logging
configure_logging("gateway", "WARNING")
EventLog("any.name").info("job_accepted")
"""
    )


def test_an_event_with_a_value_that_json_does_not_know_is_written_all_the_same() -> None:
    (line,) = run(
        """
from rhizome.telemetry import EventLog, configure_logging
configure_logging("gateway", "INFO")
EventLog("any.name").info("job_accepted", odd=object())
"""
    )

    assert line["event"] == "job_accepted"


def test_whoever_listens_hears_events_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        EventLog("any.name").info("job_accepted", job_id="j1")

    assert [(record.message, record.__dict__["job_id"]) for record in caplog.records] == [("job_accepted", "j1")]
