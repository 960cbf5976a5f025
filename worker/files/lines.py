"""Answers as lines of NDJSON or CSV, many at once.

Arrow writes a float64 in the fewest digits that read back as the same number, as the JSON answers do.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rhizome.blob_slices import FileFormat
from rhizome.inference import AnswerArrays
from rhizome.jobs import Returns
from rhizome.row_table import ERROR_COLUMN, build_columns, csv_cell, csv_line, header_line
from rhizome.signature import ClassLabel, Output, Signature

_encode = msgspec.json.Encoder().encode

Texts = Any  #: a pyarrow array of strings, one per row, or one string for all rows


class Lines(NamedTuple):
    """Rows as text, each with its newline.

    Attributes:
        rows: an array of n strings.
        errors: an array of n more, as NDJSON: those answers that are errors and that `rows` does not hold whole, empty
            for every other row; None where there is none.
    """

    rows: pa.StringArray
    errors: pa.StringArray | None = None


class LineFormat:
    """How one job's answers are written.

    Args:
        signature: of the version that answers.
        returns: which part of an answer is wanted.
        top_k: only the k most probable classes, most probable first; 0 for all.
        form: NDJSON or CSV.
    """

    def __init__(self, signature: Signature, returns: Returns, top_k: int, form: FileFormat) -> None:
        self._signature = signature
        self._returns = returns
        self._top_k = top_k
        self._is_csv = form is FileFormat.CSV
        self.columns = build_columns(signature, returns)

    def header(self) -> bytes:
        """What comes before the first row."""
        return header_line(self.columns).encode() if self._is_csv else b""

    def format_arrays(self, outputs: Sequence[AnswerArrays]) -> Lines:
        """Answers of n rows, one item per output."""
        written = [
            self._format_output(answer, output) for answer, output in zip(outputs, self._signature.outputs, strict=True)
        ]
        if self._is_csv:  # the last comma, too: a row ends with the empty cell of its error
            return Lines(pc.binary_join_element_wise(*(cell for cells in written for cell in cells), "\n", ","))
        if len(written) > 1:
            named = zip(self._signature.outputs, written, strict=True)
            parts = [[_key(output.name, first=index == 0), *its] for index, (output, its) in enumerate(named)]
            return Lines(_join(['{"outputs":{', *(text for part in parts for text in part), "}}\n"]))
        return Lines(_join([*written[0], "\n"]))

    def format_answers(self, answers: Iterable[dict[str, Any]]) -> Lines:
        """Answers that are objects already: rows that failed, or that were scored one by one."""
        answers = list(answers)
        if not self._is_csv:
            return Lines(pa.array([_json_line(answer) for answer in answers], pa.string()))
        errors = [_json_line(answer) if ERROR_COLUMN in answer else "" for answer in answers]
        return Lines(
            pa.array([csv_line(answer, self.columns) for answer in answers], pa.string()),
            pa.array(errors, pa.string()) if any(errors) else None,
        )

    def _format_output(self, answer: AnswerArrays, output: Output) -> list[Texts]:
        """One output's cells, or the pieces of its JSON object."""
        if self._signature.task == "regression":
            text = pa.array(answer.labels).cast(pa.string())
            value = pc.if_else(pc.equal(text, "-0"), "-0.0", text)  # without a point it would be read as an integer, 0
            return [value] if self._is_csv else ['{"value":', value, "}"]
        pieces: list[Texts] = []
        if answer.labels is not None and (self._returns is not Returns.PROBABILITIES or answer.probabilities is None):
            write = csv_cell if self._is_csv else _encode_text
            pieces = [*([] if self._is_csv else ['"label":']), _label_texts(answer.labels, output, write)]
        if answer.probabilities is not None and self._returns is not Returns.LABEL:
            texts = [pa.array(column).cast(pa.string()) for column in np.ascontiguousarray(answer.probabilities.T)]
            if self._is_csv:
                return pieces + self._probability_cells(answer.probabilities, texts)
            pairs = self._probability_pairs(answer.probabilities, texts, output)
            pieces += [*([","] if pieces else []), '"probabilities":{', *pairs, "}"]
        return pieces if self._is_csv else ["{", *pieces, "}"]

    def _rank(self, probabilities: NDArray[Any]) -> NDArray[np.int64]:
        """Shape (n, k): the most probable classes of each row, most probable first."""
        # A stable sort of the negatives keeps equals in the order of the classes.
        return np.argsort(-probabilities, axis=1, kind="stable")[:, : self._top_k]

    def _probability_cells(self, probabilities: NDArray[Any], texts: list[Texts]) -> list[Texts]:
        if not self._top_k:
            return texts
        ranked = self._rank(probabilities)
        return [pc.if_else(pa.array((ranked == index).any(axis=1)), text, "") for index, text in enumerate(texts)]

    def _probability_pairs(self, probabilities: NDArray[Any], texts: list[Texts], output: Output) -> list[Texts]:
        keys = [_key(name, first=True) for name in output.class_names]
        if not self._top_k:
            pairs = [[key if index == 0 else f",{key}", texts[index]] for index, key in enumerate(keys)]
            return [text for pair in pairs for text in pair]
        ranked, all_keys = self._rank(probabilities), pa.array(keys, pa.string())
        pieces: list[Texts] = []
        for rank in range(ranked.shape[1]):
            chosen = pa.array(ranked[:, rank])
            pieces += [*([","] if rank else []), all_keys.take(chosen), pc.choose(chosen, *texts)]
        return pieces


