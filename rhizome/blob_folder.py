"""Blobs as files below a folder that gateway and workers share: written under a temporary name, synced, renamed."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from rhizome.errors import BlobNotFound, BlobStoreUnavailable

#: Written between two syncs, at first, and of a large file. One sync of megabytes holds up every other on that disk,
#: such as those by which a Redis beside it makes each accepted job durable: for 10 ms at 6 MB, for seconds at 1 GB.
SYNC_BYTES, MOST_SYNC_BYTES = 128 * 1024, 1024 * 1024
SYNC_SHARE = 16  #: of what is written already is synced at once, between those two
_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has but the one
PARTIAL = ".partial"  #: ends the name of a file that is being written


@contextmanager
def translated() -> Iterator[None]:
    """The operating system's errors as the store's."""
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

    def open_writer(self, path: str) -> "FileWriter":
        return FileWriter(self._root / path)

    def read(self, path: str, start: int, end: int) -> bytes:
        with translated(), (self._root / path).open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def size(self, path: str) -> int:
        with translated():
            return (self._root / path).stat().st_size

    def delete(self, prefix: str) -> None:
        target = self._root / prefix
        with translated():
            if target.is_dir():
                shutil.rmtree(target, ignore_errors=True)  # another process may delete the same
            else:
                target.unlink(missing_ok=True)

    def prefixes(self) -> list[str]:
        with translated():
            return [entry.name for entry in self._root.iterdir()] if self._root.exists() else []

    def newest(self, prefix: str) -> float:
        newest = 0.0
        folder = self._root / prefix
        for path in (folder, *folder.rglob("*")):  # a folder that is new may be about to get its first file
            with _translated_unless_gone():
                newest = max(newest, path.stat().st_mtime)
        return newest

    def free_bytes(self) -> int | None:
        """Of the file system that holds the folder, or will hold it."""
        folder = self._root
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        with translated():
            return shutil.disk_usage(folder).free


@contextmanager
def _translated_unless_gone() -> Iterator[None]:
    try:
        with translated():
            yield
    except BlobNotFound:
        return


class FileWriter:
    """A temporary name, then a rename."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._synced = self._unsynced = 0
        self._partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PARTIAL}")
        with translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self._partial.open("wb", buffering=0)

    def write(self, data: bytes | memoryview) -> None:
        with translated():
            view = memoryview(data)
            while view:  # an unbuffered write may take a part only
                step = min(max(SYNC_BYTES, self._synced // SYNC_SHARE), MOST_SYNC_BYTES)
                written = self._file.write(view[: step - self._unsynced])
                view = view[written:]
                self._unsynced += written
                if self._unsynced == step:
                    _sync_data(self._file.fileno())
                    self._synced += step
                    self._unsynced = 0

    def commit(self) -> None:
        with translated():
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.rename(self._path)
            _sync_folder(self._path.parent)

    def __enter__(self) -> "FileWriter":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()
        with translated():
            self._partial.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    """A rename is durable once its folder is on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
