"""Publication: what can be seen is complete, and what failed leaves nothing behind."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rhizome.artifact import load_estimator
from rhizome.errors import ArtifactError, ArtifactTampered, StartupError
from rhizome.manifest import load_manifest
from rhizome.settings import Settings
from rhizome.version_store import VERSION_NAME, VersionStore
from trainer import publication
from trainer.publication import STAGING_PREFIX, name_version, open_staging, publish, remove_leftovers
from trainer.training import train


@pytest.fixture
def store(settings: Settings) -> VersionStore:
    return VersionStore(settings.models_dir, settings.model_name)


def test_a_version_is_named_by_time_and_hash() -> None:
    name = name_version("abcdef0123456789", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert name == "20260102T030405Z-abcdef01"
    assert VERSION_NAME.match(name)


def test_a_published_version_is_complete_and_alone(settings: Settings, store: VersionStore) -> None:
    manifest = train(settings, None, "test")
    assert {path.name for path in store.root.iterdir()} == {manifest.version}
    assert {path.name for path in store.path(manifest.version).iterdir()} == {
        "model.joblib",
        "manifest.json",
        "metrics.json",
    }
    assert load_manifest(store.path(manifest.version)) == manifest


def test_a_failed_publication_leaves_nothing_to_see(
    settings: Settings, store: VersionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publication, "_force_to_disk", full_disk)
    with pytest.raises(ArtifactError, match="No space left on device"):
        train(settings, None, "test")
    assert list(store.root.iterdir()) == []


def test_a_name_that_is_taken_gets_a_number(settings: Settings, store: VersionStore) -> None:
    first = train(settings, None, "test")
    with open_staging(store) as staging:
        (staging / "model.joblib").write_bytes(b"another")
        second = publish(store, staging, first, {}, None)
    assert second.version == f"{first.version}-2"
    assert load_manifest(store.path(second.version)).version == second.version
    assert store.names() == [first.version, second.version]


def test_a_models_folder_that_cannot_be_written_is_named_with_the_remedy(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    blocked = settings.model_copy(update={"models_dir": tmp_path / "file"})
    with pytest.raises(StartupError, match="RHIZOME_MODELS_DIR"):
        train(blocked, None, "test")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_models_folder_is_named_with_the_remedy(settings: Settings) -> None:
    settings.models_dir.mkdir()
    settings.models_dir.chmod(0o555)
    with pytest.raises(StartupError, match="RHIZOME_MODELS_DIR"):
        train(settings, None, "test")


def test_only_old_leftovers_are_removed(store: VersionStore) -> None:
    old, young = store.root / f"{STAGING_PREFIX}old", store.root / f"{STAGING_PREFIX}young"
    for path in (old, young):
        path.mkdir(parents=True)
    hours_ago = time.time() - 2 * 3600
    os.utime(old, (hours_ago, hours_ago))

    remove_leftovers(store)

    assert not old.exists()
    assert young.exists()


def test_a_tampered_artifact_is_refused(settings: Settings, store: VersionStore) -> None:
    manifest = train(settings, None, "test")
    artifact = store.path(manifest.version) / "model.joblib"
    artifact.write_bytes(artifact.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactTampered, match="hash"):
        load_estimator(store.path(manifest.version))


def test_an_unsigned_version_is_refused_where_a_key_is_set(settings: Settings, store: VersionStore) -> None:
    manifest = train(settings, None, "test")
    with pytest.raises(ArtifactTampered, match="not signed"):
        load_estimator(store.path(manifest.version), signing_key=b"key")


def test_a_signed_version_loads_with_its_key_alone(tmp_path: Path) -> None:
    iris = Path(__file__).resolve().parents[3] / "data" / "iris.csv"
    settings = Settings(models_dir=tmp_path, dataset=iris, signing_key="key")  # type: ignore[arg-type]
    manifest = train(settings, None, "test")
    folder = tmp_path / "iris" / manifest.version
    assert load_estimator(folder, signing_key=b"key")[0] == manifest
    with pytest.raises(ArtifactTampered, match="signature"):
        load_estimator(folder, signing_key=b"other")
