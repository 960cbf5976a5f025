"""Processes die between the end of a job and its receiver; every event arrives all the same."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.support.service import SAMPLE, Service, eventually
from tests.support.webhooks import SECRET, Receiver

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(
        tmp_path_factory.mktemp("webhooks"),
        worker_processes=2,
        batch_processes=2,
        lease_seconds=2,
        webhook_secret=SECRET,
        webhook_allow_private="127.0.0.0/8",
        webhook_timeout_seconds=3,
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


def submit(service: Service, receiver: Receiver) -> str:
    response = service.http.post("/predict", json=SAMPLE | {"webhook": receiver.url})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def await_pending(service: Service, count: int) -> None:
    eventually(lambda: service.health()["webhooks"]["pending"] == count, 60.0, f"{count} pending events")


def test_a_deliverer_killed_while_it_delivers_loses_no_event(service: Service, receiver: Receiver) -> None:
    receiver.hold.clear()
    job_ids = [submit(service, receiver) for _ in range(6)]
    eventually(lambda: receiver.messages, 30.0, "an attempt under way")
    (deliverer,) = service.pids("-m worker webhooks")

    os.kill(deliverer, signal.SIGKILL)
    receiver.hold.set()

    expected = {f"{job_id}_completed" for job_id in job_ids}
    eventually(lambda: {message.id for message in receiver.messages} == expected, 60.0, "every event")
    assert {message.type for message in receiver.messages} == {"job.succeeded"}


def test_a_killed_worker_leaves_exactly_one_final_event_per_job(service: Service, receiver: Receiver) -> None:
    job_ids = []
    for _ in range(3):
        job_ids += [submit(service, receiver) for _ in range(40)]
        os.kill(service.worker_children()[0], signal.SIGKILL)

    statuses = {service.result(job_id, wait=60.0)["status"] for job_id in job_ids}
    eventually(lambda: len(receiver.messages) >= len(job_ids), 60.0, "every event")
    await_pending(service, 0)

    assert statuses == {"succeeded"}
    assert sorted(message.id for message in receiver.messages) == sorted(f"{job_id}_completed" for job_id in job_ids)


def test_events_survive_the_death_of_redis(service: Service, receiver: Receiver) -> None:
    (deliverer,) = service.pids("-m worker webhooks")
    os.kill(deliverer, signal.SIGSTOP)
    job_ids = [submit(service, receiver) for _ in range(10)]
    assert {service.result(job_id)["status"] for job_id in job_ids} == {"succeeded"}
    (server,) = service.pids("valkey-server")

    os.kill(server, signal.SIGKILL)
    eventually(lambda: service.pids("valkey-server") not in ([], [server]), 30.0, "a new server")
    os.kill(deliverer, signal.SIGCONT)

    eventually(lambda: len({message.id for message in receiver.messages}) == 10, 60.0, "every event")


def test_a_deliverer_that_is_stopped_in_order_sends_the_rest_later(service: Service, receiver: Receiver) -> None:
    (deliverer,) = service.pids("-m worker webhooks")
    os.kill(deliverer, signal.SIGTERM)
    eventually(lambda: service.pids("-m worker webhooks") not in ([], [deliverer]), 30.0, "a new deliverer")

    job_id = submit(service, receiver)

    eventually(lambda: receiver.of(job_id), 30.0, "the event")
