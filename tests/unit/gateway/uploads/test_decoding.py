"""Compressed bodies give what was compressed, in bounded blocks, or are refused as broken."""

import gzip
import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.uploads.decoding import load_zstd, open_decoder
from rhizome.blob_store import BLOCK_BYTES
from rhizome.errors import InvalidRequest

PLAIN = os.urandom(100_000) + b"a" * 1_000_000


def compress(data: bytes, encoding: str) -> bytes:
    return gzip.compress(data) if encoding == "gzip" else bytes(load_zstd().compress(data))


def decode(data: bytes, encoding: str, block_bytes: int = 1000) -> list[bytes]:
    decoder = open_decoder(encoding)
    blocks = [
        part for start in range(0, len(data), block_bytes) for part in decoder.decode(data[start : start + block_bytes])
    ]
    return blocks + list(decoder.finish())


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_what_was_compressed_comes_out(encoding: str) -> None:
    assert b"".join(decode(compress(PLAIN, encoding), encoding)) == PLAIN
    assert b"".join(decode(b"", encoding)) == b""


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_several_streams_in_a_row_are_one(encoding: str) -> None:
    assert b"".join(decode(compress(b"one", encoding) + compress(b"two", encoding), encoding, 7)) == b"onetwo"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_comes_out_in_small_blocks(encoding: str) -> None:
    blocks = decode(compress(b"\0" * 50_000_000, encoding), encoding, 1_000_000)

    assert max(map(len, blocks)) <= BLOCK_BYTES
    assert sum(map(len, blocks)) == 50_000_000


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@given(cut=st.integers(1, 60))
def test_a_stream_that_ends_early_is_refused(encoding: str, cut: int) -> None:
    whole = compress(PLAIN[:500], encoding)

    with pytest.raises(InvalidRequest) as refusal:
        decode(whole[:-cut], encoding)

    assert refusal.value.code == "invalid_file"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_what_is_not_compressed_is_refused(encoding: str) -> None:
    with pytest.raises(InvalidRequest, match=encoding):
        decode(b"size,colour\n1,red\n", encoding)


def test_a_window_larger_than_memory_allows_is_refused() -> None:
    zstd = load_zstd()
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.enable_long_distance_matching: 1}
    compressor = zstd.ZstdCompressor(options=options)

    with pytest.raises(InvalidRequest, match="window"):
        decode(compressor.compress(PLAIN * 9) + compressor.flush(), "zstd")


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        open_decoder("br")

    assert refusal.value.code == "unsupported_media_type"


def test_no_encoding_changes_nothing() -> None:
    assert b"".join(decode(PLAIN, "")) == PLAIN
    assert zlib.crc32(b"".join(decode(PLAIN, "identity"))) == zlib.crc32(PLAIN)


EMPTY_PARTS = {"gzip": gzip.compress(b""), "zstd": (0x184D2A50).to_bytes(4, "little") + bytes(4)}  # a skippable frame


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("content", [b"", b"1\n"])
def test_endless_small_parts_are_refused(encoding: str, content: bytes) -> None:
    part = compress(content, encoding) if content else EMPTY_PARTS[encoding]

    with pytest.raises(InvalidRequest, match="too many small pieces") as refusal:
        decode(part * 20_000, encoding, BLOCK_BYTES)

    assert refusal.value.code == "invalid_file"


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_file_of_many_parts_of_some_size_comes_out(encoding: str) -> None:
    part = os.urandom(200)

    assert b"".join(decode(compress(part, encoding) * 6_000, encoding, BLOCK_BYTES)) == part * 6_000


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_file_that_was_appended_to_some_thousand_times_comes_out(encoding: str) -> None:
    assert b"".join(decode(compress(b"1\n", encoding) * 4_000, encoding, BLOCK_BYTES)) == b"1\n" * 4_000
