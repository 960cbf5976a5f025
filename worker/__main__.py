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

ROLES = ("worker", "batches", "webhooks")  #: the first is what it does without an argument
EXIT_USAGE = 2


def main() -> None:
    """Works until it is told to stop; what is under way then is finished."""
    role = _read_role(sys.argv[1:])
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


def _read_role(arguments: list[str]) -> str:
    role, *rest = arguments or ROLES[:1]
    if role in ROLES and not rest:
        return role
    sys.stderr.write(f"rhizome: a worker has no role '{' '.join(arguments)}'; it has one of {', '.join(ROLES)}\n")
    sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    main()
