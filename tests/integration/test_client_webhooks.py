"""A receiver checks what the service sends it with the client's own means, and can have it sent once more."""

import pytest

from rhizome.client import Client, NotFound, verify_webhook
from tests.support.scripted_server import scripted_server, sends
from tests.support.service import SAMPLE, Service, eventually
from tests.support.webhooks import SECRET


def test_what_the_service_sends_is_verified_and_can_be_sent_again(service: Service) -> None:
    with scripted_server() as receiver, Client(f"http://127.0.0.1:{service.port}") as client:
        receiver.answers(sends(b"", 204))
        prediction = client.predict(SAMPLE, webhook=receiver.url, webhook_events=["completed"])
        eventually(lambda: len(receiver.seen) == 1, what="the message")
        eventually(lambda: (client.result(prediction.id).webhook_status or {})["state"] == "delivered", what="its end")
        client.redeliver(prediction.id)
        eventually(lambda: len(receiver.seen) == 2, what="its repetition")

        verified = [verify_webhook(SECRET, message.headers, message.body) for message in receiver.seen]

        assert {webhook.job.id for webhook in verified} == {prediction.id}
        assert {webhook.type for webhook in verified} == {"job.succeeded"}
        assert len({webhook.id for webhook in verified}) == 1
        assert verified[0].job.result == prediction.answer


def test_a_job_without_a_webhook_has_nothing_to_send_again(service: Service) -> None:
    with Client(f"http://127.0.0.1:{service.port}") as client:
        job = client.submit(SAMPLE)

        with pytest.raises(NotFound) as caught:
            client.redeliver(job.id)

        assert caught.value.code == "webhook_not_found"
