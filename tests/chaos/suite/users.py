"""A user of a service: every kind of submit, each noted in the ledger."""

import gzip
import io
import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tests.chaos.suite.ledger import FINAL, SUCCEEDED, Job, Ledger
from tests.support.service import SAMPLE

Rows = NDArray[np.float64]
NAMES = tuple(SAMPLE)
LEAST, MOST = (4.3, 2.0, 1.0, 0.1), (7.9, 4.4, 6.9, 2.5)  #: of the training data, by feature
POLL_PAUSE_SECONDS = 0.02
WAIT_SECONDS = 10
POLL_SECONDS = 5.0
CALL_SECONDS = 30.0
BATCH_ROWS, FILE_ROWS = 1_500, 3_000
DEADLINE_MS = 3_000
LATE = ("deadline_unmeetable",)


def as_csv(rows: Rows) -> bytes:
    return (",".join(NAMES) + "\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())).encode()


def as_ndjson(rows: Rows) -> bytes:
    return "".join(json.dumps(sample) + "\n" for sample in as_samples(rows)).encode()


def as_parquet(rows: Rows) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(dict(zip(NAMES, rows.T, strict=True))), out, row_group_size=1_000)
    return out.getvalue()


def as_samples(rows: Rows) -> list[dict[str, float]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows.tolist()]


class User:
    """One user: submits in every way, and looks after the jobs as users do.

    Args:
        url: of the service.
        ledger: takes every answer.
        seed: of the rows.
        hook: where webhooks are sent; empty for none.
    """

    def __init__(self, url: str, ledger: Ledger, seed: int, hook: str = "") -> None:
        self.http = httpx.Client(base_url=url, timeout=CALL_SECONDS)
        self._ledger = ledger
        self._choose = np.random.default_rng(seed)
        self._hook = hook
        self.waited: list[float] = []  #: seconds of single predictions that were waited for

    def rows(self, count: int) -> Rows:
        return self._choose.uniform(LEAST, MOST, (count, len(NAMES))).round(3)

    def send(
        self,
        kind: str,
        path: str,
        rows: Rows,
        *,
        ends: frozenset[str] = SUCCEEDED,
        version: str = "",
        expected: tuple[str, ...] = (),
        poison: int | None = None,
        is_known: bool = False,
        **request: Any,
    ) -> dict[str, Any] | None:
        """Submits; the document, where the job was accepted. `is_known`: it may be a job that is noted already."""
        response = self.call(kind, "POST", path, **request)
        if response is None:
            return None
        if response.status_code not in (200, 202):
            self._ledger.refuse(kind, response, expected)
            time.sleep(0.1)
            return None
        document = dict(response.json())
        if not is_known:
            seen = document.get("result", document.get("results"))
            self._ledger.accept(Job(document["id"], kind, rows, ends, version, seen, poison))
        return document

    def call(self, kind: str, method: str, path: str, **request: Any) -> httpx.Response | None:
        try:
            return self.http.request(method, path, **request)
        except httpx.TransportError as error:
            self._ledger.break_off(kind, error)
            time.sleep(0.1)
            return None

    def single(self) -> None:
        """Nobody waits for it."""
        rows = self.rows(1)
        self.send("single", "/predict", rows, json=as_samples(rows)[0])

    def single_waited(self) -> None:
        rows, begun = self.rows(1), time.monotonic()
        if self.send("waited single", "/predict", rows, params={"wait": WAIT_SECONDS}, json=as_samples(rows)[0]):
            self.waited.append(time.monotonic() - begun)

    def single_polled(self) -> None:
        rows = self.rows(1)
        receipt = self.send("polled single", "/predict", rows, json=as_samples(rows)[0])
        until = time.monotonic() + POLL_SECONDS
        while receipt and receipt["status"] not in FINAL and time.monotonic() < until:
            response = self.call("poll", "GET", f"/result/{receipt['id']}")
            if response is not None and response.status_code == 200:
                receipt = response.json()
            elif response is not None:
                self._ledger.refuse("poll", response)
            time.sleep(POLL_PAUSE_SECONDS)

    def single_pinned(self) -> None:
        response = self.call("models", "GET", "/models")
        if response is None or response.status_code != 200:
            return
        rows, version = self.rows(1), str(response.json()["champion"])
        terms = {"wait": WAIT_SECONDS, "version": version}
        self.send("pinned single", "/predict", rows, version=version, params=terms, json=as_samples(rows)[0])

    def single_urgent(self) -> None:
        rows, terms = self.rows(1), {"deadline_ms": DEADLINE_MS, "priority": 0}
        ends = SUCCEEDED | {"expired"}
        self.send("urgent single", "/predict", rows, ends=ends, expected=LATE, params=terms, json=as_samples(rows)[0])

    def single_with_webhook(self) -> None:
        if self._hook:
            rows = self.rows(1)
            self.send("webhook", "/predict", rows, json=as_samples(rows)[0], params={"webhook": self._hook})

    def small_batch(self) -> None:
        rows = self.rows(5)
        body = {"instances": as_samples(rows)}
        self.send("small batch", "/predict/batch", rows, params={"wait": WAIT_SECONDS}, json=body)

    def batch(self) -> None:
        rows = self.rows(BATCH_ROWS)
        self.send("batch", "/predict/batch", rows, json={"instances": as_samples(rows)})

    def repeated(self) -> None:
        """The same request twice under one key: one job, whatever happens between."""
        rows, headers = self.rows(1), {"Idempotency-Key": uuid.uuid4().hex}
        first = self.send("repeated", "/predict", rows, json=as_samples(rows)[0], headers=headers)
        known = first is not None
        second = self.send("repeated", "/predict", rows, is_known=known, json=as_samples(rows)[0], headers=headers)
        if first and second and first["id"] != second["id"]:
            self._ledger.fault("doubled", f"one Idempotency-Key became {first['id']} and {second['id']}")

    def cancelled(self) -> None:
        rows, ends = self.rows(BATCH_ROWS), SUCCEEDED | {"cancelled"}
        receipt = self.send("cancelled batch", "/predict/batch", rows, ends=ends, json={"instances": as_samples(rows)})
        if receipt:
            response = self.call("cancel", "DELETE", f"/result/{receipt['id']}")
            if response is not None and response.status_code != 200:
                self._ledger.refuse("cancel", response, ("job_finished",))

    def csv_file(self) -> None:
        self._send_file("CSV", "text/csv", as_csv)

    def ndjson_file(self) -> None:
        self._send_file("NDJSON", "application/x-ndjson", as_ndjson, is_packed=True)

    def parquet_file(self) -> None:
        self._send_file("Parquet", "application/vnd.apache.parquet", as_parquet)

    def _send_file(self, kind: str, mimetype: str, write: Callable[[Rows], bytes], *, is_packed: bool = False) -> None:
        rows, headers = self.rows(FILE_ROWS), {"Content-Type": mimetype}
        body = write(rows)
        if is_packed:
            body, headers = gzip.compress(body, 1), headers | {"Content-Encoding": "gzip"}
        self.send(f"{kind} file", "/predict/batch", rows, content=body, headers=headers)
