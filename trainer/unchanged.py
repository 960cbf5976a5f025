"""Whether a training run would only repeat a version that stands: training is reproducible, so it need not be done.

A repeated version would be a former champion that is no other: a rollback to it would change nothing.
"""

from rhizome.lineage import compare
from rhizome.manifest import Manifest
from rhizome.registry import Pointer, Registry
from rhizome.settings import Settings
from rhizome.version_store import VersionStore
from trainer.provenance import library_versions
from trainer.recovery import is_sound


def find_unchanged(settings: Settings, registry: Registry, *, allow_new_schema: bool = False) -> Manifest | None:
    """The version that these settings and this dataset gave before, or None if a run may give another.

    That is the champion, or one that was judged against the present champion and is not it: refused, rolled back by
    somebody who would not want it back each night, or left over (`is_left_over`).

    Args:
        settings: what would be trained.
        registry: the versions.
        allow_new_schema: the gate would judge otherwise now, so only the champion counts.
    """
    pointer = registry.champion()
    if pointer is None or pointer.version in registry.rejected():  # what cannot serve must be replaced
        return None
    known = {manifest.version: manifest for manifest in registry.versions()}
    champion = known.pop(pointer.version, None)
    store = VersionStore(settings.models_dir, settings.model_name)
    if not is_sound(store, champion):
        return None
    judged = [] if allow_new_schema else [found for found in known.values() if _is_judged(settings, found, pointer)]
    for manifest in (champion, *judged):
        if manifest is None or compare(settings, manifest, library_versions(manifest.libraries)):
            continue
        if is_sound(store, manifest):
            return manifest
    return None


def _is_judged(settings: Settings, manifest: Manifest, pointer: Pointer) -> bool:
    """Whether the gate compared it with this champion, by these margins."""
    if manifest.gate.get("champion") != pointer.version:
        return False
    numbers = [check.get("numbers", {}) for check in manifest.gate.get("checks", ())]
    margins = {known["margin"] for known in numbers if "margin" in known}
    alphas = {known["alpha"] for known in numbers if "alpha" in known}
    return margins <= {settings.gate_max_accuracy_drop} and alphas <= {settings.gate_alpha}


def is_left_over(standing: Manifest, registry: Registry) -> bool:
    """Whether it passed the gate against the present champion and never was one: its run ended before its promotion.

    One of another schema was allowed for the run that trained it, for no other.
    """
    pointer = registry.champion()
    if pointer is None or standing.version in registry.rejected():
        return False
    # An operator's rollback leaves the version that it replaced in the pointer, not in the history.
    served = {version for known in (pointer, *registry.history()) for version in (known.version, known.previous)}
    has_passed = standing.gate.get("passed") is True and standing.gate.get("champion") == pointer.version
    return has_passed and standing.version not in served and standing.signature.digest == pointer.signature


def describe_unchanged(standing: Manifest, registry: Registry) -> str:
    """One line for people."""
    pointer = registry.champion()
    what = f"dataset, target, estimator, seed, settings and libraries are those of version {standing.version}"
    if pointer is not None and pointer.version == standing.version:
        return f"nothing was trained: {what}, the champion; 'rhizome train --force' trains all the same"
    passed = standing.gate.get("passed") is True and standing.version not in registry.rejected()
    command = f"rhizome promote {standing.version}{'' if passed else ' --force'}"
    return (
        f"nothing was trained: {what}, which was judged against the present champion and is not it; "
        f"'{command}' makes it champion"
    )
