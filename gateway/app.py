"""Wires the gateway: one Flask application per process, from settings and a Redis client."""

import time
from threading import Semaphore

from flask import Flask
from redis import Redis

from gateway import admin_routes, documentation_routes, health_routes, mlflow_routes, routes, webhook_routes
from gateway.champion import ChampionView
from gateway.health import HealthReporter
from gateway.inference_protocol import routes as protocol_routes
from gateway.json_memory import JsonMemory
from gateway.notices import Notices
from gateway.problems import handle_errors
from gateway.requests import release_bodies
from gateway.service import EXTENSION, Service
from gateway.tracing import trace_requests
from rhizome.blob_store import open_store
from rhizome.connection import connect
from rhizome.job_queue.submission import Submissions
from rhizome.pulse import Pulse
from rhizome.registry import Registry
from rhizome.settings import Settings, load_settings
from rhizome.stray_output import log_stray_output
from rhizome.telemetry import configure_logging
from rhizome.webhooks.ledger import Ledger

#: Files take long, so that they have slots of their own, which no submit has to wait for.
UPLOADS = 4
DOWNLOADS = 8
REDIS_TIMEOUT_SECONDS = 2.5  #: the gateway never blocks on Redis on purpose
PULSE_ROLE = "server"
PATIENCE_SECONDS = 15.0


def create_app(settings: Settings, redis: Redis) -> Flask:
    """Builds the application; nothing is connected and no thread runs until the first request needs it.

    Args:
        settings: this deployment's.
        redis: a client for commands; the notices open a connection of their own.
    """
    app = Flask("gateway", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    registry = Registry(redis, settings.model_name)
    submissions = Submissions(redis, settings.max_waiting, settings.result_ttl_seconds)
    champion = ChampionView(registry)
    webhooks = Ledger(redis, settings.webhook_max_pending)
    blobs = open_store(settings.blob_location, settings.blob_endpoint, settings.blob_min_free_bytes)

    def note_champion_moved() -> None:
        champion.forget()
        health.report.forget()

    notices = Notices(
        lambda: connect(settings.redis_url, model_name=settings.model_name),
        settings.max_waiters,
        settings.max_waiting_threads,
        note_champion_moved,
    )
    health = HealthReporter(
        redis,
        submissions,
        champion,
        notices,
        webhooks,
        blobs,
        micro_batch_rows=settings.micro_batch_rows,
        started_at=time.time(),
    )
    app.extensions[EXTENSION] = Service(
        settings=settings,
        redis=redis,
        submissions=submissions,
        registry=registry,
        champion=champion,
        notices=notices,
        health=health,
        blobs=blobs,
        upload_slots=Semaphore(UPLOADS),
        download_slots=Semaphore(DOWNLOADS),
        webhooks=webhooks,
        json_memory=JsonMemory(settings.json_memory_bytes),
    )
    for module in (
        routes,
        webhook_routes,
        mlflow_routes,
        protocol_routes,
        health_routes,
        admin_routes,
        documentation_routes,
    ):
        app.register_blueprint(module.blueprint)
    release_bodies(app)
    handle_errors(app)
    trace_requests(app)
    return app


def create_app_from_environment() -> Flask:
    """What each Granian process calls."""
    settings = load_settings()
    configure_logging("gateway", settings.log_level)
    log_stray_output("gateway")
    Pulse(settings.pulse_dir, PULSE_ROLE, PATIENCE_SECONDS).start_thread()
    redis = connect(settings.redis_url, model_name=settings.model_name, socket_timeout=REDIS_TIMEOUT_SECONDS)
    return create_app(settings, redis)
