"""One file as it comes in: decompressed, measured, fingerprinted, and handed on to the store; block by block.

A file that is refused may be what the same request has become a job with before: then it is read on for its
fingerprint, and nothing of it is kept.
"""

import hashlib
from collections.abc import Iterable
from types import TracebackType

from gateway.uploads.admission import Admission
from gateway.uploads.decoding import open_decoder
from gateway.uploads.deposit import Deposit
from rhizome.blob_slices import BlobSlice, FileFormat
from rhizome.blob_store import BlobStore
from rhizome.errors import InvalidRequest, RhizomeError

_DIGEST_BYTES = 20


class Intake:
    """Takes a file's bytes by `write` (so it can be a form parser's target, too); a context manager.

    Unless it was kept, nothing of the file stays in the store.

    Args:
        store: where the file goes.
        job_id: whose it is.
        file_format: what it is.
        encoding: its `Content-Encoding`.
        admission: what was found before it came.
        chunk_bytes: of one chunk.
        max_rows: the file's, at most.
        most: bytes, after decompression.
    """

    def __init__(
        self,
        store: BlobStore,
        job_id: str,
        file_format: FileFormat,
        encoding: str,
        admission: Admission,
        *,
        chunk_bytes: int,
        max_rows: int,
        most: int,
    ) -> None:
        self.job_id = job_id
        self.file_format = file_format
        self._decoder = open_decoder(encoding)
        self._most = most
        self._received = self._size = 0
        self._hash = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        self._may_be_repeated = admission.may_be_repeated
        self._refusal = admission.refusal
        self._deposit: Deposit | None = None
        if admission.known is None:
            return
        signature = admission.known.manifest.signature
        try:
            self._deposit = Deposit(store, job_id, file_format, signature, chunk_bytes, max_rows)
        except RhizomeError as error:
            self._refuse(error)

    def write(self, data: bytes) -> int:
        """Takes the next bytes as they were sent.

        Raises:
            InvalidRequest: they are broken, too many, or not of a file that can be scored.
            BlobStoreFull, BlobStoreUnavailable: the store has no room for them, or cannot be used now.
        """
        self._received += len(data)
        self._check_size(self._received)
        self._take(self._decoder.decode(data))
        return len(data)

    def end(self) -> bytes:
        """Takes note that all bytes were sent; the fingerprint of the file as it is without compression.

        Raises:
            InvalidRequest: as `write`, or the file is empty or breaks off.
        """
        self._take(self._decoder.finish())
        if not self._size:
            raise InvalidRequest("the file is empty; send rows", code="empty_body")
        return self._hash.digest()

    def commit(self) -> tuple[list[BlobSlice], list[int]]:
        """The file's chunks, or the plan of a Parquet file, and how many rows each holds, as far as can be told.

        From now on the file is in the store, and stays there if it is kept.

        Raises:
            RhizomeError: why the file was refused before, or is refused now that its end was seen.
        """
        if self._refusal is not None or self._deposit is None:
            raise self._refusal or InvalidRequest("the file was refused", code="invalid_file")
        return self._deposit.commit()

    def keep(self) -> None:
        """A job stands for the file: it stays."""
        if self._deposit is not None:
            self._deposit.keep()

    def seek(self, *_: int) -> int:
        """A form parser rewinds what it has filled; here is nothing to be read again."""
        return 0

    def __enter__(self) -> "Intake":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the writing; removes what was not kept."""
        if self._deposit is not None:
            self._deposit.close()

    def _take(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self._size += len(block)
            self._check_size(self._size)
            self._hash.update(block)
            if self._refusal is None and self._deposit is not None:
                try:
                    self._deposit.put(block)
                except RhizomeError as error:
                    self._refuse(error)

    def _refuse(self, error: RhizomeError) -> None:
        """Ends it here, or at the end of a file that may be repeated."""
        if not self._may_be_repeated:
            raise error
        self._refusal = error
        if self._deposit is not None:
            self._deposit.discard()

    def _check_size(self, size: int) -> None:
        if size > self._most:
            raise InvalidRequest(
                f"the file is larger than the {self._most} bytes accepted (RHIZOME_MAX_UPLOAD_BYTES); send it in parts",
                code="body_too_large",
            )
