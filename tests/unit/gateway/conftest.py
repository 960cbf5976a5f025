"""The gateway's application on a real Redis, with an iris version as champion."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from gateway.app import create_app
from gateway.service import EXTENSION, Service
from gateway.validation import Validator
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.signature import Feature
from tests.support.queue import Queue
from tests.support.validation import number, signature_of
from tests.support.versions import MODEL_NAME, build_manifest

ADMIN_KEY = "a-key-for-tests"
LOOK_SECONDS = 0.05  #: waiters and the notices thread look this often, so that tests end soon

CHAMPION = build_manifest(version="20260101T000001Z-0123abcd")
OTHER = build_manifest(version="20260101T000002Z-4567cdef", artifact_sha256="ef" * 32)

BuildApp = Callable[..., Flask]


@pytest.fixture
def registry(redis: Redis) -> Registry:
    """Two versions of the same signature; the first is champion."""
    registry = Registry(redis, MODEL_NAME)
    for manifest in (CHAMPION, OTHER):
        registry.register(manifest)
    registry.promote(CHAMPION.version, reason="a test")
    return registry


@pytest.fixture
def build_app(redis_server: str, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[BuildApp]:
    """Builds applications with the settings a test asks for, and ends their threads."""
    monkeypatch.setattr("gateway.notices.LOOK_SECONDS", LOOK_SECONDS)
    monkeypatch.setattr("gateway.health.KEEP_SECONDS", 0.0)  # a test changes something and asks again
    built: list[Flask] = []

    def build(**settings: Any) -> Flask:
        facts = {"redis_url": redis_server, "admin_key": ADMIN_KEY, "chunk_rows": 2} | settings
        app = create_app(Settings(**facts), redis)
        built.append(app)
        return app

    yield build
    for app in built:
        service_of(app).notices.stop()


@pytest.fixture
def app(build_app: BuildApp, registry: Registry) -> Flask:
    return build_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def queue(redis: Redis) -> Queue:
    """The workers' side, by hand; it listens for as long as a test needs."""
    return Queue(redis, linger_seconds=5)


@pytest.fixture(scope="session")
def plain() -> Validator:
    """Of two numbers, one of them bounded."""
    return Validator(signature_of(number("size", lower=0, upper=10), number("sepal_length")))


@pytest.fixture(scope="session")
def mixed() -> Validator:
    """Of a number and a category that may lack, an integer, and a category that may not."""
    return Validator(
        signature_of(
            number("size", nullable=True, lower=0, upper=10),
            Feature(name="count", dtype="int64"),
            Feature(name="colour", dtype="category", categories=("blue", "red"), nullable=True),
            Feature(name="shape", dtype="category", categories=("round",)),
        )
    )


def service_of(app: Flask) -> Service:
    service: Service = app.extensions[EXTENSION]
    return service
