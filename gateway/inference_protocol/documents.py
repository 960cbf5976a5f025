"""The protocol's documents: metadata, answers as tensors, errors.

A model with one output answers the tensors `label` and `probabilities`, or `value`; with several, `<target>.label` and
so on. The metadata declares them; `probabilities` has one column per class, in the order of its `classes`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.complaints import Complaints
from gateway.inference_protocol.requests import InferRequest
from gateway.inference_protocol.tensors import DECLARED
from rhizome import __version__
from rhizome.errors import IdempotencyConflict
from rhizome.manifest import Manifest
from rhizome.signature import ClassLabel, class_name
from rhizome.wording import list_names, shorten

PLATFORM = "sklearn"
#: Named in one error's text; the rest is counted.
MAX_NAMED = 10
#: The priority and timeout of Triton's scheduling extension are understood.
_EXTENSIONS = ("schedule_policy",)
PREFIX = "/v2"
#: The protocol knows one status for a request that cannot be accepted.
PROTOCOL_STATUSES = {422: 400}
_CLASS_DATATYPES = ((bool, "BOOL"), (int, "INT64"), (float, "FP64"))


class Output(NamedTuple):
    """An output tensor that a version can answer.

    Attributes:
        name: the tensor's.
        datatype: of its elements.
        part: `label`, `probabilities` or `value` of a row's answer.
        target: which of several outputs it is part of; None where there is one.
        classes: of probabilities, in the order of the columns.
    """

    name: str
    datatype: str
    part: str
    target: str | None = None
    classes: tuple[ClassLabel, ...] = ()


def server_document() -> dict[str, Any]:
    """The server's metadata."""
    return {"name": "rhizome", "version": __version__, "extensions": list(_EXTENSIONS)}


def model_document(manifest: Manifest, versions: Sequence[str]) -> dict[str, Any]:
    """A version's metadata, and the versions that may be asked for."""
    outputs = []
    for output in outputs_of(manifest):
        facts: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": [-1]}
        if output.classes:
            facts |= {"shape": [-1, len(output.classes)], "parameters": {"classes": list(output.classes)}}
        outputs.append(facts)
    return {
        "name": manifest.name,
        "versions": list(versions),
        "platform": PLATFORM,
        "inputs": [
            {"name": feature.name, "datatype": DECLARED[feature.dtype], "shape": [-1]}
            for feature in manifest.signature.features
        ],
        "outputs": outputs,
    }


def outputs_of(manifest: Manifest) -> list[Output]:
    """Every tensor that a version can answer."""
    signature = manifest.signature
    is_alone = len(signature.outputs) == 1
    outputs = []
    for predicted in signature.outputs:
        prefix, target = ("", None) if is_alone else (f"{predicted.name}.", predicted.name)
        if signature.task == "regression":
            outputs.append(Output(f"{prefix}value", "FP64", "value", target))
            continue
        outputs.append(Output(f"{prefix}label", _datatype_of(predicted.classes), "label", target))
        if signature.has_probabilities:
            outputs.append(Output(f"{prefix}probabilities", "FP64", "probabilities", target, predicted.classes))
    return outputs


def choose_outputs(request: InferRequest, manifest: Manifest) -> list[Output]:
    """The outputs that a request wants, in its order; all of them if it does not say.

    Raises:
        InvalidRequest: it names one that there is not, or one twice.
    """
    known = {output.name: output for output in outputs_of(manifest)}
    if not request.outputs:
        return list(known.values())
    chosen: dict[str, Output] = {}
    complaints = Complaints()
    for wanted in request.outputs:
        output = known.get(wanted.name)
        if output is None:
            remedy = "" if complaints.is_full else f"the outputs are {list_names(known)}"
            complaints.add(f"outputs.{shorten(wanted.name)}", "is not an output of this model", remedy)
        elif wanted.name in chosen:
            complaints.add(f"outputs.{shorten(wanted.name)}", "is there twice", "ask for it once")
        else:
            chosen[wanted.name] = output
    complaints.settle()
    return list(chosen.values())


def choose_answered(request: InferRequest, manifest: Manifest, answers: Sequence[Mapping[str, Any]]) -> list[Output]:
    """The outputs that a request wants, out of those that a job has answered.

    A replayed job may be the answer of a former champion with other outputs than the present one.

    Args:
        request: the request.
        manifest: of the version that answered.
        answers: one per row, as in a job's result.

    Raises:
        IdempotencyConflict: it names an output that the answers do not hold.
    """
    held = {output.name: output for output in outputs_of(manifest) if _holds(answers[0], output)}
    names = [wanted.name for wanted in request.outputs or ()] or list(held)
    if missing := [name for name in names if name not in held]:
        raise IdempotencyConflict(
            f"the job was answered by version {manifest.version}, without {shorten(missing[0])}; it has "
            f"{list_names(held)}; to have it answered anew, send another Idempotency-Key"
        )
    return [held[name] for name in names]


def answer_document(
    manifest: Manifest,
    request: InferRequest,
    answers: Sequence[Mapping[str, Any]],
    wanted: Sequence[Output],
) -> dict[str, Any]:
    """The answer to an inference request.

    Args:
        manifest: of the version that answered.
        request: the request.
        answers: one per row, as in a job's result.
        wanted: the outputs to give.
    """
    document = {
        "model_name": manifest.name,
        "model_version": manifest.version,
        "outputs": [_tensor(output, answers) for output in wanted],
    }
    return document if request.id is None else document | {"id": request.id}


def is_protocol_path(path: str) -> bool:
    """Whether errors at this address have the protocol's form."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def error_document(detail: str, problems: Sequence[Mapping[str, object]]) -> dict[str, str]:
    """An error in the protocol's form: one text, which names what is wrong and what to do."""
    named = [f"{p['field']} {p['problem']} ({p['remedy']})" for p in problems[:MAX_NAMED]]
    if len(problems) > MAX_NAMED:
        named.append(f"and {len(problems) - MAX_NAMED} more")
    return {"error": f"{detail}: {'; '.join(named)}" if named else detail}


def _holds(answer: Mapping[str, Any], output: Output) -> bool:
    row = answer.get("outputs", {}).get(output.target, {}) if output.target else answer
    return output.part in row


def _tensor(output: Output, answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rows = [answer["outputs"][output.target] for answer in answers] if output.target else answers
    shape, data = [len(rows)], [row[output.part] for row in rows]
    if output.classes:
        names = [class_name(label) for label in output.classes]
        shape, data = [len(rows), len(names)], [row[name] for row in data for name in names]
    elif output.datatype == "BYTES":
        data = [str(value) for value in data]
    return {"name": output.name, "shape": shape, "datatype": output.datatype, "data": data}


def _datatype_of(classes: Sequence[ClassLabel]) -> str:
    """The tensor datatype that holds all class labels."""
    for kind, datatype in _CLASS_DATATYPES:
        if classes and all(type(label) is kind for label in classes):
            return datatype
    return "BYTES"
