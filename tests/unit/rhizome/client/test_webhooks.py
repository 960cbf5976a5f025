"""A receiver can trust what was signed with its secret a moment ago, and nothing else."""

import base64
import hmac
import time

import pytest

from rhizome.client import WebhookInvalid, verify_webhook

#: Signed by the package `standardwebhooks` 1.1.0, the reference implementation.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = (
    '{"type": "job.succeeded", "timestamp": "2026-11-23T21:16:33Z", '
    '"data": {"id": "a", "status": "succeeded", "result": {"label": "setosa"}}}'
)
SENT_AT = 1795468593
HEADERS = {
    "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(SENT_AT),
    "WEBHOOK-SIGNATURE": "v1,PJObnAH2TcQAtCDSo/j6Y79I4TsLYic45pn5m4Ejnrs=",
}


def sign(body: bytes, secret: bytes = b"secret", at: int | None = None) -> dict[str, str]:
    stamp = int(time.time()) if at is None else at
    digest = hmac.digest(secret, f"m.{stamp}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": "m", "webhook-timestamp": str(stamp), "webhook-signature": signature}


def test_what_the_reference_implementation_signs_is_accepted() -> None:
    webhook = verify_webhook(SECRET, HEADERS, BODY, now=SENT_AT + 299)

    assert (webhook.id, webhook.type) == (HEADERS["Webhook-Id"], "job.succeeded")
    assert webhook.job.result is not None
    assert webhook.job.result.label == "setosa"


def test_one_right_signature_of_several_is_enough_while_secrets_change() -> None:
    several = f"v1,AAAA v2,{HEADERS['WEBHOOK-SIGNATURE'][3:]} {HEADERS['WEBHOOK-SIGNATURE']}"

    assert verify_webhook(SECRET, {**HEADERS, "WEBHOOK-SIGNATURE": several}, BODY.encode(), now=SENT_AT)


@pytest.mark.parametrize(
    ("headers", "body", "now", "reason"),
    [
        (HEADERS, BODY.replace("setosa", "virginica"), SENT_AT, "no signature fits"),
        (HEADERS, BODY, SENT_AT + 301, "301 s away"),
        (HEADERS, BODY, SENT_AT - 301, "301 s away"),
        ({**HEADERS, "Webhook-Id": "msg_other"}, BODY, SENT_AT, "no signature fits"),
        ({**HEADERS, "webhook-timestamp": str(SENT_AT + 1)}, BODY, SENT_AT, "no signature fits"),
        ({**HEADERS, "webhook-timestamp": "now"}, BODY, SENT_AT, "number of seconds"),
        ({**HEADERS, "webhook-timestamp": "٣"}, BODY, SENT_AT, "number of seconds"),
        ({**HEADERS, "webhook-timestamp": ""}, BODY, SENT_AT, "number of seconds"),
        ({**HEADERS, "webhook-timestamp": f"{SENT_AT}\n"}, BODY, SENT_AT, "number of seconds"),
        ({**HEADERS, "webhook-timestamp": "9" * 400}, BODY, SENT_AT, "number of seconds"),
        ({**HEADERS, "webhook-timestamp": "9" * 5000}, BODY, SENT_AT, "number of seconds"),
        ({**HEADERS, "Webhook-Id": "\udc80"}, BODY, SENT_AT, "no signature fits"),
        ({**HEADERS, "WEBHOOK-SIGNATURE": "v1,\udc80"}, BODY, SENT_AT, "no signature fits"),
        (HEADERS, BODY + "\udc80", SENT_AT, "no signature fits"),
        ({**HEADERS, "WEBHOOK-SIGNATURE": "v2" + HEADERS["WEBHOOK-SIGNATURE"][2:]}, BODY, SENT_AT, "no signature fits"),
        ({**HEADERS, "WEBHOOK-SIGNATURE": "v1,ü"}, BODY, SENT_AT, "no signature fits"),
        ({"webhook-id": "m"}, BODY, SENT_AT, "'webhook-timestamp' is missing"),
    ],
)
def test_anything_else_is_refused(headers: dict[str, str], body: str, now: float, reason: str) -> None:
    with pytest.raises(WebhookInvalid, match=reason):
        verify_webhook(SECRET, headers, body, now=now)


def test_another_secret_and_an_unusable_one_are_refused() -> None:
    with pytest.raises(WebhookInvalid, match="no signature fits"):
        verify_webhook("whsec_c2VjcmV0", HEADERS, BODY, now=SENT_AT)
    for unusable in ("whsec_not base64!", "whsec_schlüssel", "whsec_c2VjcmV"):
        with pytest.raises(WebhookInvalid, match="not whsec_ and base64"):
            verify_webhook(unusable, HEADERS, BODY, now=SENT_AT)


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"\xff"])
def test_a_signed_message_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookInvalid, match="no event"):
        verify_webhook("whsec_c2VjcmV0", sign(body), body)
