"""Parquet files through a worker process: as many chunks as the settings say, and an answer to each row in order."""

import pytest

from rhizome.jobs import Lane, State
from tests.support.parts import read_part
from tests.support.versions import IRIS_CLASSES, iris_signature, write_iris
from tests.unit.worker.conftest import BuildBench

ROWS = 300


@pytest.mark.parametrize(
    ("chunk_bytes", "sizes"), [(512 * 1024, [300]), (3_200, [100, 100, 100]), (1_024, [32] * 9 + [12])]
)
def test_a_parquet_file_is_scored_in_chunks_of_the_size_that_is_set(
    build_bench: BuildBench, chunk_bytes: int, sizes: list[int]
) -> None:
    bench = build_bench(Lane.BATCH, file_chunk_bytes=chunk_bytes)
    bench.serve(write_iris(bench.models_dir))
    job_id = bench.submit_parquet(ROWS)

    bench.scorer.run()

    job, parts = bench.queue.read(job_id), bench.parts_of(job_id)
    assert (job.state, job.facts["rows"]) == (State.SUCCEEDED, b"%d" % ROWS)
    assert [part.rows for part in parts] == [0, *sizes]  # the first one plans
    answers = [
        answer
        for part in parts
        for answer in read_part(bench.blobs, job_id, part, iris_signature(), is_first=part is parts[0])
    ]
    assert [answer["label"] for answer in answers] == list(IRIS_CLASSES) * (ROWS // 3)
