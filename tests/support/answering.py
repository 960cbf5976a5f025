"""A gateway whose jobs are answered by a real scorer, in a thread of this process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from gateway.app import create_app
from gateway.service import EXTENSION
from rhizome.blob_store import open_store
from rhizome.heartbeats import Heartbeat, beat
from rhizome.settings import Settings
from rhizome.version_store import VersionStore
from tests.support.queue import Queue
from tests.support.versions import MODEL_NAME, Written, promote
from worker.file_chunks import FileChunks
from worker.latencies import Latencies
from worker.pace import WorkPace
from worker.scorer import Scorer
from worker.scoring import Scoring
from worker.shelf import Shelf

STOP_SECONDS = 10.0
LOOK_SECONDS = 0.05  #: the notices thread looks this often whether it is to end, so that tests end soon


@contextmanager
def answering(
    redis: Redis, redis_url: str, models_dir: Path, written: Written, **settings: Any
) -> Iterator[FlaskClient]:
    """A client of a service whose champion is `written`."""
    promote(redis, written)
    announce_worker(redis, written.version)
    app = create_app(Settings(**({"redis_url": redis_url, "chunk_rows": 50, "max_wait_seconds": 20} | settings)), redis)
    stopped = threading.Event()
    scoring = threading.Thread(target=_score, args=(redis, models_dir, written.version, stopped))
    scoring.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.notices.LOOK_SECONDS", LOOK_SECONDS)
        try:
            yield app.test_client()
        finally:
            stopped.set()
            scoring.join(STOP_SECONDS)
            app.extensions[EXTENSION].notices.stop()


def announce_worker(redis: Redis, version: str) -> None:
    """A sign of life of a worker that serves `version`; it holds for some seconds."""
    now = time.time()
    beat(redis, Heartbeat(role="worker", host="here", pid=1, state="serving", version=version, at=now, started_at=now))


def _score(redis: Redis, models_dir: Path, version: str, stopped: threading.Event) -> None:
    queue = Queue(redis)
    shelf, blobs = Shelf(VersionStore(models_dir, MODEL_NAME), None), open_store(f"{models_dir.as_uri()}/blobs")
    shelf.champion = shelf.get(version)
    scorers = []
    for claims in (queue.scorer(), queue.batch_scorer()):
        scoring = Scoring(shelf, claims, Latencies(), FileChunks(blobs, claims, queue.settings))
        scorers.append(Scorer(claims, scoring, queue.settings, stopped.is_set, WorkPace(256)))
    while not stopped.is_set():
        for scorer in scorers:
            scorer.run()
