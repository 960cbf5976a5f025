"""Follows the champion pointer: loads what it names, rolls back what cannot be loaded.

A version is rejected at once for what is its own fault: it was altered, cannot be unpickled, or fails its self-test.
What may be this moment's or this machine's fault (a file that is not there yet, no memory) is tried again for a while
first: one process decides for all, and for good.
"""

import logging
import time

from rhizome.errors import ArtifactError, ArtifactMissing, RhizomeError
from rhizome.registry import Pointer, Registry
from worker.shelf import Shelf

PATIENCE_SECONDS = 15.0  #: how long a failure that may pass is put up with
RETRY_FAILED_SECONDS = 30.0  #: a rejected version that stayed champion, having no predecessor, is tried again

log = logging.getLogger(__name__)


class Follower:
    """One process's view of the champion pointer; `follow` is called from one thread only."""

    def __init__(self, registry: Registry, shelf: Shelf) -> None:
        self._registry = registry
        self._shelf = shelf
        self._failing: Pointer | None = None
        self._failing_since = 0.0
        self._retry_at = 0.0
        self._is_loading = False
        #: Why the champion could not be loaded; empty if it could.
        self.detail = ""

    @property
    def state(self) -> str:
        """`serving`, `loading`, `waiting` (no champion yet) or `failed`."""
        if self.detail:
            return "failed"
        if self._is_loading:
            return "loading"
        return "serving" if self._shelf.champion else "waiting"

    def follow(self) -> None:
        """Looks at the pointer once, and loads what it names if that is new."""
        pointer = self._registry.champion()
        loaded = self._shelf.champion
        if pointer is None or (loaded is not None and loaded.name == pointer.version):
            self._failing, self.detail = None, ""
            return
        if pointer == self._failing and time.monotonic() < self._retry_at:
            return
        self._is_loading = True
        try:
            self._shelf.load_champion(pointer)
            self._failing, self.detail = None, ""
        except Exception as error:  # whatever it is, a version that cannot be loaded must not stay champion
            self._judge(pointer, error)
        finally:
            self._is_loading = False

    def _judge(self, pointer: Pointer, error: Exception) -> None:
        if pointer != self._failing:
            self._failing, self._failing_since, self._retry_at = pointer, time.monotonic(), 0.0
        # What reaches Redis is public: the error's own words, or none.
        self.detail = str(error) if isinstance(error, RhizomeError) else "could not be loaded; see the worker's log"
        log.error("version_failed", extra={"version": pointer.version, "reason": self.detail}, exc_info=error)
        is_own_fault = isinstance(error, ArtifactError) and not isinstance(error, ArtifactMissing)
        if is_own_fault or time.monotonic() - self._failing_since >= PATIENCE_SECONDS:
            self._retry_at = time.monotonic() + RETRY_FAILED_SECONDS
            self._reject(pointer)

    def _reject(self, pointer: Pointer) -> None:
        reason = f"{pointer.version} failed: {self.detail}"
        try:
            standing = self._registry.roll_back(reason=reason, failed=pointer.version)
        except RhizomeError as refusal:
            log.error("rollback_impossible", extra={"version": pointer.version, "reason": str(refusal)})
            return
        log.warning("rolled_back", extra={"version": standing.version, "failed": pointer.version})
        if standing.version != pointer.version:
            self.follow()
