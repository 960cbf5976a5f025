"""The versions a worker process holds in memory: the champion, and the few others that jobs are pinned or bound to."""

import logging
import threading
import time
from collections import OrderedDict
from typing import Any

from rhizome.artifact import load_estimator
from rhizome.direct_calls.finding import find_direct_calls
from rhizome.inference import Calls, predict, to_array
from rhizome.manifest import Manifest
from rhizome.registry import Pointer
from rhizome.self_test import check_golden
from rhizome.version_store import VersionStore
from worker.linear_cost import LinearCost

OTHERS_HELD = 2  #: versions besides the champion; a former champion stays for the jobs bound to it
WARM_UP_ROWS = (1, 64)  #: batch sizes predicted before a version serves

log = logging.getLogger(__name__)


class LoadedVersion:
    """A verified, self-tested, warm version.

    Attributes:
        manifest: its manifest.
        calls: how its fitted estimator is called.
        is_called_directly: past scikit-learn's layers; see `rhizome.direct_calls`.
        cost: what its estimator takes for a call, by the number of rows.
    """

    def __init__(self, manifest: Manifest, estimator: Any) -> None:
        self.manifest = manifest
        self.signature = manifest.signature
        direct = find_direct_calls(estimator, manifest.signature, manifest.golden.rows)
        self.is_called_directly = direct is not None
        self.calls = Calls(estimator, direct)
        self.cost = LinearCost()

    @property
    def name(self) -> str:
        return self.manifest.version


class Shelf:
    """Loads versions and keeps them; safe to use from the scorer and the keeper thread at once."""

    def __init__(self, store: VersionStore, signing_key: bytes | None) -> None:
        self._store = store
        self._signing_key = signing_key
        self._others: OrderedDict[str, LoadedVersion] = OrderedDict()
        self._lock = threading.Lock()
        #: Replaced as a whole, never changed: whoever reads it once has one version for a whole micro-batch.
        self.champion: LoadedVersion | None = None

    def load_champion(self, pointer: Pointer) -> LoadedVersion:
        """Loads what the pointer names beside the present champion, then swaps.

        Raises:
            ArtifactError: it cannot be verified, unpickled or does not pass its self-test; the old champion stays.
        """
        with self._lock:
            loaded = self._others.pop(pointer.version, None)
        if loaded is None or loaded.manifest.artifact_sha256 != pointer.artifact_sha256:
            loaded = self._load(pointer.version, pointer.artifact_sha256)
        with self._lock:
            former, self.champion = self.champion, loaded
            if former is not None and former.name != loaded.name:
                self._keep(former)
        return loaded

    def get(self, version: str) -> LoadedVersion:
        """A version by name, loaded if need be.

        Raises:
            VersionNotFound: it is not on disk (any more).
            ArtifactError: it cannot be verified, unpickled or does not pass its self-test.
        """
        champion = self.champion
        if champion is not None and champion.name == version:
            return champion
        with self._lock:
            if version in self._others:
                self._others.move_to_end(version)
                return self._others[version]
        loaded = self._load(version, None)
        with self._lock:
            self._keep(loaded)
        return loaded

    def _keep(self, loaded: LoadedVersion) -> None:
        self._others[loaded.name] = loaded
        self._others.move_to_end(loaded.name)
        while len(self._others) > OTHERS_HELD:
            self._others.popitem(last=False)

    def _load(self, version: str, expected_sha256: str | None) -> LoadedVersion:
        begun = time.monotonic()
        manifest, estimator = load_estimator(
            self._store.path(version), signing_key=self._signing_key, expected_sha256=expected_sha256
        )
        check_golden(estimator, manifest)
        loaded = LoadedVersion(manifest, estimator)
        _warm_up(loaded)
        log.info(
            "version_loaded",
            extra={
                "version": version,
                "artifact_sha256": manifest.artifact_sha256,
                "called_directly": loaded.is_called_directly,
                "duration_ms": round((time.monotonic() - begun) * 1000, 1),
            },
        )
        return loaded


def _warm_up(version: LoadedVersion) -> None:
    """Predicts twice per batch size: first calls import, allocate and compile what later ones find ready."""
    golden, signature = version.manifest.golden.rows, version.signature
    for count in WARM_UP_ROWS:
        array = to_array([golden[index % len(golden)] for index in range(count)], signature)
        predict(version.calls, array, signature)
        begun = time.perf_counter()
        predict(version.calls, array, signature)
        version.cost.add(count, (time.perf_counter() - begun) * 1000)
