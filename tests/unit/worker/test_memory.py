"""A chunk that takes more memory than there is: tried once more, then failed; its file is not blamed for it."""

import json
from typing import Any

import pyarrow as pa
import pytest

from rhizome.jobs import Lane, State
from tests.support.versions import iris_signature, write_iris
from tests.unit.worker.conftest import Bench, BuildBench, state_of
from worker.files import parquet
from worker.files.text import parse_csv, parse_ndjson

pytestmark = pytest.mark.usefixtures("short_retries")


@pytest.fixture
def bench(build_bench: BuildBench) -> Bench:
    bench = build_bench(Lane.BATCH, lease_seconds=0.1, linger_seconds=0.5)
    bench.serve(write_iris(bench.models_dir))
    return bench


def run_short_of_memory(bench: Bench, times: int, monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[int]:
    """The next `times` chunks that are decoded run out of memory; counts the tries."""
    tries: list[int] = []

    def decode(*given: Any) -> Any:
        tries.append(1)
        if len(tries) <= times:
            raise error
        return decode_rows(*given)

    from worker.scoring import decode_rows

    monkeypatch.setattr("worker.scoring.decode_rows", decode)
    return tries


def run_until_final(bench: Bench, job_id: str) -> int:
    """Runs as often as bells would; how many runs memory has ended."""
    ended = 0
    while not bench.queue.read(job_id).is_final:
        try:
            bench.run_until_final(job_id)
        except MemoryError:
            ended += 1
    return ended


def test_a_chunk_that_runs_out_of_memory_once_is_scored_after_all(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_short_of_memory(bench, 1, monkeypatch, MemoryError())
    job_id = bench.submit_batch(2)

    assert run_until_final(bench, job_id) == 1
    assert state_of(bench, job_id) is State.SUCCEEDED


def test_a_chunk_that_runs_out_of_memory_twice_fails_and_says_why(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = run_short_of_memory(bench, 2, monkeypatch, MemoryError())
    job_id = bench.submit_batch(2)

    assert run_until_final(bench, job_id) == 1
    assert len(tries) == 2
    (answers,) = bench.queue.submissions.read_chunks(job_id, [0])
    assert [answer["error"]["code"] for answer in json.loads(answers or b"")] == ["out_of_memory"] * 2
    assert state_of(bench, job_id) is State.FAILED
    assert bench.queue.in_flight(Lane.BATCH) == 0


def test_a_file_that_cannot_be_read_for_want_of_memory_fails_as_that(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_too_much(*_: Any, **__: Any) -> Any:
        raise pa.ArrowMemoryError("malloc of size 1000000 failed")

    monkeypatch.setattr(parquet.pq, "ParquetFile", take_too_much)
    job_id = bench.submit_parquet(9)

    run_until_final(bench, job_id)

    assert json.loads(bench.queue.read(job_id).facts["error"])["code"] == "out_of_memory"


@pytest.mark.parametrize("parse", [parse_csv, parse_ndjson])
def test_good_rows_are_not_called_bad_for_want_of_memory(monkeypatch: pytest.MonkeyPatch, parse: Any) -> None:
    def take_too_much(*_: Any, **__: Any) -> Any:
        raise pa.ArrowMemoryError("malloc of size 1000000 failed")

    for reader in ("arrow_csv.read_csv", "_read_ndjson"):
        monkeypatch.setattr(f"worker.files.text.{reader}", take_too_much, raising=False)
    data = b"5.1,3.5,1.4,0.2\n"
    given = (data, iris_signature().names, 1) if parse is parse_csv else (data, 1)

    with pytest.raises(MemoryError):
        parse(*given, iris_signature())
