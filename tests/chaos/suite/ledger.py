"""The ledger of a phase: what was promised, what became of it, and what should not have happened."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, NamedTuple

import httpx
import numpy as np
from numpy.typing import NDArray

from tests.chaos.suite.oracle import Oracle

FINAL = ("succeeded", "failed", "cancelled", "expired")
SUCCEEDED = frozenset({"succeeded"})
READERS = 4
READ_SECONDS = 15.0
READ_AGAIN = 100  #: jobs of a phase, at the end of its stage
RETRIED = (429, 503, 504)  #: refusals; they say when to come again
FAULTS = ("lost", "doubled", "wrong", "unfair", "errors", "late", "broken")


class Job(NamedTuple):
    """An accepted job.

    Attributes:
        id, kind: its id, and how it was submitted.
        rows: what was sent, shape (n, features).
        ends: the final states that are right.
        version: that must answer; empty for any.
        seen: the answer that came with the submit, if one did.
        poison: the row that must be quarantined in place of an answer; None for none.
    """

    id: str
    kind: str
    rows: NDArray[np.float64]
    ends: frozenset[str] = SUCCEEDED
    version: str = ""
    seen: Any = None
    poison: int | None = None

    def is_quarantined(self, place: int, answer: dict[str, Any]) -> bool:
        """Whether an answer says of the poison, and of nothing else, that it is quarantined."""
        return place == self.poison and answer.get("error", {}).get("code") == "quarantined"


class Ledger:
    """Of one phase; threads may write to it.

    Args:
        may_refuse: codes of refusals that the phase gives reason for.
        may_cut: whether connections may break.
    """

    def __init__(self, may_refuse: Iterable[str] = (), *, may_cut: bool = False) -> None:
        self._may_refuse = frozenset(may_refuse)
        self._may_cut = may_cut
        self._lock = threading.Lock()
        self.jobs: dict[str, Job] = {}
        self.ends: Counter[str] = Counter()
        self.answers: dict[str, str] = {}  #: digests by job id, as they were read first
        self.refused: Counter[str] = Counter()
        self.cut = 0
        self.faults: dict[str, list[str]] = {name: [] for name in FAULTS}

    def accept(self, job: Job) -> None:
        """Notes a promise."""
        with self._lock:
            if job.id in self.jobs:
                self.faults["doubled"].append(f"{job.id} was handed out twice, as {job.kind}")
            self.jobs[job.id] = job

    def fault(self, kind: str, what: str) -> None:
        """Notes what should not have happened."""
        with self._lock:
            self.faults[kind].append(what)

    def refuse(self, kind: str, response: httpx.Response, expected: Iterable[str] = ()) -> None:
        """Notes an answer that is none; `expected` are codes that this request itself gives reason for."""
        code, text = _code_of(response), f"{kind}: {response.status_code} {response.text[:200]}"
        with self._lock:
            self.refused[code] += 1
        if code in expected:
            return
        if response.status_code >= 500 and not (response.status_code in RETRIED and _says_when(response)):
            self.fault("errors", text)
        elif code not in self._may_refuse:
            self.fault("unfair", text)

    def break_off(self, kind: str, error: Exception) -> None:
        """Notes a connection that broke: right only where somebody who held it was hit."""
        with self._lock:
            self.cut += 1
        if not self._may_cut:
            self.fault("broken", f"{kind}: {type(error).__name__} {error}")

    def audit(self, url: str, oracle: Oracle, seconds: float) -> None:
        """Reads each promised job to its end, and computes its answer once more."""
        deadline = time.monotonic() + seconds
        with httpx.Client(base_url=url, timeout=READ_SECONDS) as http, ThreadPoolExecutor(READERS) as pool:
            jobs = list(self.jobs.values())
            documents = list(pool.map(lambda job: self._read(http, job, deadline), jobs))
        finished = [(job, document) for job, document in zip(jobs, documents, strict=True) if document]
        for job, document in finished:
            self._check_end(job, document)
        self._check_answers([pair for pair in finished if pair[1]["status"] == "succeeded"], oracle)

    def recheck(self, url: str) -> None:
        """Reads some of everything once more: an answer that was given stays, and stays the same."""
        with httpx.Client(base_url=url, timeout=READ_SECONDS) as http, ThreadPoolExecutor(READERS) as pool:
            deadline = time.monotonic() + READ_SECONDS
            step = 1 + len(self.answers) // READ_AGAIN
            jobs = [self.jobs[job_id] for job_id in list(self.answers)[::step]]
            for job, document in zip(jobs, pool.map(lambda job: self._read(http, job, deadline), jobs), strict=True):
                if document and _answer_of(document) != self.answers[job.id]:
                    self.fault("doubled", f"{job.id} ({job.kind}) was answered anew")

    def _read(self, http: httpx.Client, job: Job, deadline: float) -> dict[str, Any] | None:
        """The job's final document; None, and a fault, where it does not come to one."""
        last = "never read"
        while time.monotonic() < deadline:
            try:
                response = http.get(f"/result/{job.id}", params={"wait": 5})
            except httpx.TransportError as error:
                last = type(error).__name__
                continue
            last = response.text[:300]
            if response.status_code == 200 and response.json()["status"] in FINAL:
                return dict(response.json())
            if response.status_code not in (200, *RETRIED):
                break
            time.sleep(0.05)
        self.fault("lost", f"{job.id} ({job.kind}): {last}")
        return None

    def _check_end(self, job: Job, document: dict[str, Any]) -> None:
        self.ends[document["status"]] += 1
        self.answers[job.id] = _answer_of(document)
        if document["status"] not in job.ends:
            self.fault("wrong", f"{job.id} ({job.kind}) {document['status']}: {document.get('error')}")
        elif document["status"] == "succeeded" and job.version not in ("", document["version"]):
            self.fault("wrong", f"{job.id} ({job.kind}) was pinned to {job.version}: {document['version']}")
        if job.seen is not None and job.seen != document.get("result", document.get("results")):
            self.fault("doubled", f"{job.id} ({job.kind}) was answered anew")

    def _check_answers(self, finished: list[tuple[Job, dict[str, Any]]], oracle: Oracle) -> None:
        finished.sort(key=lambda pair: str(pair[1]["version"]))
        for version, group in groupby(finished, key=lambda pair: str(pair[1]["version"])):
            rows, answers, owners = [], [], []
            for job, document in group:
                given = document["results"] if "results" in document else [document["result"]]
                if len(given) != len(job.rows):
                    self.fault("wrong", f"{job.id} ({job.kind}): {len(given)} answers to {len(job.rows)} rows")
                    continue
                places = [place for place, answer in enumerate(given) if not job.is_quarantined(place, answer)]
                rows.append(job.rows[places])
                answers += [given[place] for place in places]
                owners += [job] * len(places)
            mistakes = oracle.find_mistakes(version, np.concatenate(rows), answers) if answers else []
            first = {owners[place].id: place for place in reversed(mistakes)}
            for job_id, place in first.items():
                count = sum(owners[mistake].id == job_id for mistake in mistakes)
                what = f"{count} of {len(owners[place].rows)} answers, such as {answers[place]} by {version}"
                self.fault("wrong", f"{job_id} ({owners[place].kind}): {what}")


def _answer_of(document: dict[str, Any]) -> str:
    facts = [document["status"], document.get("version"), document.get("result", document.get("results"))]
    return hashlib.sha256(str(facts).encode()).hexdigest()


def _says_when(response: httpx.Response) -> bool:
    return str(response.headers.get("Retry-After", "")).isdecimal()


def _code_of(response: httpx.Response) -> str:
    try:
        return str(response.json()["code"])
    except (ValueError, KeyError, TypeError):
        return str(response.status_code)
