"""The job contract: what travels from the gateway through the stream to a scorer, and the states of a job.

Apart from the queue itself, because both sides and the tests speak it and neither needs a connection for that.
"""

from enum import StrEnum

import msgspec


class Lane(StrEnum):
    """Each lane has worker processes of its own; the order is that of the scripts' numbers."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


#: Of interactive jobs; a smaller number is more urgent.
PRIORITIES = (0, 1, 2)
DEFAULT_PRIORITY = 1


#: Of small batches in the interactive lane: callers wait for them, but no single job waits for more than one.
ROWS_STREAM = f"{Lane.INTERACTIVE.value}:rows"
_SINGLES = tuple(
    Lane.INTERACTIVE.value if priority == DEFAULT_PRIORITY else f"{Lane.INTERACTIVE.value}:{priority}"
    for priority in PRIORITIES
)
#: Every stream, a lane's most urgent first: its scorers take in this order, and chunks one at a time.
STREAMS: tuple[str, ...] = (*_SINGLES, ROWS_STREAM, Lane.BATCH.value)


def stream_of(lane: Lane, priority: int, kind: str) -> str:
    """The stream a job waits in; only single jobs have a priority."""
    if lane is Lane.BATCH:
        return Lane.BATCH.value
    return ROWS_STREAM if kind != "single" else _SINGLES[priority]


def lane_of(stream: str) -> Lane:
    """The lane that a stream belongs to."""
    return Lane(stream.partition(":")[0])


def priority_of(stream: str) -> int:
    """The priority of a stream's jobs."""
    return _SINGLES.index(stream) if stream in _SINGLES else DEFAULT_PRIORITY


class State(StrEnum):
    """A job's life: queued -> running -> one of the final four."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        return self not in (State.QUEUED, State.RUNNING)


class Encoding(StrEnum):
    """How `ScoreRequest.payload` holds the rows."""

    FLOAT64 = "f8"  #: row-major little-endian float64
    JSON = "json"  #: a JSON array of row arrays
    BLOB = "blob"  #: a reference to part of an uploaded file


class Returns(StrEnum):
    """Which part of an answer the caller wants."""

    LABEL = "label"
    PROBABILITIES = "probabilities"
    BOTH = "both"


class ScoreRequest(msgspec.Struct, frozen=True, array_like=True):
    """One stream entry: the rows of a single job, or one chunk of a batch job.

    The order of the fields is the wire format; add at the end, with a default.

    Attributes:
        job_id: whose rows these are.
        kind: `single` or `batch`.
        rows: how many rows `payload` holds (>= 1).
        encoding: an `Encoding`.
        payload: the rows, features in the order of the signature.
        signature: digest of the signature the rows were validated against.
        version: the champion at validation; what scores the job if the champion's signature has changed since.
        pinned: score with `version` whatever the champion is.
        waited: a request sleeps on the outcome, so the notice carries it.
        request_id: follows the job through the logs.
        chunk: index of the chunk within its batch job.
        returns: a `Returns`; of no meaning for regression.
        top_k: answer with the k most probable classes only; 0 for all of them.
    """

    job_id: str
    kind: str
    rows: int
    encoding: str
    payload: bytes
    signature: str
    version: str
    pinned: bool = False
    waited: bool = False
    request_id: str = ""
    chunk: int = 0
    returns: str = Returns.BOTH.value
    top_k: int = 0


encode_request = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(ScoreRequest).decode
