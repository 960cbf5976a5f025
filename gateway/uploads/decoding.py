"""Decompression of a body while it streams in; every step gives a bounded block, so a bomb fills no memory.

A stream may consist of many parts (gzip members, Zstandard frames), each of which takes work of its own although it may
stand for nothing. So there may be no more of them than the bytes that were sent justify.
"""

import sys
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from rhizome.blob_store import BLOCK_BYTES
from rhizome.errors import InvalidRequest

_GZIP = 31  #: zlib's number for "gzip, with the largest window"
#: RFC 8878 (section 3.1.1.1.2) asks decoders for 8 MB at least; more would be a request's to spend.
_ZSTD_WINDOW_LOG = 23

#: So many parts are accepted in any case, and beyond that one for each so many bytes: `bgzip` makes one of some ten
#: thousand, and a few lines that were appended to a file are some hundreds.
FREE_PARTS, PART_BYTES = 4_096, 128
#: Given to a decoder at once: what a part leaves over is copied, so a step with many parts is copied so often.
_STEP_BYTES = 16 * 1024

ENCODINGS = ("gzip", "zstd")
_NAMES = {"": "identity", "identity": "identity", "gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}


class Decoder(Protocol):
    """Takes a compressed stream in pieces."""

    def decode(self, data: bytes) -> Iterator[bytes]:
        """What `data` gives, in blocks."""

    def finish(self) -> Iterator[bytes]:
        """What is left at the end.

        Raises:
            InvalidRequest: the stream is not complete.
        """


def open_decoder(encoding: str) -> Decoder:
    """The decoder of a `Content-Encoding`.

    Raises:
        InvalidRequest: it is not one of `ENCODINGS`.
    """
    name = _NAMES.get(encoding.strip().lower())
    if name is None:
        raise InvalidRequest(
            f"the content encoding '{encoding[:40]}' is not known; send gzip, zstd or none",
            code="unsupported_media_type",
        )
    decoders: dict[str, type[Decoder]] = {"identity": _Identity, "gzip": _Gzip, "zstd": _Zstd}
    return decoders[name]()


class _Identity:
    def decode(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> Iterator[bytes]:
        yield from ()


class _Parts:
    """How many parts there were, of how many bytes."""

    def __init__(self) -> None:
        self._parts = self._received = 0

    def receive(self, size: int) -> None:
        """So many bytes more were sent."""
        self._received += size

    def end_one(self) -> None:
        """A part has ended.

        Raises:
            InvalidRequest: there are too many.
        """
        self._parts += 1
        if self._parts > FREE_PARTS and self._parts * PART_BYTES > self._received:
            raise InvalidRequest(
                "the data was compressed in too many small pieces; compress the file as a whole", code="invalid_file"
            )


def _steps(data: bytes, parts: _Parts) -> Iterator[bytes]:
    """The data in pieces, each counted when it is taken."""
    for start in range(0, len(data), _STEP_BYTES):
        piece = data[start : start + _STEP_BYTES]
        parts.receive(len(piece))
        yield piece


class _Gzip:
    """One or more gzip members (RFC 1952), one after the other."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._is_begun = False
        self._parts = _Parts()

    def decode(self, data: bytes) -> Iterator[bytes]:
        for piece in _steps(data, self._parts):
            yield from self._decode(piece)

    def _decode(self, data: bytes) -> Iterator[bytes]:
        while data:
            self._is_begun = True
            try:
                decoded = self._member.decompress(data, BLOCK_BYTES)
            except zlib.error:
                raise _broken("gzip") from None
            if decoded:
                yield decoded
            if self._member.eof:
                data = self._member.unused_data.lstrip(b"\0")  # padding between members is allowed
                self._member, self._is_begun = zlib.decompressobj(_GZIP), False
                self._parts.end_one()
            else:
                data = self._member.unconsumed_tail

    def finish(self) -> Iterator[bytes]:
        if self._is_begun:
            raise _broken("gzip")
        yield from ()


class _Zstd:
    """One or more Zstandard frames (RFC 8878)."""

    def __init__(self) -> None:
        self._zstd = load_zstd()
        self._frame: Any = None
        self._parts = _Parts()

    def decode(self, data: bytes) -> Iterator[bytes]:
        for piece in _steps(data, self._parts):
            yield from self._decode(piece)

    def _decode(self, data: bytes) -> Iterator[bytes]:
        while data or (self._frame is not None and not self._frame.needs_input):
            if self._frame is None:
                options = {self._zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
                self._frame = self._zstd.ZstdDecompressor(options=options)
            try:
                decoded = self._frame.decompress(data, BLOCK_BYTES)
            except self._zstd.ZstdError as error:
                if "memory" in str(error).lower() or "window" in str(error).lower():
                    raise InvalidRequest(
                        "the zstd data needs a window of more than 8 MiB; compress without --long and --ultra",
                        code="invalid_file",
                    ) from None
                raise _broken("zstd") from None
            data = b""
            if decoded:
                yield decoded
            if self._frame.eof:
                data, self._frame = self._frame.unused_data, None
                self._parts.end_one()

    def finish(self) -> Iterator[bytes]:
        if self._frame is not None:
            raise _broken("zstd")
        yield from ()


def load_zstd() -> Any:
    """The standard library's module from Python 3.14 on, or the same as a package; loaded where it is needed."""
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415
    return zstd


def _broken(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"the {name} data is broken or ends too early; compress it again and send all of it", code="invalid_file"
    )
