"""BentoML: the plain stack's pipeline as a batching synchronous API and as a task. Run with BENTOML_MODEL."""

import os
from typing import Any

import bentoml
import joblib
import numpy as np

WORKERS = int(os.environ.get("BENTOML_WORKERS", "1"))
BATCH = int(os.environ.get("BENTOML_BATCH", "64"))
LATENCY_MS = int(os.environ.get("BENTOML_LATENCY_MS", "100"))


@bentoml.service(
    workers=WORKERS,
    traffic={"timeout": 60, "max_concurrency": 4096},
    metrics={"enabled": False},
    tracing={"sample_rate": 0.0},
    logging={"access": {"enabled": False}},
)
class Iris:
    def __init__(self) -> None:
        self.pipeline = joblib.load(os.environ["BENTOML_MODEL"])
        self.labels = self.pipeline.classes_.tolist()

    @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=LATENCY_MS)
    def classify(self, rows: list[list[float]]) -> list[dict[str, Any]]:
        return [self._describe(row) for row in self.pipeline.predict_proba(np.array(rows)).tolist()]

    @bentoml.task
    def predict(self, row: list[float]) -> dict[str, Any]:
        return self._describe(self.pipeline.predict_proba(np.array([row]))[0].tolist())

    def _describe(self, probabilities: list[float]) -> dict[str, Any]:
        return {
            "label": self.labels[probabilities.index(max(probabilities))],
            "probabilities": dict(zip(self.labels, probabilities, strict=True)),
        }
