"""Tensors to columns and answers to tensors: pure conversion, without NumPy.

Two forms of input are read: one tensor per feature, of shape [n] or [n, 1], in any order; or one tensor of shape
[n, number of features] under any name, whose columns are the features in the signature's order. Data is flat in
row-major order, or nested. The tensor's datatype is checked first, then the feature's own rules.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from gateway.inference_protocol.requests import InferInput, Problem, problem_of, refuse
from rhizome.signature import Feature, Signature
from rhizome.wording import shorten, show_value

_INTEGERS = {f"{sign}INT{bits}": (sign, bits) for sign in ("", "U") for bits in (8, 16, 32, 64)}
_FLOATS = ("FP16", "FP32", "FP64")
DATATYPES = ("BOOL", *_INTEGERS, *_FLOATS, "BYTES")
#: What each kind of feature is declared as.
DECLARED = {"float64": "FP64", "int64": "INT64", "category": "BYTES"}
_ACCEPTED: Mapping[str, Sequence[str]] = {
    "float64": (*_FLOATS, *_INTEGERS),
    "int64": (*_INTEGERS, *_FLOATS),
    "category": ("BYTES",),
}
_SHOWN_NAMES = 50


class Tensor(NamedTuple):
    """One feature's values and the datatype they were sent in."""

    datatype: str
    values: list[Any]


def to_columns(inputs: Sequence[InferInput], signature: Signature, *, max_rows: int) -> list[list[Any]]:
    """One list per feature, in the signature's order, all of one length; the values' ranges are not looked at.

    Args:
        inputs: the request's tensors.
        signature: of the version that answers.
        max_rows: the most rows a request may have.

    Raises:
        InvalidRequest: naming every input whose name, shape, datatype or amount of data does not fit.
    """
    if is_table(inputs, signature):
        tensors = _read_table(inputs[0], signature, max_rows)
    else:
        tensors = _read_features(inputs, signature, max_rows)
    columns = []
    problems: list[Problem] = []
    for feature, tensor in zip(signature.features, tensors, strict=True):
        column, found = _convert(feature, tensor)
        columns.append(column)
        problems += found
    if problems:
        raise refuse(sorted(problems, key=lambda problem: int(str(problem["row"]))))
    return columns


def is_table(inputs: Sequence[InferInput], signature: Signature) -> bool:
    """True where one tensor holds all features."""
    names = signature.names
    return len(inputs) == 1 and len(inputs[0].shape) == 2 and (len(names) > 1 or inputs[0].name not in names)


def _read_table(tensor: InferInput, signature: Signature, max_rows: int) -> list[Tensor]:
    count, place = len(signature.features), _place(tensor)
    problems = _check_shape(tensor, count, max_rows)
    misfits = [feature for feature in signature.features if tensor.datatype not in _ACCEPTED[feature.dtype]]
    if misfits:
        names = ", ".join(feature.name for feature in misfits[:_SHOWN_NAMES])
        remedy = f"send one of {', '.join(_ACCEPTED[misfits[0].dtype])}, or one tensor a feature"
        problems.append(problem_of(f"{place}.datatype", f"is '{shorten(tensor.datatype)}', not for {names}", remedy))
    if problems:
        raise refuse(problems)
    values = _flatten(tensor)
    return [Tensor(tensor.datatype, values[index::count]) for index in range(count)]


def _read_features(inputs: Sequence[InferInput], signature: Signature, max_rows: int) -> list[Tensor]:
    problems = _check_names(inputs, signature)
    features = {feature.name: feature for feature in signature.features}
    known = [tensor for tensor in inputs if tensor.name in features]
    for tensor in known:
        problems += _check_shape(tensor, 1, max_rows)
        accepted = _ACCEPTED[features[tensor.name].dtype]
        if tensor.datatype not in accepted:
            problem = f"is '{shorten(tensor.datatype)}'"
            problems.append(problem_of(f"{_place(tensor)}.datatype", problem, f"send one of {', '.join(accepted)}"))
    if not problems:
        rows = known[0].shape[0]
        problems = [
            problem_of(f"{_place(tensor)}.shape", f"holds {tensor.shape[0]} rows", f"send {rows}, as '{known[0].name}'")
            for tensor in known
            if tensor.shape[0] != rows
        ]
    if problems:
        raise refuse(problems)
    by_name = {tensor.name: Tensor(tensor.datatype, _flatten(tensor)) for tensor in known}
    return [by_name[name] for name in signature.names]


