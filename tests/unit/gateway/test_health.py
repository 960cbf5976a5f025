"""The health report: 200 only when something can answer, and the reason when nothing can."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from rhizome import keys, latency
from rhizome.heartbeats import Heartbeat, beat
from rhizome.jobs import Lane
from rhizome.registry import Registry
from rhizome.training_runs import request_run
from tests.support.heartbeats import write_silent
from tests.support.queue import Queue
from tests.support.service import SAMPLE
from tests.unit.gateway.conftest import CHAMPION, OTHER, BuildApp


def build_worker(pid: int = 1, **changes: Any) -> Heartbeat:
    facts = {
        "role": "worker",
        "host": "here",
        "pid": pid,
        "state": "serving",
        "at": time.time(),
        "started_at": time.time(),
        "version": CHAMPION.version,
        "artifact_sha256": CHAMPION.artifact_sha256,
    }
    return Heartbeat(**(facts | changes))


def beat_worker(redis: Redis, pid: int = 1, **changes: Any) -> None:
    beat(redis, build_worker(pid, **changes))


def beat_measured(redis: Redis, seconds_ago: float, **changes: Any) -> None:
    """A worker of each lane that started long ago, and finished something for the last time so many seconds ago."""
    now = time.time()
    costs = {"single_ms": 10.0, "entry_ms": 1.0, "chunk_ms": 20.0}
    for pid, lane in enumerate(Lane, start=1):
        facts = {"started_at": now - 3600, "measured_at": now - seconds_ago} | costs | changes
        beat_worker(redis, pid=pid, lane=lane, **facts)


def let_wait(redis: Redis, seconds: int, stream: str = "interactive") -> None:
    """One entry is with a scorer and another waits, both for so long."""
    lane, milliseconds = keys.lane(stream), (redis.time()[0] - seconds) * 1000
    for serial in range(2):
        redis.xadd(lane, {"m": b"-"}, id=f"{milliseconds}-{serial}")
    redis.xgroup_create(lane, keys.GROUP, id="0")
    redis.xreadgroup(keys.GROUP, "hung", {lane: ">"}, count=1)


def test_a_service_with_a_champion_and_a_worker_of_each_lane_is_well(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis, pid=1)
    beat_worker(redis, pid=2, lane="batch")

    response = client.get("/health")

    document = response.get_json()
    assert (response.status_code, document["status"], document["problems"]) == (200, "ok", [])
    assert document["champion"]["version"] == CHAMPION.version
    assert document["workers"]["converged"] is True
    workers = sorted((worker["lane"], worker["version"]) for worker in document["workers"]["processes"])
    assert workers == [("batch", CHAMPION.version), ("interactive", CHAMPION.version)]
    assert client.get("/readyz").status_code == 200


def test_without_a_worker_nothing_can_answer(client: FlaskClient) -> None:
    response = client.get("/health")

    assert (response.status_code, response.get_json()["status"]) == (503, "unavailable")
    assert "no worker process" in response.get_json()["problems"][0]
    assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize(
    ("lane", "status", "code", "problem"),
    [("interactive", "degraded", 200, "batches and files"), ("batch", "unavailable", 503, "single jobs")],
)
def test_a_lane_that_no_worker_serves_is_told(
    client: FlaskClient, redis: Redis, lane: str, status: str, code: int, problem: str
) -> None:
    beat_worker(redis, lane=lane)

    response = client.get("/health")

    assert (response.status_code, response.get_json()["status"]) == (code, status)
    assert f"serves {problem}" in response.get_json()["problems"][0]
    assert client.get("/readyz").status_code == code


def test_a_worker_without_a_version_does_not_count(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis, version="", state="waiting")

    assert client.get("/health").status_code == 503
    assert client.get("/readyz").status_code == 503


def test_a_silent_worker_does_not_count(client: FlaskClient, redis: Redis) -> None:
    write_silent(redis, build_worker(), seconds=60)

    assert client.get("/health").status_code == 503
    assert client.get("/readyz").status_code == 503


def test_a_trainer_is_no_worker(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis, role="trainer")

    assert client.get("/readyz").status_code == 503


def test_without_a_champion_nothing_can_answer(build_app: BuildApp, redis: Redis) -> None:
    beat_worker(redis)
    client = build_app().test_client()

    assert client.get("/health").status_code == 503
    assert "rhizome train" in client.get("/readyz").get_json()["detail"]


def test_workers_that_do_not_all_serve_the_champion_have_not_converged(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis, pid=1)
    beat_worker(redis, pid=2, version=OTHER.version)

    document = client.get("/health").get_json()

    assert (document["status"], document["workers"]["converged"]) == ("degraded", False)


def test_a_worker_that_could_not_load_says_why(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis, state="failed", detail="hash does not match")

    document = client.get("/health").get_json()

    assert document["status"] == "degraded"
    assert any("hash does not match" in problem for problem in document["problems"])


def test_jobs_that_wait_long_while_nothing_is_in_flight_are_stalled(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis, started_at=time.time() - 60)
    redis.xadd(keys.lane("interactive"), {"m": b"-"}, id="1000000000000-0")

    response = client.get("/health")

    assert response.status_code == 503
    assert "do not consume" in response.get_json()["problems"][0]
    assert client.get("/readyz").status_code == 503


def test_workers_that_hold_jobs_and_finish_none_hang(client: FlaskClient, redis: Redis) -> None:
    beat_measured(redis, seconds_ago=20)
    let_wait(redis, seconds=20)

    health, ready = client.get("/health"), client.get("/readyz")

    assert (health.status_code, ready.status_code) == (503, 503)
    assert "hang" in health.get_json()["problems"][0]
    assert health.get_json()["problems"][0] == ready.get_json()["detail"]


def test_a_backlog_that_drains_is_told_and_takes_nobody_out_of_service(client: FlaskClient, redis: Redis) -> None:
    beat_measured(redis, seconds_ago=1)
    let_wait(redis, seconds=600)

    health, ready = client.get("/health"), client.get("/readyz")

    assert (health.status_code, health.get_json()["status"], ready.status_code) == (200, "degraded", 200)
    assert "interactive jobs wait for" in health.get_json()["problems"][0]


def test_a_worker_that_has_just_started_has_time_to_begin(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis)
    let_wait(redis, seconds=600)

    assert client.get("/readyz").status_code == 200


def test_an_estimator_that_needs_long_for_a_call_does_not_hang(client: FlaskClient, redis: Redis) -> None:
    beat_measured(redis, seconds_ago=20, entry_ms=100.0)  # 256 jobs in 25.6 s
    let_wait(redis, seconds=20)

    assert client.get("/readyz").status_code == 200


def test_batches_may_wait_long_as_long_as_chunks_are_finished(client: FlaskClient, redis: Redis) -> None:
    beat_measured(redis, seconds_ago=1)
    let_wait(redis, seconds=600, stream="batch")

    assert client.get("/health").get_json()["status"] == "ok"


def test_batches_of_which_nothing_is_finished_are_told(client: FlaskClient, redis: Redis) -> None:
    beat_measured(redis, seconds_ago=100)
    let_wait(redis, seconds=600, stream="batch")

    health, ready = client.get("/health"), client.get("/readyz")

    assert (health.get_json()["status"], ready.status_code) == ("degraded", 200)
    assert "batch chunks" in health.get_json()["problems"][0]


@pytest.mark.parametrize(("seconds", "side"), [(90, "ahead of"), (-90, "behind")])
def test_a_host_with_a_wrong_clock_is_named_and_its_workers_count(
    client: FlaskClient, redis: Redis, seconds: float, side: str
) -> None:
    beat_worker(redis, pid=2, lane="batch")
    beat_worker(redis, host="there", at=time.time() + seconds, started_at=time.time() + seconds - 7)

    health, ready = client.get("/health"), client.get("/readyz")

    document = health.get_json()
    assert (document["status"], ready.status_code) == ("degraded", 200)
    assert f"host there is 90 s {side} Redis's" in document["problems"][0]
    (there,) = [worker for worker in document["workers"]["processes"] if worker["host"] == "there"]
    assert there["uptime_seconds"] == pytest.approx(7, abs=2)


@pytest.fixture
def configure(redis: Redis) -> Iterator[Any]:
    """Sets an option of the server's, until the test ends."""
    kept: dict[str, str] = {}

    def set_option(name: str, value: object) -> None:
        kept.setdefault(name, redis.config_get(name)[name])
        redis.config_set(name, value)

    yield set_option
    for name, value in kept.items():
        redis.config_set(name, value)


