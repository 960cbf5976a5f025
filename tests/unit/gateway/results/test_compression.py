"""Compression of rows: one member or frame, made block by block, that any decoder reads."""

import gzip
import os
from collections.abc import Iterator

import pytest

from gateway.results.compression import compress
from gateway.uploads.decoding import load_zstd

DECOMPRESS = {"gzip": gzip.decompress, "zstd": load_zstd().decompress}
NOISE = os.urandom(200_000)
EACH = pytest.mark.parametrize("encoding", DECOMPRESS)


@EACH
@pytest.mark.parametrize(
    "blocks",
    [[], [b""], [b"a"], [b"label,error\n", b"", b"setosa,\n" * 50_000], [NOISE[:7], NOISE[7:]]],
    ids=["nothing", "an empty block", "a byte", "a table", "noise"],
)
def test_what_is_compressed_is_read_as_it_was(encoding: str, blocks: list[bytes]) -> None:
    compressed = b"".join(compress(blocks, encoding))

    assert DECOMPRESS[encoding](compressed) == b"".join(blocks)


@EACH
def test_rows_become_smaller(encoding: str) -> None:
    compressed = b"".join(compress([b"setosa,\n" * 50_000], encoding))

    assert len(compressed) < 10_000


@EACH
def test_a_block_is_sent_before_the_next_is_asked_for(encoding: str) -> None:
    asked: list[int] = []

    def blocks() -> Iterator[bytes]:
        for number in range(10):
            asked.append(number)
            yield os.urandom(256 * 1024)

    sent = compress(blocks(), encoding)
    next(sent)

    assert len(asked) < 3


@EACH
def test_no_empty_block_is_sent(encoding: str) -> None:
    """Over a connection in chunks it would end the answer."""
    assert all(compress([b"a"] * 1000, encoding))
