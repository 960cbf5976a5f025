"""For receivers of webhooks: is a message from the service, unchanged and fresh (https://www.standardwebhooks.com)."""

import base64
import hmac
import re
import time
from collections.abc import Mapping
from datetime import datetime

import msgspec

from rhizome.client.errors import WebhookInvalid
from rhizome.client.jobs import Job

#: Messages older or newer than this are refused, as the specification recommends: they may be replayed ones.
TOLERANCE_SECONDS = 300.0
_SECRET_PREFIX = "whsec_"  # noqa: S105 - says what follows
_VERSION = "v1"
_SECONDS = re.compile(r"[0-9]{1,12}")  #: whatever is longer is no time, and no number to calculate with


class Webhook(msgspec.Struct, frozen=True):
    """A verified message.

    Attributes:
        id: the same for every attempt to deliver this message; keep it to recognise repetitions.
        type: such as `job.succeeded`.
        timestamp: of the event.
        job: as it was then, with the result where it is a single job's.
    """

    id: str
    type: str
    timestamp: datetime
    job: Job


class _Document(msgspec.Struct):
    type: str
    timestamp: datetime
    data: Job


def verify_webhook(
    secret: str,
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> Webhook:
    """Checks a message's signature and age, and reads it.

    Args:
        secret: `whsec_…`, as the service has it.
        headers: of the request; the case of their names does not matter.
        body: the request's body as it came, byte for byte.
        tolerance_seconds: how far the sender's clock may be from `now`.
        now: seconds since 1970; the present if None.

    Raises:
        WebhookInvalid: answer such a request with a 400, and do nothing else with it.

    >>> import base64, hashlib, hmac
    >>> body = b'{"type": "job.failed", "timestamp": "2026-11-23T21:16:33Z", "data": {"id": "a", "status": "failed"}}'
    >>> signature = base64.b64encode(hmac.digest(b"secret", b"msg_1.1795468593." + body, "sha256")).decode()
    >>> headers = {"webhook-id": "msg_1", "webhook-timestamp": "1795468593", "webhook-signature": f"v1,{signature}"}
    >>> verify_webhook("whsec_c2VjcmV0", headers, body, now=1795468600).job.status
    'failed'
    """
    content = _bytes_of(body) if isinstance(body, str) else body
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, stamp, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise WebhookInvalid(f"the header {missing} is missing") from None
    _check_age(stamp, time.time() if now is None else now, tolerance_seconds)
    expected = base64.b64encode(hmac.digest(_key_of(secret), _bytes_of(f"{message_id}.{stamp}.") + content, "sha256"))
    if not any(_is_right(signature, expected) for signature in signatures.split()):
        raise WebhookInvalid("no signature fits: another secret, or the message was changed")
    try:
        document = msgspec.json.decode(content, type=_Document)
    except msgspec.DecodeError:
        raise WebhookInvalid("the message is signed, but it is no event of a job") from None
    return Webhook(message_id, document.type, document.timestamp, document.data)


def _is_right(signature: str, expected: bytes) -> bool:
    version, _, value = signature.partition(",")
    return version == _VERSION and hmac.compare_digest(_bytes_of(value), expected)


def _check_age(stamp: str, now: float, tolerance_seconds: float) -> None:
    if not _SECONDS.fullmatch(stamp):
        raise WebhookInvalid("the header 'webhook-timestamp' is not a number of seconds")
    if abs(now - int(stamp)) > tolerance_seconds:
        raise WebhookInvalid(f"the message is {abs(now - int(stamp)):.0f} s away from this machine's clock")


def _key_of(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except ValueError:  # binascii.Error is one, and so is what is not even ASCII
        raise WebhookInvalid(f"the secret is not {_SECRET_PREFIX} and base64") from None


def _bytes_of(text: str) -> bytes:
    """Whatever a server's framework has made of a request's bytes."""
    return text.encode("utf-8", "surrogatepass")
