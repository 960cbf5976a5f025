"""A host that lags behind, or whose disk is bad, fails no job and decides nothing for the others."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import ROOT, SAMPLE, Service, eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("hosts"), worker_processes=2, lease_seconds=2)
    running.start()
    yield running
    running.stop(signal.SIGTERM)


@pytest.fixture(scope="module")
def elsewhere(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The models folder of other workers, as it was a while ago; its folder of files is another, too."""
    folder = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(service.models, folder / "models")
    environment = environment_of(service) | {
        "RHIZOME_MODELS_DIR": str(folder / "models"),
        "RHIZOME_BLOB_URL": f"{folder.as_uri()}/blobs",
    }
    with (folder / "log").open("wb") as log:
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "worker", *role],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            for role in ((), ("batches",))
        ]
    try:
        eventually(lambda: service.health()["workers"]["living"] == 8, 60.0, "the other workers")
        yield folder / "models"
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.wait(40.0)


def environment_of(service: Service) -> dict[str, str]:
    """That of the service's own worker, which knows where its Redis is."""
    (main,) = service.pids("-m worker")
    lines = Path(f"/proc/{main}/environ").read_bytes().split(b"\0")
    pairs = (line.decode().partition("=") for line in lines if line)
    return dict(os.environ) | {name: value for name, _, value in pairs if name.startswith("RHIZOME_")}


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """These processes do nothing meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def submit(service: Service, path: str, **content: Any) -> str:
    return str(service.http.post(path, **content).json()["id"])


def test_versions_and_files_that_are_not_there_yet_are_scored_where_they_are(service: Service, elsewhere: Path) -> None:
    former = service.champion()
    assert service.admin("/retrain?force=true").status_code == 202
    eventually(lambda: service.champion() != former, 60.0, "a new champion")
    champion = service.champion()

    log = elsewhere.parent / "log"
    with frozen([*service.worker_children(), *service.batch_children()]):
        pinned = [submit(service, "/predict", params={"version": champion}, json=SAMPLE) for _ in range(100)]
        batches = [submit(service, "/predict/batch", json={"instances": [SAMPLE] * 200}) for _ in range(10)]
        csv = ",".join(SAMPLE) + "\n" + (",".join(map(str, SAMPLE.values())) + "\n") * 50
        headers = {"Content-Type": "text/csv"}
        files = [submit(service, "/predict/batch", content=csv, headers=headers) for _ in range(10)]
        eventually(lambda: "version_unavailable" in log.read_text(), 30.0, "the other host's turn")

    documents = [service.result(job_id, wait=60.0) for job_id in pinned + batches + files]

    assert [document for document in documents if document["status"] != "succeeded"] == []
    assert {document["version"] for document in documents[:100]} == {champion}
    assert sum(document.get("rows", {}).get("failed", 0) for document in documents) == 0
    assert "raised unexpected" not in log.read_text()


def test_the_odd_one_out_is_named_and_rolls_nothing_back(service: Service, elsewhere: Path) -> None:
    former = service.champion()
    assert service.admin("/retrain?force=true").status_code == 202
    champion = eventually(lambda: service.champion() if service.champion() != former else "", 60.0, "a new champion")

    shutil.copytree(service.models / "iris" / champion, elsewhere / "iris" / champion)
    (elsewhere / "iris" / champion / "model.joblib").write_bytes(b"damaged")
    problems = eventually(
        lambda: [problem for problem in service.health()["problems"] if "hash" in problem], 30.0, "the report"
    )

    assert all("worker" in problem for problem in problems)
    assert service.champion() == champion
    assert service.http.post("/predict?wait=20", json=SAMPLE).json()["status"] == "succeeded"
