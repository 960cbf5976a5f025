"""What a start does where a champion stands already: serve it, have another trained beside it, or refuse.

Used by `rhizome up` and by `python -m trainer train --if-missing`, before anything is served: no service starts in
silence with a model that its settings do not describe.
"""

from datetime import UTC, datetime

from redis import Redis

from rhizome.errors import ArtifactError, RegistryError, StartupError
from rhizome.lineage import compare, compare_schemas
from rhizome.manifest import Manifest
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.training_runs import request_run
from rhizome.version_store import VersionStore


def resume(settings: Settings, redis: Redis, champion: Manifest) -> str:
    """Compares the champion with the settings, and asks for a training run where it was trained from something else.

    The champion serves meanwhile: a restart must not wait for a training, nor fail with it.

    Returns:
        What differs and what is done about it; empty if nothing does.

    Raises:
        StartupError: the settings describe a schema that no version of the model name has.
    """
    found = compare(settings, champion)
    if found.schema:
        described = _find_described(settings, redis)
        if described is None:
            raise StartupError(_refuse(settings, champion, found.schema))
        return _tell_apart(settings, champion, described, found.schema)
    if not found.has_dataset:
        return (
            f"there is no readable dataset at {settings.dataset}: version {champion.version} of '{champion.name}', "
            f"trained on {champion.data.name}, serves as it is; retraining fails until RHIZOME_DATASET names a file"
        )
    if not found.training:
        return ""
    what = "; ".join(found.training)
    request_run(redis, f"start: {what}", datetime.now(UTC))
    return (
        f"since version {champion.version} of '{champion.name}' was trained: {what}. A training run is queued; "
        f"{champion.version} serves until another version has passed the gate ('rhizome health' shows how it goes)"
    )


def _find_described(settings: Settings, redis: Redis) -> Manifest | None:
    """The newest version with the schema that the settings describe.

    There is one where it took the champion's place and was rolled back: that must not bar a restart.
    """
    versions = Registry(redis, settings.model_name).versions()
    return next((manifest for manifest in versions if not compare_schemas(settings, manifest)), None)


def _tell_apart(settings: Settings, champion: Manifest, described: Manifest, differences: tuple[str, ...]) -> str:
    return (
        f"version {champion.version} of '{champion.name}' serves, and the settings describe another schema: "
        f"{'; '.join(differences)}. Version {described.version} has it; 'rhizome promote "
        f"{described.version} --force' makes it champion. No version of that schema passes the gate meanwhile; set "
        f"RHIZOME_DATASET and RHIZOME_TARGET to what '{champion.name}' was trained on ({champion.data.name}) to train "
        "it further, or start with --allow-new-schema to train another"
    )


def _refuse(settings: Settings, champion: Manifest, differences: tuple[str, ...]) -> str:
    targets = ",".join(output.name for output in champion.signature.outputs)
    return (
        f"the model '{champion.name}' is another one: its version {champion.version} was trained on "
        f"{champion.data.name} to predict '{targets}'; now {'; '.join(differences)}. Set RHIZOME_MODEL_NAME to a name "
        f"of its own for {settings.dataset.name}, or RHIZOME_DATASET and RHIZOME_TARGET to what '{champion.name}' is "
        "trained on. If the new one is to take its place: 'rhizome up --allow-new-schema' once (docker compose: run "
        "--rm first-training python -m trainer train --allow-new-schema)"
    )


def find_champion(settings: Settings, redis: Redis) -> Manifest | None:
    """Of the version that the pointer names, if it is known and on disk."""
    registry = Registry(redis, settings.model_name)
    try:
        pointer = registry.champion()
        if pointer is None:
            return None
        VersionStore(settings.models_dir, settings.model_name).path(pointer.version)
        return registry.manifest(pointer.version)
    except (RegistryError, ArtifactError):
        return None
