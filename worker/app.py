"""The entry of the interactive lane's worker: `celery -A worker.app worker`. It reads the environment.

Its processes score single jobs and small calls of `/invocations` and `/v2`; batches, files and exports are the batch
lane's (`worker.batch_app`).
"""

from rhizome import keys
from rhizome.celery_app import build_celery, log_as_json
from rhizome.jobs import Lane
from rhizome.settings import load_settings
from worker.lifecycle import attach

settings = load_settings()
app = build_celery("worker", settings, queues=(keys.SCORING_QUEUE,), include=("worker.tasks",))
app.conf.worker_concurrency = settings.worker_processes
app.conf.task_time_limit = settings.run_limit_seconds + 10
app.conf.task_soft_time_limit = settings.run_limit_seconds
log_as_json("worker", settings)
attach(app, settings, Lane.INTERACTIVE)
