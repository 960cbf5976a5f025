"""Version directories: only complete ones with a version's name are seen."""

from pathlib import Path

import pytest

from rhizome.errors import VersionNotFound
from rhizome.version_store import VersionStore
from tests.support.versions import MODEL_NAME, write_iris


def test_versions_are_named_oldest_first(tmp_path: Path) -> None:
    newer, older = write_iris(tmp_path, number=2), write_iris(tmp_path, number=1)

    store = VersionStore(tmp_path, MODEL_NAME)

    assert store.names() == [older.version, newer.version]
    assert store.path(older.version) == older.path


def test_what_is_not_a_version_is_not_seen(tmp_path: Path) -> None:
    for name in (".staging-1", "notes", "20260101T000000Z", "20260101T000000Z-XYZ"):
        (tmp_path / MODEL_NAME / name).mkdir(parents=True)

    assert VersionStore(tmp_path, MODEL_NAME).names() == []


def test_a_folder_that_is_not_there_holds_no_versions(tmp_path: Path) -> None:
    assert VersionStore(tmp_path / "absent", MODEL_NAME).names() == []


@pytest.mark.parametrize(
    "name",
    ["", "..", "../../etc", "20260101T000000Z-0123abcd", "20260101T000000Z-0123abcd/..", "x" * 10_000],
)
def test_a_name_without_a_version_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(VersionNotFound) as refusal:
        VersionStore(tmp_path, MODEL_NAME).path(name)

    assert len(str(refusal.value)) < 200
