"""One user alone: its latency when all is warm, and that of the first answer after a silence.

A service that sleeps, polls slowly or lets go of what it held shows here and nowhere else.
"""

import statistics
import time
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.dialects import DIALECTS, SUCCEEDED
from benchmarks.one_job import run_job
from benchmarks.services import RECIPES
from benchmarks.stacks import Stack, StackError
from benchmarks.user import Mode, User

SILENCE_SECONDS = 10.0
WARM_JOBS = 50  #: before each silence; their median is one warm figure


@dataclass(frozen=True)
class Silence:
    """Figures of one stack in one round, one for each silence."""

    stack: str
    mode: Mode
    round: int
    warm_p50_ms: list[float]
    first_ms: list[float]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure_silences(stack: Stack, round_number: int, count: int) -> Silence:
    """Alternates warm jobs and silences, in the first of the stack's modes.

    Raises:
        StackError: a job did not succeed.
    """
    recipe = RECIPES[stack.name]
    found = Silence(stack.name, recipe.modes[0], round_number, [], [])
    for _ in range(count):
        user = User(0, stack.port, DIALECTS[recipe.dialect], recipe.modes[0], lambda _: None)
        found.warm_p50_ms.append(statistics.median(_time_job(user) for _ in range(WARM_JOBS)))
        user.socket.close()  # a fresh connection after the silence: no server must be found to keep an idle one
        time.sleep(SILENCE_SECONDS)
        user.open()
        found.first_ms.append(_time_job(user))
        user.socket.close()
    return found


def _time_job(user: User) -> float:
    try:
        outcome, milliseconds = run_job(user)
    except (OSError, ValueError) as error:
        raise StackError(f"a single job: {error}") from error
    if outcome != SUCCEEDED:
        raise StackError(f"a single job ended as {outcome}")
    return milliseconds


def estimate_silences(count: int) -> float:
    return count * (SILENCE_SECONDS + 1.0)
