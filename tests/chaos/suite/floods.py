"""More at once than any service likes: health checks, connections, batches."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import numpy as np

from tests.chaos.suite.kills import REDIS_SECONDS
from tests.chaos.suite.ledger import Job
from tests.chaos.suite.phase import Phase
from tests.chaos.suite.stage import Stage
from tests.chaos.suite.users import LEAST, MOST, NAMES, User, as_samples

HEALTH_CHECKS, HEALTH_ROUNDS = 200, 3
HEALTH_PAUSE_SECONDS = 1.0
CONNECTIONS, AT_ONCE = 2_000, 500
BATCHES, BATCH_ROWS, SENDERS = 40, 2_500, 8
ANSWER_SECONDS = 30.0
#: Many bodies at once may be told to come again; nothing else has a reason.
CROWDED = ("too_many_waiters",)


def check_health(stage: Stage) -> None:
    """So many `GET /health` at the same moment, several times; each is answered, and says that all is well."""
    for _ in range(1 if stage.is_short else HEALTH_ROUNDS):
        stage.counts["floods"] += 1
        for answer in asyncio.run(_ask_all(stage.service.port, [b"GET /health"] * HEALTH_CHECKS, HEALTH_CHECKS)):
            if isinstance(answer, Exception) or answer.status_code != 200:
                stage.ledger.fault("errors", f"GET /health: {_describe(answer)}")
        time.sleep(HEALTH_PAUSE_SECONDS)
    stage.recover("after the flood", REDIS_SECONDS)
    if _ask_once(stage) != 200:
        stage.ledger.fault("errors", f"GET /health: {_ask_once(stage)} {HEALTH_PAUSE_SECONDS:g} s after the flood")


def _ask_once(stage: Stage) -> int:
    return httpx.get(f"{stage.url}/health", timeout=ANSWER_SECONDS).status_code


def submit_at_once(stage: Stage) -> None:
    """Connections of one submit each, `AT_ONCE` of them at any time."""
    count = CONNECTIONS // 4 if stage.is_short else CONNECTIONS
    rows = np.random.default_rng(count).uniform(LEAST, MOST, (count, len(NAMES))).round(3)
    requests = [b"POST /predict " + json.dumps(sample).encode() for sample in as_samples(rows)]
    stage.counts["floods"] += 1
    answers = asyncio.run(_ask_all(stage.service.port, requests, AT_ONCE))
    for row, answer in zip(rows, answers, strict=True):
        if isinstance(answer, Exception):
            stage.ledger.break_off("flooding single", answer)
        elif answer.status_code == 202:
            stage.ledger.accept(Job(answer.json()["id"], "flooding single", row.reshape(1, -1)))
        else:
            stage.ledger.refuse("flooding single", answer)
    stage.recover("after the flood", REDIS_SECONDS)


async def _ask_all(port: int, requests: list[bytes], at_once: int) -> list[httpx.Response | Exception]:
    """Each request (method, path, body) on a connection of its own; all that go at once are sent when all are open."""
    answers: list[httpx.Response | Exception] = []
    for start in range(0, len(requests), at_once):
        some = requests[start : start + at_once]
        gate = asyncio.Barrier(len(some))
        answers += await asyncio.gather(*(_ask(port, request, gate) for request in some))
    return answers


async def _ask(port: int, request: bytes, gate: asyncio.Barrier) -> httpx.Response | Exception:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await _exchange(port, request, gate)
    except (OSError, EOFError, TimeoutError, ValueError, asyncio.BrokenBarrierError) as error:
        return error


async def _exchange(port: int, request: bytes, gate: asyncio.Barrier) -> httpx.Response:
    method, path, body = (request + b" ").split(b" ", 2)
    body = body.rstrip()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await gate.wait()
        head = b"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" % (method, path)
        kind = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body) if body else b""
        writer.write(head + kind + b"\r\n" + body)
        await writer.drain()
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = httpx.Headers([(name, value) for name, _, value in (line.partition(": ") for line in lines)])
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        return httpx.Response(int(first.split()[1]), headers=headers, content=content)
    finally:
        writer.close()


def _describe(answer: httpx.Response | Exception) -> str:
    return repr(answer) if isinstance(answer, Exception) else f"{answer.status_code} {answer.text[:160]}"


def submit_batches(stage: Stage) -> None:
    """JSON batches from several senders, nobody waiting for them."""
    count = BATCHES // 4 if stage.is_short else BATCHES
    stage.counts["floods"] += 1
    with _users(stage) as users, ThreadPoolExecutor(SENDERS) as pool:
        begun = time.monotonic()
        list(pool.map(lambda number: _send_batch(users[number % SENDERS]), range(count)))
        stage.recover("a single behind the batches", REDIS_SECONDS)
        assert time.monotonic() - begun < 4 * ANSWER_SECONDS, "the batches were not taken in time"


@contextmanager
def _users(stage: Stage) -> Iterator[list[User]]:
    users = [stage.user() for _ in range(SENDERS)]
    try:
        yield users
    finally:
        for user in users:
            user.http.close()


def _send_batch(user: User) -> None:
    rows = user.rows(BATCH_ROWS)
    user.send("flooding batch", "/predict/batch", rows, json={"instances": as_samples(rows)})


HEALTH = Phase("200 health checks at once", check_health)
PHASES = (
    HEALTH,
    Phase("a flood of connections", submit_at_once, may_refuse=CROWDED),
    Phase("a flood of JSON batches", submit_batches, may_refuse=CROWDED),
)
