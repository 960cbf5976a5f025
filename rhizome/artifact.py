"""The only module that unpickles. A version's hash and signature are checked before a byte of it is executed.

A pickle can run any code when it is read, so nothing else may read one, and only the worker and the trainer may import
this module.
"""

import hashlib
import pickle
import re
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import joblib

from rhizome.errors import ArtifactError, ArtifactMissing, ArtifactTampered
from rhizome.manifest import ARTIFACT_FILE, Manifest, load_manifest

#: How pickles of protocol 4 name what they need: a module's name as a short text, then what is taken from it (a text,
#: or a reference to an earlier one), then STACK_GLOBAL. Joblib's arrays lie raw among it: it cannot be disassembled.
_MODULE_NAMED = re.compile(
    rb"\x8c(.)((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)\x94(?:\x8c.[\w.]+\x94|h.|j....)\x93", re.DOTALL | re.ASCII
)


class Artifact(NamedTuple):
    """A version whose files have been read and verified, and nothing of it executed."""

    manifest: Manifest
    content: bytes

    def find_modules(self) -> list[str]:
        """The modules that unpickling imports, as far as the bytes tell, in order."""
        named = _MODULE_NAMED.findall(self.content)
        return list(dict.fromkeys(name.decode() for length, name in named if length[0] == len(name)))

    def unpickle(self) -> Any:
        """The fitted estimator.

        Raises:
            ArtifactError: the bytes cannot be unpickled with the installed libraries.
            MemoryError: there is not enough memory now.
        """
        try:
            return joblib.load(BytesIO(self.content))
        except MemoryError:
            raise  # this moment's, or this process's: it says nothing of the version
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # unpickling foreign bytes may raise anything
            raise ArtifactError(
                f"version {self.manifest.version} cannot be unpickled here; "
                f"it was written with {self.manifest.libraries}"
            ) from error


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
    """Verifies a version, then unpickles it: the manifest and the fitted estimator. As `read_artifact`, and:

    Raises:
        ArtifactError: the bytes cannot be unpickled with the installed libraries.
    """
    artifact = read_artifact(version_dir, signing_key=signing_key, expected_sha256=expected_sha256)
    return artifact.manifest, artifact.unpickle()


def read_artifact(
    version_dir: Path, *, signing_key: bytes | None = None, expected_sha256: str | None = None
) -> Artifact:
    """Reads a version and verifies it.

    Args:
        version_dir: holds the artefact and its manifest.
        signing_key: if given, the manifest must be signed with it.
        expected_sha256: the artefact hash the champion pointer promises, if one does.

    Raises:
        ArtifactTampered: a hash, the signature or the folder's name does not match.
        ArtifactMissing: a file is missing.
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
    return Artifact(manifest, content)
