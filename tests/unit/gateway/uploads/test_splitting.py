"""A file that is cut while it streams by reads as the file that was never cut."""

import csv
import io
import time
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.uploads import splitting
from gateway.uploads.heads import MAX_HEAD_BYTES, read_csv_head, read_ndjson_head
from gateway.uploads.splitting import MAX_ROW_BYTES, Cut, Splitter
from rhizome.errors import InvalidRequest
from tests.support.versions import mixed_signature

HEADER = "size,colour\n"
CELLS = st.text(st.sampled_from('ab",\n\r é'), max_size=6)
ROWS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=30)


def csv_splitter(chunk_bytes: int = 1) -> Splitter:
    return Splitter(partial(read_csv_head, mixed_signature()), chunk_bytes, 10**6, is_quoted=True)


def feed(splitter: Splitter, data: bytes, block_bytes: int) -> list[Cut]:
    for start in range(0, len(data), block_bytes):
        splitter.feed(data[start : start + block_bytes])
    return splitter.finish()


def read_csv(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def write_csv(rows: list[tuple[str, str]], line_end: str, is_ended: bool) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    text = out.getvalue()
    return (HEADER + (text if is_ended else text.removesuffix(line_end))).encode()


@settings(max_examples=300, deadline=None)
@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(1, 40), st.integers(1, 60))
def test_the_chunks_of_any_csv_file_hold_its_rows(
    rows: list[tuple[str, str]], line_end: str, is_ended: bool, block_bytes: int, chunk_bytes: int
) -> None:
    data = write_csv(rows, line_end, is_ended)

    cuts = feed(csv_splitter(chunk_bytes), data, block_bytes)

    assert [row for cut in cuts for row in read_csv(data[cut.start : cut.end])] == read_csv(data)[1:]
    assert [cut.start for cut in cuts] == [len(HEADER), *(cut.end for cut in cuts[:-1])]
    assert cuts[-1].end == len(data)
    assert sum(cut.rows for cut in cuts) == len(rows)
    assert [cut.first_line for cut in cuts] == [1 + data.count(b"\n", 0, cut.start) for cut in cuts]
    assert all(cut.end - cut.start >= chunk_bytes for cut in cuts[:-1])


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 200), st.integers(1, 90), st.integers(1, 300))
def test_the_chunks_of_any_ndjson_file_hold_its_lines(rows: int, block_bytes: int, chunk_bytes: int) -> None:
    lines = [f'{{"size": {index}, "colour": "red\\n\\""}}\n'.encode() for index in range(rows)]
    data = b"".join(lines)

    splitter = Splitter(partial(read_ndjson_head, mixed_signature()), chunk_bytes, 10**6, is_quoted=False)
    cuts = feed(splitter, data, block_bytes)

    assert b"".join(data[cut.start : cut.end] for cut in cuts) == data
    assert [data[cut.start : cut.end].count(b"\n") for cut in cuts] == [cut.rows for cut in cuts]
    assert all(data[cut.end - 1 : cut.end] == b"\n" for cut in cuts)


@pytest.mark.parametrize("line", [b"\n", b"1,red\n"])
def test_a_file_of_too_many_rows_is_refused_as_soon_as_they_are_there(line: bytes) -> None:
    splitter = Splitter(partial(read_csv_head, mixed_signature()), 10, 100, is_quoted=True)
    splitter.feed(b"size,colour\n" + line * 90)

    with pytest.raises(InvalidRequest, match="more than 100 rows") as refused:
        splitter.feed(line * 90)

    assert refused.value.code == "body_too_large"


def test_a_byte_order_mark_belongs_to_no_column() -> None:
    splitter = csv_splitter()

    splitter.feed(b"\xef\xbb\xbf" + HEADER.encode() + b"1,red\n")

    assert splitter.columns == ("size", "colour")
    assert splitter.finish() == [Cut(15, 21, 2, 1)]


def test_a_head_that_comes_in_small_pieces_is_not_read_again_at_each() -> None:
    splitter, began = csv_splitter(), time.process_time()

    with pytest.raises(InvalidRequest, match="does not end"):
        feed(splitter, b'"' + b"\n" * MAX_HEAD_BYTES, 64)

    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (HEADER.encode(), "holds no rows"),
        (HEADER.encode() + b'1,"red\n2,blue\n', "quoted value"),
        (HEADER.encode() + b'1,"' + b"x\n" * MAX_ROW_BYTES, "exceeds"),
        (HEADER.encode() + b"1," + b"x" * (MAX_ROW_BYTES + 9), "exceeds"),
    ],
)
def test_a_file_that_cannot_be_cut_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as refusal:
        feed(csv_splitter(), data, 256 * 1024)

    assert refusal.value.code == "invalid_file"


@pytest.mark.parametrize("block_bytes", [7, 1000, 10**6])
def test_short_lines_make_chunks_of_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    monkeypatch.setattr(splitting, "MAX_CHUNK_LINES", 10)
    data = (HEADER + "x\n" * 95).encode()

    cuts = feed(csv_splitter(10**6), data, block_bytes)

    assert [cut.rows for cut in cuts] == [10] * 9 + [5]
    assert [cut.first_line for cut in cuts] == list(range(2, 97, 10))
    assert cuts[-1].end == len(data)


def test_a_row_of_many_lines_is_one_row_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "MAX_CHUNK_LINES", 4)
    data = (HEADER + ('1,"a' + "\n" * 6 + 'b"\n') * 3).encode()

    cuts = feed(csv_splitter(10**6), data, 5)

    assert [cut.rows for cut in cuts] == [1, 1, 1]


@pytest.mark.parametrize("block_bytes", [1, 5, 1000])
@pytest.mark.parametrize("signs", [1, 2])
def test_an_inch_sign_within_a_cell_opens_no_quotes(signs: int, block_bytes: int) -> None:
    data = b"size,colour\n" + b'1,3.5" drive\n' * signs + b'2,bay\n3,"a\n""b"""\n4,bay\n'
    splitter = csv_splitter()

    for start in range(0, len(data), block_bytes):
        splitter.feed(data[start : start + block_bytes])
    cuts = splitter.finish()

    assert [cut.rows for cut in cuts] == [1] * (signs + 3)
    assert data[cuts[-2].start : cuts[-2].end] == b'3,"a\n""b"""\n'
