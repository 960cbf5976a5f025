"""The gate: what a candidate must show before it may replace the champion.

It judges and writes nothing; `trainer.promotion` acts on its report. Every check is kept with its numbers, so that a
refusal can be read from `metrics.json` alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhizome.errors import SelfTestFailed
from rhizome.inference import predict
from rhizome.manifest import Manifest
from rhizome.self_test import check_golden
from rhizome.settings import Settings
from trainer.acceptance import RowRefused, check_rows
from trainer.champion import Champion
from trainer.dataset import Dataset
from trainer.paired_test import mcnemar_p_value, wilcoxon_p_value
from trainer.regression import root_mean_squared_error
from trainer.split import Split

#: Two equal figures may differ in the last bits.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Check:
    """One question put to the candidate; `numbers` holds what the answer rests on."""

    name: str
    passed: bool
    detail: str
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class GateReport:
    """The verdict; `champion` is the version compared with, empty if there was none."""

    passed: bool
    champion: str
    checks: tuple[Check, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain lists, dictionaries, text and finite numbers."""
        return {**asdict(self), "checks": [asdict(check) for check in self.checks]}


def judge_candidate(
    estimator: Any,
    manifest: Manifest,
    champion: Champion | None,
    dataset: Dataset,
    split: Split,
    settings: Settings,
    *,
    allow_new_schema: bool = False,
) -> GateReport:
    """Runs every check, also after one has failed.

    Args:
        estimator: the candidate, loaded again from its written artefact.
        manifest: its manifest, signature and golden rows included.
        champion: what it would replace.
        dataset: where the holdout is taken from.
        split: which rows neither of them was trained on.
        settings: the margins.
        allow_new_schema: accept a candidate that takes or answers something else than the champion.
    """
    checks = [
        _check_schema(manifest, champion, allow_new_schema=allow_new_schema),
        _check_golden_rows(estimator, manifest),
        _check_own_rows(manifest, dataset),
    ]
    errors = _errors(estimator, dataset, split)
    checks.append(_check_baseline(errors, dataset, split, settings))
    checks += _compare(errors, manifest, champion, dataset, split, settings)
    return GateReport(all(check.passed for check in checks), champion.version if champion else "", tuple(checks))


def _check_schema(manifest: Manifest, champion: Champion | None, *, allow_new_schema: bool) -> Check:
    if champion is None:
        return Check("schema", True, "there is no champion whose schema must be kept")
    if manifest.signature.digest == champion.signature:
        return Check("schema", True, "the same features, targets, classes and probabilities as the champion")
    if allow_new_schema:
        return Check("schema", True, "another schema than the champion's, which was allowed for this run")
    return Check(
        "schema",
        False,
        f"features, targets, classes or probabilities differ from those of {champion.version}; clients would be "
        "refused (train with --allow-new-schema if this is meant)",
    )


def _check_golden_rows(estimator: Any, manifest: Manifest) -> Check:
    try:
        check_golden(estimator, manifest)
    except SelfTestFailed as error:
        return Check("golden_rows", False, str(error))
    rows = len(manifest.golden.rows)
    return Check("golden_rows", True, f"the written artefact gives all {rows} golden answers again", {"rows": rows})


def _check_own_rows(manifest: Manifest, dataset: Dataset) -> Check:
    """Refuses what would refuse its own rows as requests."""
    try:
        rows = check_rows(manifest, dataset)
    except RowRefused as error:
        return Check("own_rows", False, str(error))
    return Check("own_rows", True, f"{rows} rows of its own are accepted as requests", {"rows": rows})


def _check_baseline(errors: NDArray[Any], dataset: Dataset, split: Split, settings: Settings) -> Check:
    """Refuses what learned nothing: it must do as well as always giving the training part's commonest class or mean."""
    training, holdout = dataset.truth(split.training), dataset.truth(split.holdout)
    if dataset.signature.task == "regression":
        guesses = [np.full(len(split.holdout), values.mean()) for values in training]
        baseline = root_mean_squared_error(_distances(holdout, guesses, dataset, split))
        return _check_rmse("baseline", errors, baseline, "predicting the mean", settings)
    guesses = [np.full(len(split.holdout), _commonest(labels)) for labels in training]
    baseline = 1 - float(_distances(holdout, guesses, dataset, split).mean())
    return _check_accuracy("baseline", errors, baseline, "always answering the commonest class", settings)


def _commonest(labels: NDArray[Any]) -> Any:
    values, counts = np.unique(labels, return_counts=True)
    return values[counts.argmax()]


