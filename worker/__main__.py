"""`python -m worker [batches | webhooks]`: scores single jobs, or batches, or delivers webhooks, until SIGTERM.

BLAS and OpenMP get one thread each before NumPy is imported: a micro-batch is too small to share out, and a thread pool
that exists before the fork breaks after it.
"""

import os
import sys

from rhizome.celery_app import run_worker
from rhizome.errors import SettingsError
from rhizome.ownership import await_own_database

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # also inside Arrow; see `worker.files.arrow`
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


def main() -> None:
    """Works until it is told to stop; what is under way then is finished."""
    role = sys.argv[1] if len(sys.argv) > 1 else "worker"
    try:
        # Each of these reads the environment, which may be unusable.
        if role == "webhooks":
            from worker.webhooks.app import app, settings  # noqa: PLC0415
        elif role == "batches":
            from worker.batch_app import app, settings  # noqa: PLC0415
        else:
            from worker.app import app, settings  # noqa: PLC0415
    except SettingsError as error:
        sys.exit(f"rhizome: {error}")
    await_own_database(settings)
    run_worker(app, role, *(("--pool", "threads") if role == "webhooks" else ()))


if __name__ == "__main__":
    main()
