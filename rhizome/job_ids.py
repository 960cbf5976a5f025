"""Job ids that tell, without any stored trace, an expired job from one that never was.

An id is 20 bytes in base32: 6 bytes of creation time (ms), 9 random bytes, and 5 check bytes keyed by a secret that
all gateways share. An id whose check bytes are right was minted here; if its record is gone, its time is over. Only
the holder of the secret can mint one, so guessing tells nothing.
"""

import hashlib
import hmac
import os
import time

ID_LENGTH = 32  #: characters, a-z and 2-7
_STAMP_BYTES, _RANDOM_BYTES, _CHECK_BYTES = 6, 9, 5
_BODY_BYTES = _STAMP_BYTES + _RANDOM_BYTES
SECRET_BYTES = 32

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648, section 6, in lower case
#: Two characters at a time: an id is made and read for every request, and the standard library's way takes five times
#: as long.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_PAIR_BITS = 10
_SHIFTS = range((ID_LENGTH // 2 - 1) * _PAIR_BITS, -1, -_PAIR_BITS)


class JobIds:
    """Mints and checks ids under one secret (32 bytes)."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    def mint(self) -> str:
        """A fresh id; unique and unguessable by its 72 random bits."""
        stamp = int(time.time() * 1000).to_bytes(_STAMP_BYTES, "big")
        body = stamp + os.urandom(_RANDOM_BYTES)
        number = int.from_bytes(body + self._check(body))
        return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])

    def age_seconds(self, job_id: str) -> float | None:
        """Seconds since `job_id` was minted, or None if it was never minted under this secret."""
        raw = _decode(job_id)
        if raw is None or not hmac.compare_digest(raw[_BODY_BYTES:], self._check(raw[:_BODY_BYTES])):
            return None
        return time.time() - int.from_bytes(raw[:_STAMP_BYTES], "big") / 1000

    def _check(self, body: bytes) -> bytes:
        return hashlib.blake2b(body, key=self.secret, digest_size=_CHECK_BYTES).digest()


def _decode(job_id: str) -> bytes | None:
    if len(job_id) != ID_LENGTH:
        return None
    number = 0
    try:
        for at in range(0, ID_LENGTH, 2):
            number = number << _PAIR_BITS | _VALUES[job_id[at : at + 2]]
    except KeyError:
        return None
    return number.to_bytes(_BODY_BYTES + _CHECK_BYTES)
