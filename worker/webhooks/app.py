"""The deliverer's process entry: `python -m worker webhooks`. Importing it reads the environment."""

from rhizome.celery_app import log_as_json
from rhizome.settings import load_settings
from worker.webhooks.assembly import build_deliverer

settings = load_settings()
log_as_json("webhooks", settings)
app = build_deliverer(settings)