def test_a_redis_that_cannot_write_is_not_ready(client: FlaskClient, redis: Redis, configure: Any) -> None:
    beat_worker(redis)
    beat_worker(redis, pid=2, lane="batch")
    configure("min-replicas-to-write", 1)

    health, ready = client.get("/health"), client.get("/readyz")

    assert client.post("/predict", json=SAMPLE).status_code == 503
    assert (health.status_code, ready.status_code) == (503, 503)
    assert "cannot write" in ready.get_json()["detail"]
    assert health.get_json()["problems"] == [ready.get_json()["detail"]]


def test_a_redis_that_is_almost_full_is_not_ready(client: FlaskClient, redis: Redis, configure: Any) -> None:
    beat_worker(redis)
    configure("maxmemory", int(redis.info("memory")["used_memory"] * 1.1))

    health, ready = client.get("/health"), client.get("/readyz")

    assert (health.get_json()["status"], ready.status_code) == ("degraded", 503)
    assert "almost full" in ready.get_json()["detail"]


def test_asking_whether_a_submit_would_be_accepted_submits_nothing(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis)

    assert client.get("/readyz").status_code == 200

    assert redis.keys(keys.job("*")) == []
    assert client.get("/health").get_json()["queue"]["interactive"]["waiting"] == 0


def test_the_pace_of_the_queue_is_reported_once_it_is_measured(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis)
    unmeasured = client.get("/health").get_json()["pace"]
    redis.delete(keys.PROCESSES)
    for pid in (1, 2):
        beat_worker(redis, pid=pid, single_ms=10.0, entry_ms=0.5, chunk_ms=90.0)
    beat_worker(redis, pid=3, lane="batch", chunk_ms=20.0)

    document = await_pace(client)

    assert unmeasured is None
    assert document == {
        "scorers": 2,
        "batch_scorers": 1,
        "interactive_jobs_per_second": 4000.0,
        "batch_chunks_per_second": 50.0,
    }


