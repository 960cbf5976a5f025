"""Where uploaded files and the answers to them are kept: a folder, or a bucket of an object store.

Jobs carry references to what lies here (the claim-check pattern), so Redis never holds a large payload. A blob is there
as a whole or not at all, and is never changed. Paths are `<job id>/<name>`; all of a job is deleted together.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol
from urllib.parse import unquote, urlsplit

from rhizome.blob_bucket import BucketStore
from rhizome.blob_folder import FolderStore

BLOCK_BYTES = 256 * 1024  #: of a blob that is read or copied piece by piece


class BlobWriter(Protocol):
    """Writes one blob; a context manager that keeps it on `commit` only."""

    def write(self, data: bytes | memoryview) -> None:
        """Appends."""

    def commit(self) -> None:
        """Makes the blob be there, durably."""

    def __enter__(self) -> "BlobWriter": ...

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None: ...


class BlobStore(Protocol):
    """What both kinds of store can do.

    Every call may raise `BlobStoreUnavailable`; those that read raise `BlobNotFound` where there is no such blob. A
    writer raises `BlobStoreFull`, too, as `check_room`.
    """

    def open_writer(self, path: str) -> BlobWriter:
        """A writer of a new blob."""

    def read(self, path: str, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`."""

    def size(self, path: str) -> int:
        """How many bytes a blob holds."""

    def delete(self, prefix: str) -> None:
        """Deletes the blob of this path, or all blobs below it; nothing there is fine."""

    def prefixes(self) -> list[str]:
        """The first parts of all paths: job ids."""

    def newest(self, prefix: str) -> float:
        """When a blob below `prefix` was written last, in seconds since 1970; 0 if there is none."""

    def check_room(self, incoming: int = 0) -> None:
        """There is room for so many bytes more.

        Raises:
            BlobStoreFull: there is not.
        """


def open_store(url: str, endpoint: str = "", min_free_bytes: int = 0) -> BlobStore:
    """The store of a URL; nothing is connected and no folder is made yet.

    Args:
        url: `file:///folder`, or `s3://bucket/prefix` (and whatever else obstore knows).
        endpoint: of an S3-compatible server; empty for the provider's own. Credentials and region come from the
            standard variables (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`).
        min_free_bytes: stay free on the file system of a folder; 0 for no bound.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FolderStore(Path(unquote(parts.path)), min_free_bytes)
    return BucketStore(url, endpoint)


def read_blocks(store: BlobStore, path: str, start: int, end: int) -> Iterator[bytes]:
    """The bytes from `start` up to `end`, in blocks."""
    for at in range(start, end, BLOCK_BYTES):
        yield store.read(path, at, min(at + BLOCK_BYTES, end))


class BlobReader(io.RawIOBase):
    """A blob as a seekable file, for libraries that want one."""

    def __init__(self, store: BlobStore, path: str) -> None:
        self._store = store
        self._path = path
        self._size = store.size(path)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._size, self._at + size)
        if self._at >= end:
            return b""
        data = self._store.read(self._path, self._at, end)
        self._at += len(data)
        return data
