"""Exports: which job, what has been written of it, and what else this process does meanwhile."""

import logging
from collections.abc import Callable
from typing import cast

from celery.exceptions import SoftTimeLimitExceeded
from redis import Redis
from redis.exceptions import RedisError

from rhizome import keys
from rhizome.blob_slices import ChunkParts, decode_parts
from rhizome.blob_store import BlobStore
from rhizome.errors import BlobStoreUnavailable, RhizomeError
from rhizome.job_queue.exporting import end_export, fail_export, renew_export
from worker.shelf import Shelf

log = logging.getLogger(__name__)


class Exports:
    """Makes Parquet files of finished jobs' rows.

    Args:
        redis: for records and rows.
        store: where the files go.
        shelf: knows the versions' signatures.
        serve: works off something that waits; called between two parts, so that no export holds jobs up.
    """

    def __init__(self, redis: Redis, store: BlobStore, shelf: Shelf, serve: Callable[[], None]) -> None:
        self._redis = redis
        self._store = store
        self._shelf = shelf
        self._serve = serve

    def export(self, job_id: str) -> None:
        """Makes one job's file, and wakes who waits for it; one that cannot be made is told, too.

        Raises:
            BlobStoreUnavailable: the store cannot be used now; whoever still wants the file asks again.
            RedisError: nor can Redis.
            SoftTimeLimitExceeded: it takes too long.
            MemoryError: it takes too much.
        """
        try:
            self._export(job_id)
        except (BlobStoreUnavailable, RedisError):
            raise
        except (SoftTimeLimitExceeded, MemoryError):
            fail_export(self._redis, job_id)
            raise
        except Exception as error:  # what stands in the rows may upset any library
            foreseen = isinstance(error, RhizomeError)
            reason = str(error) if foreseen else type(error).__name__
            log.error("export_failed", extra={"job_id": job_id, "reason": reason}, exc_info=not foreseen)
            fail_export(self._redis, job_id)
            return
        end_export(self._redis, job_id)
        log.info("rows_exported", extra={"job_id": job_id})

    def _export(self, job_id: str) -> None:
        from worker.files.exporting import export_rows  # noqa: PLC0415 - pyarrow, where it is needed

        version, chunks, source = cast(
            list[bytes | None], self._redis.hmget(keys.job(job_id), ["version", "chunks", "source"])
        )
        if version is None or chunks is None:
            return  # it has expired meanwhile
        signature = self._shelf.get(version.decode()).signature
        fields = [str(chunk) for chunk in range(int(chunks))]
        written = cast(list[bytes | None], self._redis.hmget(keys.rows(job_id), fields))
        found: list[bytes] = [chunk for chunk in written if chunk is not None]
        parts: list[bytes] | list[ChunkParts] = [decode_parts(chunk) for chunk in found] if source else found

        def meanwhile() -> None:
            renew_export(self._redis, job_id)
            self._serve()

        export_rows(self._store, job_id, parts, signature, meanwhile)
