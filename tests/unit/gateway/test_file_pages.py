"""Pages of a file job's rows, read from the store: each answer at its row's place."""

import json
from pathlib import Path

import pytest
from redis import Redis

from gateway.results.rows import page_of
from rhizome import keys
from rhizome.blob_slices import ChunkParts, FileFormat, encode_parts, part_path
from tests.support.queue import Queue
from tests.unit.gateway.conftest import BuildApp, service_of


@pytest.mark.usefixtures("registry")
def test_the_rows_of_a_cancelled_file_job_end_where_one_is_missing(
    build_app: BuildApp, queue: Queue, redis: Redis, tmp_path: Path
) -> None:
    here = service_of(build_app(blob_url=tmp_path.as_uri()))
    job_id = queue.submit_batch(2, 2, 2)
    for chunk in (0, 2):
        lines = b"".join(b'{"value":%d}\n' % (2 * chunk + n) for n in range(2))
        parts = ChunkParts(rows=2, failed=0, name=str(chunk), ndjson_bytes=len(lines), csv_bytes=0)
        with here.blobs.open_writer(part_path(job_id, parts, FileFormat.NDJSON)) as writer:
            writer.write(lines)
            writer.commit()
        redis.hset(keys.rows(job_id), str(chunk), encode_parts(parts))
    queue.submissions.cancel(job_id)
    job = queue.read(job_id)

    pages = [page_of(here, job, offset, 2) for offset in (0, 1, 2)]

    assert [[json.loads(bytes(row))["value"] for row in page] for page in pages] == [[0, 1], [1], []]
