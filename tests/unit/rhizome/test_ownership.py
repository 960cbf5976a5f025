"""One Redis database serves one model name: whoever comes with another is refused, with a way out."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from rhizome import keys, ownership
from rhizome.connection import DatabaseTaken, connect
from rhizome.embedded_redis import choose_folder
from rhizome.errors import RhizomeError
from rhizome.ownership import await_own_database, refuse_foreign_database
from rhizome.settings import Settings
from tests.conftest import RedisServer


@pytest.fixture
def full(redis: Redis) -> Iterator[Redis]:
    """A server that can store nothing more."""
    redis.config_set("maxmemory", 1)
    yield redis
    redis.config_set("maxmemory", 0)


def test_the_first_connection_makes_the_database_its_models(redis: Redis, redis_server: str) -> None:
    connect(redis_server, model_name="wine").ping()
    connect(redis_server, model_name="wine").ping()

    assert redis.get(keys.OWNER) == b"wine"


def test_another_model_gets_no_connection_and_is_told_the_way_out(redis: Redis, redis_server: str) -> None:
    connect(redis_server, model_name="wine").ping()

    with pytest.raises(DatabaseTaken) as caught:
        connect(redis_server, model_name="iris").set("rhizome:training", "iris")

    for word in ("'wine'", "'iris'", "RHIZOME_MODEL_NAME=wine", "RHIZOME_REDIS_URL=redis://…/1", "FLUSHDB"):
        assert word in str(caught.value)
    assert isinstance(caught.value, RhizomeError)
    assert isinstance(caught.value, RedisError)
    assert not redis.exists("rhizome:training")
    assert redis.get(keys.OWNER) == b"wine"


def test_another_database_of_the_same_server_is_another_models(redis: Redis, redis_server: str) -> None:
    connect(redis_server, model_name="wine").ping()

    assert connect(f"{redis_server.rpartition('/')[0]}/1", model_name="iris").ping()


def test_a_subscription_of_another_model_is_refused_too(redis: Redis, redis_server: str) -> None:
    connect(redis_server, model_name="wine").ping()

    with pytest.raises(DatabaseTaken):
        connect(redis_server, model_name="iris").pubsub().subscribe("rhizome:finished")


def test_who_names_no_model_claims_nothing(redis: Redis, redis_server: str) -> None:
    connect(redis_server).ping()

    assert not redis.exists(keys.OWNER)


def test_a_full_redis_is_connected_to_all_the_same(full: Redis, redis_server: str) -> None:
    assert connect(redis_server, model_name="iris").ping()
    assert not full.exists(keys.OWNER)


def test_a_full_redis_still_refuses_another_model(redis: Redis, redis_server: str) -> None:
    connect(redis_server, model_name="wine").ping()
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(DatabaseTaken):
            connect(redis_server, model_name="iris").ping()
    finally:
        redis.config_set("maxmemory", 0)


def test_a_database_that_was_emptied_is_claimed_by_the_next_connection(redis: Redis, redis_server: str) -> None:
    connect(redis_server, model_name="wine").ping()
    redis.flushdb()

    assert connect(redis_server, model_name="iris").ping()


@pytest.mark.parametrize("look", [await_own_database, refuse_foreign_database])
def test_a_process_of_another_model_ends_before_it_begins(redis: Redis, redis_server: str, look: object) -> None:
    connect(redis_server, model_name="wine").ping()

    with pytest.raises(SystemExit, match="serves the model 'wine', not 'iris'"):
        look(Settings(redis_url=redis_server, model_name="iris"))  # type: ignore[operator]


def test_a_process_that_takes_messages_waits_until_it_can_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "PAUSE_SECONDS", 0.05)
    server = RedisServer(tmp_path)
    waiting = threading.Thread(target=await_own_database, args=(Settings(redis_url=server.url),))
    waiting.start()
    time.sleep(0.2)
    assert waiting.is_alive()

    server.start()
    waiting.join(10)

    assert not waiting.is_alive()
    assert connect(server.url).get(keys.OWNER) == b"iris"
    server.stop()


def test_the_gateway_begins_while_redis_is_away() -> None:
    refuse_foreign_database(Settings(redis_url="redis://127.0.0.1:1/0"))


def test_each_model_name_of_a_folder_has_a_redis_of_its_own(tmp_path: Path) -> None:
    models = tmp_path / "models"

    first, second = (choose_folder(tmp_path, name, models) for name in ("iris", "wine"))

    assert (first, second) == (tmp_path / "redis", tmp_path / "redis-wine")
    assert choose_folder(tmp_path, "iris", models) == first


def test_the_data_of_an_earlier_release_stays_its_models(tmp_path: Path) -> None:
    (tmp_path / "redis" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "models" / "wine").mkdir(parents=True)
    (tmp_path / "models" / "wine" / "champion.json").touch()

    other = choose_folder(tmp_path, "iris", tmp_path / "models")
    own = choose_folder(tmp_path, "wine", tmp_path / "models")

    assert (other, own) == (tmp_path / "redis-iris", tmp_path / "redis")
