"""Compression of rows while they stream out."""

import zlib
from collections.abc import Iterable, Iterator

from gateway.uploads.decoding import load_zstd

_GZIP = 31
#: Fast rather than small: a download should not cost more than the network it saves.
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 1


def compress(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """`blocks` as one gzip member or one Zstandard frame."""
    compressor = load_zstd().ZstdCompressor(level=_ZSTD_LEVEL) if encoding == "zstd" else _gzip()
    for block in blocks:
        if compressed := compressor.compress(block):
            yield compressed
    yield compressor.flush()


def _gzip() -> "zlib._Compress":
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
