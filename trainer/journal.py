"""The journal: the champion pointer and its history on disk beside the versions, for a Redis that lost its data."""

import contextlib
import os
from pathlib import Path

import msgspec

from rhizome.errors import ArtifactError
from rhizome.registry import Pointer, Registry
from rhizome.version_store import VersionStore


class Journal(msgspec.Struct, frozen=True):
    """What `champion.json` holds: the pointer, former ones (newest first), and what failed in service, with why."""

    pointer: Pointer
    history: list[Pointer] = []
    rejected: dict[str, str] = {}


def write_journal(store: VersionStore, journal: Journal) -> None:
    """Replaces `champion.json` in one step.

    Raises:
        ArtifactError: it cannot be written.
    """
    temporary = store.journal.with_name(f".{store.journal.name}.{os.getpid()}")
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        _write(temporary, msgspec.json.format(msgspec.json.encode(journal)) + b"\n")
        temporary.replace(store.journal)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ArtifactError(
            f"the champion cannot be noted in {store.journal} ({error.strerror}); make the folder writable"
        ) from None


def read_journal(store: VersionStore) -> Journal | None:
    """What was written last, or None if there is no readable journal."""
    try:
        return msgspec.json.decode(store.journal.read_bytes(), type=Journal)
    except (OSError, msgspec.DecodeError):
        return None


def update_journal(store: VersionStore, registry: Registry) -> None:
    """Notes what the registry says, if it says anything new.

    Raises:
        ArtifactError: it cannot be written.
    """
    pointer = registry.champion()
    if pointer is None:
        return
    journal = Journal(pointer, registry.history(), registry.rejected())
    if journal != read_journal(store):
        write_journal(store, journal)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