def merge(good: Lines, bad: Lines, before: NDArray[np.int64]) -> Lines:
    """The lines of both in input order.

    Args:
        good: the lines of n rows.
        bad: the lines of m others.
        before: shape (m,): how many of the good ones come before each bad one.
    """
    order = pa.array(np.argsort(np.concatenate([np.arange(len(good.rows)) + 0.5, before]), kind="stable"))
    rows = pa.concat_arrays([good.rows, bad.rows]).take(order)
    if good.errors is None and bad.errors is None:
        return Lines(rows)
    errors = [_nothing(lines.rows) if lines.errors is None else lines.errors for lines in (good, bad)]
    return Lines(rows, pa.concat_arrays(errors).take(order))


def _nothing(rows: pa.StringArray) -> pa.StringArray:
    return pa.array([""] * len(rows), pa.string())


def bytes_of(texts: pa.StringArray) -> memoryview:
    """The texts one after the other, as they lie in memory."""
    if not len(texts):
        return memoryview(b"")
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int32, count=len(texts) + 1, offset=texts.offset * 4)
    return memoryview(data).cast("B")[int(places[0]) : int(places[-1])]  # Arrow calls its bytes signed


def _label_texts(labels: NDArray[Any], output: Output, write: Callable[[ClassLabel], str]) -> Texts:
    """Labels as text; each class is written once."""
    known = np.array(output.classes)
    if labels.dtype == object:
        given, labels = labels, labels.astype(known.dtype)
        if not np.all(labels == given):  # cut short to the longest class, or to a whole number
            raise ValueError("the estimator gave a label that is none of its classes")
    order = np.argsort(known, kind="stable")
    places = order[np.searchsorted(known, labels, sorter=order).clip(max=len(known) - 1)]
    if not (known[places] == labels).all():
        raise ValueError("the estimator gave a label that is none of its classes")
    return pa.array([write(label) for label in output.classes], pa.string()).take(pa.array(places))


def _encode_text(value: Any) -> str:
    return _encode(value).decode()


def _json_line(answer: dict[str, Any]) -> str:
    return f"{_encode_text(answer)}\n"


def _key(name: str, *, first: bool) -> str:
    return f"{'' if first else ','}{_encode_text(name)}:"


def _join(texts: Sequence[Texts]) -> pa.StringArray:
    """Each row's texts in one; neighbours that are the same for all rows are joined once."""
    joined: list[Texts] = []
    for text in texts:
        if isinstance(text, str) and joined and isinstance(joined[-1], str):
            joined[-1] += text
        else:
            joined.append(text)
    return pc.binary_join_element_wise(*joined, "")
