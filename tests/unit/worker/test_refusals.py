"""What this process cannot score, and others may, goes to them: no delivery is counted, and not for ever."""

import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from rhizome.blob_slices import BlobSlice, FileFormat, encode_slice
from rhizome.job_queue import claiming
from rhizome.job_queue.terms import Terms
from rhizome.jobs import Encoding, Lane, State
from tests.support.queue import DEADLINE_SECONDS, Queue
from tests.support.versions import IRIS_FEATURES, write_iris
from tests.unit.worker.conftest import Bench, BuildBench
from worker.scoring import GivenBack

UNKNOWN = "20250101T000000Z-00000000"


def build_lagging(redis: Redis, folder: Path, lane: Lane) -> Bench:
    """Another host, on which the champion and its files are not."""
    other = Bench(redis, folder, lane, lease_seconds=0.05)
    other.claims = other.queue.scorer("the-lagging-one", lane)
    other.scoring._claims = other.files._claims = other.scorer._claims = other.claims
    other.serve(write_iris(other.models_dir, number=7, strength=0.1))
    return other


@pytest.fixture
def lagging(redis: Redis, tmp_path: Path, bench: Bench) -> Bench:
    return build_lagging(redis, tmp_path / "elsewhere", Lane.INTERACTIVE)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "REFUSED_SECONDS", 0.0)


def able(bench: Bench, redis: Redis) -> Queue:
    """The same queue with short leases."""
    bench.queue = Queue(redis, lease_seconds=0.05)
    bench.claims = bench.queue.scorer("the-able-one", bench.claims.lane)
    bench.scoring._claims = bench.files._claims = bench.claims
    return bench.queue


def pinned(bench: Bench) -> str:
    assert bench.shelf.champion is not None
    return bench.submit(version=bench.shelf.champion.name, pinned=True)


def test_single_jobs_of_a_version_that_is_not_here_are_scored_elsewhere(
    bench: Bench, lagging: Bench, redis: Redis
) -> None:
    able(bench, redis)
    jobs = {pinned(bench) for _ in range(5)}

    refused = lagging.scoring.score_singles(lagging.claims.claim())
    taken = bench.claims.reclaim()

    assert refused == []
    assert {entry.request.job_id for entry in taken} == jobs
    assert {entry.deliveries for entry in taken} == {1}
    assert {item.state for item in bench.scoring.score_singles(taken)} == {State.SUCCEEDED}


def test_whoever_refused_an_entry_leaves_it_to_others_for_a_while(bench: Bench, lagging: Bench, redis: Redis) -> None:
    able(bench, redis)
    pinned(bench)
    lagging.scoring.score_singles(lagging.claims.claim())

    assert lagging.claims.reclaim() == []
    assert len(bench.claims.reclaim()) == 1


def test_where_nobody_else_is_it_comes_back(lagging: Bench, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "REFUSER_WAITS_SECONDS", 0.0)
    pinned(bench)
    lagging.scoring.score_singles(lagging.claims.claim())

    assert len(lagging.claims.reclaim()) == 1


def test_a_chunk_bound_to_a_version_that_is_not_here_is_scored_elsewhere(
    batch_bench: Bench, redis: Redis, tmp_path: Path
) -> None:
    bench, lagging = batch_bench, build_lagging(redis, tmp_path / "elsewhere", Lane.BATCH)
    able(bench, redis)
    job_id = bench.submit_batch(2)
    champion = bench.shelf.champion
    assert champion is not None
    bench.claims.bind_version(job_id, champion.name)
    (entry,) = lagging.claims.claim()

    with pytest.raises(GivenBack):
        lagging.scoring.score_chunk(entry)

    (again,) = bench.claims.reclaim()
    assert (again.request.job_id, again.deliveries) == (job_id, 1)


def submit_missing_file(bench: Bench) -> None:
    part = BlobSlice(FileFormat.CSV, "nowhere/input.csv", 0, 10, 2, IRIS_FEATURES)
    request = bench.request(kind="batch", rows=0, encoding=Encoding.BLOB, payload=encode_slice(part))
    bench.queue.submissions.submit(Lane.BATCH, [request], terms=Terms(record={"source": FileFormat.CSV}))


def test_a_file_that_is_not_seen_here_is_left_to_others(batch_bench: Bench) -> None:
    submit_missing_file(batch_bench)
    (entry,) = batch_bench.claims.claim()

    with pytest.raises(GivenBack):
        batch_bench.scoring.score_chunk(entry)


def test_a_file_that_nobody_sees_fails_its_job_in_the_end(batch_bench: Bench, no_patience: None) -> None:
    submit_missing_file(batch_bench)
    (entry,) = batch_bench.claims.claim()

    finished = batch_bench.scoring.score_chunk(entry)

    assert json.loads(finished.job_error)["code"] == "invalid_file"


@pytest.mark.parametrize("lane", Lane)
def test_a_run_goes_on_after_what_it_cannot_score(build_bench: BuildBench, lane: Lane) -> None:
    bench = build_bench(lane, linger_seconds=0.05, lease_seconds=5.0)
    bench.serve(write_iris(bench.models_dir))
    is_batch = lane is Lane.BATCH
    submit = bench.queue.submit_batch if is_batch else bench.submit
    lost = [submit(*([2] if is_batch else []), version=UNKNOWN, pinned=True) for _ in range(2)]
    sound = bench.submit_batch(2) if is_batch else bench.submit()

    bench.scorer.run()

    assert bench.queue.read(sound).state is State.SUCCEEDED
    assert not any(bench.queue.read(job_id).is_final for job_id in lost)


def test_a_version_that_could_not_be_loaded_is_told(bench: Bench) -> None:
    bench.submit(version=UNKNOWN, pinned=True)

    bench.scoring.score_singles(bench.claims.claim())

    assert UNKNOWN in bench.shelf.trouble


def test_what_was_delivered_before_is_left_to_others_as_well(redis: Redis) -> None:
    """Its first scorer died; the one that refuses it is not the next."""
    queue = Queue(redis, lease_seconds=0.05)
    dead, lagging, able = queue.scorer("dead"), queue.scorer("lagging"), queue.scorer("able")
    queue.submit()
    dead.claim()
    queue.let_lease_expire()
    (entry,) = lagging.reclaim()

    assert lagging.refuse([entry]) == []

    assert lagging.reclaim() == []
    (again,) = able.reclaim()
    assert again.deliveries == 2


def test_a_renewal_on_its_way_does_not_undo_a_refusal(redis: Redis) -> None:
    queue = Queue(redis, lease_seconds=DEADLINE_SECONDS)
    lagging, able = queue.scorer("lagging"), queue.scorer("able")
    queue.submit()
    (entry,) = lagging.claim()
    refuse = lagging._refuse

    def refuse_while_the_keeper_renews(args: list[Any]) -> Any:
        answer = refuse(args=args)
        lagging.renew()
        return answer

    lagging._refuse = refuse_while_the_keeper_renews  # type: ignore[assignment]

    lagging.refuse([entry])

    assert [taken.entry_id for taken in able.reclaim()] == [entry.entry_id]
