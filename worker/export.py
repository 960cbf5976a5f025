"""Exports: which job, and what has been written of it."""

import logging
from typing import cast

from celery.exceptions import SoftTimeLimitExceeded
from redis import Redis
from redis.exceptions import RedisError

from rhizome import keys
from rhizome.blob_slices import FileFormat, decode_parts
from rhizome.blob_store import BlobStore
from rhizome.errors import BlobStoreUnavailable, RhizomeError
from rhizome.job_queue.exporting import end_export, fail_export, renew_export
from rhizome.signature import Signature
from worker.shelf import Shelf

log = logging.getLogger(__name__)


class Exports:
    """Makes files of finished jobs' rows, in forms in which they were not written.

    Args:
        redis: for records and rows.
        store: where the files go.
        shelf: knows the versions' signatures.
    """

    def __init__(self, redis: Redis, store: BlobStore, shelf: Shelf) -> None:
        self._redis = redis
        self._store = store
        self._shelf = shelf

    def export(self, job_id: str, form: FileFormat) -> None:
        """Makes one job's file of one form, and wakes who waits for it; one that cannot be made is told, too.

        Raises:
            BlobStoreUnavailable: the store cannot be used now; whoever still wants the file asks again.
            RedisError: nor can Redis.
            SoftTimeLimitExceeded: it takes too long.
            MemoryError: it takes too much.
        """
        try:
            self._export(job_id, form)
        except (BlobStoreUnavailable, RedisError):
            raise
        except (SoftTimeLimitExceeded, MemoryError):
            fail_export(self._redis, job_id, form)
            raise
        except Exception as error:  # what stands in the rows may upset any library
            foreseen = isinstance(error, RhizomeError)
            reason = str(error) if foreseen else type(error).__name__
            facts = {"job_id": job_id, "form": form.value, "reason": reason}
            log.error("export_failed", extra=facts, exc_info=not foreseen)
            fail_export(self._redis, job_id, form)
            return
        end_export(self._redis, job_id, form)
        log.info("rows_exported", extra={"job_id": job_id, "form": form.value})

    def _export(self, job_id: str, form: FileFormat) -> None:
        # The processes of the interactive lane have no pyarrow; those of the batch lane have imported it.
        from worker.files.exporting import export_answers, export_parts  # noqa: PLC0415

        version, chunks, source, outputs = cast(
            list[bytes | None], self._redis.hmget(keys.job(job_id), ["version", "chunks", "source", "outputs"])
        )
        if version is None or chunks is None:
            return  # it has expired meanwhile
        signature = Signature.model_validate_json(outputs) if outputs else self._shelf.get(version.decode()).signature
        fields = [str(chunk) for chunk in range(int(chunks))]
        written = cast(list[bytes | None], self._redis.hmget(keys.rows(job_id), fields))
        found: list[bytes] = [chunk for chunk in written if chunk is not None]

        def renew() -> None:
            renew_export(self._redis, job_id, form)

        if source:
            export_parts(self._store, job_id, [decode_parts(chunk) for chunk in found], signature, form, renew)
        else:
            export_answers(self._store, job_id, found, signature, renew)
