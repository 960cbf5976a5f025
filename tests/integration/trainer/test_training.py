"""Training runs against a real registry: repeatable, and judged against the standing champion."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rhizome.artifact import load_estimator
from rhizome.errors import PromotionRefused
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.version_store import VersionStore
from trainer.promotion import Promoter
from trainer.training import train

BAD_FACTORY = """
import numpy as np
from sklearn.linear_model import LogisticRegression

class Shuffled(LogisticRegression):
    def fit(self, X, y):
        return super().fit(X, np.random.default_rng(1).permutation(y))

def build(signature, seed):
    return Shuffled(max_iter=1000)
"""

#: Trains with each of the given changes to the standing settings; prints the hashes by the changes' names.
HASH_RUNS = """
import json, pathlib, sys
from rhizome.settings import load_settings
from trainer import evaluation
from trainer.training import train
evaluation.REPEATS = 1  # judging takes most of a run's time, and comes after its artefact
settings = load_settings()
def hash_run(changes):
    paths = {name: pathlib.Path(value) for name, value in changes.items() if name == "dataset"}
    return train(settings.model_copy(update=changes | paths), None, "test").artifact_sha256
print(json.dumps({name: hash_run(changes) for name, changes in json.loads(sys.argv[1]).items()}))
"""


def ignore(_: str) -> None:
    """Stands in for the broadcast where no worker listens."""


@pytest.fixture
def bad_settings(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Trains on labels in random order."""
    (tmp_path / "bad_factory.py").write_text(BAD_FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return settings.model_copy(update={"estimator": "bad_factory:build"})


def test_artifacts_are_the_same_in_fresh_processes(environment: dict[str, str], tmp_path: Path) -> None:
    lines = [f"{i % 7}.5,{'north' if i % 3 else 'south'},{'' if i % 11 == 0 else i},{i % 2}" for i in range(80)]
    (tmp_path / "mixed.csv").write_text("\n".join(["a,b,c,y", *lines]))
    runs = {
        "logistic_regression": {"estimator": "trainer.estimators:logistic_regression"},
        "random_forest": {"estimator": "trainer.estimators:random_forest"},
        "gradient_boosting": {"estimator": "trainer.estimators:gradient_boosting"},
        "mixed columns": {"dataset": str(tmp_path / "mixed.csv"), "target": "y"},
    }

    one, other = (
        subprocess.run(
            [sys.executable, "-c", HASH_RUNS, json.dumps(dict(order))],
            env=environment | {"PYTHONHASHSEED": seed} | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed, threads, order in (("1", "1", runs.items()), ("2", "2", reversed(runs.items())))
    )

    hashes = json.loads(one)
    assert {name: len(found) for name, found in hashes.items()} == dict.fromkeys(runs, 64)
    assert len(set(hashes.values())) == len(runs)
    assert json.loads(other) == hashes


def test_another_seed_gives_another_artifact(settings: Settings) -> None:
    other = settings.model_copy(update={"seed": 7})
    assert train(settings, None, "test").artifact_sha256 != train(other, None, "test").artifact_sha256


def test_a_version_is_registered_with_its_lineage(settings: Settings, registry: Registry) -> None:
    configured = settings.model_copy(update={"code_revision": "abc123"})
    manifest = train(configured, registry, "because")

    known = registry.manifest(manifest.version)
    assert known == manifest
    assert (known.reason, known.code_revision, known.seed) == ("because", "abc123", 42)
    assert known.data.rows == 150
    assert known.data.training_rows < 150
    assert set(known.libraries) >= {"python", "scikit-learn", "numpy"}
    assert known.metrics["accuracy"] > 0.9


def test_a_worse_candidate_is_published_but_not_promoted(
    settings: Settings, bad_settings: Settings, registry: Registry, store: VersionStore
) -> None:
    promoter = Promoter(registry, store, ignore)
    good = train(settings, registry, "first")
    promoter.promote_candidate(good)

    bad = train(bad_settings, registry, "second")

    assert bad.gate["passed"] is False
    assert bad.gate["champion"] == good.version
    with pytest.raises(PromotionRefused, match="metric: accuracy"):
        promoter.promote_candidate(bad)
    champion = registry.champion()
    assert champion is not None
    assert champion.version == good.version
    assert store.path(bad.version).is_dir()


def test_an_operator_may_overrule_the_gate(
    settings: Settings, bad_settings: Settings, registry: Registry, store: VersionStore
) -> None:
    promoter = Promoter(registry, store, ignore)
    promoter.promote_candidate(train(settings, registry, "first"))
    bad = train(bad_settings, registry, "second")
    assert promoter.promote_candidate(bad, force=True).version == bad.version


@pytest.mark.parametrize("damage", ["tampered", "missing"])
def test_an_unusable_champion_is_replaced_and_the_report_says_so(
    settings: Settings, registry: Registry, store: VersionStore, damage: str
) -> None:
    first = train(settings, registry, "first")
    Promoter(registry, store, ignore).promote_candidate(first)
    artifact = store.path(first.version) / "model.joblib"
    if damage == "tampered":
        artifact.write_bytes(b"something else")
    else:
        artifact.unlink()

    second = train(settings, registry, "second")

    assert second.gate["passed"] is True
    assert "unusable" in second.gate["checks"][-1]["detail"]
    assert Promoter(registry, store, ignore).promote_candidate(second).previous == first.version


def test_the_evaluated_estimator_is_the_published_one(settings: Settings, store: VersionStore) -> None:
    manifest = train(settings, None, "test")
    loaded, estimator = load_estimator(store.path(manifest.version))
    assert loaded == manifest
    assert tuple(estimator.classes_) == manifest.signature.outputs[0].classes
