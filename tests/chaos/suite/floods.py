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
from tests.chaos.suite.users import LEAST, MOST, NAMES, Rows, User, as_samples

HEALTH_CHECKS = 200
CONNECTIONS, AT_ONCE = 2_000, 500
BATCHES, BATCH_ROWS, SENDERS = 40, 2_500, 8
ANSWER_SECONDS = 30.0
#: Many bodies at once may be told to come again; nothing else has a reason.
CROWDED = ("too_many_waiters",)


def check_health(stage: Stage) -> None:
    """So many `GET /health` at once, twice; each is answered, and says that all is well."""
    for _ in range(2):
        stage.counts["floods"] += 1
        with ThreadPoolExecutor(HEALTH_CHECKS) as pool:
            answers = list(pool.map(lambda _: _look(stage.url), range(HEALTH_CHECKS)))
        for bad in [answer for answer in answers if answer]:
            stage.ledger.fault("errors", f"GET /health: {bad}")
    stage.recover("after the flood", REDIS_SECONDS)


def _look(url: str) -> str:
    """What is wrong with an answer."""
    try:
        response = httpx.get(f"{url}/health", timeout=ANSWER_SECONDS)
    except httpx.TransportError as error:
        return type(error).__name__
    return "" if response.status_code == 200 else f"{response.status_code} {response.text[:160]}"


def submit_at_once(stage: Stage) -> None:
    """Connections of one submit each, `AT_ONCE` of them open at any time."""
    count = CONNECTIONS // 4 if stage.is_short else CONNECTIONS
    stage.counts["floods"] += 1
    asyncio.run(_submit_all(stage, count))
    stage.recover("after the flood", REDIS_SECONDS)


async def _submit_all(stage: Stage, count: int) -> None:
    places = asyncio.Semaphore(AT_ONCE)
    rows = np.random.default_rng(count).uniform(LEAST, MOST, (count, len(NAMES))).round(3)
    await asyncio.gather(*(_submit(stage, row.reshape(1, -1), places) for row in rows))


async def _submit(stage: Stage, row: Rows, places: asyncio.Semaphore) -> None:
    async with places:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await _exchange(stage.service.port, json.dumps(as_samples(row)[0]).encode())
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            stage.ledger.break_off("flooding single", error)
            return
    if response.status_code == 202:
        stage.ledger.accept(Job(response.json()["id"], "flooding single", row))
    else:
        stage.ledger.refuse("flooding single", response)


async def _exchange(port: int, body: bytes) -> httpx.Response:
    """One request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int({name.lower(): value for name, value in headers.items()}.get("content-length", "0"))
        return httpx.Response(int(first.split()[1]), headers=headers, content=await reader.readexactly(length))
    finally:
        writer.close()


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