def _check_names(inputs: Sequence[InferInput], signature: Signature) -> list[Problem]:
    """Inputs that are unknown, there twice, or missing."""
    problems, seen = [], set()
    for tensor in inputs:
        if tensor.name in seen:
            problems.append(problem_of(_place(tensor), "is there twice", "send it once"))
        elif tensor.name not in signature.names:
            close = get_close_matches(tensor.name[:200], signature.names, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            remedy = f"{hint}the inputs are {', '.join(signature.names[:_SHOWN_NAMES])}"
            problems.append(problem_of(_place(tensor), "is not an input of this model", remedy))
        seen.add(tensor.name)
    for feature in signature.features:
        if feature.name not in seen:
            remedy = f"add it: {DECLARED[feature.dtype]}, shape [n]"
            problems.append(problem_of(f"inputs.{shorten(feature.name)}", "is missing", remedy))
    return problems


def _check_shape(tensor: InferInput, width: int, max_rows: int) -> list[Problem]:
    """A shape other than [n, width] (or [n] where that is 1), too many rows, an amount of data that does not fit."""
    place, shape = _place(tensor), tensor.shape
    if shape[1:] != [width] and (width != 1 or len(shape) != 1):
        remedy = f"send [n, {width}]" if width > 1 else "send [n] or [n, 1]"
        remedy += "; all features in one tensor, or one tensor a feature"
        return [problem_of(f"{place}.shape", f"is {_show_shape(shape)}", remedy)]
    if not 1 <= shape[0] <= max_rows:
        return [problem_of(f"{place}.shape", f"holds {show_value(shape[0])} rows", f"send 1 to {max_rows}")]
    data = tensor.data
    if data and isinstance(data[0], list):
        if len(shape) == 2 and len(data) == shape[0] and all(type(row) is list and len(row) == width for row in data):
            return []
        return [problem_of(f"{place}.data", "is not nested as its shape says", f"send {_show_shape(shape)}")]
    if len(data) != shape[0] * width:
        remedy = f"send {shape[0] * width}, as the shape {_show_shape(shape)} says"
        return [problem_of(f"{place}.data", f"holds {len(data)} values", remedy)]
    return []


def _flatten(tensor: InferInput) -> list[Any]:
    if isinstance(tensor.data[0], list):
        return [value for row in tensor.data for value in row]
    return tensor.data


def _convert(feature: Feature, tensor: Tensor) -> tuple[list[Any], list[Problem]]:
    """Values as the feature's own check wants them; what the datatype forbids is named here."""
    values = tensor.values
    if bounds := _INTEGERS.get(tensor.datatype):
        sign, bits = bounds
        low, high = (0, 2**bits) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        wrong = [
            (row, value)
            for row, value in enumerate(values)
            if value is not None and not (type(value) is int and low <= value < high)
        ]
        remedy = f"send whole numbers from {low} to {high - 1}, or another datatype"
        return values, [
            _bad_cell(feature, row, f"is {show_value(value)}, no {tensor.datatype}", remedy) for row, value in wrong
        ]
    if tensor.datatype in _FLOATS and feature.dtype == "int64":
        # Clients send whole tables as floats; a whole number in one is the integer that it looks like.
        values = [int(value) if type(value) is float and value.is_integer() else value for value in values]
    return values, []


def _bad_cell(feature: Feature, row: int, problem: str, remedy: str) -> Problem:
    return problem_of(f"inputs.{row}.{shorten(feature.name)}", problem, remedy) | {"row": row}


def _show_shape(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(show_value, shape))}]"


def _place(tensor: InferInput) -> str:
    return f"inputs.{shorten(tensor.name)}"
