"""On what terms a job is submitted: how urgent it is, until when it is wanted, how many bad rows it may have."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from rhizome.errors import RhizomeError
from rhizome.jobs import DEFAULT_PRIORITY

NOTHING: Mapping[str, str] = MappingProxyType({})


class Terms(NamedTuple):
    """What a submitter asks of the queue.

    Attributes:
        priority: 0 to 2, the smaller the more urgent; of no meaning in the batch lane.
        deadline_ms: after its acceptance; a job that no worker has taken by then expires. 0 for none.
        error_threshold: a batch job with more failed rows fails as a whole, and what remains is not scored. -1 for any
            number.
        record: further fields of the job's record.
        refusal: raised instead of accepting it; only what was accepted before, under the same Idempotency-Key, is told.
    """

    priority: int = DEFAULT_PRIORITY
    deadline_ms: int = 0
    error_threshold: int = -1
    record: Mapping[str, str] = NOTHING
    refusal: RhizomeError | None = None


class Idempotency(NamedTuple):
    """An Idempotency-Key and a fingerprint of the request it came with, each a digest of fixed length."""

    key: str
    fingerprint: str
