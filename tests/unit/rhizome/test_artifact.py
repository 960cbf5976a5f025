"""Nothing of a version is unpickled before its hash, and where a key is set its signature, have been checked."""

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from rhizome.artifact import dump_estimator, load_estimator, read_artifact
from rhizome.errors import ArtifactError, ArtifactTampered
from rhizome.manifest import ARTIFACT_FILE, MANIFEST_FILE, Golden, GoldenAnswers, Manifest, hash_file, load_manifest
from tests.support.versions import (
    IRIS_ROWS,
    SETOSA,
    SIGNING_KEY,
    Written,
    iris_data,
    iris_signature,
    write_iris,
    write_version,
)


class Trap:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def replace_artifact(written: Written, estimator: object) -> None:
    joblib.dump(estimator, written.path / ARTIFACT_FILE)


def rewrite_manifest(written: Written, **changes: Any) -> Manifest:
    manifest = load_manifest(written.path).model_copy(update=changes)
    (written.path / MANIFEST_FILE).write_text(manifest.model_dump_json())
    return manifest


def test_a_sound_version_is_loaded(tmp_path: Path) -> None:
    written = write_iris(tmp_path)

    manifest, estimator = load_estimator(written.path, expected_sha256=written.manifest.artifact_sha256)

    assert manifest == written.manifest
    assert estimator.predict(np.array(IRIS_ROWS)).tolist() == ["setosa", "versicolor", "virginica"]


def test_a_signed_version_is_loaded_with_its_key(tmp_path: Path) -> None:
    written = write_iris(tmp_path, signing_key=SIGNING_KEY)

    manifest, _ = load_estimator(written.path, signing_key=SIGNING_KEY)

    assert manifest.hmac_sha256 is not None


def test_a_tampered_artifact_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    written = write_iris(tmp_path)
    replace_artifact(written, Trap(tmp_path / "trace"))

    with pytest.raises(ArtifactTampered, match="hash"):
        load_estimator(written.path)

    assert not (tmp_path / "trace").exists()


def test_the_trap_of_these_tests_would_snap(tmp_path: Path) -> None:
    written = write_iris(tmp_path)
    replace_artifact(written, Trap(tmp_path / "trace"))
    rewrite_manifest(written, artifact_sha256=hash_file(written.path / ARTIFACT_FILE))

    load_estimator(written.path)

    assert (tmp_path / "trace").exists()


def test_an_artifact_tampered_with_its_manifest_is_refused_where_a_key_is_set(tmp_path: Path) -> None:
    written = write_iris(tmp_path, signing_key=SIGNING_KEY)
    replace_artifact(written, Trap(tmp_path / "trace"))
    rewrite_manifest(written, artifact_sha256=hash_file(written.path / ARTIFACT_FILE))

    with pytest.raises(ArtifactTampered, match="signature"):
        load_estimator(written.path, signing_key=SIGNING_KEY)

    assert not (tmp_path / "trace").exists()


def test_an_unsigned_version_is_refused_where_a_key_is_set(tmp_path: Path) -> None:
    written = write_iris(tmp_path)

    with pytest.raises(ArtifactTampered, match="not signed"):
        load_estimator(written.path, signing_key=SIGNING_KEY)


def test_another_artifact_than_was_promoted_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    written = write_iris(tmp_path)
    replace_artifact(written, Trap(tmp_path / "trace"))
    rewrite_manifest(written, artifact_sha256=hash_file(written.path / ARTIFACT_FILE))

    with pytest.raises(ArtifactTampered, match="promoted"):
        load_estimator(written.path, expected_sha256=written.manifest.artifact_sha256)

    assert not (tmp_path / "trace").exists()


def test_one_flipped_bit_is_noticed(tmp_path: Path) -> None:
    written = write_iris(tmp_path)
    content = bytearray((written.path / ARTIFACT_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (written.path / ARTIFACT_FILE).write_bytes(content)

    with pytest.raises(ArtifactTampered):
        load_estimator(written.path)


@pytest.mark.parametrize("name", [ARTIFACT_FILE, MANIFEST_FILE])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    written = write_iris(tmp_path)
    (written.path / name).unlink()

    with pytest.raises(ArtifactError, match=name) as refusal:
        load_estimator(written.path)

    assert not isinstance(refusal.value, ArtifactTampered)


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"\x80\x04}q\x00.", b"cno_such_module\nEstimator\n."])
def test_bytes_that_cannot_be_unpickled_are_an_artifact_error(tmp_path: Path, content: bytes) -> None:
    written = write_iris(tmp_path)
    (written.path / ARTIFACT_FILE).write_bytes(content[:-1] if content.startswith(b"\x80") else content)
    rewrite_manifest(written, artifact_sha256=hash_file(written.path / ARTIFACT_FILE))

    with pytest.raises(ArtifactError, match="cannot be unpickled here") as refusal:
        load_estimator(written.path)

    assert "scikit-learn" in str(refusal.value)


def test_the_same_fit_gives_the_same_bytes(tmp_path: Path) -> None:
    rows, labels = iris_data()
    for name in ("first", "second"):
        dump_estimator(LogisticRegression(max_iter=500).fit(rows, labels), tmp_path / name)

    assert hash_file(tmp_path / "first") == hash_file(tmp_path / "second")


def test_sharing_inside_the_estimator_does_not_change_its_bytes(tmp_path: Path) -> None:
    text = "".join(["set", "osa"])
    copy = "".join(["se", "tosa"])

    dump_estimator({"a": text, "b": text}, tmp_path / "shared")
    dump_estimator({"a": text, "b": copy}, tmp_path / "apart")

    assert hash_file(tmp_path / "shared") == hash_file(tmp_path / "apart")


class Bomb:
    """Goes off when it is unpickled."""

    def __setstate__(self, state: object) -> None:
        raise AssertionError("it was unpickled")

    def predict(self, rows: Any) -> Any:
        return ["setosa"] * len(rows)


def test_what_an_artefact_imports_is_known_without_unpickling_it(tmp_path: Path) -> None:
    bomb = Pipeline([("scale", StandardScaler().fit(np.eye(4))), ("bomb", Bomb())])
    bomb.steps[1][1].fuse = 1
    golden = Golden(rows=(SETOSA,), outputs=(GoldenAnswers(labels=("setosa",)),))
    with pytest.MonkeyPatch.context() as patch:  # writing it goes through a pickle, too
        patch.delattr(Bomb, "__setstate__")
        written = write_version(tmp_path, bomb, iris_signature(), IRIS_ROWS, golden=golden)

    artifact = read_artifact(written.path)

    assert {"sklearn.pipeline", "sklearn.preprocessing._data", __name__} <= set(artifact.find_modules())
    with pytest.raises(ArtifactError, match="cannot be unpickled"):
        artifact.unpickle()


def test_the_modules_of_an_ordinary_artefact_are_all_known(tmp_path: Path) -> None:
    """A fresh interpreter that has imported them imports nothing of scikit-learn while it unpickles."""
    written = write_iris(tmp_path)
    code = textwrap.dedent(
        """
        import importlib, sys
        from pathlib import Path
        from rhizome.artifact import read_artifact
        artifact = read_artifact(Path(sys.argv[1]))
        for name in artifact.find_modules():
            importlib.import_module(name)
        before = set(sys.modules)
        artifact.unpickle()
        print(sorted(set(sys.modules) - before))
        """
    )

    done = subprocess.run([sys.executable, "-c", code, str(written.path)], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
