"""The shelf: a version serves only once it is verified, tested and warm; the old one stays until then."""

import importlib
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import worker.shelf
from rhizome.errors import ArtifactError, ArtifactTampered, SelfTestFailed, VersionNotFound
from rhizome.manifest import ARTIFACT_FILE
from rhizome.registry import Pointer
from rhizome.version_store import VersionStore
from tests.support.versions import (
    IRIS_ROWS,
    MODEL_NAME,
    SIGNING_KEY,
    Written,
    iris_data,
    iris_estimator,
    iris_signature,
    write_broken,
    write_iris,
    write_version,
)
from worker.shelf import OTHERS_HELD, LoadEnded, Shelf


def pointer_to(written: Written) -> Pointer:
    manifest = written.manifest
    return Pointer(written.version, manifest.artifact_sha256, manifest.signature.digest, manifest.created_at)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(VersionStore(tmp_path, MODEL_NAME), None)


def test_a_fresh_shelf_is_empty(shelf: Shelf) -> None:
    assert shelf.champion is None


def test_the_champion_is_loaded_and_answers(shelf: Shelf, tmp_path: Path) -> None:
    written = write_iris(tmp_path)

    loaded = shelf.load_champion(pointer_to(written))

    assert shelf.champion is loaded
    assert loaded.name == written.version
    assert loaded.calls.predict(np.array(IRIS_ROWS)).tolist() == ["setosa", "versicolor", "virginica"]


def test_a_new_champion_leaves_the_former_on_the_shelf(shelf: Shelf, tmp_path: Path) -> None:
    first, second = write_iris(tmp_path, number=1), write_iris(tmp_path, number=2)
    former = shelf.load_champion(pointer_to(first))

    shelf.load_champion(pointer_to(second))

    assert shelf.champion is not None
    assert shelf.champion.name == second.version
    assert shelf.get(first.version) is former


def test_a_former_champion_comes_back_without_loading(shelf: Shelf, tmp_path: Path) -> None:
    first, second = write_iris(tmp_path, number=1), write_iris(tmp_path, number=2)
    former = shelf.load_champion(pointer_to(first))
    shelf.load_champion(pointer_to(second))
    (first.path / ARTIFACT_FILE).unlink()

    assert shelf.load_champion(pointer_to(first)) is former
    assert shelf.champion is former


def test_the_champion_is_got_by_name_without_loading(shelf: Shelf, tmp_path: Path) -> None:
    written = write_iris(tmp_path)
    champion = shelf.load_champion(pointer_to(written))

    assert shelf.get(written.version) is champion


def test_the_least_lately_used_version_is_let_go(shelf: Shelf, tmp_path: Path) -> None:
    versions = [write_iris(tmp_path, number=number).version for number in range(OTHERS_HELD + 1)]
    held = {version: shelf.get(version) for version in versions[:OTHERS_HELD]}
    shelf.get(versions[0])

    shelf.get(versions[-1])

    assert shelf.get(versions[0]) is held[versions[0]]
    assert shelf.get(versions[1]) is not held[versions[1]]


def test_the_champion_is_never_let_go(shelf: Shelf, tmp_path: Path) -> None:
    champion = shelf.load_champion(pointer_to(write_iris(tmp_path, number=1)))

    for number in range(2, OTHERS_HELD + 4):
        shelf.get(write_iris(tmp_path, number=number).version)

    assert shelf.champion is champion
    assert shelf.get(champion.name) is champion


def damage(written: Written) -> Written:
    (written.path / ARTIFACT_FILE).write_bytes(b"damaged")
    return written


def test_a_version_that_cannot_be_loaded_leaves_the_old_champion(shelf: Shelf, tmp_path: Path) -> None:
    champion = shelf.load_champion(pointer_to(write_iris(tmp_path, number=1)))
    damaged = damage(write_iris(tmp_path, number=2))

    with pytest.raises(ArtifactTampered):
        shelf.load_champion(pointer_to(damaged))

    assert shelf.champion is champion


def test_a_version_that_fails_its_self_test_leaves_the_old_champion(shelf: Shelf, tmp_path: Path) -> None:
    champion = shelf.load_champion(pointer_to(write_iris(tmp_path, number=1)))

    with pytest.raises(SelfTestFailed):
        shelf.load_champion(pointer_to(write_broken(tmp_path, number=2)))

    assert shelf.champion is champion


def test_a_version_that_is_not_there_leaves_the_old_champion(shelf: Shelf, tmp_path: Path) -> None:
    champion = shelf.load_champion(pointer_to(write_iris(tmp_path, number=1)))

    with pytest.raises(VersionNotFound):
        shelf.load_champion(Pointer("20260101T000009Z-00000000", "", "", ""))

    assert shelf.champion is champion


