"""`python -m worker`: runs the Celery worker that scores, until SIGTERM; `python -m worker webhooks`: the deliverer."""

import sys

from rhizome.celery_app import run_worker
from rhizome.errors import SettingsError
from rhizome.ownership import await_own_database


def main() -> None:
    """Scores jobs, or delivers webhooks, until it is told to stop; what is under way then is finished."""
    try:
        if sys.argv[1:] == ["webhooks"]:
            from worker.webhooks.app import app as deliverer  # noqa: PLC0415 - reads the environment
            from worker.webhooks.app import settings  # noqa: PLC0415 - likewise

            await_own_database(settings)
            run_worker(deliverer, "webhooks", "--pool", "threads")
            return
        from worker.app import app, settings  # noqa: PLC0415 - reads the environment, which may be unusable
    except SettingsError as error:
        sys.exit(f"rhizome: {error}")
    await_own_database(settings)
    run_worker(app, "worker")


if __name__ == "__main__":
    main()
