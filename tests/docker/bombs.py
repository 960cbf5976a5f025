"""Small requests that stand for much: each is refused or ends its own job, and no container dies of it."""

import base64
import gzip
import http.client
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.docker.client import FINAL, SAMPLE, Answer, Client
from tests.docker.engine import Compose, exec_in, inspect
from tests.docker.report import expect, note

SECONDS = 120.0
BODY_BYTES = 8 * 1024 * 1024
SAMPLE_BYTES = 1024 * 1024
TOGETHER = 8
HEADER = (",".join(SAMPLE) + "\n").encode()
_PARQUET = "application/vnd.apache.parquet"
#: Eight million rows in one page a column: 64 MB each, in a file of some kB.
_MAKE_PARQUET = (
    "import base64, io, numpy as np, pyarrow as pa, pyarrow.parquet as pq\n"
    f"table = pa.table({{name: np.zeros(8_000_000) for name in {list(SAMPLE)!r}}})\n"
    "sizes = {'row_group_size': 10**7, 'data_page_size': 2**30, 'write_batch_size': 10**8}\n"
    "pq.write_table(table, out := io.BytesIO(), compression='zstd', use_dictionary=False, **sizes)\n"
    "print(base64.b64encode(out.getvalue()).decode())"
)


class Bomb(NamedTuple):
    """Requests that are sent at once, and what each may be answered."""

    name: str
    path: str
    bodies: Sequence[bytes]
    statuses: frozenset[int]
    mimetype: str = "application/json"
    encoding: str = ""


def check_bombs(compose: Compose, client: Client, port: int) -> None:
    """Each bomb, and after it whether everybody lives."""
    before = _lives(compose)
    for bomb in (*_bodies(), *_streams()):
        answers = _throw(port, bomb)
        statuses = sorted({answer.status for answer in answers})
        expect(set(statuses) <= bomb.statuses, f"{bomb.name}: answered {statuses}, not one of {sorted(bomb.statuses)}")
        _check_lives(compose, client, before, bomb.name)
        note(f"{bomb.name}: {len(bomb.bodies)} x {len(bomb.bodies[0])} bytes, answered {statuses}")
    bad_rows = gzip.compress(HEADER + b"x\n" * 2_000_000)
    _check_job(client, port, Bomb("bad rows", "", [bad_rows], frozenset(), "text/csv", "gzip"))
    _check_lives(compose, client, before, "bad rows")
    made = exec_in(compose.container("worker"), "python", "-c", _MAKE_PARQUET, seconds=SECONDS)
    expect(made.returncode == 0, f"no Parquet file could be made: {made.stderr[-300:]}")
    _check_job(client, port, Bomb("Parquet", "", [base64.b64decode(made.stdout)], frozenset(), _PARQUET))
    _check_lives(compose, client, before, "Parquet")


def _bodies() -> list[Bomb]:
    def fill(head: bytes, unit: bytes, tail: bytes, size: int) -> bytes:
        return head + unit * ((size - len(head) - len(tail) - len(unit)) // len(unit)) + unit.rstrip(b",") + tail

    refused = frozenset({400, 413, 422, 503})
    tensor = b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":['
    keys = b",".join(b'"%d":1' % number for number in range(600_000))
    return [
        Bomb("objects", "/predict/batch", [fill(b'{"instances":[', b"{},", b"]}", BODY_BYTES)] * TOGETHER, refused),
        Bomb("arrays", "/v2/models/iris/infer", [fill(tensor, b"[],", b"]}]}", BODY_BYTES)] * TOGETHER, refused),
        Bomb("fields", "/invocations", [b'{"instances":[{' + keys + b"}]}"] * TOGETHER, refused),
        Bomb("nested", "/predict/batch", [b'{"instances":' + b"[" * (BODY_BYTES - 20)] * TOGETHER, refused),
        Bomb("sample", "/predict", [fill(b'{"x":[', b"{},", b"]}", SAMPLE_BYTES)] * 2 * TOGETHER, refused),
    ]


def _streams() -> list[Bomb]:
    refused, path = frozenset({400, 422}), "/predict/batch"
    return [
        Bomb("gzip members", path, [gzip.compress(b"") * 100_000], refused, "text/csv", "gzip"),
        Bomb("zstd frames", path, [(b"P*M\x18" + bytes(4)) * 500_000], refused, "text/csv", "zstd"),
    ]


def _throw(port: int, bomb: Bomb) -> list[Answer]:
    with ThreadPoolExecutor(len(bomb.bodies)) as threads:
        return list(threads.map(lambda body: _send(port, bomb, body), bomb.bodies))


def _send(port: int, bomb: Bomb, body: bytes) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    headers = {"Content-Type": bomb.mimetype, "Content-Encoding": bomb.encoding or "identity"}
    try:
        connection.request("POST", bomb.path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
    finally:
        connection.close()


def _check_job(client: Client, port: int, bomb: Bomb) -> None:
    """A file that is accepted, and whose job is done or fails in time."""
    accepted = _send(port, bomb._replace(path="/predict/batch"), bomb.bodies[0])
    expect(accepted.status == 202, f"{bomb.name}: answered {accepted.status}: {accepted.body}")
    path = f"/result/{accepted.body['id']}"
    job = client.call("GET", f"{path}?wait=60&limit=1", timeout=SECONDS).body
    if job["status"] not in FINAL:
        job = client.call("GET", f"{path}?wait=60&limit=1", timeout=SECONDS).body
    expect(job["status"] in FINAL, f"{bomb.name}: the job is still {job['status']}")
    purged = client.call("DELETE", f"{path}?purge=true", timeout=SECONDS)
    expect(purged.status == 204, f"{bomb.name}: purging was answered {purged.status}")
    reason = job.get("error", {}).get("code", "")
    note(f"{bomb.name}: {len(bomb.bodies[0])} bytes, {job['status']} {reason}")


def _lives(compose: Compose) -> dict[str, str]:
    """Since when each container runs."""
    return {name: str(inspect(name)["State"]["StartedAt"]) for name in compose.containers()}


def _check_lives(compose: Compose, client: Client, before: dict[str, str], name: str) -> None:
    expect(_lives(compose) == before, f"{name}: a container ended")
    killed = [container for container in before if inspect(container)["State"]["OOMKilled"]]
    expect(not killed, f"{name}: the kernel killed a process of {killed} for its memory")
    answer = client.predict(wait=10, timeout=20)
    expect(answer.status == 200 and answer.body["status"] == "succeeded", f"{name}: a sample was answered {answer}")
