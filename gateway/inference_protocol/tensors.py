"""Tensors to columns and answers to tensors: pure conversion, without NumPy.

Two forms of input are read: one tensor per feature, of shape [n] or [n, 1], in any order; or one tensor of shape
[n, number of features] under any name, whose columns are the features in the signature's order. Data is flat in
row-major order, or nested. The tensor's datatype is checked first, then the feature's own rules.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.complaints import MAX_PROBLEMS, Complaints
from gateway.inference_protocol.requests import InferInput
from rhizome.signature import Feature, Signature
from rhizome.wording import list_names, shorten, show_value, suggestion

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
    complaints = Complaints()
    columns = [
        _convert(feature, tensor, complaints) for feature, tensor in zip(signature.features, tensors, strict=True)
    ]
    complaints.named.sort(key=lambda problem: int(str(problem["row"])))
    complaints.settle()
    return columns


def is_table(inputs: Sequence[InferInput], signature: Signature) -> bool:
    """True where one tensor holds all features."""
    names = signature.names
    return len(inputs) == 1 and len(inputs[0].shape) == 2 and (len(names) > 1 or inputs[0].name not in names)


def _read_table(tensor: InferInput, signature: Signature, max_rows: int) -> list[Tensor]:
    count, complaints = len(signature.features), Complaints()
    _check_shape(tensor, count, max_rows, complaints)
    misfits = [feature for feature in signature.features if tensor.datatype not in _accepted(feature)]
    if misfits:
        problem = f"is '{shorten(tensor.datatype)}', not for {list_names([feature.name for feature in misfits])}"
        remedy = f"send one of {', '.join(_accepted(misfits[0]))}, or one tensor a feature"
        complaints.add(f"{_place(tensor)}.datatype", problem, remedy)
    complaints.settle()
    values = _flatten(tensor)
    return [Tensor(tensor.datatype, values[index::count]) for index in range(count)]


def _accepted(feature: Feature) -> Sequence[str]:
    """The datatypes that its values may be sent in."""
    return ("BYTES", "BOOL") if feature.texts_of_booleans else _ACCEPTED[feature.dtype]


def _read_features(inputs: Sequence[InferInput], signature: Signature, max_rows: int) -> list[Tensor]:
    complaints = _check_names(inputs, signature)
    features = {feature.name: feature for feature in signature.features}
    known = [tensor for tensor in inputs if tensor.name in features]
    for tensor in known:
        _check_shape(tensor, 1, max_rows, complaints)
        accepted = _accepted(features[tensor.name])
        if tensor.datatype not in accepted:
            problem = f"is '{shorten(tensor.datatype)}'"
            complaints.add(f"{_place(tensor)}.datatype", problem, f"send one of {', '.join(accepted)}")
    complaints.settle()
    rows = known[0].shape[0]
    for tensor in known:
        if tensor.shape[0] != rows:
            remedy = f"send {rows}, as '{known[0].name}'"
            complaints.add(f"{_place(tensor)}.shape", f"holds {tensor.shape[0]} rows", remedy)
    complaints.settle()
    by_name = {tensor.name: Tensor(tensor.datatype, _flatten(tensor)) for tensor in known}
    return [by_name[name] for name in signature.names]


def _check_names(inputs: Sequence[InferInput], signature: Signature) -> Complaints:
    """Inputs that are unknown, there twice, or missing."""
    complaints, seen, names = Complaints(), set(), signature.names
    known = set(names)
    for tensor in inputs:
        if tensor.name in seen:
            complaints.add(_place(tensor), "is there twice", "send it once")
        elif tensor.name not in known:
            remedy = "" if complaints.is_full else suggestion(tensor.name, names, noun="inputs")
            complaints.add(_place(tensor), "is not an input of this model", remedy)
        seen.add(tensor.name)
    for feature in signature.features:
        if feature.name not in seen:
            remedy = f"add it: {DECLARED[feature.dtype]}, shape [n]"
            complaints.add(f"inputs.{shorten(feature.name)}", "is missing", remedy)
    return complaints


def _check_shape(tensor: InferInput, width: int, max_rows: int, complaints: Complaints) -> None:
    """A shape other than [n, width] (or [n] where that is 1), too many rows, an amount of data that does not fit."""
    place, shape, data = _place(tensor), tensor.shape, tensor.data
    if shape[1:] != [width] and (width != 1 or len(shape) != 1):
        remedy = f"send [n, {width}]" if width > 1 else "send [n] or [n, 1]"
        remedy += "; all features in one tensor, or one tensor a feature"
        complaints.add(f"{place}.shape", f"is {_show_shape(shape)}", remedy)
    elif not 1 <= shape[0] <= max_rows:
        complaints.add(
            f"{place}.shape", f"holds {show_value(shape[0])} rows", f"send 1 to {max_rows} (RHIZOME_MAX_BATCH_ROWS)"
        )
    elif data and isinstance(data[0], list):
        if not _is_nested(data, shape, width):
            complaints.add(f"{place}.data", "is not nested as its shape says", f"send {_show_shape(shape)}")
    elif len(data) != shape[0] * width:
        remedy = f"send {shape[0] * width}, as the shape {_show_shape(shape)} says"
        complaints.add(f"{place}.data", f"holds {len(data)} values", remedy)


def _is_nested(data: Sequence[Any], shape: Sequence[int], width: int) -> bool:
    """Whether the data is one list of `width` values a row."""
    return len(shape) == 2 and len(data) == shape[0] and all(type(row) is list and len(row) == width for row in data)


def _flatten(tensor: InferInput) -> list[Any]:
    if isinstance(tensor.data[0], list):
        return [value for row in tensor.data for value in row]
    return tensor.data


def _convert(feature: Feature, tensor: Tensor, complaints: Complaints) -> list[Any]:
    """Values as the feature's own check wants them; what the datatype forbids is named here."""
    values = tensor.values
    if bounds := _INTEGERS.get(tensor.datatype):
        sign, bits = bounds
        low, high = (0, 2**bits) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        wrong = [
            row
            for row, value in enumerate(values)
            if value is not None and not (_is_whole(value) and low <= value < high)
        ]
        remedy = f"send whole numbers from {low} to {high - 1}, or another datatype"
        for row in wrong[:MAX_PROBLEMS]:
            place = f"inputs.{row}.{shorten(feature.name)}"
            complaints.add(place, f"is {show_value(values[row])}, no {tensor.datatype}", remedy, row=row)
        complaints.count_more(max(0, len(wrong) - MAX_PROBLEMS))
    return values


def _is_whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _show_shape(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(show_value, shape))}]"


def _place(tensor: InferInput) -> str:
    return f"inputs.{shorten(tensor.name)}"
