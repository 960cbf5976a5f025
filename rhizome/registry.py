"""The registry: which versions exist, which one is the champion, and the atomic swing from one to another.

It lives in Redis, so that the gateway needs no disk and a swing is one script that all processes see at once; the
artefacts stay in the version directories.
"""

import logging
from datetime import UTC, datetime
from importlib import resources
from typing import Any, cast

import msgspec
from redis import Redis

from rhizome import keys
from rhizome.errors import ArtifactError, ChampionMoved, NoChampion, PromotionRefused, VersionNotFound
from rhizome.heartbeats import LIVING_SECONDS, living
from rhizome.manifest import Manifest, parse_manifest

log = logging.getLogger(__name__)

HISTORY_LENGTH = 50  #: former champions kept for rollback
VOTES_SECONDS = 600  #: votes against a version are forgotten where nobody casts one for so long


class Pointer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The champion pointer: which version answers, since when and why."""

    version: str
    artifact_sha256: str
    signature: str
    promoted_at: str
    reason: str = ""
    previous: str = ""


class Registry:
    """The versions and the champion pointer of one model name."""

    def __init__(self, redis: Redis, model_name: str) -> None:
        self._redis = redis
        self.model_name = model_name
        self._keys = [
            keys.champion(model_name),
            keys.champion_history(model_name),
            keys.versions(model_name),
            keys.rejected(model_name),
        ]
        self._promote = redis.register_script(_script("promote.lua"))
        self._roll_back = redis.register_script(_script("roll_back.lua"))

    def register(self, manifest: Manifest) -> None:
        """Makes a published version known; registering it again changes nothing."""
        self._redis.hset(keys.versions(self.model_name), manifest.version, manifest.model_dump_json())

    def forget(self, version: str) -> None:
        """Removes a version that has been pruned from disk."""
        self._redis.hdel(keys.versions(self.model_name), version)
        self._redis.hdel(keys.rejected(self.model_name), version)
        self._redis.delete(keys.votes(self.model_name, version))

    def champion(self) -> Pointer | None:
        """The pointer, or None before the first promotion."""
        raw = cast(bytes | None, self._redis.get(keys.champion(self.model_name)))
        return msgspec.json.decode(raw, type=Pointer) if raw else None

    def history(self) -> list[Pointer]:
        """Former champions, newest first."""
        raw = cast(list[bytes], self._redis.lrange(keys.champion_history(self.model_name), 0, -1))
        return [msgspec.json.decode(item, type=Pointer) for item in raw]

    def manifest(self, version: str) -> Manifest:
        """The manifest of a registered version.

        Raises:
            VersionNotFound: there is none of that name.
        """
        raw = cast(bytes | None, self._redis.hget(keys.versions(self.model_name), version))
        if raw is None:
            raise VersionNotFound(f"there is no version '{version[:64]}'; GET /models lists them")
        return parse_manifest(raw)

    def version_names(self) -> list[str]:
        """The names of all registered versions, newest first."""
        raw = cast(list[bytes], self._redis.hkeys(keys.versions(self.model_name)))
        return sorted((name.decode() for name in raw), reverse=True)

    def versions(self) -> list[Manifest]:
        """All registered versions, newest first."""
        raw = cast(dict[bytes, bytes], self._redis.hgetall(keys.versions(self.model_name)))
        manifests = []
        for name in sorted(raw, reverse=True):
            try:
                manifests.append(parse_manifest(raw[name]))
            except ArtifactError as error:  # written by another release, perhaps; the others are still good
                log.warning("manifest_unreadable", extra={"version": name.decode(), "reason": str(error)})
        return manifests

    def rejected(self) -> dict[str, str]:
        """Versions that failed in service, and why."""
        raw = cast(dict[bytes, bytes], self._redis.hgetall(keys.rejected(self.model_name)))
        return {version.decode(): reason.decode() for version, reason in raw.items()}

    def promote(
        self, version: str, *, reason: str, expected: str | None = None, lift_rejection: bool = False
    ) -> Pointer:
        """Makes `version` the champion, atomically.

        Args:
            version: a registered version.
            reason: shown in `/health` and `/models`.
            expected: the version that must still be champion ("" for none); unchecked if None.
            lift_rejection: promote it though it failed in service before; an operator's decision.

        Raises:
            VersionNotFound: it is not registered.
            PromotionRefused: it failed in service before.
            ChampionMoved: another promotion came first.
        """
        manifest = self.manifest(version)
        standing = self.champion()
        if standing is not None and standing.version == version:
            return standing
        pointer = Pointer(
            version=version,
            artifact_sha256=manifest.artifact_sha256,
            signature=manifest.signature.digest,
            promoted_at=_now(),
            reason=reason,
            previous=standing.version if standing else "",
        )
        checked = "" if expected is None else "1"
        answer = cast(
            bytes,
            self._promote(
                keys=self._keys,
                args=[
                    version,
                    msgspec.json.encode(pointer),
                    checked,
                    expected or "",
                    keys.CHAMPION_MOVED,
                    HISTORY_LENGTH,
                    "1" if lift_rejection else "",
                ],
            ),
        )
        if answer == b"ok":
            return pointer
        if answer == b"unknown":
            raise VersionNotFound(f"there is no version '{version[:64]}'; GET /models lists them")
        if answer == b"rejected":
            raise PromotionRefused(f"version {version} failed in service before: {self.rejected().get(version, '')}")
        raise ChampionMoved(f"the champion is no longer {expected or 'unset'}; look again and repeat")

    def roll_back(self, *, reason: str, failed: str = "") -> Pointer:
        """Puts the previous champion back.

        Args:
            reason: shown in `/health` and `/models`.
            failed: the version that failed in service; it is rejected for good, and the pointer only moves if it is
                still the champion. Empty for an operator's rollback.

        Returns:
            The pointer as it stands now.

        Raises:
            NoChampion: nothing has been promoted yet.
            PromotionRefused: there is no former champion to go back to; the champion stays.
        """
        return self._read_swing(self._swing_back(failed, reason))

    def vote_against(self, version: str, *, reason: str, process: str, host: str) -> Pointer | None:
        """A worker process cannot serve `version`: it is rolled back once most of those that live say so.

        More than half of the living worker processes, and of the hosts that they run on. A vote counts for as long as
        its process lives and has not withdrawn it.

        Args:
            version: what it cannot serve.
            reason: why.
            process: its heartbeat's key.
            host: where it runs.

        Returns:
            The pointer as it stands now; None while the others do not agree.

        Raises:
            NoChampion, PromotionRefused: as `roll_back`.
        """
        answer = self._swing_back(version, reason, process, host)
        return None if answer[0] == b"outvoted" else self._read_swing(answer)

    def is_served(self, version: str) -> bool:
        """Whether a living worker process serves `version`."""
        return any(beat.role == "worker" and beat.version == version for beat in living(self._redis))

    def withdraw_vote(self, version: str, *, process: str) -> None:
        """The process serves `version` after all, or no longer needs to."""
        self._redis.hdel(keys.votes(self.model_name, version), process)

    def _swing_back(self, failed: str, reason: str, process: str = "", host: str = "") -> list[Any]:
        used = [*self._keys, keys.votes(self.model_name, failed), keys.PROCESSES]
        args: list[Any] = [failed, reason, _now(), keys.CHAMPION_MOVED, process, host, LIVING_SECONDS, VOTES_SECONDS]
        return cast(list[Any], self._roll_back(keys=used, args=args))

    def _read_swing(self, answer: list[Any]) -> Pointer:
        if answer[0] == b"none":
            if self.champion() is None:
                raise NoChampion("no version has been promoted yet")
            raise PromotionRefused("there is no former champion to go back to")
        return msgspec.json.decode(answer[1], type=Pointer)

    def restore(self, pointer: Pointer, history: list[Pointer]) -> bool:
        """Puts a journalled pointer back into a Redis that has none; True if it did."""
        if not self._redis.set(keys.champion(self.model_name), msgspec.json.encode(pointer), nx=True):
            return False
        for former in history:
            self._redis.rpush(keys.champion_history(self.model_name), msgspec.json.encode(former))
        self._redis.publish(keys.CHAMPION_MOVED, pointer.version)
        return True


def _script(name: str) -> str:
    return resources.files("rhizome").joinpath(name).read_text()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
