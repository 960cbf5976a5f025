"""Blobs as files below a folder that gateway and workers share: written under a temporary name, synced, renamed."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from rhizome.errors import BlobNotFound, BlobStoreFull, BlobStoreUnavailable

#: Written between two syncs, at first, and of a large file. One sync of megabytes holds up every other on that disk,
#: such as those by which a Redis beside it makes each accepted job durable: for 10 ms at 6 MB, for seconds at 1 GB.
SYNC_BYTES, MOST_SYNC_BYTES = 128 * 1024, 1024 * 1024
SYNC_SHARE = 16  #: of what is written already is synced at once, between those two
_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has but the one
SPACE_BYTES = 16 * 1024 * 1024  #: written between two looks at the room that is left
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
    """Blobs as files below a folder that gateway and workers share.

    Args:
        root: the folder.
        min_free_bytes: so many stay free on its file system, whoever writes: a Redis that writes beside it must be able
            to; 0 for no bound.
    """

    def __init__(self, root: Path, min_free_bytes: int = 0) -> None:
        self._root = root
        self._min_free_bytes = min_free_bytes

    def open_writer(self, path: str) -> "FileWriter":
        return FileWriter(self._root / path, self.check_room)

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

    def check_room(self, incoming: int = 0) -> None:
        if self._min_free_bytes and self.free_bytes() - incoming < self._min_free_bytes:
            raise BlobStoreFull(
                f"the store of files has no room: {self._min_free_bytes} bytes of it stay free "
                "(RHIZOME_BLOB_MIN_FREE_BYTES); send the file later, or a smaller one"
            )

    def free_bytes(self) -> int:
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
    """A temporary name, then a rename.

    Args:
        path: the blob's.
        check_room: raises where nothing more may be written.
    """

    def __init__(self, path: Path, check_room: Callable[[], None]) -> None:
        self._path = path
        self._check_room = check_room
        self._unlooked = 0  # bytes since the room was looked at
        self._synced = self._unsynced = 0
        check_room()
        self._partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PARTIAL}")
        with translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self._partial.open("wb", buffering=0)

    def write(self, data: bytes | memoryview) -> None:
        self._unlooked += len(data)
        if self._unlooked >= SPACE_BYTES:
            self._check_room()
            self._unlooked = 0
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
