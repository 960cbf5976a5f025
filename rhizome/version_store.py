"""Version directories on disk: `models/<name>/<version>/{model.joblib, manifest.json, metrics.json}`.

Readers are everywhere a model is scored; the only writer is the trainer, which creates a directory under a temporary
name and renames it, so a version directory that is visible is complete and never changes.
"""

import re
from pathlib import Path

from rhizome.errors import VersionNotFound
from rhizome.manifest import MANIFEST_FILE

#: `<UTC time>-<first 8 hex digits of the artefact hash>`, with `-<n>` where two runs fall in one second.
VERSION_NAME = re.compile(r"^\d{8}T\d{6}Z-[0-9a-f]{8}(-\d+)?$")
JOURNAL_FILE = "champion.json"  #: the trainer's copy of the champion pointer, for a Redis that lost its data


class VersionStore:
    """The versions of one model name below `models_dir`."""

    def __init__(self, models_dir: Path, model_name: str) -> None:
        self.root = models_dir / model_name

    def path(self, version: str) -> Path:
        """The directory of `version`.

        Raises:
            VersionNotFound: the name is not a version's, or there is no such directory.
        """
        if not VERSION_NAME.match(version) or not (self.root / version / MANIFEST_FILE).is_file():
            raise VersionNotFound(f"there is no version '{version[:64]}' on disk")
        return self.root / version

    def names(self) -> list[str]:
        """All versions, oldest first."""
        if not self.root.is_dir():
            return []
        return sorted(p.name for p in self.root.iterdir() if VERSION_NAME.match(p.name))

    @property
    def journal(self) -> Path:
        """Where the trainer keeps its copy of the champion pointer."""
        return self.root / JOURNAL_FILE
