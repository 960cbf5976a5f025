"""What a terminal sees and a pipe does not, and what Ctrl-C leaves behind: in processes of their own."""

import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.support.scripted_server import ScriptedServer, Seen, says
from tests.support.service import ROOT, eventually

QUEUED = {"id": "b", "status": "queued", "kind": "batch", "rows": 2}
RUNNING = {**QUEUED, "status": "running", "rows": {"total": 2, "done": 1, "failed": 0}}
DONE = {**QUEUED, "status": "succeeded", "rows": {"total": 2, "done": 2, "failed": 0}, "results": [{"value": 1.0}] * 2}
WAIT_SECONDS = 60.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rhizome", *arguments]


def environment(server: ScriptedServer) -> dict[str, str]:
    return os.environ | {"RHIZOME_URL": server.url, "PYTHONPATH": str(ROOT)}


def test_a_terminal_gets_a_progress_bar(server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n2\n")
    server.answers(says(QUEUED, 202), says(RUNNING), says(DONE))
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    seen = bytearray()

    def read_screen() -> None:
        try:
            while block := os.read(ours, 4096):
                seen.extend(block)
        except OSError:
            pass  # the other side is closed

    reader = threading.Thread(target=read_screen)
    process = subprocess.Popen(
        command("batch", "rows.csv"), cwd=tmp_path, env=environment(server), stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    reader.start()
    stdout, _ = process.communicate(timeout=WAIT_SECONDS)
    reader.join(WAIT_SECONDS)
    os.close(ours)

    assert process.returncode == 0
    assert b"scored" in seen
    assert b"2/2" in bytes(seen).replace(b".00", b"")
    assert stdout == b'{"value":1.0}\n{"value":1.0}\n'


def test_a_pipe_gets_no_progress_bar_and_no_escape_codes(server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n2\n")
    server.answers(says(QUEUED, 202), says(RUNNING), says(DONE))

    finished = subprocess.run(
        command("batch", "rows.csv"),
        cwd=tmp_path,
        env=environment(server),
        capture_output=True,
        timeout=WAIT_SECONDS,
        check=False,
    )

    assert finished.stdout == b'{"value":1.0}\n{"value":1.0}\n'
    assert finished.stderr == b""


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """What a shell has started in the background ignores it, and so would all that the tests start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_leaves_the_job_alone_and_says_how_to_come_back(server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n2\n")
    is_waited_for = threading.Event()

    def keep_waiting(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        is_waited_for.set()
        says(RUNNING)(handler, seen)

    server.answers(says(QUEUED, 202), keep_waiting)
    process = subprocess.Popen(
        command("batch", "rows.csv", "-o", "out.csv"),
        cwd=tmp_path,
        env=environment(server),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert is_waited_for.wait(WAIT_SECONDS)

    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=WAIT_SECONDS)

    assert process.returncode == 130
    assert stdout == b""
    assert b"rhizome result b --wait" in stderr
    assert b"Traceback" not in stderr
    assert eventually(lambda: {seen.method for seen in server.seen} == {"POST", "GET"}), "nothing was cancelled"
    assert not (tmp_path / "out.csv").exists()
