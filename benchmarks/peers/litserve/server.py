"""LitServe: the plain stack's pipeline with batching. Run with LITSERVE_MODEL and LITSERVE_PORT."""

import os
from typing import Any

import joblib
import litserve
import numpy as np

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


class IrisAPI(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.pipeline = joblib.load(os.environ["LITSERVE_MODEL"])
        self.labels = self.pipeline.classes_.tolist()

    def decode_request(self, request: dict[str, float]) -> list[float]:
        return [float(request[name]) for name in FEATURES]

    def batch(self, inputs: list[list[float]]) -> np.ndarray:
        return np.array(inputs)

    def predict(self, rows: np.ndarray | list[float]) -> np.ndarray | list[float]:
        if isinstance(rows, list):  # one sample: batching is off
            return self.pipeline.predict_proba([rows])[0].tolist()
        return self.pipeline.predict_proba(rows)

    def unbatch(self, output: np.ndarray) -> list[list[float]]:
        return output.tolist()

    def encode_response(self, output: list[float]) -> dict[str, Any]:
        return {
            "label": self.labels[output.index(max(output))],
            "probabilities": dict(zip(self.labels, output, strict=True)),
        }


if __name__ == "__main__":
    api = IrisAPI(
        max_batch_size=int(os.environ.get("LITSERVE_BATCH", "64")),
        batch_timeout=float(os.environ.get("LITSERVE_BATCH_SECONDS", "0.001")),
    )
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=int(os.environ.get("LITSERVE_WORKERS", "1")),
        fast_queue=os.environ.get("LITSERVE_FAST_QUEUE", "0") == "1",
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["LITSERVE_PORT"]),
        num_api_servers=int(os.environ.get("LITSERVE_API_SERVERS", "1")),
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
