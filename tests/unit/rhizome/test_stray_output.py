"""What is printed past `logging` is a line of the log, too."""

import json
import subprocess
import sys
from typing import Any

import pytest

BEGINNING = """
from rhizome.stray_output import log_stray_output
from rhizome.telemetry import configure_logging
configure_logging("worker", "INFO")
log_stray_output("worker")
"""


def run(script: str) -> list[dict[str, Any]]:
    """The lines that a process writes which runs `script`, each of them JSON."""
    ran = subprocess.run(
        [sys.executable, "-c", BEGINNING + script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=30,
        check=False,
    )
    return [json.loads(line) for line in ran.stdout.decode().splitlines()]


@pytest.mark.parametrize(("stream", "level"), [("stdout", "info"), ("stderr", "warning")])
def test_a_printed_line_is_a_log_line(stream: str, level: str) -> None:
    (line,) = run(f"import sys; print('one', 'line', file=sys.{stream})")

    assert (line["event"], line["level"], line["logger"], line["process"]) == ("one line", level, stream, "worker")


def test_lines_written_in_pieces_are_whole_and_none_is_empty() -> None:
    lines = run("import sys; sys.stderr.write('a'); sys.stderr.write('b\\n\\nc\\nd'); sys.stderr.flush()")

    assert [line["event"] for line in lines] == ["ab", "c", "d"]


def test_a_log_line_is_not_wrapped_again() -> None:
    script = (
        "import logging, sys; configure_logging('worker', 'INFO'); logging.getLogger('x').info('event', extra={'k': 1})"
    )

    (line,) = run(script)

    assert (line["event"], line["logger"], line["k"]) == ("event", "x", 1)


def test_what_nests_too_deeply_for_a_decoder_is_a_line_like_any_other() -> None:
    (line,) = run("""print('{"a":' * 5000)""")

    assert line["event"] == '{"a":' * 5000


def test_text_that_is_no_utf8_is_escaped() -> None:
    (line,) = run("import sys; print('\\udcff', file=sys.stderr)")

    assert line["event"] == "\\udcff"


def test_what_a_process_dies_of_is_one_line() -> None:
    (line,) = run("raise ValueError('two\\nlines')")

    assert (line["event"], line["level"]) == ("process_failed", "critical")
    assert "ValueError: two\nlines" in line["exc_info"]


def test_what_a_thread_dies_of_is_one_line() -> None:
    (line,) = run("import threading; t = threading.Thread(target=int, args=('x',), name='t'); t.start(); t.join()")

    assert (line["event"], line["thread_name"]) == ("thread_failed", "t")
    assert "ValueError" in line["exc_info"]


def test_a_handler_that_cannot_write_does_not_complain_for_ever() -> None:
    lines = run("import logging; logging.getLogger().warning('%d', 'no number')")

    assert any("Logging error" in line["event"] for line in lines)


@pytest.mark.parametrize("package", ["multiprocessing", "billiard"])
def test_what_a_forked_process_dies_of_is_told_in_lines(package: str) -> None:
    script = f"""
import {package} as multiprocessing
def fail(): raise ValueError("x")
process = multiprocessing.get_context("fork").Process(target=fail)
process.start()
process.join()
"""

    lines = run(script)

    assert any("ValueError" in line["event"] for line in lines)
