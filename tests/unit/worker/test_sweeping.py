"""The store is kept tidy: what a job may still need stays, all else goes."""

import os
import time
from pathlib import Path

import pytest
from redis import Redis

from rhizome import keys
from rhizome.blob_slices import FileFormat, input_path
from rhizome.blob_store import open_store
from rhizome.job_queue.terms import Terms
from rhizome.jobs import Lane
from tests.support.queue import Queue, build_chunks, succeed
from worker.sweeping import ORPHAN_SECONDS, Sweeper


class Place:
    """A queue beside a store."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        self.queue = Queue(redis)
        self.folder = folder
        self.sweeper = Sweeper(redis, open_store(folder.as_uri()))

    def mint_id(self) -> str:
        """An id under which nothing was submitted."""
        return self.queue.submissions.mint_id()

    def submit_file(self) -> str:
        """A job whose rows came as a file; nobody has scored it."""
        job_id = self.mint_id()
        self.queue.submissions.submit(Lane.BATCH, build_chunks(job_id, [2]), terms=Terms(record={"source": "csv"}))
        self.write(job_id)
        return job_id

    def write(self, job_id: str, *, age_seconds: float = 0.0) -> None:
        for name in (input_path(job_id, FileFormat.CSV), f"{job_id}/rows/000000-0.csv"):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")

        folder = self.folder / job_id
        for path in (folder, *folder.rglob("*")):
            os.utime(path, (time.time() - age_seconds,) * 2)

    def files_of(self, job_id: str) -> list[str]:
        return sorted(path.name for path in (self.folder / job_id).rglob("*.csv"))


@pytest.fixture
def place(redis: Redis, tmp_path: Path) -> Place:
    return Place(redis, tmp_path)


def test_a_job_that_is_under_way_keeps_its_file(place: Place) -> None:
    job_id = place.submit_file()

    place.sweeper.sweep()

    assert place.files_of(job_id) == ["000000-0.csv", "input.csv"]


def test_a_final_job_keeps_its_rows_and_loses_its_file(place: Place) -> None:
    job_id, scorer = place.submit_file(), place.queue.batch_scorer()
    scorer.finish([succeed(scorer.claim()[0])], claim_next=False)

    place.sweeper.sweep()

    assert place.files_of(job_id) == ["000000-0.csv"]


def test_files_without_a_job_go_once_nobody_has_written_to_them_for_long(place: Place) -> None:
    sent_just_now, forgotten = place.mint_id(), place.mint_id()
    place.write(sent_just_now)
    place.write(forgotten, age_seconds=ORPHAN_SECONDS + 60)

    removed = place.sweeper.sweep()

    assert removed == 1
    assert place.files_of(forgotten) == []
    assert len(place.files_of(sent_just_now)) == 2


@pytest.mark.parametrize("name", ["somebody-elses", "a" * 32])
def test_what_no_job_was_ever_named_is_not_touched(place: Place, name: str) -> None:
    place.mint_id()
    place.write(name, age_seconds=ORPHAN_SECONDS + 60)

    removed = place.sweeper.sweep()

    assert removed == 0
    assert len(place.files_of(name)) == 2


def test_nothing_goes_where_job_ids_cannot_be_told(place: Place, redis: Redis) -> None:
    forgotten = place.mint_id()
    place.write(forgotten, age_seconds=ORPHAN_SECONDS + 60)
    redis.delete(keys.ID_SECRET)

    assert place.sweeper.sweep() == 0
    assert len(place.files_of(forgotten)) == 2


def test_one_process_sweeps_for_all(place: Place, redis: Redis) -> None:
    place.write(place.mint_id(), age_seconds=ORPHAN_SECONDS + 60)
    other = Sweeper(redis, open_store(place.folder.as_uri()))

    assert (place.sweeper.sweep_if_due(), other.sweep_if_due()) == (1, 0)


def test_a_final_job_without_answers_keeps_no_files_however_late_they_came(place: Place) -> None:
    job_id = place.submit_file()
    place.queue.submissions.cancel(job_id)

    place.sweeper.sweep()
    assert place.files_of(job_id) == []
    place.write(job_id)  # a scorer that was at work on a chunk
    place.sweeper.sweep()

    assert place.files_of(job_id) == []


def test_a_purged_job_keeps_no_files_however_late_they_came(place: Place) -> None:
    job_id, scorer = place.submit_file(), place.queue.batch_scorer()
    scorer.finish([succeed(scorer.claim()[0])], claim_next=False)
    place.queue.submissions.purge(job_id)

    place.sweeper.sweep()
    assert place.files_of(job_id) == []
    place.write(job_id)
    place.sweeper.sweep()

    assert place.files_of(job_id) == []
