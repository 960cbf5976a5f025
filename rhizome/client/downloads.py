"""Writing a job's answers to a file, as the service formats them; a broken download goes on where it broke."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from rhizome.client.retries import Patience, Pauses, open_answer, unavailable
from rhizome.client.session import check_content_type
from rhizome.client.steps import Flow, Lost, Read, Reply, Request, Sleep

_SILENCE_SECONDS = 60.0  #: the first byte of a format that is made on demand takes its time


def download_to(path: Path, url_path: str, accept: str, patience: Patience) -> Flow[Path]:
    """Writes what is at `url_path` to `path`, which appears when it is whole.

    Args:
        path: of the file; while it grows, its name ends in `.part`, after something that no other download has.
        url_path: relative to the service.
        accept: the content type that is wanted.
        patience: for all of it; its outage is counted from the last byte that was new.

    Raises:
        ClientError: the service refuses, or was away for too long.
        OSError: the file cannot be written.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield from _fetch(_Target(file), url_path, accept, patience)
        return part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@dataclass
class _Target:
    """A file that grows, what tells whether the service still has the same one, and when it was longer than ever."""

    file: IO[bytes]
    etag: str = ""
    size: int = 0
    longest: int = 0
    grown_at: float = field(default_factory=time.monotonic)
    pauses: Pauses = field(default_factory=Pauses)

    def begin(self, reply: Reply) -> None:
        if reply.status != 206:
            self.file.seek(0)
            self.file.truncate()
            self.size = 0
        self.etag = reply.headers.get("etag", "")

    def range_headers(self) -> dict[str, str]:
        if not (self.size and self.etag) or self.etag.startswith("W/"):
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self.etag}

    def write(self, block: bytes) -> None:
        self.file.write(block)
        self.size += len(block)
        if self.size > self.longest:
            self.longest, self.grown_at = self.size, time.monotonic()
            self.pauses.begin_again()


def _fetch(target: _Target, url_path: str, accept: str, patience: Patience) -> Flow[None]:
    while True:
        headers = {**_headers(accept), **target.range_headers()}
        request = Request("GET", url_path, headers=headers, patience_seconds=_SILENCE_SECONDS)
        reply = yield from open_answer(request, patience.since(target.grown_at))
        if reply.status in (200, 206):
            check_content_type(reply, accept)
            target.begin(reply)
            lost = yield from _copy(target, patience)
            if lost is None:
                return
        else:
            lost = Lost(f"the file is not ready (status {reply.status})")
        pause = target.pauses.next_seconds()
        if patience.is_exhausted(target.grown_at, pause):
            raise unavailable(lost)
        yield Sleep(pause)


def _copy(target: _Target, patience: Patience) -> Flow[Lost | None]:
    while True:
        if not patience.seconds_left:
            return Lost("the time is over before the file is whole")
        block = cast(bytes | Lost, (yield Read()))
        if isinstance(block, Lost):
            return block
        if not block:
            return None
        target.write(block)


def _headers(accept: str) -> Mapping[str, str]:
    # Uncompressed: only then does a number of bytes mean the same to both sides, and the download can be taken up.
    return {"Accept": accept, "Accept-Encoding": "identity"}
