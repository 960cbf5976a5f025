"""Tiny real versions on disk, fitted here in milliseconds: what the trainer publishes, without a training run."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from redis import Redis
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from rhizome.artifact import dump_estimator
from rhizome.inference import predict, to_array
from rhizome.manifest import ARTIFACT_FILE, MANIFEST_FILE, Data, Golden, GoldenAnswers, Manifest, hash_file
from rhizome.registry import Registry
from rhizome.signature import ClassLabel, Feature, Output, Signature

MODEL_NAME = "iris"
IRIS_FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
IRIS_CLASSES = ("setosa", "versicolor", "virginica")
#: One clear case of each class.
SETOSA, VERSICOLOR, VIRGINICA = (5.1, 3.5, 1.4, 0.2), (5.9, 2.8, 4.2, 1.3), (6.9, 3.1, 5.7, 2.3)
IRIS_ROWS = (SETOSA, VERSICOLOR, VIRGINICA)
IRIS_SAMPLE = dict(zip(IRIS_FEATURES, SETOSA, strict=True))
SIGNING_KEY = b"a-key-for-tests"


class Written(NamedTuple):
    """A version that stands on disk: its manifest and its directory."""

    manifest: Manifest
    path: Path

    @property
    def version(self) -> str:
        return self.manifest.version


def iris_signature(names: Sequence[str] = IRIS_FEATURES, classes: Sequence[ClassLabel] = IRIS_CLASSES) -> Signature:
    features = tuple(
        Feature(name=name, dtype="float64", minimum=0, maximum=8, lower=-20.0, upper=30.0, example=example)
        for name, example in zip(names, SETOSA, strict=False)
    )
    return Signature(
        features=features,
        task="classification",
        outputs=(Output(name="species", classes=tuple(classes)),),
        has_probabilities=True,
    )


@cache
def iris_data() -> tuple[NDArray[np.float64], NDArray[Any]]:
    dataset = load_iris()
    return dataset.data, np.array(IRIS_CLASSES)[dataset.target]


@cache
def iris_estimator(strength: float = 1.0) -> Pipeline:
    """A fitted classifier; another `strength` gives other probabilities, so the answers tell who gave them."""
    rows, labels = iris_data()
    return Pipeline([("scale", StandardScaler()), ("estimate", LogisticRegression(C=strength, max_iter=500))]).fit(
        rows, labels
    )


def mixed_signature() -> Signature:
    """A number and a category."""
    return Signature(
        features=(
            Feature(name="size", dtype="float64", lower=0.0, upper=100.0, example=4.0),
            Feature(name="colour", dtype="category", categories=("blue", "red"), example="red"),
        ),
        task="classification",
        outputs=(Output(name="kind", classes=("cold", "warm")),),
        has_probabilities=True,
    )


MIXED_ROWS = ((1.0, "blue"), (2.0, "blue"), (8.0, "red"), (9.0, "red"))


def mixed_estimator() -> Pipeline:
    columns = ColumnTransformer([("numbers", "passthrough", [0]), ("categories", OneHotEncoder(), [1])])
    labels = ["cold", "cold", "warm", "warm"]
    return Pipeline([("columns", columns), ("estimate", LogisticRegression())]).fit(
        to_array(MIXED_ROWS, mixed_signature()), labels
    )


def line_signature() -> Signature:
    """Regression on one feature."""
    return Signature(
        features=(Feature(name="x", dtype="float64", example=3.0),), task="regression", outputs=(Output(name="y"),)
    )


LINE_ROWS = ((0.0,), (1.0,), (2.0,))


def line_estimator() -> LinearRegression:
    """y = 2 x + 1."""
    return LinearRegression().fit(np.array(LINE_ROWS), [1.0, 3.0, 5.0])


def golden_of(estimator: Any, signature: Signature, rows: Sequence[Sequence[Any]]) -> Golden:
    answers = predict(estimator, to_array(rows, signature), signature)
    return Golden(
        rows=tuple(tuple(row) for row in rows),
        outputs=tuple(
            GoldenAnswers(labels=tuple(each.labels), probabilities=tuple(map(tuple, each.probabilities or ())))
            for each in answers
        ),
    )


def build_manifest(
    *,
    version: str = "20260101T000000Z-0123abcd",
    signature: Signature | None = None,
    artifact_sha256: str = "ab" * 32,
    artifact_bytes: int = 1,
    golden: Golden | None = None,
    gate: dict[str, Any] | None = None,
    metrics: dict[str, float] | None = None,
) -> Manifest:
    return Manifest(
        name=MODEL_NAME,
        version=version,
        created_at=datetime(2026, 1, 1, tzinfo=UTC).isoformat(timespec="milliseconds"),
        reason="a test",
        estimator="tests.support.versions:iris_estimator",
        artifact_sha256=artifact_sha256,
        artifact_bytes=artifact_bytes,
        signature=signature or iris_signature(),
        data=Data(name="iris.csv", sha256="cd" * 32, rows=150, training_rows=120),
        seed=42,
        libraries={"scikit-learn": "1.9"},
        code_revision="none",
        metrics=metrics if metrics is not None else {"accuracy": 0.97},
        gate=gate if gate is not None else {"passed": True},
        golden=golden or Golden(rows=(SETOSA,), outputs=(GoldenAnswers(labels=("setosa",)),)),
        drift_reference={},
    )


def write_version(
    models_dir: Path,
    estimator: Any,
    signature: Signature,
    rows: Sequence[Sequence[Any]],
    *,
    number: int = 1,
    signing_key: bytes | None = None,
    golden: Golden | None = None,
) -> Written:
    """Writes artefact and manifest as the trainer does; `number` orders the versions by age."""
    staging = models_dir / MODEL_NAME / f".staging-{number}"
    staging.mkdir(parents=True)
    dump_estimator(estimator, staging / ARTIFACT_FILE)
    sha256 = hash_file(staging / ARTIFACT_FILE)
    version = f"20260101T{number:06d}Z-{sha256[:8]}"
    manifest = build_manifest(
        version=version,
        signature=signature,
        artifact_sha256=sha256,
        artifact_bytes=(staging / ARTIFACT_FILE).stat().st_size,
        golden=golden or golden_of(estimator, signature, rows),
    )
    manifest = manifest.signed(signing_key) if signing_key else manifest
    (staging / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2))
    path = staging.rename(models_dir / MODEL_NAME / version)
    return Written(manifest, path)


def write_iris(
    models_dir: Path, *, number: int = 1, strength: float = 1.0, signing_key: bytes | None = None
) -> Written:
    return write_version(
        models_dir, iris_estimator(strength), iris_signature(), IRIS_ROWS, number=number, signing_key=signing_key
    )


def write_broken(models_dir: Path, *, number: int) -> Written:
    """A version whose self-test fails: it promises other answers than it gives."""
    promised = Golden(rows=IRIS_ROWS, outputs=(GoldenAnswers(labels=("virginica", "virginica", "virginica")),))
    return write_version(models_dir, iris_estimator(), iris_signature(), IRIS_ROWS, number=number, golden=promised)


def promote(redis: Redis, written: Written, reason: str = "a test") -> None:
    registry = Registry(redis, MODEL_NAME)
    registry.register(written.manifest)
    registry.promote(written.version, reason=reason)
