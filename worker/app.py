"""The worker's process entry: `celery -A worker.app worker`. The only module of the worker that reads the environment.

BLAS and OpenMP get one thread each before NumPy is imported: a micro-batch is too small to share out, and a thread
pool that exists before the fork breaks after it.
"""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

from rhizome import keys  # noqa: E402 - after the thread counts
from rhizome.celery_app import build_celery, log_as_json  # noqa: E402
from rhizome.settings import load_settings  # noqa: E402
from worker.lifecycle import attach  # noqa: E402

QUEUES = (keys.SCORING_QUEUE, keys.UPKEEP_QUEUE, keys.EXPORT_QUEUE)

settings = load_settings()
app = build_celery("worker", settings, queues=QUEUES, include=("worker.tasks",))
app.conf.worker_concurrency = settings.worker_processes
app.conf.task_time_limit = settings.score_time_limit_seconds + 10
app.conf.task_soft_time_limit = settings.score_time_limit_seconds
log_as_json("worker", settings)
attach(app, settings)
