"""What a running `rhizome up` tells other commands of the same folder: where it is and what it runs.

No secrets beside the URL of Redis: a command that signs needs the key in its own environment.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

FILE = "run.json"


class Run(NamedTuple):
    """A running service.

    Attributes:
        pid: of the supervisor.
        redis_url, gateway_url: where they are.
        settings: which model it runs and how it is trained, by environment variable; empty in notes of releases before.
        signs: whether it signs versions, and refuses those that are not signed.
    """

    pid: int
    redis_url: str
    gateway_url: str
    settings: dict[str, str] = {}  # noqa: RUF012 - of a named tuple: never changed
    signs: bool = False


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
