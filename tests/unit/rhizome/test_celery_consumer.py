"""A worker outlives the loss of its connection, however Kombu leaves it."""

import celery.worker.consumer
import pytest
from celery.worker import WorkController
from kombu.asynchronous import Hub

from rhizome.celery_app import build_celery
from rhizome.celery_consumer import Consumer
from rhizome.settings import Settings


def test_a_connection_that_kombu_has_taken_apart_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def trip(*_: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'hostname'")

    monkeypatch.setattr(celery.worker.consumer.Consumer, "on_connection_error_after_connected", trip)

    Consumer.__new__(Consumer).on_connection_error_after_connected(ConnectionError())


def test_a_message_of_such_a_connection_is_left() -> None:
    """The task was under way when the connection was lost, and ends afterwards."""
    settled: list[str] = []

    def acknowledge(name: str) -> None:
        settled.append(name)
        raise AttributeError("'NoneType' object has no attribute 'hostname'")

    hub = Hub()
    consumer = Consumer.__new__(Consumer)
    consumer.hub = hub

    consumer.call_soon_ack(acknowledge, "a bell")
    try:
        hub.run_once()
    finally:
        hub.close()

    assert settled == ["a bell"]


def test_workers_have_this_consumer() -> None:
    app = build_celery("worker", Settings(redis_url="redis://127.0.0.1:1/0"), queues=("a-queue",), include=())

    assert WorkController(app=app, pool="solo").consumer_cls == "rhizome.celery_consumer:Consumer"
