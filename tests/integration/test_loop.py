"""Training, promotion, reload and rollback of a service under load."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.support.service import SAMPLE, Service, eventually
from tests.support.training import promote_another

USERS = 4


class Load:
    """Users who submit and wait, all the time; keeps every answer, and everything that was no answer."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._submit_and_wait, args=(user,)) for user in range(USERS)]
        self.answers: list[dict[str, object]] = []
        self.failures: list[str] = []

    def _submit_and_wait(self, user: int) -> None:
        with httpx.Client(base_url=self._service.http.base_url, timeout=30.0) as http:
            for count in itertools.count():
                if self._stopped.is_set():
                    return
                request_id = f"load-{user}-{count}"
                response = http.post("/predict?wait=20", json=SAMPLE, headers={"X-Request-ID": request_id})
                if response.status_code == 200 and response.json()["request_id"] == request_id:
                    self.answers.append(response.json())
                else:
                    self.failures.append(response.text)

    @contextmanager
    def running(self) -> Iterator["Load"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            for thread in self._threads:
                thread.join(30.0)


def new_champion(service: Service, former: str) -> str | None:
    """The champion, once it is another; the gateway's processes learn of it a second apart."""
    version = service.champion()
    return version if version != former else None


def test_workers_under_load_change_versions_without_a_failed_or_mixed_answer(service: Service) -> None:
    seen = [service.champion()]

    with Load(service).running() as load:
        for _ in range(3):
            assert service.admin("/retrain?force=true").status_code == 202
            seen.append(eventually(lambda: new_champion(service, seen[-1]), what="a new champion"))
            eventually(lambda: service.serves(seen[-1]), what="all workers on the new version")
        after = len(load.answers)
        eventually(lambda: len(load.answers) > after + 20, what="answers of the last version")

    assert load.failures == []
    assert {answer["status"] for answer in load.answers} == {"succeeded"}
    assert {answer["version"] for answer in load.answers} <= set(seen)
    assert load.answers[-1]["version"] == seen[-1]
    artifacts = {(answer["version"], answer["artifact_sha256"]) for answer in load.answers}
    assert len(artifacts) == len({version for version, _ in artifacts}), "one version, one artefact"


def test_training_twice_gives_the_same_artefact(service: Service) -> None:
    versions = service.http.get("/models").json()["versions"]

    hashes = {version["artifact_sha256"] for version in versions}

    assert len(versions) >= 2
    assert len(hashes) == 1
    assert {version["seed"] for version in versions} == {42}


def test_rollback_puts_the_former_champion_back_and_promotion_the_later_one(service: Service) -> None:
    champion = service.health()["champion"]
    later, former = champion["version"], champion["previous"]

    rolled_back = service.admin("/models/rollback")
    eventually(lambda: service.serves(former), what="all workers on the former version")
    answered = service.http.post("/predict?wait=10", json=SAMPLE).json()["version"]
    promoted = service.admin(f"/models/{later}/promote")
    eventually(lambda: service.serves(later), what="all workers on the later version")

    assert rolled_back.json()["version"] == answered == former
    assert promoted.json()["version"] == later


def test_a_version_that_cannot_be_loaded_is_rolled_back_by_the_workers(service: Service) -> None:
    broken = promote_another(service)
    former = service.admin("/models/rollback").json()["version"]
    eventually(lambda: service.serves(former), what="all workers on the former version")
    # More versions push the broken one out of the workers' memory, so that it must be read from disk again.
    for _ in range(3):
        standing = promote_another(service)
    artifact = service.models / "iris" / broken / "model.joblib"
    artifact.write_bytes(artifact.read_bytes()[:-1] + b"?")

    assert service.admin(f"/models/{broken}/promote").status_code == 200
    eventually(lambda: service.champion() == standing, what="the rollback")

    answer = service.http.post("/predict?wait=10", json=SAMPLE).json()
    versions = {version["version"]: version for version in service.http.get("/models").json()["versions"]}
    assert answer["version"] == standing
    assert "hash" in versions[broken]["rejected"]
    assert service.admin(f"/models/{broken}/promote").status_code == 409


@pytest.mark.parametrize("path", ["/retrain", "/models/rollback", "/models/x/promote"])
def test_admin_calls_need_the_key(service: Service, path: str) -> None:
    without = service.http.post(path)
    wrong = service.http.post(path, headers={"Authorization": "Bearer wrong"})

    assert without.status_code == wrong.status_code == 401
    assert without.json()["code"] == "admin_key_required"


def test_health_tells_what_an_on_call_engineer_asks_first(service: Service) -> None:
    for _ in range(10):
        service.http.post("/predict?wait=10", json=SAMPLE)

    eventually(lambda: service.health()["problems"] == [], what="every worker's knowledge of the rollback before")
    report = eventually(lambda: service.health()["latency"]["jobs"] and service.health(), what="latencies")

    assert report["status"] == "ok"
    assert {"waiting", "in_flight", "oldest_waiting_seconds"} == set(report["queue"]["interactive"])
    assert report["latency"]["p50_ms"] <= report["latency"]["p95_ms"] <= report["latency"]["p99_ms"]
    assert report["workers"]["living"] == 4
    assert [process["lane"] for process in report["workers"]["processes"]].count("batch") == 2
    assert {process["version"] for process in report["workers"]["processes"]} == {report["champion"]["version"]}
    assert report["training"]["last"]["outcome"] == "promoted"
    assert service.http.get("/livez").status_code == service.http.get("/readyz").status_code == 200


def test_a_service_that_was_idle_answers_the_next_job(service: Service) -> None:
    time.sleep(1.5)  # several blocking reads of the scorers that listen

    answer = service.http.post("/predict?wait=10", json=SAMPLE)

    assert answer.status_code == 200
