"""Processes started for a benchmark: timed with their descendants, and gone afterwards."""

import os
import sys
import time
from pathlib import Path

from benchmarks.process_tree import ProcessTree, parse_stat, read_stats

BURN_THEN_SLEEP = "import time\nwhile time.process_time() < 0.3: pass\ntime.sleep(60)"
#: Burns CPU time in a grandchild that has a session of its own, and outlives its parent's end unless stopped.
PARENT = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {BURN_THEN_SLEEP!r}], start_new_session=True)
time.sleep(60)
"""


def wait_until(holds, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_command_name_with_spaces_and_brackets_is_no_trouble():
    line = "7 (a) b (c)) S 3 7 5 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 999 1 1"

    stat = parse_stat(line)

    assert (stat.pid, stat.parent, stat.session, stat.cpu_ticks, stat.start_ticks) == (7, 3, 5, 100, 999)


def test_descendants_are_timed_and_stopped_even_in_a_session_of_their_own(tmp_path: Path):
    tree = ProcessTree("parent", [sys.executable, "-c", PARENT], os.environ, tmp_path, tmp_path / "log")
    try:
        wait_until(lambda: tree.cpu_seconds() >= 0.3)
        assert tree.is_running()
    finally:
        own = {stat.pid for stat in tree.members()}
        tree.stop()

    assert len(own) == 2
    wait_until(lambda: not own & {stat.pid for stat in read_stats().values() if not stat.is_zombie})
