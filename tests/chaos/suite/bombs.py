"""Small requests that would become large: in rows, in objects, in texts."""

import gzip
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import httpx
import numpy as np

from tests.chaos.suite.kills import REDIS_SECONDS
from tests.chaos.suite.ledger import FINAL, Job
from tests.chaos.suite.phase import Phase
from tests.chaos.suite.stage import Stage
from tests.chaos.suite.users import NAMES, Rows, User, as_csv, as_ndjson
from tests.support.lying_parquet import write_lying

EMPTY_LINES = 20_000_000  #: 20 kB when packed
BODY_BYTES = 8 * 1024 * 1024
LIE = (1_000, 1_024)  #: rows, and MiB of their dictionary; 33 kB
ANSWER_SECONDS = 45.0
AT_ONCE = 8
BAD_ROWS = 5_000_000  #: 20 kB when packed
CROWDED = ("too_many_waiters",)  #: so many large bodies at once may be told to come again
CSV, NDJSON = "text/csv", "application/x-ndjson"
PARQUET, JSON = "application/vnd.apache.parquet", "application/json"
JSON_OBJECTS = "JSON of empty objects"
NONE: Rows = np.zeros((0, len(NAMES)))
ROW: Rows = np.full((1, len(NAMES)), 5.0)  #: in order, so that it is the rest that counts


class Bomb(NamedTuple):
    """A body, and how it is sent."""

    name: str
    mimetype: str
    build: Callable[[], bytes]
    is_packed: bool = False
    rows: Rows = NONE  #: that are answered, where it succeeds all the same
    times: int = AT_ONCE
    path: str = "/predict/batch"


def throw(stage: Stage, bomb: Bomb) -> None:
    """Some at once: each is refused, or fails as a job, within bounds; beside them everything goes on."""
    body = bomb.build()
    with ThreadPoolExecutor(bomb.times) as pool:
        list(pool.map(lambda _: _throw_one(stage, bomb, body), range(bomb.times)))
    stage.recover(bomb.name, REDIS_SECONDS)


def _throw_one(stage: Stage, bomb: Bomb, body: bytes) -> None:
    headers = {"Content-Type": bomb.mimetype} | ({"Content-Encoding": "gzip"} if bomb.is_packed else {})
    stage.counts["bombs"] += 1
    user, until = stage.user(), time.monotonic() + ANSWER_SECONDS
    user.http.timeout = httpx.Timeout(ANSWER_SECONDS)
    with user.http:
        response = user.call(bomb.name, "POST", bomb.path, content=body, headers=headers)
        if response is not None and response.status_code == 202:
            job_id = str(response.json()["id"])
            ends = frozenset({"failed", "cancelled"} | ({"succeeded"} if len(bomb.rows) else set()))
            stage.ledger.accept(Job(job_id, bomb.name, bomb.rows, ends))
            if not _await_end(user, bomb, job_id, until):
                stage.ledger.fault("wrong", f"{job_id} ({bomb.name}): {len(body)} bytes are work for too long")
                user.call(bomb.name, "DELETE", f"/result/{job_id}")
        elif response is not None and not 400 <= response.status_code < 500:
            stage.ledger.refuse(bomb.name, response, CROWDED)


def _await_end(user: User, bomb: Bomb, job_id: str, until: float) -> bool:
    while time.monotonic() < until:
        response = user.call(bomb.name, "GET", f"/result/{job_id}", params={"wait": 5, "limit": 1})
        if response is not None and response.status_code == 200 and response.json()["status"] in FINAL:
            return True
    return False


def _lines(begin: bytes) -> bytes:
    return gzip.compress(begin + b"\n" * EMPTY_LINES)


def _bad_rows() -> bytes:
    return gzip.compress(as_csv(ROW) + b",,,\n" * BAD_ROWS)


def _objects() -> bytes:
    return b'{"instances":[' + b"{}," * (BODY_BYTES // 3 - 10) + b"{}]}"


def _lists() -> bytes:
    return b'{"instances":[' + b"[]," * (BODY_BYTES // 3 - 10) + b"[]]}"


def _nested() -> bytes:
    return b'{"instances":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"


BOMBS = (
    Bomb("CSV: a row, empty lines", CSV, partial(_lines, as_csv(ROW)), is_packed=True, rows=ROW),
    Bomb("CSV: empty lines alone", CSV, partial(_lines, b""), is_packed=True),
    Bomb("CSV: empty cells", CSV, _bad_rows, is_packed=True, times=1),
    Bomb("NDJSON: a row, empty lines", NDJSON, partial(_lines, as_ndjson(ROW)), is_packed=True, rows=ROW),
    Bomb("NDJSON: empty lines alone", NDJSON, partial(_lines, b""), is_packed=True),
    Bomb(JSON_OBJECTS, JSON, _objects),
    Bomb("JSON of empty lists", JSON, _lists),
    Bomb("JSON of nested lists", JSON, _nested),
    Bomb("empty objects for MLflow", JSON, _objects, path="/invocations"),
    Bomb(
        "Parquet: a lying dictionary", PARQUET, partial(write_lying, NAMES, *LIE), rows=np.zeros((LIE[0], 4)), times=2
    ),
)
PHASES = tuple(Phase(bomb.name, partial(throw, bomb=bomb)) for bomb in BOMBS)
SHORT = tuple(phase for phase in PHASES if phase.name == JSON_OBJECTS)
