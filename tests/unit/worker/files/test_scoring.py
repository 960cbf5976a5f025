"""Chunks of files: good and bad rows are answered in order, a bounded number at a time."""

import pytest

from rhizome.blob_slices import BlobSlice, FileFormat, encode_slice
from rhizome.job_queue.entries import Claimed
from rhizome.jobs import Encoding, Lane
from tests.support.parts import read_part
from tests.unit.worker.conftest import Bench
from worker.files import scoring
from worker.files.scoring import FileScoring
from worker.quarantine import Suspects

HEADER = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def score(bench: Bench, lines: list[str]) -> list[int | None]:
    """The line of each bad row, None for good ones, in order."""
    data = "".join(lines).encode()
    with bench.blobs.open_writer("job/input.csv") as writer:
        writer.write(data)
        writer.commit()
    payload = encode_slice(BlobSlice(FileFormat.CSV, "job/input.csv", 0, len(data), 2, HEADER))
    request = bench.request(payload=payload, encoding=Encoding.BLOB)
    assert bench.shelf.champion is not None
    suspects = Suspects(Claimed(Lane.BATCH, b"1-1", request), (), bench.shelf.seat)
    parts = FileScoring(bench.blobs, 10**9, 2**19, 10**9).score(request, bench.shelf.champion, suspects).parts
    answers = read_part(bench.blobs, request.job_id, parts, bench.shelf.champion.signature, is_first=True)
    assert (parts.rows, parts.failed) == (len(lines), sum("error" in answer for answer in answers))
    return [answer.get("line") for answer in answers]


@pytest.mark.parametrize("pattern", ["gb", "bg", "bbbbbbbg", "gggggggb", "b", "g", "gbbbb"])
def test_good_and_bad_rows_are_answered_in_the_order_of_the_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.setattr(scoring, "MAX_SLICE_CELLS", 5 * 5)  # of five columns each
    monkeypatch.setattr(scoring, "MAX_SLICE_BAD_ROWS", 3)
    kinds = (pattern * 50)[:50]

    lines = score(bench, ["5.1,3.5,1.4,0.2\n" if kind == "g" else "x\n" for kind in kinds])

    assert lines == [None if kind == "g" else index + 2 for index, kind in enumerate(kinds)]
