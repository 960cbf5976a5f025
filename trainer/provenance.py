"""Where a version comes from: the code revision and the libraries, as its manifest records them."""

import platform
import shutil
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from rhizome import __version__

_GIT_TIMEOUT_SECONDS = 2.0
_LIBRARIES = ("scikit-learn", "numpy", "scipy", "joblib")
_MISSING = "missing"


def library_versions(others: Iterable[str] = ()) -> dict[str, str]:
    """What an artefact's bytes depend on, as it is installed here.

    Args:
        others: distributions beside those that each artefact needs.
    """
    installed = {name: _find_version(name) for name in dict.fromkeys((*_LIBRARIES, *others))}
    return installed | {"python": platform.python_version(), "rhizome": __version__}


def find_distributions(modules: Iterable[str]) -> list[str]:
    """The names of the distributions that modules belong to, sorted; the standard library and loose files have none."""
    known = metadata.packages_distributions()
    return sorted({name for module in modules for name in known.get(module.partition(".")[0], ())})


def _find_version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return _MISSING


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
