"""Examples for the OpenAPI document: bodies and answers as the live version takes and gives them."""

import json
from typing import Any

from gateway.inference_protocol.documents import answer_document, outputs_of
from gateway.inference_protocol.requests import InferRequest
from rhizome.blob_slices import FileFormat
from rhizome.job_documents import job_urls, result_url
from rhizome.jobs import Returns
from rhizome.manifest import Manifest
from rhizome.row_table import build_columns, csv_line, header_line
from rhizome.signature import Output

_JOB_ID = "agrawm6kyfkzhiw4vsbwipva6x7p4h7t"
_BEGUN, _DONE = "2026-11-24T01:37:53.350+00:00", "2026-11-24T01:37:53.366+00:00"
_PROBABILITY = 0.98  #: of the first class; the others share the rest


def receipt_example(kind: str) -> dict[str, Any]:
    """A 202 for a `single` job, or for a `batch` of two rows."""
    return {
        "id": _JOB_ID,
        "status": "queued",
        "kind": kind,
        "lane": "interactive" if kind == "single" else "batch",
        "priority": 1,
        "rows": 1 if kind == "single" else 2,
        "queue_position": 0,
        "eta_ms": 9,
        "expires_at": None,
        "request_id": "263fc786cffdfbaa",
        "submitted_at": _BEGUN,
        "urls": job_urls(_JOB_ID),
    }


def batch_examples(sample: dict[str, Any]) -> dict[str, Any]:
    """A body of two rows in each form that a batch may have, by the form's name."""
    names, row = list(sample), list(sample.values())
    bodies = {
        "instances": {"instances": [sample, sample]},
        "instances, as lists": {"instances": [row, row]},
        "inputs": {"inputs": {name: [value, value] for name, value in sample.items()}},
        "dataframe_records": {"dataframe_records": [sample, sample]},
        "dataframe_split": {"dataframe_split": {"columns": names, "data": [row, row]}},
    }
    return {form: {"value": body} for form, body in bodies.items()}


class JobExamples:
    """Answers of one version.

    Attributes:
        single, batch: the documents of such jobs that have succeeded.
        cancelled: the document of a single job that was cancelled.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        answer = self._answer()
        head = {"id": _JOB_ID, "status": "succeeded", "priority": 1, "request_id": "263fc786cffdfbaa"}
        head |= {"submitted_at": _BEGUN, "finished_at": _DONE}
        scored = head | {
            "version": manifest.version,
            "artifact_sha256": manifest.artifact_sha256,
            "timings": {"queued_ms": 11.6, "compute_ms": 4.1, "total_ms": 16.1},
        }
        self.single = scored | {"kind": "single", "lane": "interactive", "result": answer}
        self.cancelled = head | {"status": "cancelled", "kind": "single", "lane": "interactive"}
        self.cancelled["urls"] = job_urls(_JOB_ID)
        rows = {form.value: f"{result_url(_JOB_ID)}?format={form}" for form in FileFormat}
        self.batch: dict[str, Any] = scored | {
            "kind": "batch",
            "lane": "batch",
            "rows": {"total": 2, "done": 2, "failed": 0},
            "urls": job_urls(_JOB_ID) | {"rows": rows},
            "offset": 0,
            "limit": 2,
            "results": [answer, answer],
        }

    def event(self) -> dict[str, str]:
        """The last server-sent event of a job."""
        return {"event": "done", "id": "succeeded-1", "data": json.dumps(self.single)}

    def lines(self) -> str:
        """The rows as NDJSON."""
        return "".join(json.dumps(row) + "\n" for row in self.batch["results"])

    def table(self) -> str:
        """The rows as CSV."""
        columns = build_columns(self._manifest.signature, Returns.BOTH)
        return header_line(columns) + "".join(csv_line(row, columns) for row in self.batch["results"])

    def predictions(self) -> dict[str, Any]:
        """What MLflow's protocol answers to two rows."""
        answer = self._answer()
        plain = {name: _plain(part) for name, part in answer.get("outputs", {}).items()} or _plain(answer)
        return {"predictions": [plain, plain]}

    def tensors(self) -> dict[str, Any]:
        """What the Open Inference Protocol answers to one row."""
        asked = InferRequest.model_construct(id="42", inputs=[])
        return answer_document(self._manifest, asked, [self._answer()], outputs_of(self._manifest))

    def _answer(self) -> dict[str, Any]:
        outputs = {output.name: self._output(output) for output in self._manifest.signature.outputs}
        return {"outputs": outputs} if len(outputs) > 1 else next(iter(outputs.values()))

    def _output(self, output: Output) -> dict[str, Any]:
        if not output.classes:
            return {"value": 3.5}
        answer: dict[str, Any] = {"label": output.classes[0]}
        if self._manifest.signature.has_probabilities:
            names = output.class_names
            others = round((1 - _PROBABILITY) / max(1, len(names) - 1), 6)
            answer["probabilities"] = dict.fromkeys(names, others) | {names[0]: _PROBABILITY}
        return answer


def _plain(answer: dict[str, Any]) -> Any:
    return answer.get("label", answer.get("value"))
