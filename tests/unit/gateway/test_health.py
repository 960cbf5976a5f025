"""The health report: 200 only when something can answer, and the reason when nothing can."""

import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from rhizome import keys, latency
from rhizome.heartbeats import Heartbeat, beat
from rhizome.registry import Registry
from rhizome.training_runs import request_run
from tests.support.queue import Queue
from tests.unit.gateway.conftest import CHAMPION, OTHER, BuildApp


def beat_worker(redis: Redis, pid: int = 1, **changes: Any) -> None:
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
    beat(redis, Heartbeat(**(facts | changes)))


def test_a_service_with_a_champion_and_a_worker_is_well(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis)

    response = client.get("/health")

    document = response.get_json()
    assert (response.status_code, document["status"], document["problems"]) == (200, "ok", [])
    assert document["champion"]["version"] == CHAMPION.version
    assert document["workers"]["converged"] is True
    assert [process["version"] for process in document["workers"]["processes"]] == [CHAMPION.version]
    assert client.get("/readyz").status_code == 200


def test_without_a_worker_nothing_can_answer(client: FlaskClient) -> None:
    response = client.get("/health")

    assert (response.status_code, response.get_json()["status"]) == (503, "unavailable")
    assert "no worker process" in response.get_json()["problems"][0]
    assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize(
    "changes", [{"version": "", "state": "waiting"}, {"at": time.time() - 60}], ids=["empty", "silent"]
)
def test_a_worker_that_cannot_answer_does_not_count(client: FlaskClient, redis: Redis, changes: dict[str, Any]) -> None:
    beat_worker(redis, **changes)

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
    beat_worker(redis)
    redis.xadd(keys.lane("interactive"), {"m": b"-"}, id="1000000000000-0")

    response = client.get("/health")

    assert response.status_code == 503
    assert "do not consume" in response.get_json()["problems"][0]


def test_the_pace_of_the_queue_is_reported_once_it_is_measured(client: FlaskClient, redis: Redis) -> None:
    beat_worker(redis)
    unmeasured = client.get("/health").get_json()["pace"]
    redis.delete(keys.PROCESSES)
    beat_worker(redis, pid=1, single_ms=10.0, entry_ms=0.5, chunk_ms=20.0)
    beat_worker(redis, pid=2, single_ms=10.0, entry_ms=0.5, chunk_ms=20.0)

    document = await_pace(client)

    assert unmeasured is None
    assert document == {"scorers": 2, "interactive_jobs_per_second": 4000.0, "batch_chunks_per_second": 100.0}


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
