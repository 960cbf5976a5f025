"""Real processes of a loaded service are killed; no job that got a 202 is lost."""

import os
import signal

import pytest

from tests.chaos.suite.load import Load
from tests.chaos.suite.oracle import Oracle
from tests.support.service import SAMPLE, Service, eventually, is_alive

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


def check_promises(service: Service, load: Load) -> None:
    """Ends the load; then each accepted job must come to its right answer, exactly as promised."""
    load.stop()
    assert load.ledger.jobs, "nothing was accepted: the test proves nothing"
    load.ledger.audit(str(service.http.base_url), Oracle(service.models), seconds=60.0)
    assert not any(load.ledger.faults.values()), load.ledger.faults


def test_killing_worker_children_loses_no_accepted_job(service: Service, load: Load) -> None:
    for _ in range(4):
        load.await_more(100)
        os.kill(service.worker_children()[0], signal.SIGKILL)
    load.await_more(100)

    check_promises(service, load)
    assert eventually(lambda: service.health()["workers"]["living"] == 4, what="both worker processes of each lane")


def test_killing_the_worker_main_process_loses_no_accepted_job(service: Service, load: Load) -> None:
    for _ in range(2):
        load.await_more(200)
        (main,) = eventually(lambda: service.pids("-m worker"), what="the worker")
        children = service.worker_children()
        os.kill(main, signal.SIGKILL)
        eventually(lambda children=children: not any(map(is_alive, children)), what="the end of its children")
        eventually(lambda main=main: service.pids("-m worker") not in ([], [main]), what="a new worker")

    load.await_more(100)
    check_promises(service, load)


def test_killing_redis_loses_no_accepted_job(service: Service, load: Load) -> None:
    for _ in range(3):
        load.await_more(200)
        (server,) = eventually(lambda: service.pids("valkey-server"), what="the server")
        os.kill(server, signal.SIGKILL)
        eventually(lambda server=server: service.pids("valkey-server") not in ([], [server]), what="a new server")

    load.await_more(200)
    check_promises(service, load)
    assert service.http.post("/predict?wait=20", json=SAMPLE).status_code == 200


def test_a_batch_survives_the_death_of_the_process_that_scores_it(service: Service) -> None:
    rows = [SAMPLE] * 10_000
    job_ids = [service.http.post("/predict/batch", json={"instances": rows}).json()["id"] for _ in range(5)]

    for child in service.batch_children():
        os.kill(child, signal.SIGKILL)

    for job_id in job_ids:
        document = service.result(job_id, wait=60.0)
        assert document["status"] == "succeeded"
        assert document["rows"] == {"total": 10_000, "done": 10_000, "failed": 0}
        assert len(document["results"]) == 10_000


def test_jobs_submitted_while_no_worker_lives_are_answered_later(service: Service) -> None:
    (main,) = service.pids("-m worker")
    os.kill(main, signal.SIGKILL)

    job_ids = [service.submit() for _ in range(50)]

    assert {service.result(job_id, wait=60.0)["status"] for job_id in job_ids} == {"succeeded"}
