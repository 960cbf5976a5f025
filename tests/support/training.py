"""Versions for a running service that are trained here, without the seconds that a process of their own would take."""

from rhizome.connection import connect
from rhizome.registry import Registry
from rhizome.runfile import find_run
from rhizome.settings import Settings
from tests.support.service import Service, eventually
from trainer.training import train


def train_another(service: Service, **settings: object) -> str:
    """Trains a version beside the champion; its name."""
    run = find_run(service.var)
    assert run is not None
    known = Settings(redis_url=run.redis_url, models_dir=service.models)
    redis = connect(run.redis_url)
    version = train(known.model_copy(update=settings), Registry(redis, known.model_name), "another version").version
    redis.close()
    return version


def promote_another(service: Service, **settings: object) -> str:
    """Trains a version beside the champion and has the service promote it; the version, once every worker serves it."""
    version = train_another(service, **settings)
    assert service.admin(f"/models/{version}/promote").status_code == 200
    eventually(lambda: service.serves(version), what="all workers on the new version")
    return version
