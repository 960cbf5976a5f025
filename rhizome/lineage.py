"""What a version was trained from, beside what these settings would train from: what differs, in plain words.

Shared: a start compares before anything is served, a training run before anything is fitted. Nothing is imported for it
that is not there already, neither scikit-learn nor the estimator's module.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rhizome.csv_cells import read_header
from rhizome.estimator_source import hash_source
from rhizome.manifest import Manifest, hash_file
from rhizome.settings import Settings

_SHOWN_NAMES = 5


class Differences(NamedTuple):
    """What these settings would train otherwise than a version was.

    Attributes:
        schema: other features or another target: who sends rows for the one cannot use the other.
        training: the same schema from other data, with another estimator, seed or library.
        has_dataset: False if there is no readable file at `RHIZOME_DATASET`; then its content is not compared.
    """

    schema: tuple[str, ...]
    training: tuple[str, ...]
    has_dataset: bool = True

    def __bool__(self) -> bool:
        return self.is_training_due or not self.has_dataset

    @property
    def is_training_due(self) -> bool:
        """Whether a training would give another version, as far as is known."""
        return bool(self.schema or self.training)


def compare(settings: Settings, manifest: Manifest, libraries: Mapping[str, str] | None = None) -> Differences:
    """Compares the settings and the file they name with a version's manifest.

    Args:
        settings: what would be trained now.
        manifest: of the version.
        libraries: installed here, by name; not compared if None.
    """
    try:
        sha256 = hash_file(settings.dataset)
    except OSError:
        sha256 = ""
    training = [
        *_compare_data(settings, manifest, sha256),
        *_compare_estimators(settings, manifest),
        *_compare_numbers(settings, manifest),
        *(_compare_libraries(libraries, manifest) if libraries is not None else ()),
    ]
    return Differences(compare_schemas(settings, manifest), tuple(training), bool(sha256))


def compare_schemas(settings: Settings, manifest: Manifest) -> tuple[str, ...]:
    """What differs in targets and features; in targets alone if there is no readable file."""
    header = _read_header(settings.dataset)
    known = tuple(output.name for output in manifest.signature.outputs)
    targets = _split_targets(settings.target, header or known)
    found = []
    if targets != known:
        found.append(f"the target is {_quote(targets)}, not {_quote(known)}")
    features = tuple(name for name in header if name not in targets)
    if header and features != manifest.signature.names:
        found.append(_compare_features(features, manifest.signature.names))
    return tuple(found)


def _split_targets(target: str, header: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that RHIZOME_TARGET names; a header may itself hold a comma."""
    return (target,) if target in header else tuple(name.strip() for name in target.split(","))


def _compare_features(features: tuple[str, ...], known: tuple[str, ...]) -> str:
    new = [name for name in features if name not in known]
    gone = [name for name in known if name not in features]
    parts = [*([f"new: {_list(new)}"] if new else []), *([f"gone: {_list(gone)}"] if gone else [])]
    return f"the features differ ({'; '.join(parts) or 'they stand in another order'})"


def _compare_data(settings: Settings, manifest: Manifest, sha256: str) -> list[str]:
    if not sha256 or sha256 == manifest.data.sha256:
        return []
    if settings.dataset.name == manifest.data.name:
        return [f"{settings.dataset.name} has changed"]
    return [f"the dataset is {settings.dataset.name}, not {manifest.data.name}"]


def _compare_estimators(settings: Settings, manifest: Manifest) -> list[str]:
    if settings.estimator != manifest.estimator:
        return [f"the estimator is {settings.estimator}, not {manifest.estimator}"]
    source = hash_source(settings.estimator)
    if source and manifest.estimator_sha256 and source != manifest.estimator_sha256:
        return [f"the source of {settings.estimator} has changed"]
    return []


def _compare_numbers(settings: Settings, manifest: Manifest) -> list[str]:
    found = []
    if settings.seed != manifest.seed:
        found.append(f"the seed is {settings.seed}, not {manifest.seed}")
    if manifest.range_margin is None:
        found.append(
            f"the range margin is {settings.range_margin:g}, and version {manifest.version} does not say its own"
        )
    elif manifest.range_margin != settings.range_margin:
        found.append(f"the range margin is {settings.range_margin:g}, not {manifest.range_margin:g}")
    return found


def _compare_libraries(libraries: Mapping[str, str], manifest: Manifest) -> list[str]:
    return [
        f"{name} is {version}, not {manifest.libraries.get(name, 'known')}"
        for name, version in libraries.items()
        if manifest.libraries.get(name) != version
    ]


def _read_header(path: Path) -> tuple[str, ...]:
    """The names in a CSV file's head; empty where it has none that can be read, which training says better."""
    try:
        return read_header(path)
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()


def _quote(names: tuple[str, ...]) -> str:
    return "'" + ",".join(names) + "'"


def _list(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN_NAMES]) + (
        f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    )
