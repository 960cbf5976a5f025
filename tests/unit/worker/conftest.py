"""A worker process wired by hand: queue, store, shelf and scoring on a real Redis and real versions."""

import io
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from redis import Redis

from rhizome import keys
from rhizome.blob_slices import PLAN, BlobSlice, ChunkParts, FileFormat, decode_parts, encode_slice, input_path
from rhizome.blob_store import open_store
from rhizome.job_queue import claiming
from rhizome.job_queue.claiming import Claims
from rhizome.job_queue.entries import Finished
from rhizome.job_queue.terms import Terms
from rhizome.jobs import Encoding, Lane, ScoreRequest, State
from rhizome.manifest import Manifest
from rhizome.version_store import VersionStore
from tests.support.queue import DEADLINE_SECONDS, Queue, build_request, pack_rows
from tests.support.versions import (
    IRIS_FEATURES,
    IRIS_ROWS,
    MODEL_NAME,
    SETOSA,
    Written,
    build_manifest,
    golden_of,
    iris_signature,
    write_iris,
)
from worker import finishing, scorer
from worker.file_chunks import FileChunks
from worker.latencies import Latencies
from worker.pace import WorkPace
from worker.scorer import Scorer
from worker.scoring import Scoring
from worker.shelf import LoadedVersion, Shelf


class RecordingScoring(Scoring):
    """Notes the ids of finished jobs in order, and calls `after_each` once they are written."""

    def __init__(self, shelf: Shelf, claims: Claims, latencies: Latencies, files: FileChunks) -> None:
        super().__init__(shelf, claims, latencies, files)
        self.finished: list[str] = []
        self.after_each: Callable[[], object] = lambda: None

    def record(self, finished: Sequence[Finished]) -> None:
        super().record(finished)
        self.finished += [item.claimed.request.job_id for item in finished]
        self.after_each()


