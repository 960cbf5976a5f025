"""Signatures of Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): a receiver can tell ours from others'."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
#: What the specification asks of a secret, in bytes.
LEAST_SECRET_BYTES, MOST_SECRET_BYTES = 24, 64
_NEW_SECRET_BYTES = 32


def make_secret() -> str:
    """A fresh secret in its written form."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_NEW_SECRET_BYTES)).decode()


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """The keys in `text`: one secret, or several with spaces between them while receivers change to a new one.

    Raises:
        ValueError: one is not `whsec_` and the base64 of 24 to 64 bytes, or there is none.
    """
    keys = []
    for secret in text.split():
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            key = b""
        if not secret.startswith(PREFIX) or not LEAST_SECRET_BYTES <= len(key) <= MOST_SECRET_BYTES:
            raise ValueError(f"needs {PREFIX} and the base64 of {LEAST_SECRET_BYTES} to {MOST_SECRET_BYTES} bytes")
        keys.append(key)
    if not keys:
        raise ValueError(f"needs {PREFIX} and the base64 of {LEAST_SECRET_BYTES} to {MOST_SECRET_BYTES} bytes")
    return tuple(keys)


def sign(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature per key, with spaces between them.

    Args:
        keys: from `parse_secrets`.
        message_id: the value of `webhook-id`; without a full stop.
        timestamp: the value of `webhook-timestamp`: seconds since 1970.
        body: exactly as it is sent.
    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digests = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
