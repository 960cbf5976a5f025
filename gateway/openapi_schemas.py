"""The schemas of the OpenAPI document, built from the champion's signature."""

from typing import Any

from gateway.champion import Known
from rhizome.signature import Signature


def build_schemas(known: Known, max_rows: int) -> dict[str, Any]:
    """All component schemas; `Sample` and `Batch` come from the validator's own Pydantic models."""
    template = "#/components/schemas/{model}"
    validator = known.validator
    sample = validator.single_model.model_json_schema(ref_template=template)
    batch = validator.batch_model(max_rows).model_json_schema(ref_template=template)
    rows: dict[str, Any] = batch.pop("$defs", {})
    return rows | {
        "Sample": sample | {"title": "Sample"},
        "Batch": batch | {"title": "Batch"},
        "Receipt": _receipt_schema(),
        "Job": _job_schema(known.manifest.signature),
        "Problem": _problem_schema(),
    }


def _receipt_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["id", "status", "queue_position", "urls"],
        "properties": {
            "id": {"type": "string"},
            "status": {"const": "queued"},
            "kind": {"enum": ["single", "batch"]},
            "rows": {"type": "integer"},
            "priority": {"type": "integer"},
            "queue_position": {"type": "integer", "description": "Entries that wait before it."},
            "eta_ms": {
                "type": ["integer", "null"],
                "description": "When it will be done, from now, at the pace that the workers measure.",
            },
            "expires_at": {"type": ["string", "null"], "format": "date-time"},
            "submitted_at": {"type": "string", "format": "date-time"},
            "urls": {"type": "object", "properties": {"result": {"type": "string"}}},
        },
    }


def _job_schema(signature: Signature) -> dict[str, Any]:
    answer: dict[str, Any] = {"type": "object"}
    if signature.task == "regression":
        answer["properties"] = {"value": {"type": "number"}}
    else:
        probability = {"type": "number", "minimum": 0, "maximum": 1}
        classes = {str(label): probability for label in signature.classes}
        answer["properties"] = {
            "label": {"enum": list(signature.classes)},
            "probabilities": {"type": "object", "properties": classes},
        }
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
                "description": "A batch's answers, in input order.",
                "items": answer,
            },
            "rows": {"type": "object", "description": "A batch's total, done and failed rows."},
            "error": {"type": "object", "description": "code and detail of a failed job."},
            "request_id": {"type": ["string", "null"]},
            "webhook_status": {
                "description": "Where it has a webhook: how its last event's delivery stands; null before its first.",
                "anyOf": [{"$ref": "#/components/schemas/WebhookStatus"}, {"type": "null"}],
            },
        },
    }


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
