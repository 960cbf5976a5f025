"""A file that cannot be read now is no fault of its job: the chunk comes back, and the delivery does not count."""

import pytest

from rhizome import keys
from rhizome.blob_folder import FolderStore
from rhizome.errors import BlobStoreUnavailable
from rhizome.jobs import Lane, State
from tests.support.queue import Queue
from tests.support.versions import write_iris
from tests.unit.worker.conftest import BuildBench


def test_a_chunk_whose_store_is_away_is_scored_once_it_is_back(build_bench: BuildBench, short_retries: None) -> None:
    bench = build_bench(Lane.BATCH, lease_seconds=0.2, linger_seconds=1.0, max_deliveries=2)
    bench.serve(write_iris(bench.models_dir))
    batch = bench.submit_batch(2)
    score, absences = bench.scoring.score_chunk, 6

    def score_without_a_store(*given: object) -> object:
        nonlocal absences
        if absences:
            absences -= 1
            raise BlobStoreUnavailable("the store is away")
        return score(*given)  # type: ignore[arg-type]

    bench.scoring.score_chunk = score_without_a_store  # type: ignore[method-assign, assignment]

    bench.run_until_final(batch)

    assert absences == 0
    assert bench.scoring.finished == [batch]
    assert bench.queue.read(batch).state is State.SUCCEEDED


def test_what_is_given_back_counts_no_delivery_and_is_nobodys_to_renew(queue: Queue) -> None:
    hasty = Queue(queue.redis, lease_seconds=0.05)
    job_id = hasty.submit_batch(1)
    holder = hasty.batch_scorer("holder")
    (entry,) = holder.claim()

    holder.give_back([entry])
    holder.renew()

    (again,) = hasty.batch_scorer("heir").reclaim()
    assert (again.request.job_id, again.deliveries, again.lane) == (job_id, 1, Lane.BATCH)


def test_what_was_taken_over_meanwhile_is_not_given_back(queue: Queue) -> None:
    hasty = Queue(queue.redis, lease_seconds=0.05)
    holder, heir = hasty.batch_scorer("holder"), hasty.batch_scorer("heir")
    hasty.submit_batch(1)
    (entry,) = holder.claim()
    hasty.let_lease_expire()
    heir.reclaim()

    holder.give_back([entry])

    (delivery,) = hasty.deliveries(keys.lane("batch"))
    assert (delivery["consumer"], delivery["times_delivered"]) == (b"heir", 2)


@pytest.fixture
def queue(build_bench: BuildBench) -> Queue:
    return build_bench().queue


def test_a_chunk_whose_answers_find_no_room_waits_for_it(
    build_bench: BuildBench, short_retries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = build_bench(Lane.BATCH, lease_seconds=0.2, linger_seconds=1.0, max_deliveries=2)
    bench.serve(write_iris(bench.models_dir))
    job_id = bench.submit_parquet(3)
    looks = iter([0] * 6)
    monkeypatch.setattr(FolderStore, "free_bytes", lambda _: next(looks, 10**9))
    monkeypatch.setattr(bench.blobs, "_min_free_bytes", 1000)

    bench.run_until_final(job_id)

    assert next(looks, None) is None
    assert bench.queue.read(job_id).state is State.SUCCEEDED
    assert bench.queue.redis.xlen(keys.DEAD_LETTERS) == 0
