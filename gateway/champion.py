"""What the gateway knows of the versions: the champion pointer, and a validator per version's signature."""

import threading
import time
from dataclasses import dataclass

from gateway.validation import Validator
from rhizome.errors import ArtifactError, NoChampion, VersionNotFound
from rhizome.manifest import Manifest
from rhizome.registry import Pointer, Registry

REFRESH_SECONDS = 1.0  #: a missed message about a new champion heals after this
VALIDATORS_KEPT = 16


@dataclass(frozen=True)
class Known:
    """A version with its validator."""

    manifest: Manifest
    validator: Validator


class ChampionView:
    """The champion as this process sees it: looked up again once a second, or at once when told that it moved."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[str, Known] = {}
        self._champion: tuple[Pointer, Known] | None = None
        self._looked_at = float("-inf")
        self._lock = threading.Lock()

    def forget(self) -> None:
        """The champion moved: look again at the next request."""
        self._looked_at = float("-inf")

    def pointer(self) -> Pointer:
        """The champion pointer.

        Raises:
            NoChampion: nothing has been promoted yet.
        """
        return self._current()[0]

    def champion(self) -> Known:
        """The champion's manifest and validator.

        Raises:
            NoChampion: nothing has been promoted yet.
        """
        return self._current()[1]

    def version(self, name: str) -> Known:
        """A registered version's manifest and validator.

        Raises:
            VersionNotFound: there is none of that name.
        """
        known = self._known.get(name)
        if known is None:
            manifest = self._registry.manifest(name)
            known = Known(manifest, Validator(manifest.signature))
            with self._lock:
                while len(self._known) >= VALIDATORS_KEPT:
                    self._known.pop(next(iter(self._known)))
                self._known[name] = known
        return known

    def _find_champion(self, name: str) -> Known:
        try:
            return self.version(name)
        except (VersionNotFound, ArtifactError) as error:
            raise NoChampion(f"the champion's manifest cannot be used ({error}); promote another version") from None

    def _current(self) -> tuple[Pointer, Known]:
        champion, now = self._champion, time.monotonic()
        if champion is None or now - self._looked_at > REFRESH_SECONDS:
            self._looked_at = now  # first, so that other threads do not look as well
            pointer = self._registry.champion()
            if pointer is None:
                self._champion = None
                raise NoChampion("no version has been promoted yet; train one with: rhizome train")
            if champion is None or champion[0] != pointer:
                champion = (pointer, self._find_champion(pointer.version))
            self._champion = champion
        return champion
