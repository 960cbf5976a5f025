"""How far a run is: a bar in estimated seconds on a terminal, plain lines elsewhere."""

import sys
import time

from tqdm import tqdm

LINE_SECONDS = 30.0  #: least time between two lines where there is no terminal


class Progress:
    """Progress over several parts, each of which has estimated how long it takes.

    Args:
        total_seconds: the sum of the estimates.
    """

    def __init__(self, total_seconds: float) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._next_line = 0.0
        self._part = ""
        self._done_seconds = 0.0
        self._part_end_seconds = 0.0
        self._bar = tqdm(
            total=round(total_seconds, 1),
            disable=not self._is_terminal,
            file=sys.stderr,
            leave=False,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f} % |{bar:20}| {elapsed} of about {desc}",
        )
        self._total_seconds = total_seconds
        self._text = ""

    def begin_part(self, name: str, estimated_seconds: float) -> None:
        """Says that a part begins; what is left of the one before counts as done."""
        self._move_to(self._part_end_seconds)
        self._part = name
        self._part_end_seconds = self._done_seconds + estimated_seconds

    def report(self, text: str) -> None:
        """Says in a few words what is being done now."""
        self._text = f"{self._part}: {text}"
        self._show()

    def advance(self, estimated_seconds: float) -> None:
        """Says that something is done that was estimated to take so long."""
        self._move_to(min(self._done_seconds + estimated_seconds, self._part_end_seconds))

    def write(self, text: str) -> None:
        """Prints to stdout without tearing the bar apart."""
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        self._bar.close()

    def expected_seconds(self) -> float:
        """Estimates how long the whole run will have taken, from what it has taken so far."""
        elapsed = time.monotonic() - self._begun
        if self._done_seconds < 0.02 * self._total_seconds:
            return max(elapsed, self._total_seconds)
        return elapsed / self._done_seconds * self._total_seconds

    def _move_to(self, seconds: float) -> None:
        self._bar.update(seconds - self._done_seconds)
        self._done_seconds = seconds
        self._show()

    def _show(self) -> None:
        if self._is_terminal:
            self._bar.set_description_str(f"{format_duration(self.expected_seconds())}  {self._text}")
            return
        now = time.monotonic()
        if now >= self._next_line and self._text:
            self._next_line = now + LINE_SECONDS
            elapsed, expected = format_duration(now - self._begun), format_duration(self.expected_seconds())
            print(f"{elapsed} of about {expected}: {self._text}", file=sys.stderr, flush=True)


def format_duration(seconds: float) -> str:
    """Writes a duration as `1:05` or `2:01:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
