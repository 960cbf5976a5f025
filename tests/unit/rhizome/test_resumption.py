"""What a start does where a champion stands: it serves it, has another trained, or refuses; never in silence."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from rhizome.errors import StartupError
from rhizome.estimator_source import hash_source
from rhizome.lineage import compare
from rhizome.manifest import Manifest, hash_file
from rhizome.registry import Registry
from rhizome.resumption import resume
from rhizome.settings import Settings
from rhizome.signature import Feature
from rhizome.training_runs import read_runs
from tests.support.versions import build_manifest, iris_signature
from trainer.table import load_table

HEADER = "sepal_length,sepal_width,petal_length,petal_width"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    dataset = tmp_path / "iris.csv"
    dataset.write_text(f"{HEADER},species\n5.1,3.5,1.4,0.2,setosa\n")
    return Settings(dataset=dataset, models_dir=tmp_path)


@pytest.fixture
def champion(settings: Settings) -> Manifest:
    """Trained from the settings as they are."""
    manifest = build_manifest(signature=iris_signature())
    data = manifest.data.model_copy(update={"name": "iris.csv", "sha256": hash_file(settings.dataset)})
    return manifest.model_copy(
        update={
            "data": data,
            "estimator": settings.estimator,
            "seed": settings.seed,
            "range_margin": settings.range_margin,
            "estimator_sha256": hash_source(settings.estimator),
        }
    )


def test_an_unchanged_folder_starts_without_a_word(settings: Settings, champion: Manifest, redis: Redis) -> None:
    assert resume(settings, redis, champion) == ""
    assert read_runs(redis)["state"] == "idle"


def test_rows_that_came_overnight_are_trained_on_while_the_champion_serves(
    settings: Settings, champion: Manifest, redis: Redis
) -> None:
    with settings.dataset.open("a") as file:
        file.write("5.2,3.5,1.4,0.2,setosa\n")

    said = resume(settings, redis, champion)

    assert "iris.csv has changed" in said
    assert f"{champion.version} serves until another version has passed the gate" in said
    runs = read_runs(redis)
    assert (runs["state"], runs["current"]["reason"]) == ("queued", "start: iris.csv has changed")


def test_a_copy_of_the_dataset_under_another_name_is_the_same(
    settings: Settings, champion: Manifest, redis: Redis, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.csv"
    copy.write_bytes(settings.dataset.read_bytes())

    assert resume(settings.model_copy(update={"dataset": copy}), redis, champion) == ""


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"estimator": "trainer.estimators:random_forest"}, "the estimator is trainer.estimators:random_forest, not "),
        ({"seed": 7}, "the seed is 7, not 42"),
        ({"range_margin": 1.0}, "the range margin is 1, not 3"),
    ],
)
def test_another_way_of_training_is_named_and_followed(
    settings: Settings, champion: Manifest, redis: Redis, changes: dict[str, Any], what: str
) -> None:
    assert what in resume(settings.model_copy(update=changes), redis, champion)
    assert read_runs(redis)["state"] == "queued"


def test_an_estimator_whose_source_was_edited_is_another(
    settings: Settings, champion: Manifest, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "house" / "estimators.py"
    source.parent.mkdir()
    source.write_text("def build(signature, seed): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    settings = settings.model_copy(update={"estimator": "house.estimators:build"})
    champion = champion.model_copy(
        update={"estimator": settings.estimator, "estimator_sha256": hash_source(settings.estimator)}
    )
    assert resume(settings, redis, champion) == ""

    source.write_text("def build(signature, seed): return 1\n")

    assert "the source of house.estimators:build has changed" in resume(settings, redis, champion)


HELPERS = {
    "a relative import": ("house/estimators.py", "from . import features", "house/features.py"),
    "a name of a relative module": ("house/estimators.py", "from .features import scale", "house/features.py"),
    "its package": ("house/estimators.py", "from house import scale", "house/__init__.py"),
    "a module by its full name": ("house/estimators.py", "import house.deep.features", "house/deep/features.py"),
    "a top-level module": ("estimators_of_mine.py", "import features_of_mine as f", "features_of_mine.py"),
    "within the function": ("estimators_of_mine.py", "def g():\n    from lib_of_mine import f", "lib_of_mine/f.py"),
}


@pytest.mark.parametrize(("module", "line", "helper"), HELPERS.values(), ids=HELPERS)
def test_an_estimator_whose_helpers_were_edited_is_another(
    settings: Settings,
    champion: Manifest,
    redis: Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    line: str,
    helper: str,
) -> None:
    for name, text in ((helper, "import json, numpy\nfrom .... import x\n"), (module, f"{line}\n")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    estimator = f"{module.removesuffix('.py').replace('/', '.')}:build"
    settings = settings.model_copy(update={"estimator": estimator})
    champion = champion.model_copy(update={"estimator": estimator, "estimator_sha256": hash_source(estimator)})
    assert resume(settings, redis, champion) == ""

    (tmp_path / helper).write_text("this is no Python\n")

    assert f"the source of {estimator} has changed" in resume(settings, redis, champion)


def test_a_missing_dataset_is_no_reason_not_to_serve(settings: Settings, champion: Manifest, redis: Redis) -> None:
    settings.dataset.unlink()

    said = resume(settings, redis, champion)

    assert str(settings.dataset) in said
    assert "serves as it is" in said
    assert read_runs(redis)["state"] == "idle"


@pytest.mark.parametrize("is_there", [True, False])
def test_another_target_is_refused_with_the_ways_out(
    settings: Settings, champion: Manifest, redis: Redis, *, is_there: bool
) -> None:
    if not is_there:
        settings.dataset.unlink()

    with pytest.raises(StartupError) as caught:
        resume(settings.model_copy(update={"target": "petal_width"}), redis, champion)

    for word in ("'petal_width', not 'species'", "RHIZOME_MODEL_NAME", "RHIZOME_TARGET", "--allow-new-schema"):
        assert word in str(caught.value)
    assert read_runs(redis)["state"] == "idle"


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("alcohol,hue", "new: alcohol, hue; gone: sepal_length, sepal_width, petal_length, petal_width"),
        (f"{HEADER},hue", "new: hue"),
        ("sepal_width,sepal_length,petal_length,petal_width", "another order"),
    ],
)
def test_other_features_are_refused(
    settings: Settings, champion: Manifest, redis: Redis, header: str, what: str
) -> None:
    settings.dataset.write_text(f"\ufeff{header},species\n")

    with pytest.raises(StartupError, match=what):
        resume(settings, redis, champion)


@pytest.mark.parametrize(
    "head",
    [
        "sep=,\r\n{}\r\n",
        '\ufeff"sep=,"\n{}\n',
        "\n{}\n",
        '"sepal_length ",\u00a0sepal_width,\tpetal_length,petal_width, species\n',
    ],
)
def test_the_head_is_read_as_training_reads_it(settings: Settings, champion: Manifest, redis: Redis, head: str) -> None:
    settings.dataset.write_text(head.format(f"{HEADER},species") + "5.1,3.5,1.4,0.2,setosa\n", newline="")
    assert load_table(settings.dataset).header == (*HEADER.split(","), "species")

    assert "iris.csv has changed" in resume(settings, redis, champion)


def test_a_rollback_to_another_schema_leaves_a_service_that_starts(
    settings: Settings, champion: Manifest, redis: Redis
) -> None:
    settings.dataset.write_text(f"{HEADER},hue,species\n5.1,3.5,1.4,0.2,1,setosa\n")
    registry = Registry(redis, champion.name)
    known = champion.signature
    signature = known.model_copy(update={"features": (*known.features, Feature(name="hue", dtype="float64"))})
    later = champion.model_copy(update={"version": "20260102T000000Z-0123abcd", "signature": signature})
    for manifest in (champion, later):
        registry.register(manifest)
        registry.promote(manifest.version, reason="test")
    assert registry.roll_back(reason="it burnt", failed=later.version).version == champion.version

    said = resume(settings, redis, champion)

    for word in (f"version {champion.version} of 'iris' serves", "new: hue", f"promote {later.version} --force"):
        assert word in said
    assert read_runs(redis)["state"] == "idle"


def test_a_name_with_a_blank_that_training_keeps_is_the_same_at_a_start(settings: Settings, champion: Manifest) -> None:
    settings.dataset.write_text(f"\u2003{HEADER},species\n5.1,3.5,1.4,0.2,setosa\n")
    first, *others = champion.signature.features
    features = (first.model_copy(update={"name": load_table(settings.dataset).header[0]}), *others)
    signature = champion.signature.model_copy(update={"features": features})

    assert compare(settings, champion.model_copy(update={"signature": signature})).schema == ()


def test_a_file_that_is_no_table_is_left_to_the_training_to_refuse(
    settings: Settings, champion: Manifest, redis: Redis
) -> None:
    settings.dataset.write_bytes(b"\xff\xfe\x00")

    assert "iris.csv has changed" in resume(settings, redis, champion)


def test_a_manifest_that_does_not_say_how_it_was_trained_may_have_been_trained_otherwise(
    settings: Settings, champion: Manifest
) -> None:
    earlier = champion.model_copy(update={"range_margin": None, "estimator_sha256": None})

    assert "the range margin is 3" in compare(settings, earlier).training[0]


def test_other_libraries_are_another_training(settings: Settings, champion: Manifest) -> None:
    libraries = champion.libraries | {"scikit-learn": "0.1"}

    assert not compare(settings, champion, champion.libraries)
    assert "scikit-learn is 0.1" in compare(settings, champion, libraries).training[0]


def test_a_target_whose_name_holds_a_comma_is_one_target(settings: Settings, champion: Manifest) -> None:
    output = champion.signature.outputs[0].model_copy(update={"name": "a,b"})
    signature = champion.signature.model_copy(update={"outputs": (output,)})
    settings.dataset.unlink()

    found = compare(settings.model_copy(update={"target": "a,b"}), champion.model_copy(update={"signature": signature}))

    assert found.schema == ()


def test_the_queued_run_is_asked_for_once(settings: Settings, champion: Manifest, redis: Redis) -> None:
    changed = settings.model_copy(update={"seed": 1})
    resume(changed, redis, champion)
    first = read_runs(redis)["current"]

    resume(changed, redis, champion)

    assert read_runs(redis)["current"] == first
    assert datetime.fromisoformat(first["queued_at"]) <= datetime.now(UTC)
