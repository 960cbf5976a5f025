"""The versions a worker process holds in memory: the champion, and the few others that jobs are pinned or bound to."""

import importlib
import logging
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from rhizome.artifact import Artifact, read_artifact
from rhizome.direct_calls.finding import find_direct_calls
from rhizome.errors import ArtifactError, RhizomeError
from rhizome.inference import Calls, predict, to_array
from rhizome.manifest import Manifest
from rhizome.registry import Pointer
from rhizome.self_test import check_golden
from rhizome.version_store import VersionStore
from worker.linear_cost import LinearCost
from worker.restraint import lifted
from worker.seats import Seat

OTHERS_HELD = 2  #: versions besides the champion; a former champion stays for the jobs bound to it
WARM_UP_ROWS = (1, 64)  #: batch sizes predicted before a version serves
RETRY_SECONDS = 2.0  #: what could not be loaded is not tried again before
TROUBLE_SECONDS = 30.0  #: that something could not be loaded is told for so long

log = logging.getLogger(__name__)


class LoadEnded(ArtifactError):
    """The process that loaded this version did not survive it."""

    code = "load_ended"


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
        self.calls.sound_rows = to_array(manifest.golden.rows[:1], manifest.signature)
        self.cost = LinearCost()

    @property
    def name(self) -> str:
        return self.manifest.version


class _Failure(NamedTuple):
    """Why a version could not be loaded, and when (monotonic seconds)."""

    error: Exception
    at: float


class Shelf:
    """Loads versions and keeps them; safe to use from the scorer and the follower thread at once.

    Args:
        store: where versions are.
        signing_key: if given, manifests must be signed with it.
        seat: is told what is loaded and called.
    """

    def __init__(self, store: VersionStore, signing_key: bytes | None, seat: Seat | None = None) -> None:
        self._store = store
        self._signing_key = signing_key
        self.seat = seat or Seat()
        self._others: OrderedDict[str, LoadedVersion] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = threading.Lock()  #: one version at a time
        #: Held during each call of an estimator, and while modules are imported: a library may look for another in
        #: `sys.modules`, and would find it half imported.
        self._importing = threading.RLock()
        self._failures: dict[str, _Failure] = {}
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
        self.seat.serve(loaded.name)
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
        failure = self._failures.get(version)
        if failure and time.monotonic() - failure.at < RETRY_SECONDS:
            raise failure.error
        try:
            loaded = self._load(version, None)
        except Exception as error:
            self._failures[version] = _Failure(error, time.monotonic())
            raise
        with self._lock:
            self._keep(loaded)
        return loaded

    def discard(self, version: str, error: Exception) -> None:
        """It no longer answers as it did when it was loaded: it is loaded anew, and tested, before it does again."""
        log.error("version_discarded", extra={"version": version, "reason": str(error)}, exc_info=error)
        with self._lock:
            self._others.pop(version, None)
            if self.champion is not None and self.champion.name == version:
                self.champion = None
                self.seat.serve("")

    @property
    def trouble(self) -> str:
        """Which version that a job needs could not be loaded of late, and why; empty if none."""
        since = time.monotonic() - TROUBLE_SECONDS
        return next((tell(failure.error) for failure in tuple(self._failures.values()) if failure.at > since), "")

    def _keep(self, loaded: LoadedVersion) -> None:
        self._others[loaded.name] = loaded
        self._others.move_to_end(loaded.name)
        while len(self._others) > OTHERS_HELD:
            self._others.popitem(last=False)

    def _load(self, version: str, expected_sha256: str | None) -> LoadedVersion:
        begun = time.monotonic()
        with self._loading, lifted():
            loaded = self._load_safely(version, expected_sha256)
        self._failures.pop(version, None)
        self.seat.loaded()
        log.info(
            "version_loaded",
            extra={
                "version": version,
                "artifact_sha256": loaded.manifest.artifact_sha256,
                "called_directly": loaded.is_called_directly,
                "duration_ms": round((time.monotonic() - begun) * 1000, 1),
            },
        )
        return loaded

    def _load_safely(self, version: str, expected_sha256: str | None) -> LoadedVersion:
        """What fails beside calls of another version may have met a module half imported: it is tried without them."""
        if reason := self.seat.why_unloadable(version):
            raise LoadEnded(f"version {version} cannot be loaded here: {reason}")
        with self.seat.loading(version):
            artifact = read_artifact(
                self._store.path(version), signing_key=self._signing_key, expected_sha256=expected_sha256
            )
        missing = [name for name in artifact.find_modules() if name not in sys.modules]
        if missing:
            with self._importing, self.seat.loading(version):
                import_modules(missing)
        try:
            with self.seat.loading(version):
                return self._try_out(artifact)
        except Exception:
            if self.champion is None:
                raise
        with self._importing, self.seat.loading(version):
            return self._try_out(artifact)

    def _try_out(self, artifact: Artifact) -> LoadedVersion:
        estimator = artifact.unpickle()
        check_golden(estimator, artifact.manifest)
        loaded = LoadedVersion(artifact.manifest, estimator)
        _warm_up(loaded)
        loaded.calls.predict = self._watch(loaded.calls.predict, loaded.cost)
        if loaded.calls.predict_proba is not None:
            loaded.calls.predict_proba = self._watch(loaded.calls.predict_proba, loaded.cost)
        return loaded

    def _watch(self, call: Callable[[Any], Any], cost: LinearCost) -> Callable[[Any], Any]:
        watched = self.seat.watch(call, cost.of)

        def call_alone(array: Any) -> Any:
            with self._importing:
                return watched(array)

        return call_alone


def import_modules(names: list[str]) -> None:
    """Imports what an artefact names; what cannot be imported, unpickling will say."""
    for name in names:
        with suppress(Exception):  # a module may do anything
            importlib.import_module(name)


def tell(error: Exception) -> str:
    """What may be told in public: the error's own words, or none."""
    return str(error) if isinstance(error, RhizomeError) else "could not be loaded; see the worker's log"


def _warm_up(version: LoadedVersion) -> None:
    """Predicts twice per batch size: first calls import, allocate and compile what later ones find ready."""
    golden, signature = version.manifest.golden.rows, version.signature
    for count in WARM_UP_ROWS:
        array = to_array([golden[index % len(golden)] for index in range(count)], signature)
        predict(version.calls, array, signature)
        begun = time.perf_counter()
        predict(version.calls, array, signature)
        version.cost.add(count, (time.perf_counter() - begun) * 1000)