def _compare(
    errors: NDArray[Any],
    manifest: Manifest,
    champion: Champion | None,
    dataset: Dataset,
    split: Split,
    settings: Settings,
) -> list[Check]:
    if champion is None:
        return [Check("champion", True, "there is no champion to compare with")]
    if champion.estimator is None:
        return [_pass_unusable(champion, champion.problem)]
    if manifest.signature.digest != champion.signature:
        return [Check("champion", True, f"{champion.version} has another schema and cannot score these rows")]
    try:
        standing = _errors(champion.estimator, dataset, split)
    except Exception as error:  # a foreign estimator may raise anything
        return [_pass_unusable(champion, f"it cannot score the holdout ({type(error).__name__})")]
    if dataset.signature.task == "regression":
        metric = _check_rmse("metric", errors, root_mean_squared_error(standing), champion.version, settings)
    else:
        metric = _check_accuracy("metric", errors, 1 - float(standing.mean()), champion.version, settings)
    return [metric, _check_pairs(errors, standing, dataset, champion, settings)]


def _pass_unusable(champion: Champion, problem: str) -> Check:
    """A champion that cannot be loaded here cannot be loaded by a worker either: keeping it would keep an outage."""
    detail = (
        f"nothing compared: {champion.version} is unusable: {problem}; no worker can load it, so it may be replaced"
    )
    return Check("champion", True, detail)


def _errors(estimator: Any, dataset: Dataset, split: Split) -> NDArray[Any]:
    """Per holdout row and output: 1.0 for a wrong class or 0.0; for regression true minus predicted value."""
    answers = predict(estimator, dataset.rows[split.holdout], dataset.signature)
    truth = dataset.truth(split.holdout)
    return _distances(truth, [np.array(each.labels) for each in answers], dataset, split)


def _distances(
    truth: Sequence[NDArray[Any]], guesses: Sequence[NDArray[Any]], dataset: Dataset, split: Split
) -> NDArray[Any]:
    """Shape (rows, outputs). Several quantities are measured in standard deviations of the training part, so that
    none counts for more because its unit is small.
    """
    if dataset.signature.task == "classification":
        wrong = [values != guess for values, guess in zip(truth, guesses, strict=True)]
        return np.column_stack(wrong).astype(np.float64)
    distances = np.column_stack([values - guess for values, guess in zip(truth, guesses, strict=True)])
    if len(truth) == 1:
        return distances
    scales = np.array([values.std() for values in dataset.truth(split.training)])
    return np.asarray(distances / np.where(scales > 0, scales, 1.0))


def _check_accuracy(name: str, errors: NDArray[Any], other: float, whose: str, settings: Settings) -> Check:
    accuracy, margin = 1 - float(errors.mean()), settings.gate_max_accuracy_drop
    passed = accuracy >= other - margin - _ROUNDING
    detail = f"accuracy {accuracy:.4f} against {other:.4f} of {whose}; it may be lower by {margin:g} at most"
    return Check(name, passed, detail, {"candidate": accuracy, "other": other, "margin": margin})


def _check_rmse(name: str, errors: NDArray[Any], other: float, whose: str, settings: Settings) -> Check:
    rmse, margin = root_mean_squared_error(errors), settings.gate_max_accuracy_drop
    passed = rmse <= other * (1 + margin) + _ROUNDING
    figure = "RMSE" if errors.shape[1] == 1 else "standardised RMSE"
    detail = f"{figure} {rmse:.6g} against {other:.6g} of {whose}; it may be higher by {margin:.1%} at most"
    return Check(name, passed, detail, {"candidate": rmse, "other": other, "margin": margin})


def _check_pairs(
    errors: NDArray[Any], standing: NDArray[Any], dataset: Dataset, champion: Champion, settings: Settings
) -> Check:
    if dataset.signature.task == "regression":
        test, p_value = "Wilcoxon", wilcoxon_p_value(_row_errors(errors), _row_errors(standing))
    else:
        test, p_value = "McNemar", mcnemar_p_value(_wrong_rows(errors), _wrong_rows(standing))
    passed = p_value >= settings.gate_alpha
    verdict = "not significantly worse" if passed else "significantly worse"
    detail = f"{verdict} than {champion.version} row by row ({test}, p = {p_value:.4f}, alpha {settings.gate_alpha:g})"
    return Check("paired_test", passed, detail, {"p_value": p_value, "alpha": settings.gate_alpha})


def _wrong_rows(errors: NDArray[Any]) -> NDArray[np.bool_]:
    """A row is right if all its outputs are."""
    return np.asarray(errors.any(axis=1))


def _row_errors(errors: NDArray[Any]) -> NDArray[Any]:
    """The root mean square over a row's outputs: the absolute error where there is one."""
    return np.asarray(np.sqrt((errors**2).mean(axis=1)))
