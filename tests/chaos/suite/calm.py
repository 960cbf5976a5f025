"""Nothing happens: what the load alone comes to, to compare with."""

import time

from tests.chaos.suite.phase import Phase
from tests.chaos.suite.stage import Stage

SECONDS, SHORT_SECONDS = 10.0, 3.0


def rest(stage: Stage) -> None:
    time.sleep(SHORT_SECONDS if stage.is_short else SECONDS)


PHASES = (Phase("nothing", rest),)
