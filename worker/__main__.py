"""`python -m worker`: runs the Celery worker of `worker.app` until SIGTERM."""

import sys

from rhizome.celery_app import run_worker
from rhizome.errors import SettingsError


def main() -> None:
    """Scores jobs until it is told to stop; what is being scored then is finished."""
    try:
        from worker.app import app  # noqa: PLC0415 - reads the environment, which may be unusable
    except SettingsError as error:
        sys.exit(f"rhizome: {error}")
    run_worker(app, "worker")


if __name__ == "__main__":
    main()
