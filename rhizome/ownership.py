"""One Redis database serves one model name: streams, bells, queues, training runs and latencies are one service's.

`connect` looks at each connection; here a process looks once before it begins, since Celery's own connections do not.
"""

import logging
import sys
import time

from redis.exceptions import RedisError

from rhizome.connection import DatabaseTaken, connect
from rhizome.settings import Settings

PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)


def await_own_database(settings: Settings) -> None:
    """Returns as soon as Redis answers, and ends the process where the database is another model's.

    A process that began before it could look would take the other one's wake-ups and training runs from its queues.
    """
    redis, is_told = connect(settings.redis_url, model_name=settings.model_name), False
    while True:
        try:
            redis.ping()
            redis.close()
            return
        except DatabaseTaken as error:
            sys.exit(f"rhizome: {error}")
        except RedisError as error:
            if not is_told:
                log.warning("redis_awaited", extra={"reason": type(error).__name__})
            is_told = True
        time.sleep(PAUSE_SECONDS)


def refuse_foreign_database(settings: Settings) -> None:
    """Ends the process where the database is another model's; one that does not answer now is looked at later."""
    redis = connect(settings.redis_url, model_name=settings.model_name)
    try:
        redis.ping()
    except DatabaseTaken as error:
        sys.exit(f"rhizome: {error}")
    except RedisError:
        return
    finally:
        redis.close()
