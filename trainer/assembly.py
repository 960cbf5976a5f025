"""The two Celery applications of the trainer: the worker that consumes its queue, and beat.

Apart from `trainer.app`, which reads the environment, so that they can be built with any settings.

The worker runs with Celery's prefork pool and one child. A solo pool would train in the process that also answers
remote control, and could not be stopped at a time limit; here the main process stays free and survives a child that
the kernel kills for its memory. A run may outlast the visibility timeout: its message is then delivered again, and
skipped by its run id once the run has ended.
"""

from typing import Any

from celery import Celery, signals

from rhizome import keys
from rhizome.celery_app import build_celery
from rhizome.celery_pulses import build_scheduler
from rhizome.settings import Settings
from trainer.schedule import build_schedule
from trainer.tasks import ignore_reloads, register_tasks
from trainer.upkeep import Upkeep

#: KiB. A child that has trained holds scikit-learn and the data; it is replaced by a fresh, small one.
CHILD_MEMORY_LIMIT_KIB = 100 * 1024


def build_trainer(settings: Settings) -> Celery:
    """The application that consumes training, promotion and rollback."""
    app = build_celery("trainer", settings, queues=(keys.TRAINING_QUEUE,), include=())
    app.conf.update(worker_max_memory_per_child=CHILD_MEMORY_LIMIT_KIB)
    register_tasks(app, settings)
    ignore_reloads()
    upkeep = Upkeep(settings)

    def start(**_: Any) -> None:
        upkeep.start()

    def stop(**_: Any) -> None:
        upkeep.stop()

    signals.worker_ready.connect(start, weak=False)
    signals.worker_shutting_down.connect(stop, weak=False)
    return app


def build_beat(settings: Settings) -> Celery:
    """The application that sends what is due; it consumes nothing, and knows both queues it sends to."""
    app = build_celery("beat", settings, queues=(keys.TRAINING_QUEUE, keys.UPKEEP_QUEUE), include=())
    app.conf.update(beat_scheduler=build_scheduler(settings.pulse_dir), beat_schedule=build_schedule(settings))
    return app