def replaced(tmp_path: Path, written: Written) -> Written:
    """Another artefact with a manifest to match, in the directory of `written`."""
    other = write_version(tmp_path / "elsewhere", iris_estimator(0.01), iris_signature(), IRIS_ROWS)
    manifest = other.manifest.model_copy(update={"version": written.version})
    (written.path / ARTIFACT_FILE).write_bytes((other.path / ARTIFACT_FILE).read_bytes())
    (written.path / "manifest.json").write_text(manifest.model_dump_json())
    return written


def test_another_artefact_than_was_promoted_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    written = replaced(tmp_path, write_iris(tmp_path))

    with pytest.raises(ArtifactTampered):
        shelf.load_champion(pointer_to(written))


def test_another_artefact_than_was_promoted_is_refused_even_if_a_pin_loaded_it_before(
    shelf: Shelf, tmp_path: Path
) -> None:
    written = replaced(tmp_path, write_iris(tmp_path))
    shelf.get(written.version)

    with pytest.raises(ArtifactTampered):
        shelf.load_champion(pointer_to(written))

    assert shelf.champion is None


def test_a_pinned_version_is_verified_too(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        shelf.get(damage(write_iris(tmp_path)).version)
    with pytest.raises(SelfTestFailed):
        shelf.get(write_broken(tmp_path, number=2).version)
    with pytest.raises(VersionNotFound):
        shelf.get("../../etc")


def test_with_a_key_only_signed_versions_are_loaded(tmp_path: Path) -> None:
    shelf = Shelf(VersionStore(tmp_path, MODEL_NAME), SIGNING_KEY)
    signed, unsigned = write_iris(tmp_path, number=1, signing_key=SIGNING_KEY), write_iris(tmp_path, number=2)

    assert shelf.load_champion(pointer_to(signed)).name == signed.version
    with pytest.raises(ArtifactTampered):
        shelf.get(unsigned.version)


#: A module that takes its time to be imported, and an estimator in it.
SLOW_MODULE = """
import time

from sklearn.linear_model import LogisticRegression

BEGUN = time.monotonic()
time.sleep(0.2)


class Slow(LogisticRegression):
    pass


ENDED = time.monotonic()
"""


def write_slow(models_dir: Path, modules: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> Written:
    """A version whose module nobody has imported any more."""
    (modules / f"{name}.py").write_text(SLOW_MODULE)
    monkeypatch.syspath_prepend(str(modules))
    estimator = importlib.import_module(name).Slow(max_iter=500).fit(*iris_data())
    written = write_version(models_dir, estimator, iris_signature(), IRIS_ROWS, number=5)
    del sys.modules[name]
    return written


def test_no_estimator_is_called_while_a_versions_modules_are_imported(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = shelf.load_champion(pointer_to(write_iris(tmp_path)))
    slow = write_slow(tmp_path, tmp_path, monkeypatch, "a_slow_module")
    calls: list[tuple[float, float]] = []
    is_over = threading.Event()

    def call_all_the_time() -> None:
        while not is_over.is_set():
            begun = time.monotonic()
            champion.calls.predict(np.array(IRIS_ROWS))
            calls.append((begun, time.monotonic()))

    # What a call sees of `sys.modules` is what matters: it is looked at from within.
    scorer = threading.Thread(target=call_all_the_time)
    scorer.start()
    try:
        shelf.load_champion(pointer_to(slow))
    finally:
        is_over.set()
        scorer.join()

    module = sys.modules["a_slow_module"]
    within = [call for call in calls if call[0] > module.BEGUN and call[1] < module.ENDED]
    assert within == []
    assert any(ended < module.BEGUN for _, ended in calls)


def test_what_fails_beside_calls_is_tried_without_them(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.load_champion(pointer_to(write_iris(tmp_path, number=1)))
    second, check, tries = write_iris(tmp_path, number=2), worker.shelf.check_golden, []

    def check_amid_a_race(*given: object) -> None:
        tries.append(shelf._importing._is_owned())  # type: ignore[attr-defined]
        if len(tries) == 1:
            raise SelfTestFailed("partially initialized module")
        check(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(worker.shelf, "check_golden", check_amid_a_race)

    shelf.load_champion(pointer_to(second))

    assert tries == [False, True]
    assert shelf.champion is not None
    assert shelf.champion.name == second.version


def test_a_version_that_did_not_survive_the_child_before_is_not_loaded(shelf: Shelf, tmp_path: Path) -> None:
    written = write_iris(tmp_path)
    shelf.seat._unloadable[written.version] = "loading it took longer than 60 s", time.monotonic() + 60

    with pytest.raises(LoadEnded, match="longer than 60 s"):
        shelf.load_champion(pointer_to(written))


def test_a_champion_that_answers_otherwise_than_before_is_loaded_anew(shelf: Shelf, tmp_path: Path) -> None:
    pointer = pointer_to(write_iris(tmp_path))
    former = shelf.load_champion(pointer)

    shelf.discard(former.name, ValueError("it fails its golden row"))

    assert shelf.champion is None
    assert shelf.load_champion(pointer) is not former
