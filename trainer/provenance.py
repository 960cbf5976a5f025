"""Where a version comes from: the code revision and the libraries, as its manifest records them."""

import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from rhizome import __version__

_GIT_TIMEOUT_SECONDS = 2.0
_LIBRARIES = ("scikit-learn", "numpy", "scipy", "joblib")


def library_versions() -> dict[str, str]:
    """What an artefact's bytes depend on."""
    return {"python": platform.python_version(), "rhizome": __version__} | {
        name: metadata.version(name) for name in _LIBRARIES
    }


def find_code_revision(configured: str) -> str:
    """The configured revision, else the checkout's commit, else `unknown`."""
    git = shutil.which("git")
    if configured or not git:
        return configured or "unknown"
    try:
        answer = subprocess.run(  # noqa: S603  a fixed command
            [git, "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()
