"""The Celery application of this process: the trainer's (`python -m trainer serve`), or beat's (`… beat`)."""

import sys

from celery import Celery

from rhizome.celery_app import log_as_json
from rhizome.errors import RhizomeError
from rhizome.settings import load_settings
from trainer.assembly import build_beat, build_trainer


def _build_process() -> Celery:
    is_beat = "beat" in sys.argv
    try:
        settings = load_settings()
        log_as_json("beat" if is_beat else "trainer", settings)
        return build_beat(settings) if is_beat else build_trainer(settings)
    except RhizomeError as error:
        sys.exit(f"error: {error}")


app = _build_process()
