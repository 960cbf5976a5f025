"""Finished jobs whose answers lie where the gateway looks for them: in Redis, or in a folder of the test's own."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask

from gateway.service import Service
from rhizome.blob_slices import FileFormat, answers_form, encode_parts
from rhizome.job_queue.terms import Terms
from rhizome.jobs import Returns
from rhizome.row_table import build_columns
from tests.support.parts import write_part
from tests.support.queue import Queue, succeed
from tests.unit.gateway.conftest import CHAMPION, BuildApp, service_of

SETOSA = {"label": "setosa", "probabilities": {"setosa": 0.75, "versicolor": 0.25, "virginica": 0.0}}
VIRGINICA = {"label": "virginica", "probabilities": {"setosa": 0.0, "versicolor": 0.25, "virginica": 0.75}}
BAD = {"error": {"code": "invalid_row", "detail": 'sepal_width is "x", not a number'}, "line": 3}
COLUMNS = build_columns(CHAMPION.signature, Returns.BOTH)

Answer = dict[str, Any]


class Results(NamedTuple):
    """The gateway's side, and the worker's."""

    here: Service
    queue: Queue

    def answer_request(self, *chunks: Sequence[Answer], is_bound: bool = True) -> str:
        """A batch job that came in a request, and was answered so; its id."""
        job_id = self.queue.submit_batch(*(len(chunk) for chunk in chunks))
        self._finish([json.dumps(list(chunk), separators=(",", ":")).encode() for chunk in chunks], chunks, is_bound)
        return job_id

    def answer(self, way: str, form: str, *chunks: Sequence[Answer]) -> str:
        """A batch job whose answers are at hand in a form, answered in one of these ways; its id."""
        return self.answer_file(*chunks, source=form) if way == "answer_file" else self.answer_request(*chunks)

    def answer_file(self, *chunks: Sequence[Answer], source: str = "csv", top_k: int = 0) -> str:
        """A batch job that came as a file, and was answered so; its id."""
        record = {"source": source, "outputs": CHAMPION.signature.outputs_alone}
        job_id = self.queue.submit_batch(*(len(chunk) for chunk in chunks), terms=Terms(record=record))
        form = answers_form(FileFormat(source))
        parts = [
            write_part(self.here.blobs, job_id, number, chunk, CHAMPION.signature, form, top_k=top_k)
            for number, chunk in enumerate(chunks)
        ]
        self._finish([encode_parts(part) for part in parts], chunks, True)
        return job_id

    def _finish(self, bodies: Sequence[bytes], chunks: Sequence[Sequence[Answer]], is_bound: bool) -> None:
        scorer = self.queue.batch_scorer()
        for body, answers in zip(bodies, chunks, strict=True):
            (entry,) = scorer.claim()
            if is_bound:
                scorer.bind_version(entry.request.job_id, CHAMPION.version)
            failed = sum("error" in answer for answer in answers)
            scorer.finish([succeed(entry, body, rows=len(answers), failed_rows=failed)], claim_next=False)


@pytest.fixture
def app(build_app: BuildApp, registry: object, tmp_path: Path) -> Flask:
    return build_app(blob_url=tmp_path.as_uri())


@pytest.fixture
def results(app: Flask, queue: Queue) -> Results:
    return Results(service_of(app), queue)
