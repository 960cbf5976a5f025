"""A run from claim to record, whatever happens in it."""

import importlib
from datetime import UTC, datetime
from pathlib import Path

import joblib
import pytest
from redis import Redis
from sklearn.datasets import load_iris
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.frozen import FrozenEstimator

from rhizome import keys
from rhizome.inference import predict
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.training_runs import Outcome, begin_run, claim_run, finish_run, read_runs, request_run
from rhizome.version_store import VersionStore
from trainer.run import Wishes, execute_run
from trainer.training import train
from worker.shelf import Shelf

RAISING_FACTORY = """
def build(signature, seed):
    raise {error}
"""


def carry_out(settings: Settings, redis: Redis, wishes: Wishes | None = None) -> Outcome | None:
    run_id, _ = claim_run(redis, "test", datetime.now(UTC))
    result = execute_run(settings, redis, lambda _: None, run_id, "test", wishes or Wishes())
    return result.outcome if result else None


def test_a_run_trains_promotes_and_records(settings: Settings, redis: Redis, registry: Registry) -> None:
    assert carry_out(settings, redis) is Outcome.PROMOTED

    champion, last = registry.champion(), read_runs(redis)["last"]
    assert champion is not None
    assert (last["outcome"], last["version"]) == ("promoted", champion.version)


def test_a_run_may_leave_the_champion(settings: Settings, redis: Redis, registry: Registry) -> None:
    assert carry_out(settings, redis, Wishes(promote=False)) is Outcome.TRAINED
    assert registry.champion() is None
    assert len(registry.versions()) == 1


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        ("MemoryError()", "the memory limit was reached"),
        ("ValueError('secret')", "the run failed; the trainer's log has its trace"),
        ("KeyboardInterrupt()", "the run was interrupted"),
        (
            "__import__('billiard').exceptions.SoftTimeLimitExceeded()",
            "the run took longer than RHIZOME_TRAINING_TIME_LIMIT_SECONDS (3600)",
        ),
    ],
)
def test_whatever_is_raised_is_recorded_and_does_not_escape(
    settings: Settings, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str, detail: str
) -> None:
    name = f"raising_{abs(hash(error))}"
    (tmp_path / f"{name}.py").write_text(RAISING_FACTORY.format(error=error))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()

    outcome = carry_out(settings.model_copy(update={"estimator": f"{name}:build"}), redis)

    assert outcome is Outcome.FAILED
    assert read_runs(redis)["state"] == "idle"
    assert read_runs(redis)["last"]["detail"] == detail


