"""A job's rows as one Parquet file, whatever its parts hold and its classes are called."""

from pathlib import Path

import pyarrow.parquet as pq

from rhizome.blob_slices import ChunkParts, FileFormat, export_path, part_path
from rhizome.blob_store import open_store
from rhizome.jobs import Returns
from rhizome.row_table import build_columns, csv_line, header_line
from rhizome.signature import Output, Signature
from tests.support.versions import iris_signature
from worker.files.exporting import export_rows
from worker.files.text import parse_csv

CLASSES = ("a\nb", 'c,"d"')
SIGNATURE = Signature(
    features=(), task="classification", outputs=(Output(name="y", classes=CLASSES),), has_probabilities=True
)
COLUMNS = build_columns(SIGNATURE, Returns.BOTH)


def export(folder: Path, *chunks: list[str]) -> list[str]:
    """The labels in the exported file of a job whose chunks were answered so."""
    store, parts = open_store(folder.as_uri()), []
    for index, labels in enumerate(chunks):
        answers = [{"label": label, "probabilities": dict.fromkeys(CLASSES, 0.5)} for label in labels]
        text = "".join(csv_line(answer, COLUMNS) for answer in answers)
        data = ((header_line(COLUMNS) if index == 0 else "") + text).encode()
        part = ChunkParts(len(labels), 0, str(index), 0, len(data))
        with store.open_writer(part_path("job", part, FileFormat.CSV)) as writer:
            writer.write(data)
            writer.commit()
        parts.append(part)
    export_rows(store, "job", parts, SIGNATURE, lambda: None)
    table = pq.read_table(folder / export_path("job"))
    assert table.column_names == [column.name for column in COLUMNS]
    return [str(label) for label in table.column(COLUMNS[0].name).to_pylist()]


def test_class_names_may_hold_newlines_commas_and_quotes(tmp_path: Path) -> None:
    first, second = CLASSES

    assert export(tmp_path, [first, second], [second, first]) == [first, second, second, first]


def test_names_may_be_longer_than_a_chunk_that_was_read_before(tmp_path: Path) -> None:
    parse_csv(b'"x"\n', ("x",), 1, iris_signature(("x",)))  # a quoted cell: read by the csv module, line by line

    assert export(tmp_path, [CLASSES[0]]) == [CLASSES[0]]


def test_chunks_without_rows_are_passed_over(tmp_path: Path) -> None:
    first, second = CLASSES

    assert export(tmp_path, [], [first], [], [second]) == [first, second]
