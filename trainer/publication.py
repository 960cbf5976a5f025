"""Publication: a version directory is written under a temporary name, forced to disk and renamed.

So a version that can be seen is complete. Nothing changes in it afterwards; prune removes whole versions.
"""

import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from rhizome.errors import ArtifactError, StartupError
from rhizome.manifest import MANIFEST_FILE, METRICS_FILE, Manifest
from rhizome.registry import Registry
from rhizome.version_store import VersionStore

logger = logging.getLogger(__name__)

STAGING_PREFIX = ".staging-"
#: An unfinished directory older than this belongs to no living run.
LEFTOVER_SECONDS = 3600.0
_STAMP = "%Y%m%dT%H%M%SZ"
_NAME_DIGITS = 8
_DIRECTORY_MODE = 0o755  # the worker may run as another user than the trainer


@contextmanager
def open_staging(store: VersionStore) -> Iterator[Path]:
    """A fresh directory beside the versions, gone at the end unless it was published.

    Raises:
        StartupError: the models folder cannot be written.
        ArtifactError: writing in it failed, for instance because the disk is full.
    """
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=store.root))
        staging.chmod(_DIRECTORY_MODE)
    except OSError as error:
        raise StartupError(
            f"the models folder {store.root} cannot be written ({error.strerror}); make it writable for the trainer, "
            "or set RHIZOME_MODELS_DIR to one that is"
        ) from None
    try:
        yield staging
    except OSError as error:
        raise ArtifactError(f"a version cannot be written in {store.root}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def name_version(artifact_sha256: str, now: datetime) -> str:
    """`<UTC time>-<first digits of the artefact's hash>`."""
    return f"{now.strftime(_STAMP)}-{artifact_sha256[:_NAME_DIGITS]}"


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Writes `manifest.json`, readable for people."""
    (directory / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n")


def publish(
    store: VersionStore, staging: Path, manifest: Manifest, metrics: dict[str, Any], signing_key: bytes | None
) -> Manifest:
    """Completes the directory `staging`, which holds the artefact, and gives it its final name.

    Args:
        store: where the versions are.
        staging: from `open_staging`.
        manifest: its version gets `-2`, `-3` … appended if another run took the name in the same second.
        metrics: for `metrics.json`.
        signing_key: signs the manifest.

    Returns:
        The manifest as written.
    """
    number = _next_number(store, manifest.version)
    while True:
        version = manifest.version if number == 1 else f"{manifest.version}-{number}"
        final = manifest.model_copy(update={"version": version})
        final = final.signed(signing_key) if signing_key else final
        write_manifest(staging, final)
        content = msgspec.json.format(msgspec.json.encode({"version": version, **metrics}))
        (staging / METRICS_FILE).write_bytes(content + b"\n")
        _force_to_disk(staging)
        try:
            staging.rename(store.root / version)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            number += 1
            continue
        _sync(store.root)
        return final


def _next_number(store: VersionStore, version: str) -> int:
    """1, or one more than the highest number of that second: the name of a pruned version is not given again."""
    numbers = [name.removeprefix(version).lstrip("-") or "1" for name in store.names() if name.startswith(version)]
    return max(map(int, numbers), default=0) + 1


def remove_leftovers(store: VersionStore) -> None:
    """Removes the unfinished directories of runs that died."""
    if not store.root.is_dir():
        return
    for path in store.root.glob(f"{STAGING_PREFIX}*"):
        try:
            is_old = path.stat().st_mtime < time.time() - LEFTOVER_SECONDS
        except FileNotFoundError:  # its run has just ended
            continue
        if is_old:
            shutil.rmtree(path, ignore_errors=True)
            logger.info("leftover_removed", extra={"path": path.name})


def prune(store: VersionStore, registry: Registry, keep: int) -> list[str]:
    """Removes the oldest versions beyond `keep`, but never the champion or the version a rollback would bring back.

    Returns:
        The removed versions.
    """
    names, protected = store.names(), _protected(registry)
    removed = [name for name in names[: max(0, len(names) - keep)] if name not in protected]
    for version in removed:
        registry.forget(version)
        # Renamed first: a version directory that can be seen is complete.
        trash = store.root / f"{STAGING_PREFIX}{version}"
        (store.root / version).rename(trash)
        shutil.rmtree(trash, ignore_errors=True)
        logger.info("version_pruned", extra={"version": version})
    return removed


def _protected(registry: Registry) -> set[str]:
    champion, unfit = registry.champion(), set(registry.rejected())
    if champion is None:
        return set()
    known = {manifest.version for manifest in registry.versions()}
    former = [item.version for item in registry.history() if item.version in known - unfit - {champion.version}]
    return {champion.version, *former[:1]}


def _force_to_disk(directory: Path) -> None:
    for path in directory.iterdir():
        _sync(path)
    _sync(directory)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
