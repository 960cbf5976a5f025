"""A Parquet file that cannot be made is told to whoever asks for it, and is no reason to end a worker."""

import pytest

from rhizome import keys
from rhizome.errors import BlobStoreUnavailable, RowsIncomplete
from rhizome.job_queue.exporting import FAILURE_SECONDS, request_export
from tests.unit.worker.conftest import Bench
from worker.export import Exports
from worker.files import exporting


@pytest.fixture
def exports(bench: Bench) -> Exports:
    return Exports(bench.queue.redis, bench.blobs, bench.shelf, lambda: None)


def test_a_failed_export_is_told_and_may_be_asked_for_again_later(
    bench: Bench, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a column is not what it should be")

    monkeypatch.setattr(exporting, "export_rows", fail)
    job_id = bench.submit_batch(1)
    bench.queue.redis.hset(keys.job(job_id), "version", bench.request().version)
    request_export(bench.queue.redis, job_id)

    exports.export(job_id)

    with pytest.raises(RowsIncomplete, match="CSV or NDJSON"):
        request_export(bench.queue.redis, job_id)
    assert 0 < bench.queue.redis.ttl(keys.export(job_id)) <= FAILURE_SECONDS


def test_a_store_that_is_away_is_no_failure_of_the_export(
    bench: Bench, exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise BlobStoreUnavailable("away")

    monkeypatch.setattr(exporting, "export_rows", fail)
    job_id = bench.submit_batch(1)
    bench.queue.redis.hset(keys.job(job_id), "version", bench.request().version)
    request_export(bench.queue.redis, job_id)

    with pytest.raises(BlobStoreUnavailable):
        exports.export(job_id)

    request_export(bench.queue.redis, job_id)
