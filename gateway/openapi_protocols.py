"""The OpenAPI document's part on other servers' protocols: MLflow's `/invocations`, the Open Inference Protocol."""

from typing import Any

from gateway.inference_protocol.documents import model_document, outputs_of, server_document
from gateway.inference_protocol.tensors import DATATYPES, DECLARED
from gateway.openapi_examples import JobExamples, batch_examples
from gateway.openapi_files import csv_body
from gateway.openapi_operations import EXAMPLE_OF_STATUS, JSON, accepted, answer, operation
from gateway.openapi_parameters import ERROR_THRESHOLD, IDEMPOTENCY_KEY, OPTIONS, PREFER, REQUEST_ID, WAIT
from rhizome import __version__
from rhizome.manifest import Manifest

_INFER_REQUEST = {"$ref": "#/components/schemas/InferRequest"}
_INFER_RESPONSE = {"$ref": "#/components/schemas/InferResponse"}
_MODEL = {"$ref": "#/components/schemas/ModelMetadata"}
_TEXT = {"type": "string"}
_TRUTH = {"type": "boolean"}
_PARAMETERS = {"type": ["object", "null"]}
_DECIDED_BY_OUTPUTS = ("return", "top_k")
_TENSOR_OPTIONS = [option for option in OPTIONS if option["name"] not in _DECIDED_BY_OUTPUTS]
_INFER_ERRORS = {
    400: "The request cannot be accepted; the text names every problem, or the rows that could not be scored.",
    404: "No such model or version.",
    403: "There are no webhooks here.",
    409: "The Idempotency-Key stands for another request, or the job was cancelled.",
    410: "The first job under this Idempotency-Key has expired, or the version that answered it is gone.",
    413: "The body is too large.",
    415: "The body is encoded.",
    429: "The lane is full, or the deadline cannot be met.",
    503: "Nothing can answer now, or too many requests wait.",
    504: "Not answered in time.",
}
#: One error of each of these statuses, as the service words it.
_INFER_EXAMPLES = {
    400: "1 problem(s) with the request's fields: outputs.odds is not an output of this model (the outputs are label)",
    403: "webhooks are switched off here; submit without a webhook, and poll the result",
    404: "there is no model 'tulip' here; the one that is served is 'iris'",
    409: "this Idempotency-Key was used for another request; send a new key",
    410: "the version that answered this job is no longer kept; submit it as a new request",
    413: EXAMPLE_OF_STATUS[413][1],
    415: "encoded bodies are not accepted; send plain JSON",
    429: "the interactive lane already holds 20000 waiting jobs; try again shortly",
    503: "the queue does not answer; try again shortly",
    504: "the deadline passed while the job waited; send a later one or a more urgent priority",
}


def build_protocol_paths(manifest: Manifest, examples: JobExamples, *, max_rows: int) -> dict[str, Any]:
    """Every path of both protocols; the champion gives the examples."""
    return _mlflow_paths(manifest, examples, max_rows) | _server_paths() | _version_paths(manifest, examples)


def build_protocol_schemas() -> dict[str, Any]:
    """The schemas that those paths refer to."""
    tensor = {
        "name": _TEXT,
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"enum": list(DATATYPES)},
    }
    sent = _object(tensor | {"data": {"type": "array"}, "parameters": _PARAMETERS}, optional=("parameters",))
    wanted = _object({"name": _TEXT, "parameters": _PARAMETERS}, optional=("parameters",))
    request = {
        "id": _TEXT,
        "inputs": {"type": "array", "items": sent, "minItems": 1},
        "outputs": {"type": "array", "items": wanted},
        "parameters": _PARAMETERS
        | {"description": "`priority` (1 most urgent, 0 the default), `timeout` (µs), and options of /predict/batch."},
    }
    response = {
        "model_name": _TEXT,
        "model_version": _TEXT | {"description": "The version that answered."},
        "id": _TEXT,
        "outputs": {"type": "array", "items": _object(tensor | {"data": {"type": "array"}})},
    }
    declared = _object(tensor | {"parameters": _PARAMETERS}, optional=("parameters",))
    model = {
        "name": _TEXT,
        "versions": {"type": "array", "items": _TEXT},
        "platform": _TEXT,
        "inputs": {"type": "array", "items": declared},
        "outputs": {"type": "array", "items": declared},
    }
    return {
        "InferRequest": _object(request, optional=("id", "outputs", "parameters")),
        "InferResponse": _object(response, optional=("id",)),
        "ModelMetadata": _object(model),
        "ProtocolError": _object({"error": _TEXT}),
    }


