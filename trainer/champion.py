"""The champion as the gate meets it: the promoted version, loaded if it can be.

A champion that is missing, tampered with or unreadable is a finding for the gate's report, not a reason to fail.
"""

import logging
from dataclasses import dataclass
from typing import Any

from rhizome.artifact import load_estimator
from rhizome.errors import ArtifactError, VersionNotFound
from rhizome.registry import Registry
from rhizome.version_store import VersionStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Champion:
    """The version the pointer names.

    Attributes:
        version: its name.
        signature: the digest the pointer promises.
        estimator: loaded, or None if it cannot be.
        problem: why not.
    """

    version: str
    signature: str
    estimator: Any | None
    problem: str = ""


def load_champion(registry: Registry | None, store: VersionStore, signing_key: bytes | None) -> Champion | None:
    """Loads what the registry's pointer names; None before the first promotion, or without a registry."""
    pointer = registry.champion() if registry else None
    if pointer is None:
        return None
    try:
        _, estimator = load_estimator(
            store.path(pointer.version), signing_key=signing_key, expected_sha256=pointer.artifact_sha256
        )
    except (ArtifactError, VersionNotFound) as error:
        logger.warning("champion_unusable", extra={"version": pointer.version, "detail": str(error)})
        return Champion(pointer.version, pointer.signature, None, str(error))
    return Champion(pointer.version, pointer.signature, estimator)
