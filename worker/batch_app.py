"""The entry of the batch lane's worker: `celery -A worker.batch_app worker`. It reads the environment.

Its processes score the chunks of batches and files, and write exports. They are apart from those of the interactive
lane, so that nothing in a file, and no library that reads one, can hold up or end the scoring of single jobs.
"""

from celery import signals

from rhizome import keys
from rhizome.celery_app import build_celery, log_as_json
from rhizome.jobs import Lane
from rhizome.settings import load_settings
from worker.files import exporting, scoring  # noqa: F401 - and pyarrow: before the fork, never beside a call of a version
from worker.files.arrow import confine_arrow
from worker.lifecycle import attach
from worker.restraint import restrain

QUEUES = (keys.BATCH_QUEUE, keys.UPKEEP_QUEUE, keys.EXPORT_QUEUE)

settings = load_settings()
app = build_celery("batches", settings, queues=QUEUES, include=("worker.tasks",))
app.conf.worker_concurrency = settings.batch_processes
app.conf.task_time_limit = settings.run_limit_seconds + 10
app.conf.task_soft_time_limit = settings.run_limit_seconds
log_as_json("batches", settings)
attach(app, settings, Lane.BATCH)


def confine(**_: object) -> None:
    """What a process of this lane may take."""
    confine_arrow()
    restrain(settings.batch_memory_bytes)


signals.worker_process_init.connect(confine, weak=False)
