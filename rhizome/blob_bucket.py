"""Blobs as objects below a prefix of a bucket: S3, or what else obstore knows.

obstore is imported at the first use: most deployments need none of its 15 MB, and its threads must be made after a
worker's fork.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from rhizome.blob_folder import translated
from rhizome.errors import BlobStoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

CONNECT_TIMEOUT = timedelta(seconds=3)
REQUEST_TIMEOUT = timedelta(seconds=10)  #: of one request with its body, 10 MiB at most
RETRY_TIMEOUT = timedelta(seconds=10)  #: no attempt begins later; callers have ways of their own to try again
MAX_RETRIES = 3


@contextmanager
def _translated_from_obstore() -> Iterator[None]:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - see the module

    try:
        with translated():
            yield
    except BaseError as error:
        raise BlobStoreUnavailable("the store of files cannot be used now; try again shortly") from error


class BucketStore:
    """Blobs as objects below a prefix of a bucket.

    Args:
        url: of bucket and prefix.
        endpoint: of an S3-compatible server; empty for the provider's own.
    """

    def __init__(self, url: str, endpoint: str) -> None:
        self._url = url
        self._endpoint = endpoint
        self._made: ObjectStore | None = None

    @property
    def _store(self) -> "ObjectStore":
        if self._made is None:
            from obstore.store import from_url  # noqa: PLC0415 - see the module

            is_plain = self._endpoint.startswith("http://")
            self._made = from_url(
                self._url,
                config={"endpoint": self._endpoint} if self._endpoint else None,
                client_options={
                    "allow_http": is_plain,
                    "connect_timeout": CONNECT_TIMEOUT,
                    "timeout": REQUEST_TIMEOUT,
                },
                retry_config={"max_retries": MAX_RETRIES, "retry_timeout": RETRY_TIMEOUT},
            )
        return self._made

    def open_writer(self, path: str) -> "ObjectWriter":
        return ObjectWriter(self._store, path)

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

    def check_room(self, incoming: int = 0) -> None:
        """Nobody bounds a bucket."""


class ObjectWriter:
    """A multipart upload that is completed by `commit` only."""

    def __init__(self, store: "ObjectStore", path: str) -> None:
        import obstore  # noqa: PLC0415 - see the module

        with _translated_from_obstore():
            self._file = obstore.open_writer(store, path)

    def write(self, data: bytes | memoryview) -> None:
        with _translated_from_obstore():
            self._file.write(data)

    def commit(self) -> None:
        with _translated_from_obstore():
            self._file.close()

    def __enter__(self) -> "ObjectWriter":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Without `commit` nothing is completed; the bucket's lifecycle rule removes the parts."""
