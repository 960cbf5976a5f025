"""The supervisor stops all in order, leaves no process, and starts again with what waited."""

import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from rhizome.embedded_redis import find_free_port
from tests.support.service import ROOT, SAMPLE, Service, children_of, eventually, is_alive

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]


class Restart(NamedTuple):
    """What was seen before a service was stopped, while it stopped, and after it was started again."""

    champions: tuple[str, str]
    receipt: httpx.Response
    #: by job id, after the restart
    answered: dict[str, str]
    waiting: dict[str, str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all services, which run one after the other: only the first of them must train."""
    return tmp_path_factory.mktemp("stopping")


@pytest.fixture(scope="module")
def restart(folder: Path) -> Restart:
    """A service that was stopped while jobs and a request waited, and was started again."""
    service = Service(folder, gateway_processes=1).start()
    try:
        champion, answered = service.champion(), service.submit()
        service.result(answered)
        (main,) = service.pids("-m worker")
        held = (main, *children_of(main))
        for pid in held:
            os.kill(pid, signal.SIGSTOP)  # so that the next jobs wait
        waiting = [service.submit() for _ in range(10)]
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(service.http.post, "/predict?wait=30", json=SAMPLE, timeout=60)
            eventually(lambda: service.health()["gateway"]["waiting_requests"], what="the waiting request")
            os.kill(service.pid, signal.SIGTERM)
            eventually(lambda: "stopping …" in service.output, what="the stop's begin")
            for pid in held:
                os.kill(pid, signal.SIGKILL)  # nothing is revived any more, and nobody need wait for them
            service.stop()
            receipt = answer.result(60)
    finally:
        service.kill_if_alive()

    service = Service(folder).start()
    try:
        waiting.append(receipt.json()["id"])
        return Restart(
            champions=(champion, service.champion()),
            receipt=receipt,
            answered={answered: service.result(answered)["status"]},
            waiting={job_id: service.result(job_id, wait=60.0)["status"] for job_id in waiting},
        )
    finally:
        service.stop()


def test_waiting_jobs_and_versions_survive_a_restart(restart: Restart) -> None:
    before, after = restart.champions

    assert after == before
    assert set(restart.answered.values()) == {"succeeded"}
    assert len(restart.waiting) == 11
    assert set(restart.waiting.values()) == {"succeeded"}


def test_who_waits_while_the_service_stops_gets_a_receipt(restart: Restart) -> None:
    assert restart.receipt.status_code == 202
    assert restart.waiting[restart.receipt.json()["id"]] == "succeeded"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_leaves_no_process(folder: Path, number: int) -> None:
    service = Service(folder).start()
    family = children_of(service.pid)
    family += [grandchild for child in family for grandchild in children_of(child)]
    job_id = service.submit()

    code = service.stop(number)

    assert code == 0
    assert not [pid for pid in family if is_alive(pid)]
    assert job_id


def test_a_killed_supervisor_takes_its_processes_with_it(folder: Path) -> None:
    service = Service(folder).start()
    family = children_of(service.pid)

    service.kill()

    eventually(lambda: not [pid for pid in family if is_alive(pid)], 30.0, "the end of all processes")


def run_up(**environment: str) -> subprocess.CompletedProcess[str]:
    """`rhizome up` with these settings, which must end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "rhizome", "up"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_up(RHIZOME_PORT=str(port), RHIZOME_VAR_DIR=str(tmp_path / "var"))

    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert f":{port}" in result.stderr
    assert "RHIZOME_PORT" in result.stderr


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    result = run_up(RHIZOME_PORT=str(find_free_port()), RHIZOME_VAR_DIR=str(tmp_path / "file" / "var"))

    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "RHIZOME_VAR_DIR" in result.stderr


def test_bad_settings_are_all_named_at_once_without_their_values() -> None:
    result = run_up(RHIZOME_PORT="not-a-port", RHIZOME_LEASE_SECONDS="-1")

    assert result.returncode == 1
    assert "RHIZOME_PORT" in result.stderr
    assert "RHIZOME_LEASE_SECONDS" in result.stderr
    assert "not-a-port" not in result.stderr


def test_a_redis_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    result = run_up(
        RHIZOME_PORT=str(find_free_port()),
        RHIZOME_VAR_DIR=str(tmp_path / "var"),
        RHIZOME_REDIS_URL=f"redis://127.0.0.1:{find_free_port()}/0",
    )

    assert result.returncode == 1
    assert "RHIZOME_REDIS_URL" in result.stderr


def test_a_missing_package_is_one_clear_line() -> None:
    # -S: without site-packages, as in an environment where nothing was installed
    command = [sys.executable, "-S", "-m", "rhizome", "up"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert result.returncode == 1
    assert result.stderr.startswith("rhizome: the package '")
    assert len(result.stderr.strip().splitlines()) == 1
