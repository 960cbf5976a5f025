"""A version that hangs or ends whoever loads it is rolled back; meanwhile, and after each kill, jobs are answered."""

import os
import signal
import textwrap
from collections.abc import Iterator

import pytest

from tests.support.service import SAMPLE, Service, eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

#: An estimator with a mood of its version's, for worker processes alone: the trainer has to make it.
ESTIMATOR = textwrap.dedent(
    """
    import ctypes
    import os
    import signal
    import sys
    import traceback
    from pathlib import Path

    from sklearn.linear_model import LogisticRegression

    CALLED_IN = set()


    def hang():
        while True:
            pass


    MOODS = {
        "hangs": hang,
        "hangs with Python's lock held": lambda: ctypes.PyDLL(None).sleep(1000),
        "crashes": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    }


    class Moody(LogisticRegression):
        def __setstate__(self, state):
            super().__setstate__(state)
            if sys.argv[0].endswith("worker/__main__.py") and self.mood in MOODS:
                MOODS[self.mood]()

        def predict(self, X):
            # As a library whose threads were left behind by the fork.
            if CALLED_IN and os.getpid() not in CALLED_IN:
                hang()
            CALLED_IN.add(os.getpid())
            is_in_service = any(frame.name == "score_singles" for frame in traceback.extract_stack())
            if self.mood == "hangs in service" and is_in_service:
                hang()
            return super().predict(X)


    def build(signature, seed):
        estimator = Moody(random_state=seed, max_iter=1000)
        estimator.mood = Path(__file__).with_name("mood").read_text()
        return estimator
    """
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("hanging")
    (folder / "moody.py").write_text(ESTIMATOR)
    (folder / "mood").write_text("good")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        running = Service(
            folder, estimator="moody:build", worker_processes=2, lease_seconds=1, load_time_limit_seconds=3
        )
        running.start()
    yield running
    running.stop(signal.SIGTERM)


def answered_by(service: Service) -> str:
    document = service.http.post("/predict?wait=20", json=SAMPLE).json()
    assert document["status"] == "succeeded", document
    return str(document["version"])


def test_what_must_not_be_called_before_a_fork_answers_in_each_child(service: Service) -> None:
    for _ in range(3):
        for child in service.worker_children():
            os.kill(child, signal.SIGKILL)

        assert answered_by(service) == service.champion()


def test_a_killed_child_is_replaced_at_once(service: Service) -> None:
    eventually(lambda: serving(service) == set(service.worker_children()), what="both children")
    before = serving(service)

    os.kill(min(before), signal.SIGKILL)

    eventually(lambda: serving(service) - before, what="another child that serves")


def serving(service: Service) -> set[int]:
    """The processes of single jobs that have a version."""
    workers = service.health()["workers"]["processes"]
    return {worker["pid"] for worker in workers if worker["version"] and worker["lane"] == "interactive"}


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("hangs", "longer than 3 s"),
        ("hangs with Python's lock held", "longer than 3 s"),
        ("crashes", "ended by signal 11"),
    ],
)
def test_a_version_that_cannot_be_loaded_alive_is_rolled_back(service: Service, mood: str, reason: str) -> None:
    eventually(lambda: service.health()["workers"]["converged"], what="both children on one version")
    good = service.champion()
    (service.folder / "mood").write_text(mood)

    assert service.admin("/retrain?force=true").status_code == 202
    bad = eventually(lambda: another(service, good), 60.0, what="another champion")
    eventually(lambda: service.champion() == good, 60.0, what="the rollback")

    assert answered_by(service) == good
    versions = {version["version"]: version for version in service.http.get("/models").json()["versions"]}
    assert reason in versions[bad]["rejected"]


def another(service: Service, champion: str) -> str:
    standing = service.champion()
    return standing if standing != champion else ""


def test_a_version_that_hangs_at_every_row_is_rolled_back_and_quarantines_none(service: Service) -> None:
    eventually(lambda: service.health()["workers"]["converged"], what="both children on one version")
    good = service.champion()
    (service.folder / "mood").write_text("hangs in service")

    assert service.admin("/retrain?force=true").status_code == 202
    bad = eventually(lambda: another(service, good), 60.0, what="another champion")
    eventually(lambda: service.health()["workers"]["converged"], what="both children on that version")
    jobs = [service.submit() for _ in range(4)]
    eventually(lambda: service.champion() == good, 60.0, what="the rollback")

    documents = [service.result(job_id) for job_id in jobs]
    assert {document["status"] for document in documents} == {"succeeded"}
    versions = {version["version"]: version for version in service.http.get("/models").json()["versions"]}
    assert "longer than 5 s" in versions[bad]["rejected"]
