"""Settings, registry and store of the trainer's integration tests, on the shared Redis server."""

import os
from pathlib import Path

import pytest
from redis import Redis

from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.version_store import VersionStore

ROOT = Path(__file__).resolve().parents[3]
IRIS = ROOT / "data" / "iris.csv"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RHIZOME_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path, redis_server: str) -> Settings:
    return Settings(redis_url=redis_server, models_dir=tmp_path / "models", dataset=IRIS)


@pytest.fixture
def registry(redis: Redis) -> Registry:
    return Registry(redis, "iris")


@pytest.fixture
def store(settings: Settings) -> VersionStore:
    return VersionStore(settings.models_dir, settings.model_name)


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process that runs with `settings`."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("RHIZOME_")}
    return outside | {
        "PYTHONPATH": str(ROOT),
        "RHIZOME_REDIS_URL": settings.redis_url,
        "RHIZOME_MODELS_DIR": str(settings.models_dir),
        "RHIZOME_DATASET": str(settings.dataset),
    }
