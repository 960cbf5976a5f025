"""Signatures: as the specification's own library makes and checks them."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from rhizome.webhooks.signing import make_secret, parse_secrets, sign

BODY = b'{"type":"job.succeeded"}'


def headers_for(secret: str, body: bytes = BODY) -> dict[str, str]:
    """Of a message that is sent now: receivers refuse what is older than five minutes."""
    now = int(datetime.now(UTC).timestamp())
    return {
        "webhook-id": "some-job_completed",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(parse_secrets(secret), "some-job_completed", now, body),
    }


def test_the_reference_library_accepts_a_signature() -> None:
    secret = make_secret()

    assert Webhook(secret).verify(BODY, headers_for(secret)) == {"type": "job.succeeded"}


def test_the_reference_library_makes_the_same_signature() -> None:
    secret = make_secret()

    headers = headers_for(secret)

    sent_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert headers["webhook-signature"] == Webhook(secret).sign("some-job_completed", sent_at, BODY.decode())


def test_the_reference_library_refuses_another_body() -> None:
    secret = make_secret()

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY.replace(b"succeeded", b"failed"), headers_for(secret))


def test_while_secrets_change_both_receivers_accept_a_message() -> None:
    new, old = make_secret(), make_secret()

    headers = headers_for(f"{new} {old}")

    assert Webhook(new).verify(BODY, headers)
    assert Webhook(old).verify(BODY, headers)


def test_no_two_secrets_are_alike() -> None:
    assert len({make_secret() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "secret",
    [
        "",
        " ",
        "whsec_",
        "whsec_not base64",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        base64.b64encode(b"x" * 32).decode(),
        "whsec_" + base64.b64encode(b"y" * 32).decode() + " other",
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="needs whsec_") as refusal:
        parse_secrets(secret)

    encoded = secret.removeprefix("whsec_").strip()
    assert not encoded or encoded not in str(refusal.value)
