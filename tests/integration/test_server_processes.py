"""The gateway's own processes: killed ones come back at once, one that cannot run ends the server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rhizome.embedded_redis import find_free_port
from tests.support.service import ROOT, children_of, eventually

KILLS = 4
END_SECONDS = 30.0
BROKEN = """
from granian.constants import Interfaces
from gateway.server import Server
Server("json:loads", port={port}, interface=Interfaces.WSGI, factory=True, respawn_failed_workers=True).serve()
"""


@pytest.fixture
def gateway(redis_server: str, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """A gateway of two processes, without workers."""
    port = find_free_port()
    environment = os.environ | {
        "RHIZOME_PORT": str(port),
        "RHIZOME_REDIS_URL": redis_server,
        "RHIZOME_VAR_DIR": str(tmp_path),
        "RHIZOME_GATEWAY_PROCESSES": "2",
    }
    command = [sys.executable, "-m", "gateway"]
    with (tmp_path / "log").open("wb") as log, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as client:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        yield process, client
        process.terminate()
        process.wait(END_SECONDS)


def lives(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").status_code == 200
    except httpx.HTTPError:
        return False


def test_processes_that_are_killed_again_and_again_come_back(
    gateway: tuple[subprocess.Popen[bytes], httpx.Client],
) -> None:
    process, client = gateway
    eventually(lambda: lives(client), what="the gateway")

    for _ in range(KILLS):
        victims = children_of(process.pid)
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        eventually(
            lambda killed=victims: len(set(children_of(process.pid)) - set(killed)) == 2 and lives(client),
            what="two new processes",
        )

    assert process.poll() is None


def test_a_process_that_cannot_run_ends_the_server(tmp_path: Path) -> None:
    script = BROKEN.format(port=find_free_port())

    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, timeout=END_SECONDS, check=False
    )

    assert ended.returncode == 1
    assert b"crash loop" in ended.stdout
