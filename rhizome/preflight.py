"""What `rhizome up` looks at before it starts anything: packages, folders, the port. Each failure is one clear line."""

import importlib.util
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from rhizome.errors import StartupError
from rhizome.settings import Settings

NEEDED = ("celery", "flask", "granian", "httpcore", "joblib", "msgspec", "numpy", "redis", "sklearn", "scipy")


def check_machine(settings: Settings, folders: Iterable[Path]) -> None:
    """Raises StartupError, with the remedy: a package is missing, a folder cannot be written, the port is taken."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise StartupError(f"missing packages: {', '.join(missing)}; install requirements/runtime.txt")
    for folder in folders:
        _check_writable(folder)
    _check_port(settings.host, settings.port)


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StartupError(
            f"{folder} is not writable ({error.strerror}); make it so, or set RHIZOME_VAR_DIR and RHIZOME_MODELS_DIR"
        ) from None


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise StartupError(
                f"cannot listen on {host}:{port} ({reason}); set RHIZOME_PORT to a free one, for example "
                f"RHIZOME_PORT={port + 1} make up"
            ) from None
