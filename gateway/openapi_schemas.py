"""The schemas of the OpenAPI document, built from the champion's signature."""

from typing import Any

from gateway.champion import Known
from rhizome.blob_slices import FileFormat
from rhizome.signature import Output, Signature


def build_schemas(known: Known, max_rows: int) -> dict[str, Any]:
    """All component schemas; `Sample` and the rows of `Batch` come from the validator's own Pydantic models."""
    template = "#/components/schemas/{model}"
    validator = known.validator
    sample = validator.single_model.model_json_schema(ref_template=template)
    batch = validator.batch_model(max_rows).model_json_schema(ref_template=template)
    parts: dict[str, Any] = batch.pop("$defs", {})
    return parts | {
        "Sample": sample | {"title": "Sample"},
        "Batch": _batch_schema(batch, parts["Row"]),
        "Receipt": _receipt_schema(),
        "Job": _job_schema(known.manifest.signature),
        "Problem": _problem_schema(),
    }


def _batch_schema(records: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """Every form of a batch body, from the schema of the one that holds records."""
    options = {name: schema for name, schema in records["properties"].items() if name != "instances"}
    array = {key: records["properties"]["instances"][key] for key in ("type", "minItems", "maxItems")}
    cells = row["properties"]
    values = {"type": "array", "prefixItems": list(cells.values()), "minItems": len(cells), "maxItems": len(cells)}
    columns = {
        "type": "object",
        "properties": {name: array | {"items": cell} for name, cell in cells.items()},
        "required": list(cells),
        "additionalProperties": False,
    }
    as_records = array | {"items": {"$ref": "#/components/schemas/Row"}}
    split = {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"enum": list(cells)}, "uniqueItems": True},
            "data": array | {"items": {"type": "array", "minItems": len(cells), "maxItems": len(cells)}},
            "index": {"type": ["array", "null"], "description": "Of no meaning here."},
        },
        "required": ["columns", "data"],
        "additionalProperties": False,
    }
    any_of = {"anyOf": [as_records, array | {"items": values}, columns]}
    forms = {"instances": any_of, "inputs": any_of, "dataframe_records": as_records, "dataframe_split": split}
    return {
        "title": "Batch",
        "oneOf": [
            {
                "type": "object",
                "properties": {name: form} | options,
                "required": [name],
                "additionalProperties": False,
            }
            for name, form in forms.items()
        ],
    }


def _receipt_schema() -> dict[str, Any]:
    text = {"type": "string"}
    properties = {
        "id": text,
        "status": {"const": "queued"},
        "kind": {"enum": ["single", "batch"]},
        "lane": {"enum": ["interactive", "batch"]},
        "priority": {"type": "integer"},
        "rows": {"type": ["integer", "null"], "description": "Null where nobody has counted a file's yet."},
        "queue_position": {"type": "integer", "description": "Entries that wait before it."},
        "eta_ms": {
            "type": ["integer", "null"],
            "description": "When it will be done, from now, at the pace that the workers measure; null before they "
            "have, and for rows that nobody has counted.",
        },
        "expires_at": {"type": ["string", "null"], "format": "date-time"},
        "request_id": text,
        "submitted_at": {"type": "string", "format": "date-time"},
        "urls": {
            "type": "object",
            "required": ["result", "cancel", "stream"],
            "properties": {"result": text, "cancel": text | {"description": "To `DELETE`."}, "stream": text},
        },
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def _job_schema(signature: Signature) -> dict[str, Any]:
    answer = _answer_schema(signature)
    states = ["queued", "running", "succeeded", "failed", "cancelled", "expired"]
    return {
        "type": "object",
        "required": ["id", "status"],
        "properties": {
            "id": {"type": "string"},
            "status": {"enum": states},
            "kind": {"enum": ["single", "batch"]},
            "lane": {"enum": ["interactive", "batch"]},
            "priority": {"type": "integer"},
            "expires_at": {"type": "string", "format": "date-time", "description": "Where it has a deadline."},
            "version": {"type": ["string", "null"], "description": "The version that answered."},
            "artifact_sha256": {"type": ["string", "null"]},
            "timings": {"type": "object", "description": "queued_ms, compute_ms, total_ms."},
            "result": answer,
            "results": {
                "type": "array",
                "description": "A batch's answers, in input order, up to the first that is missing.",
                "items": answer,
            },
            "rows": {
                "type": "object",
                "description": "A batch's total (of a file, an estimate until the end), done and failed rows.",
            },
            "source": {"enum": list(FileFormat), "description": "The form of the file that the rows came in."},
            "error": {"type": "object", "description": "code and detail of a failed job."},
            "request_id": {"type": ["string", "null"]},
            "webhook_status": {
                "description": "Where it has a webhook: how its last event's delivery stands; null before its first.",
                "anyOf": [{"$ref": "#/components/schemas/WebhookStatus"}, {"type": "null"}],
            },
        },
    }


def _answer_schema(signature: Signature) -> dict[str, Any]:
    answers = {output.name: _output_schema(output, signature) for output in signature.outputs}
    if len(answers) == 1:
        return answers.popitem()[1]
    return {"type": "object", "properties": {"outputs": {"type": "object", "properties": answers}}}


def _output_schema(output: Output, signature: Signature) -> dict[str, Any]:
    if signature.task == "regression":
        return {"type": "object", "properties": {"value": {"type": "number"}}}
    properties: dict[str, Any] = {"label": {"enum": list(output.classes)}}
    if signature.has_probabilities:
        probability = {"type": "number", "minimum": 0, "maximum": 1}
        classes = dict.fromkeys(output.class_names, probability)
        properties["probabilities"] = {"type": "object", "properties": classes}
    return {"type": "object", "properties": properties}


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "code": text,
            "detail": text,
            "request_id": text,
            "errors": {
                "type": "array",
                "items": {"type": "object", "properties": {"field": text, "problem": text, "remedy": text}},
            },
        },
    }
