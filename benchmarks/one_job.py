"""One job of one user at a time, blocking: for readiness and for latencies without load."""

import select
import time

from benchmarks.user import User

LIMIT_SECONDS = 30.0
TIMED_OUT = "timed_out"


def run_job(user: User, limit_seconds: float = LIMIT_SECONDS) -> tuple[str, float]:
    """Runs one job from submit to checked answer.

    Returns:
        How it ended, and how long it took in milliseconds.

    Raises:
        OSError: the connection is gone.
        ValueError: what arrived is not an answer.
    """
    begun = time.perf_counter()
    user.act(begun)
    while (now := time.perf_counter()) - begun < limit_seconds:
        if user.due_at is not None:
            time.sleep(max(0.0, user.due_at - now))
            user.act(time.perf_counter())
        if not select.select([user.socket], [], [], 1.0)[0]:
            continue
        outcome = user.receive(time.perf_counter())
        if outcome is not None:
            user.started_at = None
            return outcome, (time.perf_counter() - begun) * 1000
    return TIMED_OUT, limit_seconds * 1000
