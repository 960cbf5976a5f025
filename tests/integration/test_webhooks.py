"""Webhooks from a submit over HTTP to a real receiver, through the whole service."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.service import SAMPLE, Service, eventually
from tests.support.webhooks import SECRET, Receiver

ATTEMPT_SECONDS = 10.0  #: a receiver that hangs holds its thread for so long
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of its own, whose receivers may be on this machine."""
    running = Service(
        tmp_path_factory.mktemp("webhooks"), webhook_secret=SECRET, webhook_allow_private="127.0.0.0/8", chunk_rows=100
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


def submit(service: Service, receiver: Receiver, **changes: str) -> str:
    response = service.http.post("/predict", json=SAMPLE | {"webhook": receiver.url}, **changes)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def test_a_job_is_told_once_with_its_result(service: Service, receiver: Receiver) -> None:
    job_id = submit(service, receiver, headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    eventually(lambda: receiver.messages, what="the message")

    document = eventually(lambda: delivered(service, job_id), what="the delivery")

    (message,) = receiver.messages
    status = document.pop("webhook_status")
    assert message.type == "job.succeeded"
    assert message.body["data"] == document
    assert message.headers["traceparent"].split("-")[1] == TRACE
    assert (status["attempts"], status["last_status"], status["last_error"]) == (1, 204, None)


def delivered(service: Service, job_id: str) -> dict[str, object] | None:
    """The job's document, once its last event has been delivered."""
    document = dict(service.http.get(f"/result/{job_id}").json())
    status = document["webhook_status"]
    return document if status and status["state"] == "delivered" else None


def test_a_batch_tells_its_start_its_progress_and_its_end(service: Service, receiver: Receiver) -> None:
    body = {
        "instances": [SAMPLE] * 2000,
        "webhook": receiver.url,
        "webhook_events": ["started", "progress", "completed"],
    }
    job_id = service.http.post("/predict/batch", json=body).json()["id"]

    eventually(lambda: delivered(service, job_id) and len(receiver.messages) == 11, what="all messages")

    kinds = [message.type for message in receiver.messages]
    assert sorted(kinds) == ["job.progress"] * 9 + ["job.started", "job.succeeded"]
    assert len({message.id for message in receiver.messages}) == len(kinds)
    (end,) = [message.body["data"] for message in receiver.messages if message.type == "job.succeeded"]
    document = service.http.get(f"/result/{job_id}").json()
    assert end.items() <= document.items()
    assert end["rows"] == {"total": 2000, "done": 2000, "failed": 0}
    done = sorted(message.body["data"]["rows"]["done"] for message in receiver.messages)
    assert done == [0, *range(200, 2001, 200)]


def test_a_receiver_that_fails_is_tried_again_and_can_be_asked_for_more(service: Service, receiver: Receiver) -> None:
    receiver.statuses, receiver.headers = [503], {"Retry-After": "1"}
    job_id = submit(service, receiver)

    eventually(lambda: delivered(service, job_id), 30.0, "the second attempt")
    again = service.http.post(f"/result/{job_id}/webhook/redeliver")
    eventually(lambda: len(receiver.messages) == 3, what="the delivery that was asked for")

    assert again.status_code == 202
    assert {message.id for message in receiver.messages} == {f"{job_id}_completed"}
    log = eventually(lambda: log_of(service, job_id, attempts=3), what="the log")
    assert [attempt["outcome"] for attempt in log["attempts"]] == ["retry", "delivered", "delivered"]


def log_of(service: Service, job_id: str, attempts: int) -> dict[str, list[dict[str, object]]] | None:
    log = service.http.get(f"/result/{job_id}/webhook").json()
    return log if len(log["attempts"]) == attempts else None


def test_a_redirect_is_followed_nowhere(service: Service, receiver: Receiver) -> None:
    receiver.statuses, receiver.headers = [307], {"Location": receiver.url + "/elsewhere"}
    job_id = submit(service, receiver)

    log = eventually(lambda: log_of(service, job_id, attempts=1), what="the attempt")

    assert (log["deliveries"][0]["state"], log["deliveries"][0]["last_error"]) == ("failed", "redirected")
    assert [message.path for message in receiver.messages] == ["/hooks"]


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "http://169.254.169.254/latest/", "http://[::1]/", "http://0xa.2/"]
)
def test_an_address_that_was_not_excepted_is_refused(service: Service, url: str) -> None:
    response = service.http.post("/predict", json=SAMPLE | {"webhook": url})

    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "webhook")


def test_a_name_that_does_not_resolve_is_tried_again_later(service: Service) -> None:
    response = service.http.post("/predict", json=SAMPLE | {"webhook": "http://no-such-host.invalid:8080/"})
    job_id = response.json()["id"]

    log = eventually(lambda: log_of(service, job_id, attempts=1), what="the attempt")

    assert log["attempts"][0]["error"] == "unknown_host"
    assert log["deliveries"][0]["state"] == "pending"


def test_a_receiver_that_hangs_slows_neither_scoring_nor_other_receivers(service: Service, receiver: Receiver) -> None:
    receiver.hold.clear()
    held = [submit(service, receiver) for _ in range(8)]
    eventually(lambda: receiver.messages, what="the first message to hang")

    with Receiver(host="127.0.0.2").running() as other:
        job_ids = [submit(service, other) for _ in range(20)]
        results = [service.result(job_id)["status"] for job_id in job_ids]
        eventually(lambda: len(other.messages) == 20, what="the other receiver's messages")

    assert set(results) == {"succeeded"}
    assert not receiver.hold.is_set()
    assert 1 <= len(receiver.messages) <= 4  # no more at once to one receiver
    assert all(service.result(job_id)["status"] == "succeeded" for job_id in held)


def test_many_receivers_that_hang_leave_threads_to_one_that_answers(service: Service) -> None:
    with ExitStack() as stack:
        quick = stack.enter_context(Receiver(host="127.0.0.9").running())
        hanging = [stack.enter_context(Receiver(host=f"127.0.0.{10 + at}").running()) for at in range(5)]
        eventually(lambda: delivered(service, submit_and_wait(service, quick)), what="an attempt that was quick")
        for receiver in hanging:
            receiver.hold.clear()
            for _ in range(4):
                submit(service, receiver)
        eventually(lambda: sum(len(receiver.messages) for receiver in hanging) >= 12, what="twelve threads to hang")
        begun = time.monotonic()

        job_id = submit(service, quick)
        eventually(lambda: quick.of(job_id), what="the message to the receiver that answers")

        assert time.monotonic() - begun < ATTEMPT_SECONDS / 2
        assert sum(len(receiver.messages) for receiver in hanging) == 12


def submit_and_wait(service: Service, receiver: Receiver) -> str:
    job_id = submit(service, receiver)
    eventually(lambda: receiver.of(job_id), what="the message")
    return job_id


def test_health_counts_the_deliverer(service: Service) -> None:
    assert service.health()["webhooks"]["deliverers"] == 1
