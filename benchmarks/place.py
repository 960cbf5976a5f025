"""Where a stack lives: ports on the loopback address, and a folder for data, models and logs."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.process_tree import ProcessTree

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
TRAINING_LIMIT_SECONDS = 60.0


@dataclass(frozen=True)
class Place:
    """Where one stack lives."""

    port: int
    redis_port: int
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)  #: for every process

    @property
    def redis_url(self) -> str:
        return f"redis://{HOST}:{self.redis_port}/0"

    def start(self, name: str, command: list[str], **env: str) -> ProcessTree:
        """Starts a command from the repository's root with `env` added to ours, and one BLAS thread."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **self.env, **env}
        return ProcessTree(name, command, environment, ROOT, self.folder / f"{name}.log")


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
