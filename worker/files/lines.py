"""Answers as lines of NDJSON and CSV, many at once: each number becomes text once, for both.

Arrow writes a float64 in the fewest digits that read back as the same number, as the JSON answers do.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rhizome.inference import AnswerArrays
from rhizome.jobs import Returns
from rhizome.row_table import build_columns, csv_cell, csv_line
from rhizome.signature import Output, Signature

_encode = msgspec.json.Encoder().encode

Texts = Any  #: a pyarrow array of strings, one per row, or one string for all rows


class Lines(NamedTuple):
    """The same rows twice, each with its newline: arrays of n strings."""

    ndjson: pa.StringArray
    csv: pa.StringArray


class LineFormat:
    """How one job's answers are written.

    Args:
        signature: of the version that answers.
        returns: which part of an answer is wanted.
        top_k: only the k most probable classes, most probable first; 0 for all.
    """

    def __init__(self, signature: Signature, returns: Returns, top_k: int) -> None:
        self._signature = signature
        self._returns = returns
        self._top_k = top_k
        self.columns = build_columns(signature, returns)

    def format_arrays(self, outputs: Sequence[AnswerArrays]) -> Lines:
        """Answers of n rows, one item per output."""
        written = [
            self._format_output(answer, output) for answer, output in zip(outputs, self._signature.outputs, strict=True)
        ]
        cells = [cell for _, its_cells in written for cell in its_cells]
        objects = [its_object for its_object, _ in written]
        if len(objects) > 1:
            named = zip(self._signature.outputs, objects, strict=True)
            parts = [[_key(output.name, first=index == 0), *its] for index, (output, its) in enumerate(named)]
            ndjson = ['{"outputs":{', *(text for part in parts for text in part), "}}\n"]
        else:
            ndjson = [*objects[0], "\n"]
        # The last comma, too: a CSV row ends with the empty cell of its error.
        return Lines(_join(ndjson), pc.binary_join_element_wise(*cells, "\n", ","))

    def format_answers(self, answers: Iterable[dict[str, Any]]) -> Lines:
        """Answers that are objects already: rows that failed, or that were scored one by one."""
        answers = list(answers)
        return Lines(
            pa.array([_encode(answer).decode() + "\n" for answer in answers], pa.string()),
            pa.array([csv_line(answer, self.columns) for answer in answers], pa.string()),
        )

    def _format_output(self, answer: AnswerArrays, output: Output) -> tuple[list[Texts], list[Texts]]:
        """One output's JSON object, in pieces, and its cells."""
        if self._signature.task == "regression":
            text = pa.array(answer.labels).cast(pa.string())
            value = pc.if_else(pc.equal(text, "-0"), "-0.0", text)  # without a point it would be read as an integer, 0
            return ['{"value":', value, "}"], [value]
        ndjson: list[Texts] = []
        cells: list[Texts] = []
        if answer.labels is not None and (self._returns is not Returns.PROBABILITIES or answer.probabilities is None):
            as_json, as_cell = _label_texts(answer.labels, output)
            ndjson, cells = ['"label":', as_json], [as_cell]
        if answer.probabilities is not None and self._returns is not Returns.LABEL:
            texts = [pa.array(column).cast(pa.string()) for column in np.ascontiguousarray(answer.probabilities.T)]
            pairs, probabilities = self._format_probabilities(answer.probabilities, texts, output)
            ndjson += [*([","] if ndjson else []), '"probabilities":{', *pairs, "}"]
            cells += probabilities
        return ["{", *ndjson, "}"], cells

    def _format_probabilities(
        self, probabilities: NDArray[Any], texts: list[Texts], output: Output
    ) -> tuple[list[Texts], list[Texts]]:
        keys = [_key(str(label), first=True) for label in output.classes]
        if not self._top_k:
            pairs = [[key if index == 0 else f",{key}", texts[index]] for index, key in enumerate(keys)]
            return [text for pair in pairs for text in pair], texts
        # A stable sort of the negatives keeps equals in the order of the classes.
        ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, : self._top_k]
        all_keys = pa.array(keys, pa.string())
        ndjson: list[Texts] = []
        for rank in range(ranked.shape[1]):
            chosen = pa.array(ranked[:, rank])
            ndjson += [*([","] if rank else []), all_keys.take(chosen), pc.choose(chosen, *texts)]
        cells = [pc.if_else(pa.array((ranked == index).any(axis=1)), text, "") for index, text in enumerate(texts)]
        return ndjson, cells


def merge(good: Lines, bad: Lines, before: NDArray[np.int64]) -> Lines:
    """The lines of both in input order.

    Args:
        good: the lines of n rows.
        bad: the lines of m others.
        before: shape (m,): how many of the good ones come before each bad one.
    """
    order = np.argsort(np.concatenate([np.arange(len(good.csv)) + 0.5, before]), kind="stable")
    return Lines(*(pa.concat_arrays(pair).take(pa.array(order)) for pair in zip(good, bad, strict=True)))


def bytes_of(texts: pa.StringArray) -> memoryview:
    """The texts one after the other, as they lie in memory."""
    if not len(texts):
        return memoryview(b"")
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int32, count=len(texts) + 1, offset=texts.offset * 4)
    return memoryview(data).cast("B")[int(places[0]) : int(places[-1])]  # Arrow calls its bytes signed


def _label_texts(labels: NDArray[Any], output: Output) -> tuple[Texts, Texts]:
    """Labels as JSON and as cells; each class is written once."""
    known = np.array(output.classes)
    if labels.dtype == object:
        given, labels = labels, labels.astype(known.dtype)
        if not np.all(labels == given):  # cut short to the longest class, or to a whole number
            raise ValueError("the estimator gave a label that is none of its classes")
    order = np.argsort(known, kind="stable")
    places = order[np.searchsorted(known, labels, sorter=order).clip(max=len(known) - 1)]
    if not (known[places] == labels).all():
        raise ValueError("the estimator gave a label that is none of its classes")
    indices = pa.array(places)
    as_json = pa.array([_encode(label).decode() for label in output.classes], pa.string())
    as_cells = pa.array([csv_cell(label) for label in output.classes], pa.string())
    return as_json.take(indices), as_cells.take(indices)


def _key(name: str, *, first: bool) -> str:
    return f"{'' if first else ','}{_encode(name).decode()}:"


def _join(texts: Sequence[Texts]) -> pa.StringArray:
    """Each row's texts in one; neighbours that are the same for all rows are joined once."""
    joined: list[Texts] = []
    for text in texts:
        if isinstance(text, str) and joined and isinstance(joined[-1], str):
            joined[-1] += text
        else:
            joined.append(text)
    return pc.binary_join_element_wise(*joined, "")
