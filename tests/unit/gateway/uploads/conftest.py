"""A gateway that takes files: its store is a folder of the test's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from rhizome.registry import Registry
from tests.support.webhooks import SECRET
from tests.unit.gateway.conftest import BuildApp

BuildClient = Callable[..., FlaskClient]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def build_client(build_app: BuildApp, registry: Registry, store: Path) -> BuildClient:
    def build(**settings: Any) -> FlaskClient:
        facts = {"blob_url": store.as_uri(), "webhook_secret": SECRET, "chunk_rows": 100} | settings
        return build_app(**facts).test_client()

    return build


def files_in(store: Path) -> list[str]:
    """What lies in the store, temporary files among them."""
    return sorted(path.name for path in store.rglob("*") if path.is_file())