class Bench:
    """One worker process, taken apart."""

    def __init__(self, redis: Redis, models_dir: Path, lane: Lane = Lane.INTERACTIVE, **settings: Any) -> None:
        self.queue = Queue(redis, **settings)
        self.models_dir = models_dir
        self.store = VersionStore(models_dir, MODEL_NAME)
        self.shelf = Shelf(self.store, None)
        self.claims = self.queue.scorer("this-process", lane)
        self.latencies = Latencies()
        self.blobs = open_store(f"{models_dir.as_uri()}/blobs")
        self.files = FileChunks(self.blobs, self.claims, self.queue.settings)
        self.scoring = RecordingScoring(self.shelf, self.claims, self.latencies, self.files)
        self.is_stopping = False
        self.pace = WorkPace(self.queue.settings.micro_batch_rows)
        self.scorer = Scorer(self.claims, self.scoring, self.queue.settings, lambda: self.is_stopping, self.pace)

    def serve(self, written: Written) -> Written:
        """Makes a version on disk the champion of this process."""
        self.shelf.champion = self.shelf.get(written.version)
        return written

    def serve_unsaved(self, estimator: Any) -> Manifest:
        """Makes an iris classifier that cannot be pickled the champion of this process."""
        manifest = build_manifest(golden=golden_of(estimator, iris_signature(), IRIS_ROWS))
        self.shelf.champion = LoadedVersion(manifest, estimator)
        return manifest

    def learn_cost(self, milliseconds_per_row: float) -> None:
        """Makes this process believe that the champion takes so long for each row, in calls of any size."""
        assert self.shelf.champion is not None
        for rows in (1, 100):
            self.shelf.champion.cost.add(rows, rows * milliseconds_per_row)

    def request(self, row: Sequence[float] = SETOSA, **changes: Any) -> ScoreRequest:
        """A single job that was validated against the champion's signature."""
        champion = self.shelf.champion
        facts = {"signature": champion.signature.digest, "version": champion.name} if champion else {}
        return build_request(self.queue.submissions.mint_id(), **({"payload": pack_rows([row])} | facts | changes))

    def submit(self, row: Sequence[float] = SETOSA, **changes: Any) -> str:
        return self.queue.resubmit(self.request(row, **changes)).job_id

    def submit_batch(self, *sizes: int) -> str:
        champion = self.shelf.champion
        assert champion is not None
        return self.queue.submit_batch(*sizes, signature=champion.signature.digest, version=champion.name)

    def submit_small_batch(self, rows: int) -> str:
        """A batch of one chunk, of a caller who waits."""
        request = self.request(kind="batch", rows=rows, payload=pack_rows([SETOSA] * rows))
        return self.queue.resubmit(request).job_id

    def run_until_final(self, job_id: str) -> None:
        """Runs the scorer again and again, as maintenance would ring for it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self.queue.read(job_id).is_final and time.monotonic() < deadline:
            self.scorer.run()

    def parts_of(self, job_id: str) -> list[ChunkParts]:
        """What was written for the chunks of a file, in order."""
        written = self.queue.redis.hgetall(keys.rows(job_id))
        return [decode_parts(written[b"%d" % number]) for number in range(len(written))]

    def submit_parquet(self, rows: int) -> str:
        """A job of a Parquet file in one row group, whose rows are those of `IRIS_ROWS` in turn."""
        columns = zip(IRIS_FEATURES, np.resize(np.array(IRIS_ROWS), (rows, len(IRIS_FEATURES))).T, strict=True)
        pq.write_table(pa.table(dict(columns)), data := io.BytesIO())
        job_id = self.queue.submissions.mint_id()
        path = input_path(job_id, FileFormat.PARQUET)
        with self.blobs.open_writer(path) as writer:
            writer.write(data.getvalue())
            writer.commit()
        plan = BlobSlice(FileFormat.PARQUET, path, 0, len(data.getvalue()), row_group=PLAN)
        champion = self.shelf.champion
        assert champion is not None
        request = build_request(
            job_id,
            kind="batch",
            rows=0,
            encoding=Encoding.BLOB,
            payload=encode_slice(plan),
            signature=champion.signature.digest,
            version=champion.name,
        )
        self.queue.submissions.submit(Lane.BATCH, [request], terms=Terms(record={"source": FileFormat.PARQUET}))
        return job_id


def state_of(bench: Bench, job_id: str) -> State:
    return bench.queue.read(job_id).state


def label_of(bench: Bench, job_id: str) -> str:
    outcome = bench.queue.read(job_id).outcome
    assert outcome is not None, f"{job_id} was not answered"
    return str(json.loads(outcome)["result"]["label"])


def run_to_its_end(bench: Bench) -> None:
    """Runs the scorer in a thread, so that a run without end fails the test instead of hanging it."""
    thread = threading.Thread(target=bench.scorer.run, daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive(), "the run did not end"


BuildBench = Callable[..., Bench]


@pytest.fixture
def build_bench(redis: Redis, tmp_path: Path) -> BuildBench:
    def build(lane: Lane = Lane.INTERACTIVE, **settings: Any) -> Bench:
        return Bench(redis, tmp_path, lane, **settings)

    return build


@pytest.fixture
def bench(build_bench: BuildBench) -> Bench:
    """With an iris version as champion."""
    bench = build_bench()
    bench.serve(write_iris(bench.models_dir))
    return bench


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be scored here is not looked after elsewhere."""
    monkeypatch.setattr(claiming, "REFUSALS_END_SECONDS", 0.0)


@pytest.fixture
def batch_bench(build_bench: BuildBench) -> Bench:
    """The same, of the batch lane."""
    bench = build_bench(Lane.BATCH)
    bench.serve(write_iris(bench.models_dir))
    return bench


@pytest.fixture
def short_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a store that is away, or a silent scorer, keeps waiting for seconds takes hundredths."""
    monkeypatch.setattr(claiming, "REFUSED_SECONDS", 0.0)
    monkeypatch.setattr(claiming, "REFUSER_WAITS_SECONDS", 0.0)
    monkeypatch.setattr(scorer, "STORE_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(scorer, "STORE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(finishing, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(scorer, "RECLAIM_EVERY_SECONDS", 0.02)
