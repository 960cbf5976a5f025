"""Child processes end together, in their time, and leave nothing."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rhizome.children import Child
from tests.support.service import eventually, is_alive

SLEEPER = "import time; print('begun', flush=True); time.sleep(60)"
DEAF_PARENT = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
time.sleep(60)
"""
PATIENCE_SECONDS = 20.0


def fall(child: Child, *, by_kill: bool) -> None:
    """Has a child end and be started again."""
    fallen = child.pid
    if by_kill:
        assert fallen is not None
        os.kill(fallen, signal.SIGKILL)

    def is_revived() -> bool:
        child.revive()
        return child.pid not in (None, fallen) or (not by_kill and child._restart_at == 0)

    eventually(lambda: child.status is not None, what="the end of the child")
    eventually(is_revived, what="another child")


@pytest.mark.parametrize(
    ("script", "pauses"),
    [(SLEEPER, [0.01, 0.02, 0.02, 0.02]), ("print('begun'); raise SystemExit(1)", [0.01, 0.02, 0.04, 0.08])],
    ids=["killed", "cannot run"],
)
def test_pauses_grow_for_what_cannot_run_and_hardly_for_what_is_killed(
    script: str,
    pauses: list[float],
    start: Callable[..., Child],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("rhizome.children.FIRST_BACKOFF_SECONDS", pauses[0])
    monkeypatch.setattr("rhizome.children.MAX_KILLED_BACKOFF_SECONDS", 2 * pauses[0])
    child = start("falls", script)

    for _ in pauses:
        fall(child, by_kill=script is SLEEPER)

    told = [vars(record)["restart_in_seconds"] for record in caplog.records if record.msg == "process_ended"]
    assert told == pauses


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Starts a child that runs a script, and waits until it has printed something."""
    children = []

    def start_child(name: str, script: str, stop_seconds: float = PATIENCE_SECONDS) -> Child:
        child = Child(name, (sys.executable, "-c", script), {}, tmp_path, stop_seconds)
        children.append(child)
        child.start()
        eventually(child.tail, what="the script's first line")
        return child

    yield start_child
    for child in children:
        child.await_end()  # whoever was not asked is not waited for


def test_children_that_are_asked_together_end_in_order(start: Callable[..., Child]) -> None:
    children = [start("one", SLEEPER), start("two", SLEEPER)]

    for child in children:
        child.ask_to_stop()
    for child in children:
        child.await_end()

    assert [child.status for child in children] == [-signal.SIGTERM, -signal.SIGTERM]


def test_a_child_that_does_not_end_in_time_is_killed_with_its_session(start: Callable[..., Child]) -> None:
    child = start("deaf", DEAF_PARENT, stop_seconds=0.3)
    grandchild = int(child.tail())

    child.ask_to_stop()
    child.await_end()

    assert child.status == -signal.SIGKILL
    eventually(lambda: not is_alive(grandchild), what="the end of the grandchild")


def test_whoever_is_waited_for_second_has_no_more_time(start: Callable[..., Child]) -> None:
    first, second = (start(name, DEAF_PARENT, stop_seconds=1.0) for name in ("first", "second"))

    first.ask_to_stop()
    second.ask_to_stop()
    first.await_end()
    begun = time.monotonic()
    second.await_end()

    assert second.status == -signal.SIGKILL
    assert time.monotonic() - begun < 1.0
