"""Requests and answers as bytes: the least HTTP and JSON a load generator needs, and what is right.

Apart from the generator, because it is pure. Requests are built once; of an answer only the status, the
length, the keep-alive and the four fields that are checked get parsed, so that the generator costs less than
what it measures.
"""

import json
from dataclasses import dataclass

import msgspec

HEAD_END = b"\r\n\r\n"
LENGTH_HEADER = b"\r\ncontent-length:"
CLOSE_HEADER = b"\r\nconnection: close"
FINAL_FAILURES = frozenset({"failed", "cancelled", "expired"})
PROBABILITY_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Sample:
    """A body to send, and its only right label, so that a swapped answer does not pass for a good one."""

    body: bytes
    label: str
    row: tuple[float, ...] = ()


def _build_sample(label: str, *centimetres: float) -> Sample:
    names = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    return Sample(json.dumps(dict(zip(names, centimetres, strict=True))).encode(), label, centimetres)


#: One flower a species, each far from the border between species.
SAMPLES = (
    _build_sample("setosa", 5.1, 3.5, 1.4, 0.2),
    _build_sample("versicolor", 5.7, 2.8, 4.1, 1.3),
    _build_sample("virginica", 6.3, 3.3, 6.0, 2.5),
)


class Prediction(msgspec.Struct):
    """The part of a job's `result` that is checked."""

    label: str
    probabilities: dict[str, float]


class Answer(msgspec.Struct):
    """The part of every answer that is read; other fields are skipped unparsed."""

    id: str
    status: str
    result: Prediction | None = None


class Response(msgspec.Struct):
    """One complete HTTP response; `size` is how many bytes of the buffer it took. (A Struct is made in 0.1 µs.)"""

    status: int
    body: bytes
    size: int
    closes: bool


decode_answer = msgspec.json.Decoder(Answer).decode


def build_request(method: str, path: str, body: bytes = b"", headers: str = "") -> bytes:
    """Builds a keep-alive request; `headers` are whole lines."""
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}{kind}\r\n".encode() + body


def build_post(sample: Sample, wait_seconds: int = 0) -> bytes:
    """Builds `POST /predict`, asking to wait for the result if `wait_seconds` is not 0."""
    prefer = f"Prefer: wait={wait_seconds}\r\n" if wait_seconds else ""
    return build_request("POST", "/predict", sample.body, prefer)


def build_get(job_id: str, wait_seconds: int = 0) -> bytes:
    """Builds `GET /result/<id>`, asking to wait for the result if `wait_seconds` is not 0."""
    query = f"?wait={wait_seconds}" if wait_seconds else ""
    return build_request("GET", f"/result/{job_id}{query}")


def parse_response(buffer: bytes | bytearray) -> Response | None:
    """Parses the response at the front of `buffer`.

    Returns:
        None if it is not complete yet.

    Raises:
        ValueError: it is not an HTTP/1.1 response with a Content-Length.
    """
    end = buffer.find(HEAD_END)
    if end < 0:
        return None
    head = bytes(buffer[:end]).lower()
    if not head.startswith(b"http/1.1 "):
        raise ValueError("not an HTTP/1.1 response")
    start = head.find(LENGTH_HEADER)
    if start < 0:
        raise ValueError("a response without Content-Length")
    length_end = head.find(b"\r\n", start + 2)
    length = int(head[start + len(LENGTH_HEADER) : length_end if length_end >= 0 else None])
    body_start = end + len(HEAD_END)
    if len(buffer) < body_start + length:
        return None
    body = bytes(buffer[body_start : body_start + length])
    return Response(int(head[9:12]), body, body_start + length, CLOSE_HEADER in head)


def is_right(prediction: Prediction | None, sample: Sample) -> bool:
    """Tells whether a prediction is the one that `sample` must get."""
    return (
        prediction is not None
        and prediction.label == sample.label
        and abs(sum(prediction.probabilities.values()) - 1.0) < PROBABILITY_TOLERANCE
    )
