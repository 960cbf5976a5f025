"""Promotion: moving the champion pointer forth and back, noting it on disk, and telling the workers.

The pointer in the registry is the truth; the journal and the broadcast follow it, and neither failing undoes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rhizome.errors import ArtifactError, PromotionRefused
from rhizome.manifest import Manifest
from rhizome.registry import Pointer, Registry
from rhizome.version_store import VersionStore
from trainer.journal import update_journal

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)

RELOAD_COMMAND = "reload"  #: the remote-control command that the workers implement

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Promoter:
    """Moves the champion pointer.

    Attributes:
        registry: holds the pointer.
        store: where the versions and the journal are.
        announce: tells the workers of a new champion, by version.
    """

    registry: Registry
    store: VersionStore
    announce: Announce

    def promote_candidate(self, manifest: Manifest, *, force: bool = False) -> Pointer:
        """Promotes what the gate let pass, if the champion is still the one it was compared with.

        Args:
            manifest: of a registered version, with its gate report.
            force: promote whatever the gate found; an operator's decision.

        Raises:
            PromotionRefused: the gate refused it, naming the failed checks.
            ChampionMoved: another promotion came between gate and promotion.
        """
        if force:
            return self._swing(manifest, "forced", force=True)
        check_gate(manifest)
        return self._swing(manifest, manifest.reason, expected=str(manifest.gate.get("champion", "")))

    def promote_version(self, version: str, *, reason: str, force: bool = False) -> Pointer:
        """Promotes a version that is on disk and registered: an operator's choice.

        Raises:
            VersionNotFound: there is no such version.
            PromotionRefused: it did not pass its gate (unless forced), or it failed in service.
        """
        self.store.path(version)
        manifest = self.registry.manifest(version)
        if not force:
            check_gate(manifest)
        return self._swing(manifest, reason, force=force)

    def roll_back(self, *, reason: str) -> Pointer:
        """Puts the former champion back.

        Raises:
            NoChampion: nothing has been promoted yet.
            PromotionRefused: there is no former champion.
        """
        pointer = self.registry.roll_back(reason=reason)
        logger.warning(
            "rolled_back", extra={"model": self.registry.model_name, "version": pointer.version, "reason": reason}
        )
        self._follow(pointer)
        return pointer

    def announce_champion(self) -> None:
        """Notes and announces the pointer as it stands, for whoever moved it without being able to do either."""
        pointer = self.registry.champion()
        if pointer:
            self._follow(pointer)

    def _swing(self, manifest: Manifest, reason: str, *, expected: str | None = None, force: bool = False) -> Pointer:
        pointer = self.registry.promote(manifest.version, reason=reason, expected=expected, lift_rejection=force)
        logger.info(
            "promoted",
            extra={
                "model": self.registry.model_name,
                "version": pointer.version,
                "previous": pointer.previous,
                "reason": pointer.reason,
            },
        )
        self._follow(pointer)
        return pointer

    def _follow(self, pointer: Pointer) -> None:
        try:
            update_journal(self.store, self.registry)
        except ArtifactError as error:
            logger.error("journal_not_written", extra={"detail": str(error)})
        self.announce(pointer.version)


def check_gate(manifest: Manifest) -> None:
    """Raises PromotionRefused, naming the failed checks, unless the gate let this version pass."""
    if manifest.gate.get("passed") is True:
        return
    failed = [check for check in manifest.gate.get("checks", []) if not check.get("passed")]
    causes = "; ".join(f"{check.get('name')}: {check.get('detail')}" for check in failed)
    raise PromotionRefused(f"version {manifest.version} did not pass the gate ({causes or 'it has no gate report'})")


def broadcast_through(app: Celery) -> Announce:
    """Tells all workers by Celery's remote control; a hint, since each worker also looks at the pointer itself."""

    def announce(version: str) -> None:
        try:
            app.control.broadcast(RELOAD_COMMAND, arguments={"version": version})
        except Exception as error:  # the transport's own errors; the pointer has moved, and the workers will see it
            logger.warning("reload_broadcast_failed", extra={"version": version, "detail": str(error)})
        else:
            logger.info("reload_broadcast", extra={"version": version})

    return announce
