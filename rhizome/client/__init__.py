"""The Python client: `Client` and `AsyncClient`, their errors and results, and a check for receivers of webhooks.

It imports nothing else of the project, so it works where only the extra `client` is installed, and it imports no data
library: frames and arrays are recognised by what they can do. What a call does is decided once, in generators of steps
(`*_calls.py`); the two clients only carry the steps out.

>>> from rhizome.client import Client
>>> with Client(base_url) as client:
...     client.predict({"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}).label
'setosa'
"""

from rhizome.client.async_client import AsyncClient
from rhizome.client.errors import (
    ClientError,
    Conflict,
    Gone,
    InvalidInput,
    JobCancelled,
    JobExpired,
    JobFailed,
    JobUnsuccessful,
    NotAllowed,
    NotFound,
    Problem,
    Timeout,
    TooBusy,
    Unavailable,
    UnexpectedAnswer,
    WebhookInvalid,
)
from rhizome.client.jobs import Answer, BatchResult, Event, Job, JobError, Prediction, RowCounts, Timings
from rhizome.client.options import BatchOptions, Options
from rhizome.client.service_calls import Health, Models, Promotion, TrainingRun, Version
from rhizome.client.sync_client import Client
from rhizome.client.webhooks import Webhook, verify_webhook

__all__ = [
    "Answer",
    "AsyncClient",
    "BatchOptions",
    "BatchResult",
    "Client",
    "ClientError",
    "Conflict",
    "Event",
    "Gone",
    "Health",
    "InvalidInput",
    "Job",
    "JobCancelled",
    "JobError",
    "JobExpired",
    "JobFailed",
    "JobUnsuccessful",
    "Models",
    "NotAllowed",
    "NotFound",
    "Options",
    "Prediction",
    "Problem",
    "Promotion",
    "RowCounts",
    "Timeout",
    "Timings",
    "TooBusy",
    "TrainingRun",
    "Unavailable",
    "UnexpectedAnswer",
    "Version",
    "Webhook",
    "WebhookInvalid",
    "verify_webhook",
]
