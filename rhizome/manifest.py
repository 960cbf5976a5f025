"""A version's manifest: what the artefact is, where it came from, and how to check it before it is unpickled."""

import hashlib
import hmac
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError

from rhizome.errors import ArtifactError, ArtifactMissing, ArtifactTampered
from rhizome.signature import ClassLabel, Signature

ARTIFACT_FILE = "model.joblib"
MANIFEST_FILE = "manifest.json"
METRICS_FILE = "metrics.json"
_READ_BYTES = 1024 * 1024
_LATER_FIELDS = ("range_margin", "estimator_sha256")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(_Part):
    """The dataset a version was trained on: file name, SHA-256 of its bytes, rows in it and in the training part."""

    name: str
    sha256: str
    rows: int
    training_rows: int


class GoldenAnswers(_Part):
    """What one output answered to the golden rows.

    Attributes:
        labels: the predicted label (or value) of each row.
        probabilities: one list per row, in the order of the output's classes; empty where there are none.
    """

    labels: tuple[ClassLabel, ...]
    probabilities: tuple[tuple[float, ...], ...] = ()


class Golden(_Part):
    """Rows with the answers the artefact gave right after training; a loaded copy must give them again.

    Attributes:
        rows: feature values in the order of the signature.
        outputs: the answers, in the order of the signature's outputs.
    """

    rows: tuple[tuple[float | int | str | None, ...], ...]
    outputs: tuple[GoldenAnswers, ...]


class FeatureReference(_Part):
    """One feature's distribution in the training rows: bin edges (numbers) or categories, and the count of each."""

    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    counts: tuple[int, ...]


class Manifest(_Part):
    """Everything about a version except the artefact's bytes; unknown fields are refused."""

    format: Literal[1] = 1
    name: str
    version: str
    created_at: str
    reason: str
    estimator: str
    artifact_sha256: str
    artifact_bytes: int
    signature: Signature
    data: Data
    seed: int
    libraries: dict[str, str]
    code_revision: str
    metrics: dict[str, float]
    gate: dict[str, Any]
    golden: Golden
    drift_reference: dict[str, FeatureReference]
    range_margin: float | None = None  #: None in manifests of releases before
    estimator_sha256: str | None = (
        None  #: of the estimator's source, with what it imports of its project; None likewise
    )
    hmac_sha256: str | None = None

    def signed(self, key: bytes) -> "Manifest":
        """A copy that carries the HMAC-SHA256 of all its other fields."""
        return self.model_copy(update={"hmac_sha256": self._hmac(key)})

    def check_signature(self, key: bytes) -> None:
        """Raises ArtifactTampered unless this manifest was signed with `key`."""
        if self.hmac_sha256 is None:
            raise ArtifactTampered(f"version {self.version} is not signed, and a signing key is set")
        if not hmac.compare_digest(self.hmac_sha256, self._hmac(key)):
            raise ArtifactTampered(f"the signature of version {self.version} does not match its manifest")

    def _hmac(self, key: bytes) -> str:
        # What a release before did not know is not in what it signed.
        unknown = {name for name in _LATER_FIELDS if getattr(self, name) is None}
        content = self.model_dump(mode="json", exclude={"hmac_sha256", *unknown})
        return hmac.new(key, msgspec.json.encode(content, order="sorted"), hashlib.sha256).hexdigest()


def parse_manifest(text: bytes | str) -> Manifest:
    """Reads a manifest's JSON.

    Raises:
        ArtifactError: it is not a manifest of this format.
    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, p["loc"])) or "the document" for p in error.errors()}))
        raise ArtifactError(f"unreadable manifest: {fields}") from None


def load_manifest(version_dir: Path) -> Manifest:
    """Reads `version_dir/manifest.json`.

    Raises:
        ArtifactError: the file is missing or is not a manifest of this format.
    """
    try:
        text = (version_dir / MANIFEST_FILE).read_bytes()
    except OSError as error:
        raise ArtifactMissing(f"version {version_dir.name} has no readable {MANIFEST_FILE}: {error.strerror}") from None
    return parse_manifest(text)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