def test_the_log_names_an_exception_that_is_not_recorded(
    settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def build(*_: object) -> None:
        raise ValueError("two\nlines")

    monkeypatch.setattr("trainer.estimators.random_forest", build)

    carry_out(settings.model_copy(update={"estimator": "trainer.estimators:random_forest"}), redis)

    (told,) = [record for record in caplog.records if record.msg == "training_failed"]
    assert vars(told)["detail"] == "the run failed: ValueError: two lines"
    assert told.exc_info


def test_a_model_that_is_fitted_already_is_served_as_it_is(
    settings: Settings, redis: Redis, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, labels = load_iris(return_X_y=True, as_frame=True)
    fitted = ExtraTreesClassifier(10, random_state=0).fit(rows.to_numpy(), load_iris().target_names[labels])
    joblib.dump(fitted, tmp_path / "model.joblib")

    def build(*_: object) -> FrozenEstimator:
        return FrozenEstimator(joblib.load(tmp_path / "model.joblib"))

    monkeypatch.setattr("trainer.estimators.random_forest", build)

    assert carry_out(settings.model_copy(update={"estimator": "trainer.estimators:random_forest"}), redis) is (
        Outcome.PROMOTED
    )
    version = registry.versions()[0].version
    served = Shelf(VersionStore(settings.models_dir, settings.model_name), None).get(version)
    assert served is not None
    assert predict(served.calls, rows.to_numpy(), served.signature)[0].probabilities == (
        fitted.predict_proba(rows.to_numpy()).tolist()
    )


def test_a_bad_dataset_is_recorded_with_its_remedy(settings: Settings, redis: Redis) -> None:
    outcome = carry_out(settings.model_copy(update={"target": "colour"}), redis)
    assert outcome is Outcome.FAILED
    assert "RHIZOME_TARGET" in read_runs(redis)["last"]["detail"]


def test_a_finished_run_is_not_repeated(settings: Settings, redis: Redis, registry: Registry) -> None:
    run_id, _ = claim_run(redis, "test", datetime.now(UTC))
    begin_run(redis, run_id, datetime.now(UTC))
    finish_run(redis, run_id, datetime.now(UTC), Outcome.PROMOTED)

    assert execute_run(settings, redis, lambda _: None, run_id, "test", Wishes()) is None

    assert registry.versions() == []


def test_a_wiped_redis_does_not_spare_the_candidate_the_comparison(
    settings: Settings, redis: Redis, registry: Registry
) -> None:
    carry_out(settings, redis)
    champion = registry.champion()
    redis.flushall()

    carry_out(settings, redis, Wishes(even_if_unchanged=True))

    newest = registry.versions()[0]
    assert champion is not None
    assert newest.gate["champion"] == champion.version


def test_old_versions_are_pruned_by_a_run(settings: Settings, redis: Redis, registry: Registry) -> None:
    few = settings.model_copy(update={"keep_versions": 2})
    for _ in range(4):
        carry_out(few, redis, Wishes(even_if_unchanged=True))
    assert len(registry.versions()) == 2


def test_a_missing_dataset_is_recorded_by_its_name_alone(settings: Settings, redis: Redis, tmp_path: Path) -> None:
    carry_out(settings.model_copy(update={"dataset": tmp_path / "gone.csv"}), redis)

    detail = read_runs(redis)["last"]["detail"]

    assert "gone.csv" in detail
    assert str(tmp_path) not in detail


def test_a_run_that_would_repeat_the_champion_trains_nothing_and_says_so(
    settings: Settings, redis: Redis, registry: Registry
) -> None:
    carry_out(settings, redis)
    champion = registry.champion()

    assert carry_out(settings, redis) is Outcome.UNCHANGED

    last = read_runs(redis)["last"]
    assert champion is not None
    assert registry.champion() == champion
    assert registry.version_names() == [champion.version]
    assert (last["outcome"], last["version"]) == ("unchanged", champion.version)
    assert "rhizome train --force" in last["detail"]


@pytest.mark.parametrize("wishes", [Wishes(force=True), Wishes(even_if_unchanged=True)], ids=str)
def test_an_unchanged_run_can_be_forced(settings: Settings, redis: Redis, registry: Registry, wishes: Wishes) -> None:
    carry_out(settings, redis)

    assert carry_out(settings, redis, wishes) is Outcome.PROMOTED

    assert len(registry.version_names()) == 2


def test_what_was_asked_for_while_the_run_waited_counts(settings: Settings, redis: Redis, registry: Registry) -> None:
    carry_out(settings, redis)
    run_id, _ = request_run(redis, "schedule", datetime.now(UTC))
    request_run(redis, "somebody", datetime.now(UTC), force=True)

    result = execute_run(settings, redis, lambda _: None, run_id, "schedule", Wishes())

    assert result is not None
    assert result.outcome is Outcome.PROMOTED
    assert len(registry.version_names()) == 2


@pytest.mark.parametrize("changes", [{"seed": 7}, {"range_margin": 1.0}, {"dataset": "longer"}], ids=str)
def test_a_run_trains_where_anything_has_changed(
    settings: Settings, redis: Redis, registry: Registry, tmp_path: Path, changes: dict[str, object]
) -> None:
    carry_out(settings, redis)
    if "dataset" in changes:
        longer = tmp_path / "longer.csv"
        lines = settings.dataset.read_text()
        longer.write_text(lines + lines.splitlines()[-1] + "\n")
        changes = {"dataset": longer}

    carry_out(settings.model_copy(update=changes), redis, Wishes(allow_new_schema=True))

    assert len(registry.version_names()) == 2


def test_a_rolled_back_version_does_not_come_back_by_night(
    settings: Settings, redis: Redis, registry: Registry
) -> None:
    carry_out(settings, redis)
    former = registry.champion()
    forest = settings.model_copy(update={"estimator": "trainer.estimators:random_forest"})
    assert carry_out(forest, redis) is Outcome.PROMOTED
    registry.roll_back(reason="operator")

    assert carry_out(forest, redis) is Outcome.UNCHANGED

    standing, last = registry.champion(), read_runs(redis)["last"]
    assert standing is not None
    assert former is not None
    assert standing.version == former.version
    assert f"rhizome promote {last['version']}" in last["detail"]
    assert len(registry.version_names()) == 2


def test_a_version_that_passed_is_promoted_by_the_next_run_if_the_one_that_trained_it_died(
    settings: Settings, redis: Redis, registry: Registry
) -> None:
    carry_out(settings, redis)
    forest = settings.model_copy(update={"estimator": "trainer.estimators:random_forest"})
    left = train(forest, registry, "died before its promotion")

    assert carry_out(forest, redis, Wishes(promote=False)) is Outcome.UNCHANGED
    assert carry_out(forest, redis) is Outcome.PROMOTED

    champion = registry.champion()
    assert champion is not None
    assert champion.version == left.version
    assert len(registry.version_names()) == 2
    assert carry_out(forest, redis) is Outcome.UNCHANGED


def test_a_version_that_failed_in_service_is_not_taken_for_one_whose_run_died(
    settings: Settings, redis: Redis, registry: Registry
) -> None:
    carry_out(settings, redis)
    forest = settings.model_copy(update={"estimator": "trainer.estimators:random_forest"})
    carry_out(forest, redis)
    failed = registry.version_names()[0]
    registry.roll_back(reason="it burnt", failed=failed)

    assert carry_out(forest, redis) is Outcome.UNCHANGED


def test_a_version_of_another_schema_that_was_left_aside_is_not_promoted_by_night(
    settings: Settings, redis: Redis, registry: Registry, tmp_path: Path
) -> None:
    carry_out(settings, redis)
    champion = registry.champion()
    other = tmp_path / "other.csv"
    other.write_text("x,species\n" + "".join(f"{i}.5,{'ab'[i // 40]}\n" for i in range(80)))
    changed = settings.model_copy(update={"dataset": other})
    assert carry_out(changed, redis, Wishes(promote=False, allow_new_schema=True)) is Outcome.TRAINED

    assert carry_out(changed, redis) is Outcome.UNCHANGED

    assert registry.champion() == champion


def test_another_version_of_a_library_that_the_artefact_needs_is_another_training(
    settings: Settings, redis: Redis, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "boosters_of_mine.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: boosters-of-mine\nVersion: 1.0\n")
    (metadata / "top_level.txt").write_text("boosters_of_mine\n")
    (tmp_path / "boosters_of_mine.py").write_text(
        "from sklearn.tree import DecisionTreeClassifier\n"
        "class Booster(DecisionTreeClassifier): ...\n"
        "def build(signature, seed): return Booster(random_state=seed)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    boosted = settings.model_copy(update={"estimator": "boosters_of_mine:build"})
    assert carry_out(boosted, redis) is Outcome.PROMOTED
    assert registry.versions()[0].libraries["boosters-of-mine"] == "1.0"
    assert carry_out(boosted, redis) is Outcome.UNCHANGED

    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: boosters-of-mine\nVersion: 1.1\n")

    assert carry_out(boosted, redis) is Outcome.PROMOTED


def test_a_refused_version_is_judged_anew_by_other_margins_or_with_another_schema_allowed(
    settings: Settings, redis: Redis, tmp_path: Path
) -> None:
    carry_out(settings, redis)
    other = tmp_path / "other.csv"
    other.write_text("x,species\n" + "".join(f"{i}.5,{'ab'[i // 40]}\n" for i in range(80)))
    changed = settings.model_copy(update={"dataset": other})
    assert carry_out(changed, redis) is Outcome.REFUSED

    assert carry_out(changed, redis) is Outcome.UNCHANGED
    assert "--force" in read_runs(redis)["last"]["detail"]
    wider = changed.model_copy(update={"gate_max_accuracy_drop": 0.5})
    assert carry_out(wider, redis) is Outcome.REFUSED
    assert carry_out(changed, redis, Wishes(allow_new_schema=True)) is Outcome.PROMOTED


def test_a_champion_that_cannot_serve_is_replaced_though_nothing_has_changed(
    settings: Settings, redis: Redis, registry: Registry, store: VersionStore
) -> None:
    carry_out(settings, redis)
    champion = registry.champion()
    assert champion is not None
    (store.path(champion.version) / "model.joblib").write_bytes(b"broken")

    assert carry_out(settings, redis) is Outcome.PROMOTED


def test_a_champion_that_failed_in_service_is_replaced_though_nothing_has_changed(
    settings: Settings, redis: Redis, registry: Registry
) -> None:
    carry_out(settings, redis)
    champion = registry.champion()
    assert champion is not None
    redis.hset(keys.rejected("iris"), champion.version, "it burnt")

    assert carry_out(settings, redis) is Outcome.PROMOTED