def await_pace(client: FlaskClient) -> Any:
    """The pace is looked up once a second."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if (pace := client.get("/health").get_json()["pace"]) is not None:
            return pace
        time.sleep(0.05)
    raise AssertionError("no pace was reported")


def test_depths_latencies_and_training_are_reported(client: FlaskClient, redis: Redis, queue: Queue) -> None:
    from datetime import UTC, datetime

    queue.submit()
    queue.submit_batch(1, 1)
    latency.record(redis, {latency.bin_of(10.0): 99, latency.bin_of(1000.0): 1})
    run_id, _ = request_run(redis, "a test", datetime.now(UTC))

    document = client.get("/health").get_json()

    assert document["queue"]["interactive"]["waiting"] == 1
    assert document["queue"]["batch"]["waiting"] == 2
    assert document["queue"]["dead_letters"] == 0
    assert document["latency"]["jobs"] == 100
    assert document["latency"]["p50_ms"] == pytest.approx(10.0, rel=0.04)
    assert document["training"]["current"]["run_id"] == run_id


def test_health_is_never_cached(client: FlaskClient) -> None:
    for path in ("/health", "/readyz"):
        assert client.get(path).headers["Cache-Control"] == "no-store"


def test_a_redis_that_is_away_is_told(registry: Registry) -> None:
    from gateway.app import create_app
    from rhizome.connection import connect
    from rhizome.embedded_redis import find_free_port
    from rhizome.settings import Settings

    url = f"redis://127.0.0.1:{find_free_port()}/0"
    client = create_app(Settings(redis_url=url), connect(url)).test_client()

    health, ready = client.get("/health"), client.get("/readyz")

    assert (health.status_code, health.get_json()["redis"]) == (503, {"reachable": False})
    assert (ready.status_code, ready.get_json()["status"]) == (503, "not_ready")


def test_a_store_of_files_without_room_is_told(build_app: BuildApp, registry: Registry, redis: Redis) -> None:
    beat_worker(redis)

    document = build_app(blob_min_free_bytes=10**17).test_client().get("/health").get_json()

    assert document["status"] == "degraded"
    assert any("RHIZOME_BLOB_MIN_FREE_BYTES" in problem for problem in document["problems"])
