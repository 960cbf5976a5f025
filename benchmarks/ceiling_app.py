"""A WSGI application that answers at once: it shows how fast the load generator itself can go.

Served by Granian, like Rhizome's gateway. What this reaches is the ceiling of any figure measured on the
machine.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.wire import SAMPLES

StartResponse = Callable[[str, list[tuple[str, str]]], Any]

LABEL_OF_BODY = {sample.body: sample.label for sample in SAMPLES}


def _build_succeeded(label: str) -> bytes:
    return json.dumps(
        {"id": label, "status": "succeeded", "result": {"label": label, "probabilities": {label: 1.0}}}
    ).encode()


SUCCEEDED = {sample.label: _build_succeeded(sample.label) for sample in SAMPLES}
QUEUED = {sample.label: json.dumps({"id": sample.label, "status": "queued"}).encode() for sample in SAMPLES}


def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Takes the label as the id, so that a poll needs no memory either."""
    if environ["REQUEST_METHOD"] == "GET":
        status, body = "200 OK", SUCCEEDED.get(environ["PATH_INFO"].rpartition("/")[2], b"{}")
    else:
        label = LABEL_OF_BODY[environ["wsgi.input"].read()]
        waits = "HTTP_PREFER" in environ
        status, body = ("200 OK", SUCCEEDED[label]) if waits else ("202 Accepted", QUEUED[label])
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
