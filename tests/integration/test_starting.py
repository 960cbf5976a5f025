"""`rhizome up` in a folder where versions stand: no service serves another model than its settings say, in silence."""

import csv
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sklearn.datasets import load_wine

from rhizome.embedded_redis import find_free_port
from rhizome.runfile import find_run
from tests.conftest import RedisServer
from tests.support.service import ROOT, Service, eventually

PATIENCE_SECONDS = 60.0


@pytest.fixture
def wine(tmp_path: Path) -> Path:
    """A CSV file of scikit-learn's wines."""
    bunch, path = load_wine(), tmp_path / "wine.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(name.replace("/", "_") for name in bunch.feature_names), "cultivar"])
        writer.writerows([*row, bunch.target_names[label]] for row, label in zip(bunch.data, bunch.target, strict=True))
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that the test may give to several services."""
    started = RedisServer(tmp_path / "redis", fsync="no")
    started.start()
    yield started
    started.stop()


@contextmanager
def running(service: Service, *options: str) -> Iterator[Service]:
    try:
        service.start(*options)
        yield service
    except BaseException:
        service.kill_if_alive()
        raise
    service.stop()


def command(service: Service, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """`rhizome` in another shell: of the service's variables it knows the folder alone."""
    inherited = {name: value for name, value in service.environment.items() if not name.startswith("RHIZOME_")}
    given = {f"RHIZOME_{name.upper()}": str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "rhizome", *arguments],
        cwd=ROOT,
        env=inherited | {"RHIZOME_VAR_DIR": str(service.var)} | given,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def refuse(service: Service, *arguments: str) -> str:
    """What a start says that ends by itself."""
    ended = subprocess.run(
        [sys.executable, "-m", "rhizome", "up", *arguments],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout
    assert "is ready after" not in ended.stdout
    return ended.stderr


def test_another_dataset_under_the_name_of_a_model_is_refused_and_under_its_own_is_served(
    tmp_path: Path, wine: Path
) -> None:
    with running(Service(tmp_path)) as iris:
        standing = iris.champion()
    changed = {"dataset": wine, "target": "cultivar"}

    said = refuse(Service(tmp_path, **changed))

    for word in ("wine.csv", "iris.csv", "'cultivar', not 'species'", "RHIZOME_MODEL_NAME", "--allow-new-schema"):
        assert word in said
    service = Service(tmp_path, model_name="wine", **changed)
    with running(service):
        assert service.http.get("/models").json()["name"] == "wine"
        assert len(service.http.get("/models").json()["versions"]) == 1
    again = Service(tmp_path)
    with running(again):
        assert again.champion() == standing, "the first model's Redis is its own"


def test_a_first_training_that_fails_names_the_exception_and_the_log_of_its_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.py").write_text("def build(signature, seed):\n    return 1 / 0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    service = Service(tmp_path, estimator="own:build")

    said = refuse(service)

    log = service.var / "log" / "training.jsonl"
    assert f"the run failed: ZeroDivisionError: division by zero; {log} has the trace" in said
    assert "own.py" in log.read_text()


def test_commands_beside_a_service_act_on_its_model_alone(tmp_path: Path, wine: Path) -> None:
    service = Service(tmp_path, model_name="wine", dataset=wine, target="cultivar")
    with running(service):
        first = service.champion()
        unchanged = command(service, "train", "--json")
        trained = command(service, "train", "--force", "--json")
        second = service.champion()
        rolled_back = command(service, "rollback", "--json")
        listed = command(service, "models")
        other = command(service, "rollback", model_name="iris")
        run = find_run(service.var)
        assert run is not None
        elsewhere = command(service, "train", redis_url=run.redis_url, var_dir=tmp_path / "none")
        last = service.champion()

    assert '"status": "unchanged"' in unchanged.stdout
    assert (trained.returncode, rolled_back.returncode) == (0, 0)
    assert second != first
    assert last == first
    for done in (unchanged, trained, rolled_back):
        assert '"model": "wine"' in done.stdout
    assert listed.stdout.startswith("model wine\n")
    assert other.returncode == 1
    assert "RHIZOME_MODEL_NAME is iris" in other.stderr
    assert elsewhere.returncode == 1
    assert "serves the model 'wine', not 'iris'" in elsewhere.stdout
    assert [folder.name for folder in service.models.iterdir()] == ["wine"]


def test_a_dataset_that_grew_overnight_is_trained_on_while_the_champion_serves(tmp_path: Path) -> None:
    dataset = tmp_path / "house.csv"
    lines = (ROOT / "data" / "iris.csv").read_text()
    dataset.write_text(lines)
    service = Service(tmp_path, dataset=dataset)
    with running(service):
        first = service.champion()
    dataset.write_text(lines + lines.splitlines()[-1] + "\n")

    service = Service(tmp_path, dataset=dataset)
    with running(service):
        assert f"since version {first} of 'iris' was trained: house.csv has changed" in service.output
        eventually(lambda: service.champion() != first, PATIENCE_SECONDS, "a version of the longer dataset")
        eventually(lambda: service.health()["training"]["state"] == "idle", what="the end of the run")
        last = service.health()["training"]["last"]
        assert (last["reason"], last["version"]) == ("start: house.csv has changed", service.champion())
    dataset.unlink()

    service = Service(tmp_path, dataset=dataset)
    with running(service):
        assert f"there is no readable dataset at {dataset}: version {last['version']} of 'iris'" in service.output
        assert service.champion() == last["version"]


def test_another_schema_takes_the_place_of_the_champion_where_it_is_allowed(tmp_path: Path, wine: Path) -> None:
    with running(Service(tmp_path)):
        pass

    service = Service(tmp_path, dataset=wine, target="cultivar")
    with running(service, "--allow-new-schema"):
        champion = service.http.get("/models").json()["versions"][0]
        assert champion["is_champion"]
        assert champion["signature"]["outputs"][0]["name"] == "cultivar"
    with running(Service(tmp_path, dataset=wine, target="cultivar")) as again:
        assert again.champion() == champion["version"]
        former = again.admin("/models/rollback").json()["version"]
    with running(Service(tmp_path, dataset=wine, target="cultivar")) as rolled_back:
        assert f"version {former} of 'iris' serves, and the settings describe another schema" in rolled_back.output
        assert rolled_back.result(rolled_back.submit())["version"] == former


def test_a_folder_whose_redis_was_lost_is_compared_all_the_same(tmp_path: Path, wine: Path) -> None:
    with running(Service(tmp_path)):
        pass
    (tmp_path / "var" / "redis").rename(tmp_path / "lost")

    service = Service(tmp_path, dataset=wine, target="cultivar")

    said = refuse(service)

    assert "RHIZOME_MODEL_NAME" in said
    with running(service, "--allow-new-schema"):
        assert len(service.http.get("/models").json()["versions"]) == 2


def test_two_models_on_one_server_keep_to_their_databases(tmp_path: Path, wine: Path, server: RedisServer) -> None:
    place = server.url.rpartition("/")[0]
    few = {"worker_processes": 1, "gateway_processes": 1}
    iris = Service(tmp_path / "iris", redis_url=f"{place}/0", **few)
    other = Service(
        tmp_path / "other", redis_url=f"{place}/1", model_name="wine", dataset=wine, target="cultivar", **few
    )
    iris.folder.mkdir()
    other.folder.mkdir()
    with running(iris), running(other):
        standing = other.champion()
        answered = {iris.result(iris.submit())["version"] for _ in range(20)}
        assert iris.admin("/retrain?force=true").status_code == 202
        eventually(lambda: iris.champion() not in answered, PATIENCE_SECONDS, "another version of the first model")
        eventually(lambda: iris.health()["latency"]["jobs"] == 20, what="the latencies")
        eventually(lambda: other.health()["workers"]["converged"], what="the other's workers")
        report = other.health()
        workers = {worker["version"] for worker in report["workers"]["processes"]}

        assert len(answered) == 1
        assert report["latency"]["jobs"] == 0
        assert (report["champion"]["version"], workers) == (standing, {standing})
        assert report["training"]["last"]["reason"] == "first start"
        refused = command(
            other, "up", port=find_free_port(), redis_url=f"{place}/0", model_name="wine", var_dir=tmp_path
        )
        assert "serves the model 'iris', not 'wine'" in refused.stderr
