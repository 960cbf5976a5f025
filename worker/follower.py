"""Follows the champion pointer: loads what it names, and votes against what cannot be loaded.

A process votes at once where the version seems to be at fault: it was altered, cannot be unpickled, fails its
self-test, or ended the process that loaded it. What may be this moment's fault (a file that is not there yet, no
memory) is tried again for a while first. It may be this machine's fault all the same, so most of the living processes
must agree before the version is rolled back.
"""

import logging
import os
import socket
import time

from rhizome.errors import ArtifactError, ArtifactMissing, RhizomeError
from rhizome.registry import Pointer, Registry
from worker.shelf import Shelf, tell

PATIENCE_SECONDS = 15.0  #: how long a failure that may pass is put up with
RETRY_FAILED_SECONDS = 30.0  #: a version that is at fault, and stayed champion, is tried again

log = logging.getLogger(__name__)


class Follower:
    """One process's view of the champion pointer; `follow` is called from one thread only."""

    def __init__(self, registry: Registry, shelf: Shelf) -> None:
        self._registry = registry
        self._shelf = shelf
        self._failing: Pointer | None = None
        self._failing_since = 0.0
        self._retry_at = 0.0
        self._has_voted = False
        self._vote_may_stand_for = ""  #: a version; empty if no vote of this process can be left
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
        is_served = pointer is not None and loaded is not None and loaded.name == pointer.version
        if is_served or pointer != self._failing:
            self._forget()
        if pointer is None or is_served:
            return
        if pointer == self._failing and time.monotonic() < self._retry_at:
            if self._has_voted:
                self._vote(pointer)  # others may have voted or ended since
            return
        # Whoever had this process's number before, in a container that was started again, may have voted, too.
        self._vote_may_stand_for = pointer.version
        self._is_loading = True
        try:
            self._shelf.load_champion(pointer)
        except Exception as error:  # whatever it is, a version that cannot be loaded must not stay champion
            self._judge(pointer, error)
            return
        finally:
            self._is_loading = False
        self._forget()

    def _forget(self) -> None:
        """Holds nothing against a version any more; where Redis is away, the next look withdraws the vote."""
        self._failing, self._has_voted, self.detail = None, False, ""
        if self._vote_may_stand_for:
            self._registry.withdraw_vote(self._vote_may_stand_for, process=_process_key())
            self._vote_may_stand_for = ""

    def _judge(self, pointer: Pointer, error: Exception) -> None:
        if pointer != self._failing:
            self._failing, self._failing_since, self._retry_at = pointer, time.monotonic(), 0.0
        detail, self.detail = self.detail, tell(error)
        if self.detail != detail:
            log.error("version_failed", extra={"version": pointer.version, "reason": self.detail}, exc_info=error)
        is_own_fault = isinstance(error, ArtifactError) and not isinstance(error, ArtifactMissing)
        if is_own_fault:
            self._retry_at = time.monotonic() + RETRY_FAILED_SECONDS
        is_patient = time.monotonic() - self._failing_since < PATIENCE_SECONDS
        # What is lacking here, such as its files, says nothing of a version that another process serves.
        if is_own_fault or not (is_patient or self._registry.is_served(pointer.version)):
            self._vote(pointer)

    def _vote(self, pointer: Pointer) -> None:
        is_first, self._has_voted = not self._has_voted, True
        reason = f"{pointer.version} failed: {self.detail}"
        try:
            standing = self._registry.vote_against(
                pointer.version, reason=reason, process=_process_key(), host=socket.gethostname()
            )
        except RhizomeError as refusal:
            if is_first:
                log.error("rollback_impossible", extra={"version": pointer.version, "reason": str(refusal)})
            return
        if standing is None:
            if is_first:
                log.warning("voted_against", extra={"version": pointer.version, "reason": self.detail})
            return
        log.warning("rolled_back", extra={"version": standing.version, "failed": pointer.version})
        if standing.version != pointer.version:
            self.follow()


def _process_key() -> str:
    return f"worker:{socket.gethostname()}:{os.getpid()}"
