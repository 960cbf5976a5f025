"""A whole worker process without Celery, and the tasks and flags around it."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rhizome import heartbeats, keys, latency
from rhizome.jobs import Lane, State
from rhizome.settings import Settings
from tests.support.queue import DEADLINE_SECONDS, succeed
from tests.support.service import eventually
from tests.support.versions import promote, write_iris
from tests.unit.worker.conftest import Bench
from worker.flags import Flags
from worker.process import WorkerProcess
from worker.shelf import Shelf
from worker.tasks import score, sweep


@pytest.fixture
def settings(redis_server: str) -> Settings:
    return Settings(redis_url=redis_server, linger_seconds=0.05)


@pytest.fixture
def process(settings: Settings, bench: Bench) -> Iterator[WorkerProcess]:
    """With nothing loaded yet."""
    process = WorkerProcess(settings, Shelf(bench.store, None), Flags(), Lane.INTERACTIVE)
    yield process
    process.stop()


def test_without_a_champion_nothing_is_claimed(bench: Bench, process: WorkerProcess) -> None:
    process.start()
    job_id = bench.submit()

    process.score()

    assert bench.queue.read(job_id).state is State.QUEUED
    assert bench.queue.in_flight(Lane.INTERACTIVE) == 0


def test_with_a_champion_a_bell_is_answered(bench: Bench, process: WorkerProcess, redis: Redis) -> None:
    promote(redis, write_iris(bench.models_dir, number=2))
    process.start()
    job_id = bench.submit()

    process.score()

    assert bench.queue.read(job_id).state is State.SUCCEEDED
    (heartbeat,) = heartbeats.living(redis)
    assert heartbeat.state == "serving"


def test_a_process_heals_the_queue(bench: Bench, process: WorkerProcess, redis: Redis) -> None:
    process.start()
    bench.submit()
    bench.queue.hear_bell()
    redis.delete(keys.BELL, keys.UPKEEP)

    eventually(lambda: bench.queue.bells() == 1, DEADLINE_SECONDS)


def test_without_a_champion_a_bell_is_handed_on(settings: Settings, bench: Bench) -> None:
    process = WorkerProcess(settings, Shelf(bench.store, None), Flags(), Lane.INTERACTIVE)
    bench.submit()
    bench.queue.hear_bell()

    process.score()

    assert bench.queue.bells() == 1
    assert bench.queue.waiting(Lane.INTERACTIVE) == 1


def raise_from(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


@pytest.mark.parametrize(
    "error", [RedisConnectionError(), RedisTimeoutError(), SoftTimeLimitExceeded(), MemoryError()], ids=repr
)
def test_a_run_that_breaks_off_escapes_no_task(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.tasks.current_process", lambda: SimpleNamespace(score=raise_from(error)))

    assert score.run() is None


@pytest.mark.parametrize("error", [RedisConnectionError(), RedisTimeoutError()], ids=repr)
def test_a_sweep_survives_an_absent_redis(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.tasks.current_process", lambda: SimpleNamespace(sweep=raise_from(error)))

    assert sweep.run() is None


def test_a_defect_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.tasks.current_process", lambda: SimpleNamespace(score=raise_from(KeyError("defect"))))

    with pytest.raises(KeyError):
        score.run()


def test_flags_count_hints_and_remember_the_stop() -> None:
    flags = Flags()
    assert (flags.reload_hints, flags.is_stopping) == (0, False)

    flags.hint_reload()
    flags.hint_reload()
    flags.stop()

    assert (flags.reload_hints, flags.is_stopping) == (2, True)


def test_latencies_of_interactive_jobs_reach_redis_after_a_rest(bench: Bench, redis: Redis) -> None:
    bench.submit()
    bench.submit()
    bench.submit_batch(1)
    claimed = [*bench.claims.claim(), *bench.queue.batch_scorer().claim()]
    bench.latencies.add([succeed(entry) for entry in claimed])

    bench.latencies.flush(redis)
    assert latency.recent(redis).total() == 0
    bench.latencies.flush(redis)

    assert latency.recent(redis).total() == 2
    bench.latencies.flush(redis)
    assert latency.recent(redis).total() == 2
