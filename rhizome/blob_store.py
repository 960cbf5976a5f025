"""Where uploaded files and the answers to them are kept: a folder, or a bucket of an object store.

Jobs carry references to what lies here (the claim-check pattern), so Redis never holds a large payload. A blob is there
as a whole or not at all, and is never changed. Paths are `<job id>/<name>`; all of a job is deleted together.
"""

import io
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from rhizome.errors import BlobNotFound, BlobStoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

BLOCK_BYTES = 256 * 1024  #: of a blob that is read or copied piece by piece
PARTIAL = ".partial"  #: ends the name of a file that is being written


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

    Every call may raise `BlobStoreUnavailable`; those that read raise `BlobNotFound` where there is no such blob.
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


def open_store(url: str, endpoint: str = "") -> BlobStore:
    """The store of a URL; nothing is connected and no folder is made yet.

    Args:
        url: `file:///folder`, or `s3://bucket/prefix` (and whatever else obstore knows).
        endpoint: of an S3-compatible server; empty for the provider's own. Credentials and region come from the
            standard variables (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` …).
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FolderStore(Path(unquote(parts.path)))
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


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BlobNotFound("the file is not in the store (any more)") from error
    except OSError as error:
        raise BlobStoreUnavailable("the store of files cannot be used now; try again shortly") from error


class FolderStore:
    """Blobs as files below a folder that gateway and workers share."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open_writer(self, path: str) -> BlobWriter:
        return _FileWriter(self._root / path)

    def read(self, path: str, start: int, end: int) -> bytes:
        with _translated(), (self._root / path).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def size(self, path: str) -> int:
        with _translated():
            return (self._root / path).stat().st_size

    def delete(self, prefix: str) -> None:
        target = self._root / prefix
        with _translated():
            if target.is_dir():
                shutil.rmtree(target, ignore_errors=True)  # another process may delete the same
            else:
                target.unlink(missing_ok=True)

    def prefixes(self) -> list[str]:
        with _translated():
            return [entry.name for entry in self._root.iterdir()] if self._root.exists() else []

    def newest(self, prefix: str) -> float:
        newest = 0.0
        for path in (self._root / prefix).rglob("*"):
            with _translated_unless_gone():
                newest = max(newest, path.stat().st_mtime)
        return newest


@contextmanager
def _translated_unless_gone() -> Iterator[None]:
    try:
        with _translated():
            yield
    except BlobNotFound:
        return


class _FileWriter:
    """A temporary name, then a rename."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PARTIAL}")
        with _translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self._partial.open("wb", buffering=0)

    def write(self, data: bytes | memoryview) -> None:
        with _translated():
            view = memoryview(data)
            while view:  # an unbuffered write may take a part only
                view = view[self._file.write(view) :]

    def commit(self) -> None:
        with _translated():
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.rename(self._path)
            _sync_folder(self._path.parent)

    def __enter__(self) -> "_FileWriter":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()
        with _translated():
            self._partial.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    """A rename is durable once its folder is on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _translated_from_obstore() -> Iterator[None]:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - see `BucketStore`

    try:
        with _translated():
            yield
    except BaseError as error:
        raise BlobStoreUnavailable("the store of files cannot be used now; try again shortly") from error


class BucketStore:
    """Blobs as objects below a prefix of a bucket.

    obstore is imported at the first use: most deployments need none of its 15 MB, and its threads must be made after
    a worker's fork.
    """

    def __init__(self, url: str, endpoint: str) -> None:
        self._url = url
        self._endpoint = endpoint
        self._made: ObjectStore | None = None

    @property
    def _store(self) -> "ObjectStore":
        if self._made is None:
            from obstore.store import from_url  # noqa: PLC0415 - see the class

            is_plain = self._endpoint.startswith("http://")
            self._made = from_url(
                self._url,
                config={"endpoint": self._endpoint} if self._endpoint else None,
                client_options={"allow_http": is_plain},
            )
        return self._made

    def open_writer(self, path: str) -> BlobWriter:
        return _ObjectWriter(self._store, path)

    def read(self, path: str, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        with _translated_from_obstore():
            return bytes(self._store.get_range(path, start=start, end=end))

    def size(self, path: str) -> int:
        with _translated_from_obstore():
            return self._store.head(path)["size"]

    def delete(self, prefix: str) -> None:
        with _translated_from_obstore():
            paths = [item["path"] for items in self._store.list(f"{prefix}/") for item in items]
            self._store.delete(paths or [prefix])

    def prefixes(self) -> list[str]:
        with _translated_from_obstore():
            return [path.rstrip("/") for path in self._store.list_with_delimiter()["common_prefixes"]]

    def newest(self, prefix: str) -> float:
        with _translated_from_obstore():
            times = [item["last_modified"].timestamp() for items in self._store.list(f"{prefix}/") for item in items]
        return max(times, default=0.0)


class _ObjectWriter:
    """A multipart upload that is completed by `commit` only."""

    def __init__(self, store: "ObjectStore", path: str) -> None:
        import obstore  # noqa: PLC0415 - see `BucketStore`

        with _translated_from_obstore():
            self._file = obstore.open_writer(store, path)

    def write(self, data: bytes | memoryview) -> None:
        with _translated_from_obstore():
            self._file.write(data)

    def commit(self) -> None:
        with _translated_from_obstore():
            self._file.close()

    def __enter__(self) -> "_ObjectWriter":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Without `commit` nothing is completed; the bucket's lifecycle rule removes the parts."""
