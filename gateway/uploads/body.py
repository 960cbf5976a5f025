"""The body of a request that holds a file, as sent: read in blocks, and counted."""

from collections.abc import Iterator

from flask import request

from rhizome.blob_store import BLOCK_BYTES
from rhizome.errors import InvalidRequest


class Body:
    """The body of the present request; what is read is counted."""

    def __init__(self) -> None:
        self._stream = request.stream
        self._received = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, none at the end.

        Raises:
            InvalidRequest: the body ends before its Content-Length.
        """
        data = self._stream.read(BLOCK_BYTES if size < 0 else size)
        self._received += len(data)
        if not data and request.content_length is not None and self._received < request.content_length:
            raise InvalidRequest("the body ends before its Content-Length; send all of it", code="invalid_file")
        return data

    def blocks(self) -> Iterator[bytes]:
        """All of it, block by block; raises as `read`."""
        while block := self.read(BLOCK_BYTES):
            yield block


def check_length(most: int) -> None:
    """A body that says itself that it is too long is not read at all.

    Args:
        most: bytes of a body.

    Raises:
        InvalidRequest: its Content-Length exceeds them.
    """
    if request.content_length is not None and request.content_length > most:
        raise InvalidRequest(
            f"the body is larger than the {most} bytes accepted (RHIZOME_MAX_UPLOAD_BYTES); send the file in parts",
            code="body_too_large",
        )
