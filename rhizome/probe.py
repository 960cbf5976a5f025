"""The healthcheck of a container: `python -m rhizome.probe [--livez URL] ROLE…`; exit code 0 is healthy.

Healthy means that the processes make progress, by their pulses (`rhizome.pulse`). A process that waits for a Redis
that is away is healthy: restarting it would not bring Redis back. Celery's own `inspect ping` is not used: it takes a
second of CPU and is answered by a worker that consumes nothing.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rhizome.pulse import AWAY_FILE, PulseReading, read_pulses

FOLDER_VARIABLE = "RHIZOME_PULSE_DIR"
HTTP_TIMEOUT_SECONDS = 3.0
REDIS_TIMEOUT_SECONDS = 1.0
#: Celery's pause between two attempts to connect grows to 30 s; a process may sleep as long after Redis has come back.
RECONNECT_SECONDS = 45.0


def main(arguments: Sequence[str]) -> int:
    """Prints one line that says what was found."""
    livez = arguments[1] if arguments[:1] == ["--livez"] else ""
    roles = arguments[2:] if livez else arguments
    folder = os.environ.get(FOLDER_VARIABLE)
    problem = find_problem(Path(folder), roles) if folder else f"{FOLDER_VARIABLE} is not set"
    problem = problem or (livez and find_deafness(livez))
    sys.stdout.write(f"{problem or 'healthy'}\n")
    return 1 if problem else 0


def find_problem(folder: Path, roles: Sequence[str]) -> str:
    """What is wrong with the processes, or an empty string.

    Args:
        folder: of the pulses.
        roles: each must have a living process.
    """
    pulses = read_pulses(folder)
    missing = set(roles) - {pulse.role for pulse in pulses}
    if missing:
        return f"no pulse of: {', '.join(sorted(missing))}"
    stale = [pulse for pulse in pulses if pulse.age_seconds > pulse.patience_seconds]
    if not stale or is_redis_excuse(folder):
        return ""
    return "; ".join(_describe(pulse) for pulse in stale)


def is_redis_excuse(folder: Path) -> bool:
    """Whether Redis is away, or was so recently that Celery may still sleep before it connects again."""
    away = folder / AWAY_FILE
    if not _is_redis_answering():
        away.touch()
        return True
    return away.exists() and time.time() - away.stat().st_mtime < RECONNECT_SECONDS


def find_deafness(url: str) -> str:
    """What is wrong with the HTTP server at `url`, or an empty string."""
    import urllib.request  # noqa: PLC0415 - costs the other probes more than all the rest

    try:
        with urllib.request.urlopen(url, timeout=HTTP_TIMEOUT_SECONDS):  # noqa: S310 - its own address
            return ""
    except OSError as error:
        return f"{url} does not answer: {error}"


def _is_redis_answering() -> bool:
    # Imported only in doubt, likewise.
    from redis.exceptions import RedisError  # noqa: PLC0415

    from rhizome.connection import connect  # noqa: PLC0415
    from rhizome.settings import load_settings  # noqa: PLC0415

    redis = connect(load_settings().redis_url, socket_timeout=REDIS_TIMEOUT_SECONDS)
    try:
        return bool(redis.ping())
    except RedisError:
        return False
    finally:
        redis.close()


def _describe(pulse: PulseReading) -> str:
    return f"{pulse.role} process {pulse.pid} has made no progress for {pulse.age_seconds:.0f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
