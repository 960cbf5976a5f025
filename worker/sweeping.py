"""Removes from the store what no job needs any more: files of jobs that are gone, inputs of jobs that are final.

Of jobs that were purged, or ended without answers, all files go: also what a scorer wrote while its job was cancelled.
"""

import logging
import time
from collections.abc import Iterator
from typing import Any, cast

from redis import Redis

from rhizome import keys
from rhizome.blob_slices import FileFormat, input_path
from rhizome.blob_store import BlobStore
from rhizome.job_ids import JobIds
from rhizome.job_queue.scripts import PURGED
from rhizome.jobs import State

SWEEP_SECONDS = 30  #: one process sweeps, this often
#: A file without a job may belong to one that is being sent: nothing is written to it for this long first.
ORPHAN_SECONDS = 3600.0

log = logging.getLogger(__name__)


class Sweeper:
    """One process's share in keeping the store tidy."""

    def __init__(self, redis: Redis, store: BlobStore) -> None:
        self._redis = redis
        self._store = store
        #: Final jobs whose input is gone, so that it is not looked for at every sweep.
        self._settled: set[str] = set()

    def sweep_if_due(self) -> int:
        """Sweeps unless another process did lately; how many jobs' files were removed.

        Raises:
            BlobStoreUnavailable: the store cannot be used now.
        """
        if not self._redis.set(keys.BLOB_SWEEP, "1", nx=True, ex=SWEEP_SECONDS):
            return 0
        return self.sweep()

    def sweep(self) -> int:
        """Looks at every job that has files; raises as `sweep_if_due`."""
        secret = cast(bytes | None, self._redis.get(keys.ID_SECRET))
        if secret is None:
            return 0  # nothing tells what is a job's
        ids = JobIds(secret)
        # The folder or bucket may hold what is not this service's: only names that were minted here are.
        prefixes = [prefix for prefix in self._store.prefixes() if ids.age_seconds(prefix) is not None]
        self._settled.intersection_update(prefixes)
        pipeline = self._redis.pipeline(transaction=False)
        for prefix in prefixes:
            pipeline.hmget(keys.job(prefix), ["state", "source"])
            pipeline.exists(keys.rows(prefix))
        found: Iterator[Any] = iter(pipeline.execute())
        removed = 0
        for prefix, (state, source), has_answers in zip(prefixes, found, found, strict=True):
            if state is None:
                removed += self._remove_orphan(prefix)
            elif state.decode() == PURGED:
                removed += self._remove(prefix)
            elif source is None or not State(state.decode()).is_final:
                continue
            elif not has_answers:
                removed += self._remove(prefix)
            elif prefix not in self._settled:
                self._store.delete(input_path(prefix, FileFormat(source.decode())))
                self._settled.add(prefix)
        if removed:
            log.info("files_swept", extra={"jobs": removed})
        return removed

    def _remove_orphan(self, prefix: str) -> bool:
        if time.time() - self._store.newest(prefix) < ORPHAN_SECONDS:
            return False
        return self._remove(prefix)

    def _remove(self, prefix: str) -> bool:
        self._store.delete(prefix)
        return True