def _mlflow_paths(manifest: Manifest, examples: JobExamples, max_rows: int) -> dict[str, Any]:
    sample = {feature.name: feature.example for feature in manifest.signature.features}
    predictions = _object({"predictions": {"type": "array", "description": "One a row, in input order."}})
    told = {"description": "Yes.", "content": {"text/plain": {"schema": _TEXT, "example": "\n"}}}
    return {
        "/invocations": {
            "post": operation(
                "mlflow",
                "Predict many samples and wait: MLflow's scoring protocol",
                "invocations",
                {
                    "200": answer("The labels, or what `return` asks for.", predictions, examples.predictions()),
                    "202": accepted("batch"),
                },
                errors=(400, 403, 404, 409, 410, 413, 415, 422, 429, 503, 504),
                parameters=[WAIT, PREFER, *OPTIONS, ERROR_THRESHOLD, IDEMPOTENCY_KEY, REQUEST_ID],
                body=({"$ref": "#/components/schemas/Batch"}, batch_examples(sample)),
                many_examples=True,
                other_bodies=csv_body(
                    sample, f"At most {max_rows} rows; options go into the query string. Larger files: /predict/batch."
                ),
            )
        },
        "/ping": {
            "get": operation(
                "mlflow",
                "Would a job submitted now be answered?",
                "ping",
                {"200": told, "503": told | {"description": "No."}},
            )
        },
        "/version": {
            "get": operation(
                "mlflow",
                "This server's version",
                "version",
                {
                    "200": {
                        "description": "As text.",
                        "content": {"text/plain": {"schema": _TEXT, "example": __version__}},
                    }
                },
            )
        },
    }


def _server_paths() -> dict[str, Any]:
    facts = {"name": _TEXT, "version": _TEXT, "extensions": {"type": "array", "items": _TEXT}}
    is_ready = answer("Whether inference requests would be answered.", _object({"ready": _TRUTH}), {"ready": True})
    return {
        "/v2": {
            "get": _operation(
                "The server's metadata", "v2Server", answer("The server.", _object(facts), server_document())
            )
        },
        "/v2/health/live": {
            "get": _operation(
                "Does the gateway run?", "v2Live", answer("Yes.", _object({"live": _TRUTH}), {"live": True})
            )
        },
        "/v2/health/ready": {
            "get": _operation("Would requests be answered?", "v2Ready", is_ready, more={"503": is_ready})
        },
    }


def _version_paths(manifest: Manifest, examples: JobExamples) -> dict[str, Any]:
    model = {"name": "model", "in": "path", "required": True, "schema": {"const": manifest.name}}
    version = {"name": "version", "in": "path", "required": True, "schema": _TEXT}
    ready_example = {"name": manifest.name, "ready": True}
    is_ready = answer("Whether it would be answered.", _object({"name": _TEXT, "ready": _TRUTH}), ready_example)
    described = answer("It.", _MODEL, model_document(manifest, [manifest.version]))
    headers = [WAIT, PREFER, *_TENSOR_OPTIONS, ERROR_THRESHOLD, IDEMPOTENCY_KEY, REQUEST_ID]
    paths: dict[str, Any] = {}
    for path, parameters, suffix in (
        ("/v2/models/{model}", [model], ""),
        ("/v2/models/{model}/versions/{version}", [model, version], "OfVersion"),
    ):
        asked = [option for option in headers if not suffix or option["name"] != "version"]
        infer = _operation(
            "Tensors in, tensors out; waits for the job, or `Prefer: respond-async`",
            f"v2Infer{suffix}",
            answer("The outputs.", _INFER_RESPONSE, examples.tensors()),
            more={"202": accepted("single")} | {str(status): _error(status) for status in _INFER_ERRORS},
            parameters=[*parameters, *asked],
        )
        infer["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": _INFER_REQUEST, "example": _infer_example(manifest)}},
        }
        unknown = {"404": _error(404), "503": _error(503)}
        paths[path] = {
            "get": _operation("Inputs and outputs", f"v2Model{suffix}", described, more=unknown, parameters=parameters)
        }
        paths[f"{path}/ready"] = {
            "get": _operation(
                "Would it be answered?",
                f"v2ModelReady{suffix}",
                is_ready,
                more=unknown | {"503": is_ready},
                parameters=parameters,
            )
        }
        paths[f"{path}/infer"] = {"post": infer}
    return paths


def _infer_example(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": "42",
        "inputs": [
            {"name": feature.name, "shape": [1], "datatype": DECLARED[feature.dtype], "data": [feature.example]}
            for feature in manifest.signature.features
        ],
        "outputs": [{"name": output.name} for output in outputs_of(manifest)],
    }


def _operation(
    summary: str,
    name: str,
    well: dict[str, Any],
    *,
    more: dict[str, Any] | None = None,
    parameters: list[Any] | None = None,
) -> dict[str, Any]:
    return operation("inference protocol", summary, name, {"200": well} | (more or {}), parameters=parameters)


def _error(status: int) -> dict[str, Any]:
    example = {"error": _INFER_EXAMPLES[status]}
    return answer(_INFER_ERRORS[status], {"$ref": "#/components/schemas/ProtocolError"}, example)


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
