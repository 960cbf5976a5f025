"""A job's rows as one file in another form, whatever its parts hold and its classes are called."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rhizome.blob_slices import ChunkParts, FileFormat, errors_path, export_path, part_path
from rhizome.blob_store import open_store
from rhizome.inference import AnswerArrays
from rhizome.jobs import Returns
from rhizome.row_table import build_columns
from rhizome.signature import Output, Signature
from tests.support.parts import write_part
from tests.support.versions import iris_signature
from worker.files import exporting
from worker.files.exporting import export_parts
from worker.files.lines import LineFormat, bytes_of, merge
from worker.files.text import parse_csv

CLASSES = ("a\nb", 'c,"d"')


def signature_of(
    outputs: tuple[tuple[Any, ...], ...], task: Any = "classification", *, has_probabilities: bool = True
) -> Signature:
    named = tuple(Output(name=f"y{index}", classes=classes) for index, classes in enumerate(outputs))
    return Signature(features=(), task=task, outputs=named, has_probabilities=has_probabilities)


SIGNATURE = signature_of((CLASSES,))
COLUMNS = build_columns(SIGNATURE, Returns.BOTH)


def export(folder: Path, *chunks: list[str]) -> list[str]:
    """The labels in the exported file of a job whose chunks were answered so."""
    store, parts = open_store(folder.as_uri()), []
    for index, labels in enumerate(chunks):
        answers = [{"label": label, "probabilities": dict.fromkeys(CLASSES, 0.5)} for label in labels]
        parts.append(write_part(store, "job", index, answers, SIGNATURE))
    export_parts(store, "job", parts, SIGNATURE, FileFormat.PARQUET, lambda: None)
    table = pq.read_table(folder / export_path("job", FileFormat.PARQUET))
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


CHANCES = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 1e-300, 0.1])
BAD = {"error": {"code": "invalid_row", "detail": 'x is "a,b"\nnot a number'}, "line": 3}
OUTPUTS = {
    "one output": signature_of((CLASSES,)),
    "names like paths": signature_of(((".x", "$.y", "z[0]"),)),
    "two outputs": signature_of((CLASSES, ("x", "y", "é"))),
    "whole numbers": signature_of(((3, 1, 2),)),
    "numbers": signature_of(((0.5, 1.0),)),
    "truth": signature_of(((False, True),)),
    "no probabilities": signature_of((CLASSES,), has_probabilities=False),
}


def written(
    folder: Path,
    form: FileFormat,
    chunks: Sequence[tuple[Sequence[AnswerArrays], list[bool]]],
    lines: LineFormat,
    **more: Any,
) -> tuple[list[ChunkParts], bytes]:
    """Parts as a scorer writes them, and all rows in that form; of each chunk's rows the ones told so are bad."""
    store, parts, everything = open_store(folder.as_uri()), [], b""
    for index, (outputs, are_bad) in enumerate(chunks):
        before = np.array([are_bad[:at].count(False) for at, bad in enumerate(are_bad) if bad], np.int64)
        its = merge(lines.format_arrays(outputs), lines.format_answers([BAD] * len(before)), before)
        data = (lines.header() if index == 0 else b"") + bytes(bytes_of(its.rows))
        errors = b"" if its.errors is None else bytes(bytes_of(its.errors))
        part = ChunkParts(len(are_bad), len(before), f"{form}{index}", form, len(data), len(errors), **more)
        for path, content in ((part_path("job", part), data), (errors_path("job", part), errors)):
            with store.open_writer(path) as writer:
                writer.write(content)
                writer.commit()
        parts.append(part)
        everything += data
    return parts, everything


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), returns=st.sampled_from(Returns), name=st.sampled_from(sorted(OUTPUTS)))
@pytest.mark.parametrize(("source", "form"), [(FileFormat.CSV, FileFormat.NDJSON), (FileFormat.NDJSON, FileFormat.CSV)])
def test_another_form_is_what_would_have_been_written_byte_for_byte(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: st.DataObject,
    returns: Returns,
    name: str,
    source: FileFormat,
    form: FileFormat,
) -> None:
    monkeypatch.setattr(exporting, "SLICE_CELLS", data.draw(st.sampled_from([8, 10**6])))
    signature = OUTPUTS[name]
    top_k = data.draw(st.integers(0, 3)) if signature.has_probabilities and returns is not Returns.LABEL else 0
    chunks = []
    for are_bad in data.draw(st.lists(st.lists(st.booleans(), max_size=6), min_size=1, max_size=3)):
        good, outputs = are_bad.count(False), []
        for output in signature.outputs:
            width = len(output.classes)
            labels = data.draw(st.lists(st.sampled_from(output.classes), min_size=good, max_size=good))
            chances = data.draw(st.lists(CHANCES, min_size=good * width, max_size=good * width))
            outputs.append(
                AnswerArrays(
                    np.array(labels, np.array(output.classes).dtype),
                    np.array(chances, float).reshape(good, width) if signature.has_probabilities else None,
                )
            )
        chunks.append((outputs, are_bad))
    more = {"returns": returns.value, "top_k": top_k}
    parts, _ = written(tmp_path, source, chunks, LineFormat(signature, returns, top_k, source), **more)
    _, expected = written(tmp_path, form, chunks, LineFormat(signature, returns, top_k, form), **more)

    export_parts(open_store(tmp_path.as_uri()), "job", parts, signature, form, lambda: None)

    assert (tmp_path / export_path("job", form)).read_bytes() == expected


@pytest.mark.parametrize("source", [FileFormat.CSV, FileFormat.NDJSON])
def test_values_of_a_regression_keep_every_bit(tmp_path: Path, source: FileFormat) -> None:
    signature = signature_of(((),), task="regression", has_probabilities=False)
    form = FileFormat.NDJSON if source is FileFormat.CSV else FileFormat.CSV
    chunks = [([AnswerArrays(np.array([0.1, -0.0, 5e-324, 1e300, 3.0]), None)], [False] * 5)]
    parts, _ = written(tmp_path, source, chunks, LineFormat(signature, Returns.BOTH, 0, source))
    _, expected = written(tmp_path, form, chunks, LineFormat(signature, Returns.BOTH, 0, form))

    export_parts(open_store(tmp_path.as_uri()), "job", parts, signature, form, lambda: None)

    assert (tmp_path / export_path("job", form)).read_bytes() == expected
