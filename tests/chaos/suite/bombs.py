"""Small requests that would become large: in rows, in objects, in texts."""

import gzip
import io
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.chaos.suite.kills import REDIS_SECONDS
from tests.chaos.suite.ledger import FINAL, Job
from tests.chaos.suite.load import NAMES
from tests.chaos.suite.stage import Phase, Stage

EMPTY_LINES = 20_000_000  #: 20 kB when packed
BODY_BYTES = 8 * 1024 * 1024
TEXT_BYTES, TEXT_ROWS = 4 * 1024 * 1024, 500_000
NUMBER_ROWS, GROUP_ROWS = 20_000_000, 1_000_000
ANSWER_SECONDS = 60.0
CSV, NDJSON = "text/csv", "application/x-ndjson"
PARQUET, JSON = "application/vnd.apache.parquet", "application/json"
JSON_OBJECTS = "JSON of empty objects"
HEAD = (",".join(NAMES) + "\n").encode()


class Bomb(NamedTuple):
    """A body, and how it is sent."""

    name: str
    mimetype: str
    build: Callable[[], bytes]
    is_packed: bool = False
    path: str = "/predict/batch"


def throw(stage: Stage, bomb: Bomb) -> None:
    """It is refused, or fails as a job; within bounds, and beside it everything goes on."""
    headers = {"Content-Type": bomb.mimetype} | ({"Content-Encoding": "gzip"} if bomb.is_packed else {})
    body = bomb.build()
    stage.counts["bombs"] += 1
    user = stage.user()
    user.http.timeout = ANSWER_SECONDS
    begun = time.monotonic()
    with user.http as http:
        response = user.call(bomb.name, "POST", bomb.path, content=body, headers=headers)
        if response is not None and response.status_code == 202:
            job_id = response.json()["id"]
            stage.ledger.accept(Job(job_id, bomb.name, np.zeros((0, len(NAMES))), frozenset({"failed", "cancelled"})))
            while http.get(f"/result/{job_id}", params={"wait": 5, "limit": 1}).json()["status"] not in FINAL:
                if time.monotonic() - begun > ANSWER_SECONDS:
                    stage.ledger.fault("wrong", f"{bomb.name}: {len(body)} bytes kept it busy for {ANSWER_SECONDS:g} s")
                    http.delete(f"/result/{job_id}")
                    break
        elif response is not None and not 400 <= response.status_code < 500:
            stage.ledger.fault("wrong", f"{bomb.name}: {response.status_code} {response.text[:200]}")
    stage.recover(bomb.name, REDIS_SECONDS)


def build_texts() -> bytes:
    """A text column whose dictionary holds one long text, which every row names: a file of kilobytes."""
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(TEXT_ROWS, np.int32)), pa.array(["9" * TEXT_BYTES]))
    numbers = pa.array(np.full(TEXT_ROWS, 5.0))
    columns = {name: text if name == NAMES[0] else numbers for name in NAMES}
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression="zstd", row_group_size=TEXT_ROWS)
    return out.getvalue()


def build_numbers() -> bytes:
    """One number, and that it comes 20 million times in each column."""
    group = pa.table(dict.fromkeys(NAMES, pa.array(np.full(GROUP_ROWS, 5.0))))
    out = io.BytesIO()
    with pq.ParquetWriter(out, group.schema, compression="zstd") as writer:
        for _ in range(NUMBER_ROWS // GROUP_ROWS):
            writer.write_table(group)
    return out.getvalue()


def _objects() -> bytes:
    return b'{"instances":[' + b"{}," * (BODY_BYTES // 3 - 10) + b"{}]}"


def _lists() -> bytes:
    return b'{"instances":[' + b"[]," * (BODY_BYTES // 3 - 10) + b"[]]}"


def _nested() -> bytes:
    return b'{"instances":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"


BOMBS = (
    Bomb("CSV of empty lines", CSV, lambda: gzip.compress(HEAD + b"\n" * EMPTY_LINES), is_packed=True),
    Bomb("NDJSON of empty lines", NDJSON, lambda: gzip.compress(b"\n" * EMPTY_LINES), is_packed=True),
    Bomb(JSON_OBJECTS, JSON, _objects),
    Bomb("JSON of empty lists", JSON, _lists),
    Bomb("JSON of nested lists", JSON, _nested),
    Bomb("empty objects for MLflow", JSON, _objects, path="/invocations"),
    Bomb("Parquet of one long text", PARQUET, build_texts),
)
PHASES = tuple(Phase(bomb.name, partial(throw, bomb=bomb)) for bomb in BOMBS)
SHORT = tuple(phase for phase in PHASES if phase.name == JSON_OBJECTS)
