"""What a running `rhizome up` tells other commands of the same folder: where its Redis and its gateway are."""

import json
import os
from pathlib import Path
from typing import NamedTuple

FILE = "run.json"


class Run(NamedTuple):
    """A running service: the supervisor's process id, Redis's URL and the gateway's URL."""

    pid: int
    redis_url: str
    gateway_url: str


def write_run(var_dir: Path, run: Run) -> None:
    """Leaves the note, readable by this user only: the URL holds a password."""
    path = var_dir / FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(run._asdict()))


def remove_run(var_dir: Path) -> None:
    """Takes the note away."""
    (var_dir / FILE).unlink(missing_ok=True)


def find_run(var_dir: Path) -> Run | None:
    """The running service of this folder, or None."""
    try:
        run = Run(**json.loads((var_dir / FILE).read_text()))
        os.kill(run.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return run
