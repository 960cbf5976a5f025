"""Recovery: what the registry in Redis must know of the versions on disk, after either of them lost something.

The disk holds the versions, so what is not there is forgotten; Redis holds the pointer, so what stands there stays
unless its version cannot be used. No version is unpickled here: hashes and signatures are enough.
"""

import logging

from rhizome.errors import ArtifactError, ChampionMoved, PromotionRefused, VersionNotFound
from rhizome.manifest import ARTIFACT_FILE, Manifest, hash_file, load_manifest
from rhizome.registry import Pointer, Registry
from rhizome.settings import Settings
from rhizome.version_store import VersionStore
from trainer.journal import Journal, read_journal, update_journal

logger = logging.getLogger(__name__)


def adopt(settings: Settings, registry: Registry) -> Pointer | None:
    """Registers what is on disk and sees that the champion pointer, if there can be one, names a usable version.

    Returns:
        The champion pointer, or None if no version on disk can be one: then a training run is due.
    """
    store = VersionStore(settings.models_dir, settings.model_name)
    # Asked before the disk is read: what another process publishes meanwhile is then never forgotten.
    known = {manifest.version for manifest in registry.versions()}
    manifests = _read_all(store, settings.signing_key_bytes)
    for version in sorted(manifests.keys() - known):
        registry.register(manifests[version])
        logger.info("version_registered", extra={"version": version})
    pointer = registry.champion()
    _forget_missing(store, registry, known - manifests.keys(), pointer)
    if pointer is None or pointer.version not in manifests:
        pointer = _recover(store, registry, manifests, pointer)
    if pointer is not None:
        try:
            update_journal(store, registry)
        except ArtifactError as error:
            logger.warning("journal_not_written", extra={"detail": str(error)})
    return pointer


def _read_all(store: VersionStore, signing_key: bytes | None) -> dict[str, Manifest]:
    """The usable manifests on disk, by version."""
    manifests: dict[str, Manifest] = {}
    for version in store.names():
        try:
            manifest = load_manifest(store.path(version))
            if signing_key:
                manifest.check_signature(signing_key)
        except (ArtifactError, VersionNotFound) as error:
            logger.warning("version_unusable", extra={"version": version, "detail": str(error)})
        else:
            manifests[version] = manifest
    return manifests


def _forget_missing(store: VersionStore, registry: Registry, unusable: set[str], pointer: Pointer | None) -> None:
    # The champion stays known: workers that hold it in memory go on answering while its folder is away.
    kept = {*store.names(), pointer.version if pointer else ""}
    for version in sorted(unusable - kept):
        registry.forget(version)
        logger.warning("version_forgotten", extra={"version": version, "detail": "it is not on disk"})


def _recover(
    store: VersionStore, registry: Registry, manifests: dict[str, Manifest], lost: Pointer | None
) -> Pointer | None:
    """Restores the journalled pointer, or else promotes the newest sound version that passed its gate."""
    journal = read_journal(store)
    if lost is None and journal is not None and is_sound(store, manifests.get(journal.pointer.version)):
        return _restore(registry, journal, manifests)
    rejected = registry.rejected() | (journal.rejected if journal else {})
    for version in sorted(manifests.keys() - rejected.keys(), reverse=True):
        manifest = manifests[version]
        if manifest.gate.get("passed") is True and is_sound(store, manifest):
            return _promote(registry, version, lost)
    if lost is not None:
        logger.error(
            "champion_missing", extra={"version": lost.version, "detail": "neither it nor another can be used"}
        )
    return None


def _restore(registry: Registry, journal: Journal, manifests: dict[str, Manifest]) -> Pointer | None:
    history = [former for former in journal.history if former.version in manifests]
    if registry.restore(journal.pointer, history):
        logger.warning("champion_restored", extra={"version": journal.pointer.version, "source": "journal"})
    return registry.champion()


def _promote(registry: Registry, version: str, lost: Pointer | None) -> Pointer | None:
    reason = "recovery: the champion cannot be used" if lost else "recovery: no pointer and no journal"
    try:
        pointer = registry.promote(version, reason=reason, expected=lost.version if lost else "")
    except (ChampionMoved, PromotionRefused) as error:
        logger.warning("recovery_overtaken", extra={"version": version, "detail": str(error)})
        return registry.champion()
    logger.warning("champion_restored", extra={"version": version, "source": "newest version that passed its gate"})
    return pointer


def is_sound(store: VersionStore, manifest: Manifest | None) -> bool:
    """Whether the artefact on disk is the one that the manifest describes."""
    if manifest is None:
        return False
    try:
        found = hash_file(store.path(manifest.version) / ARTIFACT_FILE)
    except (OSError, VersionNotFound):
        found = ""
    if found != manifest.artifact_sha256:
        logger.error("version_tampered", extra={"version": manifest.version})
    return found == manifest.artifact_sha256
