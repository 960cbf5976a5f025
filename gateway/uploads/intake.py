"""One file on its way into the store: decompressed, measured, fingerprinted, cut, written; block by block."""

import hashlib
from collections.abc import Iterable
from functools import partial
from types import TracebackType

from gateway.uploads.decoding import open_decoder
from gateway.uploads.heads import read_csv_head, read_ndjson_head
from gateway.uploads.splitting import Cut, Splitter
from rhizome.blob_slices import PLAN, BlobSlice, FileFormat, input_path
from rhizome.blob_store import BlobStore
from rhizome.errors import InvalidRequest
from rhizome.signature import Signature

_DIGEST_BYTES = 20
_MAGIC = b"PAR1"  #: begins and ends a Parquet file
_SMALLEST_PARQUET = 12  #: both magic numbers and the length of the footer


class Intake:
    """Takes a file's bytes by `write` (so it can be a form parser's target, too); a context manager.

    Unless it was kept, nothing of the file stays in the store.

    Args:
        store: where the file goes.
        job_id: whose it is.
        file_format: what it is.
        encoding: its `Content-Encoding`.
        signature: what its columns must be.
        chunk_bytes: of one chunk.
        most: bytes, after decompression.
    """

    def __init__(
        self,
        store: BlobStore,
        job_id: str,
        file_format: FileFormat,
        encoding: str,
        signature: Signature,
        *,
        chunk_bytes: int,
        most: int,
    ) -> None:
        self._store = store
        self.job_id = job_id
        self._decoder = open_decoder(encoding)
        self._splitter = _open_splitter(file_format, signature, chunk_bytes)
        self._most = most
        self._received = self._size = 0
        self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self._is_kept = False
        self._beginning = self._ending = b""
        #: How many rows each chunk holds, as far as can be told without reading them.
        self.row_counts: list[int] = []
        self.file_format = file_format
        self.path = input_path(job_id, file_format)
        self._writer = store.open_writer(self.path)

    def write(self, data: bytes) -> int:
        """Takes the next bytes as they were sent.

        Raises:
            InvalidRequest: they are broken, too many, or not of a file that can be scored.
        """
        self._received += len(data)
        self._check_size(self._received)
        self._take(self._decoder.decode(data))
        return len(data)

    def finish(self) -> list[BlobSlice]:
        """Ends the file; its chunks, or the plan of a Parquet file. It stays in the store if it is kept.

        Raises:
            InvalidRequest: as `write`, or it ends too early.
        """
        self._take(self._decoder.finish())
        if not self._size:
            raise InvalidRequest("the file is empty; send rows", code="empty_body")
        if self._splitter is None:
            if self._ending != _MAGIC or self._size < _SMALLEST_PARQUET:
                raise InvalidRequest("the Parquet file ends too early; send all of it", code="invalid_file")
            slices = [BlobSlice(self.file_format, self.path, 0, self._size, row_group=PLAN)]
            self.row_counts = [0]
        else:
            cuts = self._splitter.finish()
            self.row_counts = [cut.rows for cut in cuts]
            slices = [self._slice(cut, self._splitter.columns) for cut in cuts]
        self._writer.commit()
        return slices

    @property
    def digest(self) -> bytes:
        """Of the file as it is without compression."""
        return self._hash.digest()

    def keep(self) -> None:
        """A job stands for the file: it stays."""
        self._is_kept = True

    def seek(self, *_: int) -> int:
        """A form parser rewinds what it has filled; here is nothing to be read again."""
        return 0

    def __enter__(self) -> "Intake":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the writing; removes what was not kept."""
        self._writer.__exit__(None, None, None)
        if not self._is_kept:
            self._store.delete(self.job_id)

    def _take(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self._size += len(block)
            self._check_size(self._size)
            self._hash.update(block)
            if self._splitter is None:
                self._look_at_parquet(block)
            else:
                self._splitter.feed(block)
            self._writer.write(block)

    def _look_at_parquet(self, block: bytes) -> None:
        self._beginning = (self._beginning + block[: len(_MAGIC)])[: len(_MAGIC)]
        self._ending = (self._ending + block[-len(_MAGIC) :])[-len(_MAGIC) :]
        if not _MAGIC.startswith(self._beginning):
            raise InvalidRequest("this is not a Parquet file; send one, or name its type", code="invalid_file")

    def _check_size(self, size: int) -> None:
        if size > self._most:
            raise InvalidRequest(
                f"the file is larger than the {self._most} bytes accepted; send it in parts", code="body_too_large"
            )

    def _slice(self, cut: Cut, columns: tuple[str, ...]) -> BlobSlice:
        return BlobSlice(self.file_format, self.path, cut.start, cut.end, cut.first_line, columns)


def _open_splitter(file_format: FileFormat, signature: Signature, chunk_bytes: int) -> Splitter | None:
    """What cuts a file of this format; None for Parquet, whose row groups a worker reads from its footer."""
    if file_format is FileFormat.PARQUET:
        return None
    read = read_csv_head if file_format is FileFormat.CSV else read_ndjson_head
    return Splitter(partial(read, signature), chunk_bytes, is_quoted=file_format is FileFormat.CSV)
