"""The lanes of a whole service are apart: in processes, in libraries, and in what one does to the other."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rhizome.heartbeats import BEAT_SECONDS
from rhizome.supervisor import BACKGROUND_NICENESS
from tests.support.service import SAMPLE, Service, eventually

ROWS = 2_000
CSV = ",".join(SAMPLE) + "\n" + (",".join(map(str, SAMPLE.values())) + "\n") * ROWS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


def maps_arrow(pid: int) -> bool:
    return "libarrow" in Path(f"/proc/{pid}/maps").read_text()


def submit_file(service: Service) -> str:
    response = service.http.post("/predict/batch", content=CSV, headers={"Content-Type": "text/csv"})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


@pytest.fixture
def without_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service as in the images, which have no pandas: where it is, scikit-learn imports it, and it imports Arrow."""
    (tmp_path / "pandas.py").write_text("raise ImportError('not in the image')\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    running = Service(tmp_path, worker_processes=2, batch_processes=2).start()
    yield running
    running.stop()


def test_the_interactive_processes_never_load_arrow_and_those_of_batches_have_it_from_their_start(
    without_pandas: Service,
) -> None:
    service = without_pandas
    singles = [service.submit() for _ in range(50)]
    small = service.http.post("/predict/batch?wait=30", json={"instances": [SAMPLE] * 5})
    file = submit_file(service)

    assert {service.result(job_id)["status"] for job_id in [*singles, file]} == {"succeeded"}
    assert small.json()["status"] == "succeeded"
    export = service.http.get(f"/result/{file}", params={"format": "parquet", "wait": 30})
    assert export.content.startswith(b"PAR1")
    assert [maps_arrow(pid) for pid in (*service.pids("-m worker"), *service.worker_children())] == [False] * 3
    assert [maps_arrow(pid) for pid in service.batch_children()] == [True] * 2


def test_the_processes_of_batches_have_little_weight_and_are_bounded(service: Service) -> None:
    eventually(lambda: service.health()["workers"]["living"] == 4, what="both processes of each lane")
    limits = [Path(f"/proc/{pid}/limits").read_text() for pid in service.batch_children()]
    data = [line.split()[3] for text in limits for line in text.splitlines() if line.startswith("Max data size")]

    assert len(data) == 2
    assert "unlimited" not in data
    for pids, niceness in ((service.batch_children(), BACKGROUND_NICENESS), (service.worker_children(), 0)):
        assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in pids} == {niceness}
        groups = [Path(f"/proc/{pid}/autogroup") for pid in pids]
        assert all(group.read_text().endswith(f"nice {niceness}\n") for group in groups if group.exists())


def test_without_processes_of_batches_single_jobs_are_answered_and_a_file_is_afterwards(service: Service) -> None:
    (main,) = service.pids("-m worker batches")
    os.kill(main, signal.SIGSTOP)
    children = service.batch_children()
    for child in children:
        os.kill(child, signal.SIGSTOP)
    try:
        file, singles = submit_file(service), [service.submit() for _ in range(20)]
        statuses = {service.result(job_id)["status"] for job_id in singles}
        waits = service.http.get(f"/result/{file}").json()["status"]
    finally:
        for pid in (*children, main):
            os.kill(pid, signal.SIGCONT)

    assert statuses == {"succeeded"}
    assert waits in ("queued", "running")
    assert service.result(file, wait=60.0)["status"] == "succeeded"
    eventually(lambda: service.health()["status"] == "ok", 10 * BEAT_SECONDS, "the batch lane's return")
