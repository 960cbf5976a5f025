"""Two numbers that the worker's main process shares with its prefork children, in memory mapped before the fork.

Plain shared integers without a lock: a child killed at any instant cannot leave them locked.
"""

from multiprocessing.sharedctypes import RawValue


class Flags:
    """Set by the main process, read by the children between two micro-batches."""

    def __init__(self) -> None:
        self._reload_hints = RawValue("Q", 0)
        self._stopping = RawValue("b", 0)

    @property
    def reload_hints(self) -> int:
        """How often a reload was broadcast; a change means: look at the champion pointer now."""
        return int(self._reload_hints.value)

    def hint_reload(self) -> None:
        """The broadcast arrived."""
        self._reload_hints.value += 1

    @property
    def is_stopping(self) -> bool:
        """True once the main process shuts down: runs return at the next chance."""
        return bool(self._stopping.value)

    def stop(self) -> None:
        """The main process shuts down."""
        self._stopping.value = 1
