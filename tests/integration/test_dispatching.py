"""Waiting takes no thread, and bodies that trickle in take only some: on the real server."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from gateway.dispatching import READERS
from tests.support.service import SAMPLE, Service, eventually

THREADS = 4
WAITERS = 60
SLOW_BODIES = READERS + 10
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 82\r\n\r\n{"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose gateway has few threads."""
    folder: Path = tmp_path_factory.mktemp("narrow")
    running = Service(folder, gateway_processes=1, gateway_threads=THREADS, worker_processes=1, lease_seconds=30)
    yield running.start()
    running.stop()


def test_more_requests_wait_than_there_are_threads(narrow: Service) -> None:
    (child,) = narrow.worker_children()
    os.kill(child, signal.SIGSTOP)
    with ExitStack() as stack:
        stack.callback(os.kill, child, signal.SIGCONT)
        pool = stack.enter_context(ThreadPoolExecutor(WAITERS))
        limits = httpx.Limits(max_connections=WAITERS)
        http = stack.enter_context(httpx.Client(base_url=narrow.http.base_url, timeout=60, limits=limits))
        answers = [pool.submit(http.post, "/predict?wait=30", json=SAMPLE) for _ in range(WAITERS)]
        eventually(lambda: narrow.health()["gateway"]["waiting_requests"] >= WAITERS, what="all of them waiting")

        assert narrow.http.post("/predict", json=SAMPLE).status_code == 202
        assert narrow.http.get("/models").status_code == 200
        os.kill(child, signal.SIGCONT)

        documents = [answer.result(60) for answer in answers]
    assert {answer.status_code for answer in documents} == {200}
    assert len({answer.json()["id"] for answer in documents}) == WAITERS


def test_bodies_that_trickle_in_stop_nothing_else(narrow: Service) -> None:
    job_id = narrow.submit()
    slow = [socket.create_connection(("127.0.0.1", narrow.port), 5) for _ in range(SLOW_BODIES)]
    try:
        for connection in slow:
            connection.sendall(HEAD)
        time.sleep(0.5)
        begun = time.monotonic()

        assert narrow.http.get("/livez").status_code == 200
        assert narrow.http.get(f"/result/{job_id}").status_code == 200
        assert narrow.http.get("/health").status_code == 200
        assert time.monotonic() - begun < 5
        refused = narrow.http.post("/predict", json=SAMPLE)
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_waiters")
        assert refused.headers["Retry-After"]
    finally:
        for connection in slow:
            connection.close()

    eventually(lambda: narrow.http.post("/predict", json=SAMPLE).status_code == 202, what="submits")
