"""What the routes work with: the collaborators of one gateway process, reachable from the current application."""

from dataclasses import dataclass
from threading import Semaphore
from typing import cast

from flask import current_app
from redis import Redis

from gateway.champion import ChampionView
from gateway.health import HealthReporter
from gateway.json_memory import JsonMemory
from gateway.notices import Notices
from rhizome.blob_store import BlobStore
from rhizome.job_queue.submission import Submissions
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.webhooks.ledger import Ledger

EXTENSION = "rhizome"
SLOT_SECONDS = 2.0  #: how long a request waits for its turn to send or to take a file


@dataclass(frozen=True)
class Service:
    """One gateway process's collaborators."""

    settings: Settings
    redis: Redis
    submissions: Submissions
    registry: Registry
    champion: ChampionView
    notices: Notices
    health: HealthReporter
    blobs: BlobStore
    upload_slots: Semaphore
    download_slots: Semaphore
    webhooks: Ledger
    json_memory: JsonMemory


def service() -> Service:
    """The present application's collaborators."""
    return cast(Service, current_app.extensions[EXTENSION])
