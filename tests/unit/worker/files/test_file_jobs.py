"""Parquet files through a worker process: as many chunks as the settings say, and an answer to each row in order."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rhizome import keys
from rhizome.blob_slices import PLAN, BlobSlice, FileFormat, decode_parts, encode_slice, input_path, part_path
from rhizome.job_queue.terms import Terms
from rhizome.jobs import Encoding, Lane, State
from tests.support.queue import build_request
from tests.support.versions import IRIS_CLASSES, IRIS_FEATURES, IRIS_ROWS, write_iris
from tests.unit.worker.conftest import Bench, BuildBench

ROWS = 300


def submit_parquet(bench: Bench, folder: Path) -> str:
    """A job of a Parquet file in one row group; its id."""
    columns = zip(IRIS_FEATURES, np.array(IRIS_ROWS * (ROWS // 3)).T, strict=True)
    pq.write_table(pa.table(dict(columns)), folder / "rows.parquet")
    job_id = bench.queue.submissions.mint_id()
    path, data = input_path(job_id, FileFormat.PARQUET), (folder / "rows.parquet").read_bytes()
    with bench.blobs.open_writer(path) as writer:
        writer.write(data)
        writer.commit()
    champion = bench.shelf.champion
    assert champion is not None
    plan = BlobSlice(FileFormat.PARQUET, path, 0, len(data), row_group=PLAN)
    request = build_request(
        job_id,
        kind="batch",
        rows=0,
        encoding=Encoding.BLOB,
        payload=encode_slice(plan),
        signature=champion.signature.digest,
        version=champion.name,
    )
    bench.queue.submissions.submit(Lane.BATCH, [request], terms=Terms(record={"source": FileFormat.PARQUET}))
    return job_id


@pytest.mark.parametrize(
    ("chunk_bytes", "sizes"), [(512 * 1024, [300]), (3_200, [100, 100, 100]), (1_024, [32] * 9 + [12])]
)
def test_a_parquet_file_is_scored_in_chunks_of_the_size_that_is_set(
    build_bench: BuildBench, tmp_path: Path, chunk_bytes: int, sizes: list[int]
) -> None:
    bench = build_bench(file_chunk_bytes=chunk_bytes)
    bench.serve(write_iris(bench.models_dir))
    job_id = submit_parquet(bench, tmp_path)

    bench.scorer.run()

    job, written = bench.queue.read(job_id), bench.queue.redis.hgetall(keys.rows(job_id))
    parts = [decode_parts(written[b"%d" % number]) for number in range(len(written))]
    assert (job.state, job.facts["rows"]) == (State.SUCCEEDED, b"%d" % ROWS)
    assert [part.rows for part in parts] == [0, *sizes]  # the first one plans
    paths = [(part_path(job_id, part, FileFormat.NDJSON), part.ndjson_bytes) for part in parts]
    lines = b"".join(bench.blobs.read(path, 0, size) for path, size in paths).splitlines()
    assert [json.loads(line)["label"] for line in lines] == list(IRIS_CLASSES) * (ROWS // 3)
