"""A chunk's answers as they lie in the store: written as a scorer writes them, and read back as answers."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from rhizome.blob_slices import ChunkParts, FileFormat, errors_path, part_path
from rhizome.blob_store import BlobStore
from rhizome.jobs import Returns
from rhizome.row_table import answer_of_cells, build_columns, csv_line, header_line
from rhizome.signature import Signature

Answer = dict[str, Any]


def write_part(
    store: BlobStore,
    job_id: str,
    number: int,
    answers: Sequence[Answer],
    signature: Signature,
    form: FileFormat = FileFormat.CSV,
    returns: Returns = Returns.BOTH,
    top_k: int = 0,
) -> ChunkParts:
    """One chunk's answers; the first chunk of a CSV job begins with the header."""
    columns = build_columns(signature, returns)
    errors = b""
    data = _lines(answers)
    if form is FileFormat.CSV:
        errors = _lines([answer for answer in answers if "error" in answer])
        header = header_line(columns) if number == 0 else ""
        data = (header + "".join(csv_line(answer, columns) for answer in answers)).encode()
    failed = sum("error" in answer for answer in answers)
    parts = ChunkParts(len(answers), failed, str(number), form, len(data), len(errors), returns, top_k)
    for path, content in ((part_path(job_id, parts), data), (errors_path(job_id, parts), errors)):
        if content or path == part_path(job_id, parts):
            with store.open_writer(path) as writer:
                writer.write(content)
                writer.commit()
    return parts


def read_part(
    store: BlobStore, job_id: str, parts: ChunkParts, signature: Signature, *, is_first: bool
) -> list[Answer]:
    """One chunk's answers, whatever form they are in."""
    data = store.read(part_path(job_id, parts), 0, parts.size)
    if parts.form == FileFormat.NDJSON:
        return [json.loads(line) for line in data.splitlines()]
    columns = build_columns(signature, Returns(parts.returns))
    errors = iter(
        store.read(errors_path(job_id, parts), 0, parts.errors_size).splitlines() if parts.errors_size else ()
    )
    answers = []
    for cells in list(csv.reader(io.StringIO(data.decode(), newline="")))[int(is_first) :]:
        if cells[-1]:
            answers.append(json.loads(next(errors)))
        else:
            answer = answer_of_cells(cells, columns, is_ranked=parts.top_k > 0)
            answers.append(json.loads(msgspec.json.encode(answer)))
    return answers


def _lines(answers: Sequence[Answer]) -> bytes:
    return "".join(json.dumps(answer) + "\n" for answer in answers).encode()
