"""An S3-compatible server (moto's), on a free port, for as long as a test needs it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from rhizome.embedded_redis import find_free_port

START_SECONDS = 30.0
STOP_SECONDS = 10.0
BUCKET = "files"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}


@contextmanager
def run_object_store() -> Iterator[str]:
    """The endpoint of a running server that holds an empty bucket named `BUCKET`."""
    port = find_free_port()
    endpoint = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _make_bucket(endpoint)
        yield endpoint
    finally:
        server.terminate()
        server.wait(STOP_SECONDS)


def _make_bucket(endpoint: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.put(f"{endpoint}/{BUCKET}").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the S3-compatible server did not start")
