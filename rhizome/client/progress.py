"""Progress bars of long calls: on a terminal or in a notebook, and nowhere else. tqdm is imported for them alone."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol

from rhizome.client.jobs import RowCounts


class Progress(Protocol):
    """Is told how far a batch is."""

    def uploaded(self, count: int) -> None:
        """So many more bytes were sent, of `file_bytes`."""

    def scored(self, counts: RowCounts) -> None:
        """So many rows are done."""


class Silence(AbstractContextManager["Silence"]):
    """No bar."""

    def uploaded(self, count: int) -> None:
        """Says nothing."""

    def scored(self, counts: RowCounts) -> None:
        """Says nothing."""

    def __exit__(self, *_: object) -> None:
        """Nothing to clear away."""


class Bars(AbstractContextManager["Bars"]):
    """One bar for the bytes that are sent, if there is a file, then one for the rows that are scored.

    Args:
        file_bytes: how much there is to send; 0 where it is not worth a bar.
    """

    def __init__(self, file_bytes: int = 0) -> None:
        self._upload = _bar(total=file_bytes, desc="sent", unit="B", unit_scale=True) if file_bytes else None
        self._rows: Any = None

    def uploaded(self, count: int) -> None:
        """Moves the first bar; one that is full stays full when a file is sent again."""
        if self._upload is not None:
            self._upload.update(min(count, self._upload.total - self._upload.n))

    def scored(self, counts: RowCounts) -> None:
        """Moves the second bar."""
        if self._upload is not None:
            self._upload.close()
            self._upload = None
        if self._rows is None:
            self._rows = _bar(total=counts.total, desc="scored", unit="row", unit_scale=True)
        self._rows.total = counts.total
        self._rows.update(counts.done - self._rows.n)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the bars as they stand."""
        for bar in (self._upload, self._rows):
            if bar is not None:
                bar.close()


def _bar(**facts: Any) -> Any:
    from tqdm.auto import tqdm  # noqa: PLC0415 - a call without a bar does not pay for it

    return tqdm(disable=None, **facts)  # None: shown only where somebody can see it
