"""The baseline's Celery application and its one task; the web processes import it to call `predict.delay`.

Settings are those found best (benchmarks/README.md tells how). Messages are acknowledged early,
Celery's default: a killed worker loses what it held, which costs the baseline nothing here.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

REDIS_URL = os.environ["BASELINE_REDIS_URL"]
RESULT_TTL_SECONDS = 3600

celery_app = Celery("baseline", broker=REDIS_URL, backend=REDIS_URL)
celery_app.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    result_expires=RESULT_TTL_SECONDS,
    worker_prefetch_multiplier=int(os.environ.get("BASELINE_PREFETCH", "16")),
    worker_send_task_events=False,
    task_send_sent_event=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"priority_steps": [0]},  # one list to pop from, not four
)

#: Filled in every worker child after the fork; never in a web process.
loaded: dict[str, Any] = {}


@worker_process_init.connect
def load_pipeline(**_: object) -> None:
    import joblib  # noqa: PLC0415 - a web process never needs it

    loaded["pipeline"] = joblib.load(os.environ["BASELINE_MODEL"])


@celery_app.task
def predict(features: list[float]) -> dict[str, Any]:
    """Scores one sample of shape (4,), in centimetres, in the order of the training columns."""
    pipeline = loaded["pipeline"]
    probabilities = pipeline.predict_proba([features])[0]
    return {
        "label": str(pipeline.classes_[probabilities.argmax()]),
        "probabilities": dict(zip(pipeline.classes_.tolist(), probabilities.tolist(), strict=True)),
    }
