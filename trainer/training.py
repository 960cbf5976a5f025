"""Training: one pass from the dataset to a published, judged version.

The version that is served is the one that was evaluated: fitted on the training part alone, written, read again, and
judged as read. Promotion is a step of its own.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from rhizome.artifact import dump_estimator, read_artifact
from rhizome.errors import ArtifactError
from rhizome.estimator_source import hash_source
from rhizome.inference import find_classes
from rhizome.manifest import ARTIFACT_FILE, Data, Manifest, hash_file
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.signature import Signature
from rhizome.version_store import VersionStore
from trainer.champion import load_champion
from trainer.dataset import Dataset, load_dataset
from trainer.drift_reference import build_drift_reference
from trainer.estimators import build_estimator, load_factory
from trainer.evaluation import Evaluation, evaluate
from trainer.gate import GateReport, judge_candidate
from trainer.golden import build_golden
from trainer.provenance import find_code_revision, find_distributions, library_versions
from trainer.publication import name_version, open_staging, publish, remove_leftovers, write_manifest
from trainer.split import Split, split_rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Lesson:
    """What is learned, from which rows, and how."""

    dataset: Dataset
    split: Split
    build: Callable[[], Any]


def train(settings: Settings, registry: Registry | None, reason: str, *, allow_new_schema: bool = False) -> Manifest:
    """Trains, evaluates, judges and publishes a version; its gate report is in the manifest.

    The same dataset and seed give the same artefact, byte for byte: one thread, since the order in which threads add
    up floats is left to chance.

    Args:
        settings: dataset, target, estimator, seed, margins, models folder.
        registry: where the champion is found and the version registered; without one there is nothing to compare.
        reason: why this run was started, for the record.
        allow_new_schema: let the gate accept another signature than the champion's.

    Raises:
        DatasetError: the dataset cannot be trained on.
        SettingsError: the estimator factory cannot be found.
        StartupError: the models folder cannot be written.
        ArtifactError: the version cannot be written or does not load again.
    """
    started = time.monotonic()
    logger.info(
        "training_started", extra={"model": settings.model_name, "reason": reason, "dataset": str(settings.dataset)}
    )
    store = VersionStore(settings.models_dir, settings.model_name)
    remove_leftovers(store)
    with threadpool_limits(limits=1), open_staging(store) as staging:
        lesson = _prepare(settings)
        draft, estimator = _make_candidate(settings, lesson, staging, reason)
        evaluation = evaluate(estimator, lesson.build, lesson.dataset, lesson.split, settings.seed)
        champion = load_champion(registry, store, settings.signing_key_bytes)
        report = judge_candidate(
            estimator, draft, champion, lesson.dataset, lesson.split, settings, allow_new_schema=allow_new_schema
        )
        candidate = draft.model_copy(update={"metrics": evaluation.headline, "gate": report.as_json()})
        metrics = _metrics(candidate, evaluation, lesson, time.monotonic() - started)
        manifest = publish(store, staging, candidate, metrics, settings.signing_key_bytes)
    if registry:
        registry.register(manifest)
    _log_verdict(manifest, report, time.monotonic() - started)
    return manifest


def _prepare(settings: Settings) -> _Lesson:
    dataset = load_dataset(settings.dataset, settings.target, settings.range_margin)
    split = split_rows(dataset, settings.seed)
    build = partial(build_estimator, load_factory(settings.estimator), dataset.signature, settings.seed)
    logger.info(
        "dataset_loaded",
        extra={"rows": len(dataset.labels), "holdout_rows": len(split.holdout), "sha256": dataset.sha256},
    )
    return _Lesson(dataset, split, build)


def _make_candidate(settings: Settings, lesson: _Lesson, staging: Path, reason: str) -> tuple[Manifest, Any]:
    """Fits and writes the artefact; returns its draft manifest and the estimator as read from disk again."""
    fitted = _fit(lesson, settings.seed)
    dump_estimator(fitted, staging / ARTIFACT_FILE)
    draft = _draft_manifest(settings, lesson, fitted, staging / ARTIFACT_FILE, reason)
    key = settings.signing_key_bytes
    write_manifest(staging, draft.signed(key) if key else draft)
    artifact = read_artifact(staging, signing_key=key, expected_sha256=draft.artifact_sha256)
    libraries = library_versions(find_distributions(artifact.find_modules()))
    return draft.model_copy(update={"libraries": libraries}), artifact.unpickle()


def _fit(lesson: _Lesson, seed: int) -> Any:
    # For factories that draw from the global generators instead of using the seed they are given.
    random.seed(seed)
    np.random.seed(seed)
    rows = lesson.split.training
    fitted = lesson.build().fit(lesson.dataset.rows[rows], lesson.dataset.labels[rows])
    _check_classes(fitted, lesson.dataset.signature)
    return fitted


def _check_classes(fitted: Any, signature: Signature) -> None:
    if signature.task == "regression":
        return
    for output, found in zip(signature.outputs, find_classes(fitted, len(signature.outputs)), strict=True):
        if tuple(found.tolist()) != output.classes:
            raise ArtifactError(
                f"the estimator answers the classes {tuple(found.tolist())} for '{output.name}', the dataset has "
                f"{output.classes}"
            )


def _draft_manifest(settings: Settings, lesson: _Lesson, fitted: Any, artifact: Path, reason: str) -> Manifest:
    dataset, sha256, now = lesson.dataset, hash_file(artifact), datetime.now(UTC)
    return Manifest(
        name=settings.model_name,
        version=name_version(sha256, now),
        created_at=now.isoformat(timespec="milliseconds"),
        reason=reason,
        estimator=settings.estimator,
        artifact_sha256=sha256,
        artifact_bytes=artifact.stat().st_size,
        signature=dataset.signature.model_copy(update={"has_probabilities": hasattr(fitted, "predict_proba")}),
        data=Data(
            name=dataset.name,
            sha256=dataset.sha256,
            rows=len(dataset.labels),
            training_rows=len(lesson.split.training),
        ),
        seed=settings.seed,
        libraries=library_versions(),
        code_revision=find_code_revision(settings.code_revision),
        metrics={},
        gate={},
        golden=build_golden(fitted, dataset, lesson.split.training),
        drift_reference=build_drift_reference(dataset, lesson.split.training),
        range_margin=settings.range_margin,
        estimator_sha256=hash_source(settings.estimator),
    )


def _metrics(manifest: Manifest, evaluation: Evaluation, lesson: _Lesson, seconds: float) -> dict[str, Any]:
    return {
        "created_at": manifest.created_at,
        "task": lesson.dataset.signature.task,
        "estimator": manifest.estimator,
        "seed": manifest.seed,
        "data": manifest.data.model_dump() | {"holdout_rows": len(lesson.split.holdout)},
        **evaluation.report,
        "gate": manifest.gate,
        "duration_seconds": round(seconds, 3),
    }


def _log_verdict(manifest: Manifest, report: GateReport, seconds: float) -> None:
    for check in report.checks:
        logger.log(
            logging.INFO if check.passed else logging.WARNING,
            "gate_check",
            extra={"version": manifest.version, "check": check.name, "passed": check.passed, "detail": check.detail},
        )
    logger.info(
        "training_finished",
        extra={
            "version": manifest.version,
            "gate_passed": report.passed,
            "artifact_sha256": manifest.artifact_sha256,
            "duration_seconds": round(seconds, 3),
            **manifest.metrics,
        },
    )
