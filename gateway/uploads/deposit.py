"""One file on its way into the store: its head is looked at, chunks are cut, and blocks written."""

from contextlib import suppress
from functools import partial

from gateway.uploads.heads import read_csv_head, read_ndjson_head
from gateway.uploads.splitting import Cut, Splitter
from rhizome.blob_slices import PLAN, BlobSlice, FileFormat, input_path
from rhizome.blob_store import BlobStore
from rhizome.errors import BlobStoreUnavailable, InvalidRequest
from rhizome.signature import Signature

_MAGIC = b"PAR1"  #: begins and ends a Parquet file
_SMALLEST_PARQUET = 12  #: both magic numbers and the length of the footer
#: A line of NDJSON names each of its values: it takes so many times a CSV row's bytes, and a chunk as few rows.
NDJSON_SCALE = 4


class Deposit:
    """Stores a file of one format, without knowing the values of its rows.

    Args:
        store: where it goes.
        job_id: whose it is.
        file_format: what it is.
        signature: what its columns must be.
        chunk_bytes: of one chunk.
        max_rows: of a file of lines.

    Raises:
        BlobStoreFull, BlobStoreUnavailable: the store has no room, or cannot be used now.
    """

    def __init__(
        self,
        store: BlobStore,
        job_id: str,
        file_format: FileFormat,
        signature: Signature,
        chunk_bytes: int,
        max_rows: int,
    ) -> None:
        self._store = store
        self._job_id = job_id
        self._format = file_format
        self._path = input_path(job_id, file_format)
        self._splitter = _open_splitter(file_format, signature, chunk_bytes, max_rows)
        self._size = 0
        self._beginning = self._ending = b""
        self._is_kept = False
        self._writer = store.open_writer(self._path)

    def put(self, block: bytes) -> None:
        """Appends the next bytes.

        Raises:
            InvalidRequest: they are not of a file that can be scored.
            BlobStoreFull, BlobStoreUnavailable: the store has no room for them, or cannot be used now.
        """
        if self._splitter is None:
            self._look_at_parquet(block)
        else:
            self._splitter.feed(block)
        self._size += len(block)
        self._writer.write(block)

    def commit(self) -> tuple[list[BlobSlice], list[int]]:
        """Makes the file be in the store; its chunks with their rows, as far as can be told without reading them.

        Raises:
            InvalidRequest: the file ends too early, or holds no rows.
        """
        if self._splitter is None:
            if self._ending != _MAGIC or self._size < _SMALLEST_PARQUET:
                raise InvalidRequest("the Parquet file ends too early; send all of it", code="invalid_file")
            slices, counts = [BlobSlice(self._format, self._path, 0, self._size, row_group=PLAN)], [0]
        else:
            cuts = self._splitter.finish()
            counts = [cut.rows for cut in cuts]
            slices = [self._slice(cut, self._splitter.columns) for cut in cuts]
        self._writer.commit()
        return slices, counts

    def keep(self) -> None:
        """The file outlives `close`."""
        self._is_kept = True

    def close(self) -> None:
        """Ends the writing; removes what was not kept."""
        self._writer.__exit__(None, None, None)
        if not self._is_kept:
            self._store.delete(self._job_id)

    def discard(self) -> None:
        """Removes what was written, at once; what cannot be removed now is swept away later."""
        with suppress(BlobStoreUnavailable):
            self.close()

    def _look_at_parquet(self, block: bytes) -> None:
        self._beginning = (self._beginning + block[: len(_MAGIC)])[: len(_MAGIC)]
        self._ending = (self._ending + block[-len(_MAGIC) :])[-len(_MAGIC) :]
        if not _MAGIC.startswith(self._beginning):
            raise InvalidRequest("this is not a Parquet file; send one, or name its type", code="invalid_file")

    def _slice(self, cut: Cut, columns: tuple[str, ...]) -> BlobSlice:
        return BlobSlice(self._format, self._path, cut.start, cut.end, cut.first_line, columns)


def _open_splitter(file_format: FileFormat, signature: Signature, chunk_bytes: int, max_rows: int) -> Splitter | None:
    """What cuts a file of this format; None for Parquet, whose row groups a worker reads from its footer."""
    if file_format is FileFormat.PARQUET:
        return None
    if file_format is FileFormat.NDJSON:
        return Splitter(partial(read_ndjson_head, signature), NDJSON_SCALE * chunk_bytes, max_rows, is_quoted=False)
    return Splitter(partial(read_csv_head, signature), chunk_bytes, max_rows, is_quoted=True)
