"""The only module that unpickles. A version's hash and signature are checked before a byte of it is executed.

A pickle can run any code when it is read, so nothing else may read one, and only the worker and the trainer may import
this module.
"""

import hashlib
import pickle
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import joblib

from rhizome.errors import ArtifactError, ArtifactMissing, ArtifactTampered
from rhizome.manifest import ARTIFACT_FILE, Manifest, load_manifest


def dump_estimator(estimator: Any, path: Path) -> None:
    """Writes `estimator` uncompressed, in a form that depends on its content alone.

    Pickle writes an object that is met twice as a reference, so equal estimators whose parts are shared differently
    give different bytes. A round through a pickle that shares equal texts makes the sharing the same. (Not through
    Joblib, whose reader leaves the padding between the fields of a structured array, such as a tree's nodes, to
    chance.)
    """
    joblib.dump(_reread(_reread(estimator)), path, compress=0)


def _reread(estimator: Any) -> Any:
    buffer = BytesIO()
    # Protocol 5 of the Python pickler fails at two empty arrays.
    _SharingPickler(buffer, protocol=4).dump(estimator)
    return pickle.loads(buffer.getvalue())  # noqa: S301 - what this process has just fitted


#: The pickler in Python, which Joblib builds on too; its parts are missing from the type stubs.
_PythonPickler: Any = pickle._Pickler


class _SharingPickler(_PythonPickler):  # type: ignore[misc]
    """Writes a text that equals an earlier one as a reference to it."""

    dispatch: ClassVar[dict[Any, Any]] = dict(_PythonPickler.dispatch)

    def __init__(self, file: BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self._texts: dict[str, str] = {}

    def _save_text(self, text: str) -> None:
        first = self._texts.setdefault(text, text)
        if id(first) in self.memo:
            self.write(self.get(self.memo[id(first)][0]))
        else:
            self.save_str(first)

    dispatch[str] = _save_text


def load_estimator(
    version_dir: Path, *, signing_key: bytes | None = None, expected_sha256: str | None = None
) -> tuple[Manifest, Any]:
    """Verifies a version, then unpickles it.

    Args:
        version_dir: holds the artefact and its manifest.
        signing_key: if given, the manifest must be signed with it.
        expected_sha256: the artefact hash the champion pointer promises, if one does.

    Returns:
        The manifest and the fitted estimator.

    Raises:
        ArtifactTampered: a hash, the signature or the folder's name does not match.
        ArtifactMissing: a file is missing.
        ArtifactError: the bytes cannot be unpickled with the installed libraries.
    """
    manifest = load_manifest(version_dir)
    is_staged = version_dir.name.startswith(".")  # not yet published, under a temporary name
    if not is_staged and manifest.version != version_dir.name:
        raise ArtifactTampered(f"the manifest in the folder of version {version_dir.name} is another version's")
    if signing_key is not None:
        manifest.check_signature(signing_key)
    if expected_sha256 is not None and expected_sha256 != manifest.artifact_sha256:
        raise ArtifactTampered(f"the manifest of version {manifest.version} names another artefact than was promoted")
    try:
        content = (version_dir / ARTIFACT_FILE).read_bytes()
    except OSError as error:
        raise ArtifactMissing(f"version {manifest.version} has no readable {ARTIFACT_FILE}: {error.strerror}") from None
    # The very bytes that were hashed are unpickled: nobody can exchange the file in between.
    if hashlib.sha256(content).hexdigest() != manifest.artifact_sha256:
        raise ArtifactTampered(f"the artefact of version {manifest.version} does not have the hash in its manifest")
    try:
        return manifest, joblib.load(BytesIO(content))
    except Exception as error:  # unpickling foreign bytes may raise anything
        raise ArtifactError(
            f"version {manifest.version} cannot be unpickled here; it was written with {manifest.libraries}"
        ) from error
