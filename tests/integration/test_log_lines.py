"""Every line of every log is a JSON object, whatever is killed."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.service import Service, children_of, eventually

PARENTS = ("-m worker", "-m trainer serve", "-m gateway")
SIGNALS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)
PAUSE_SECONDS = 1.0  #: a child that is killed at its birth says nothing


def kill_child(service: Service, parent: str, number: int) -> None:
    """Sends a signal to one of the children of a process of the service's, and waits for another child."""
    (pid,) = eventually(lambda: service.pids(parent), what=parent)
    before = children_of(pid)
    os.kill(before[0], number)
    eventually(lambda: set(children_of(pid)) - set(before) or not service.pids(parent), what="another child")
    time.sleep(PAUSE_SECONDS)


@pytest.mark.timeout(180)
def test_every_line_is_json_whatever_is_killed(tmp_path: Path) -> None:
    service = Service(tmp_path).start()
    try:
        for parent in PARENTS:
            for number in SIGNALS:
                if (parent, number) != ("-m gateway", signal.SIGUSR1):
                    kill_child(service, parent, number)
        service.result(service.submit())
    finally:
        service.stop()

    lines = [line for path in (service.var / "log").glob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(lines) > len(PARENTS) * len(SIGNALS)
    for line in lines:
        assert isinstance(json.loads(line), dict), line
