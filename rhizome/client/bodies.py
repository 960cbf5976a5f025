"""Request bodies: a JSON document, rows as NDJSON, and a file as it lies on the disk."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from rhizome.client.errors import InvalidInput, Problem

BLOCK_BYTES = 256 * 1024
NDJSON = "application/x-ndjson"

#: Content type of a format, by the ends of file names.
CONTENT_TYPES = {
    "csv": "text/csv",
    "ndjson": NDJSON,
    "jsonl": NDJSON,
    "parquet": "application/vnd.apache.parquet",
}
_ENCODINGS = {".gz": "gzip", ".zst": "zstd"}

_encoder = msgspec.json.Encoder()


class JsonBody:
    """A JSON document, held in memory.

    Raises:
        InvalidInput: JSON cannot carry it.
    """

    def __init__(self, document: Any) -> None:
        self._content = _encode(document)
        self.headers: Mapping[str, str] = {
            "Content-Type": "application/json",
            "Content-Length": str(len(self._content)),
        }

    def __len__(self) -> int:
        return len(self._content)

    def blocks(self) -> Iterator[bytes]:
        """The document as one block."""
        yield self._content


class NdjsonBody:
    """Rows, one JSON object a line, encoded while they are sent."""

    headers: Mapping[str, str] = {"Content-Type": NDJSON}

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self._rows = rows

    def blocks(self) -> Iterator[bytes]:
        """Whole lines, about `BLOCK_BYTES` at a time."""
        block = bytearray()
        for row in self._rows:
            block += _encode(row)
            block += b"\n"
            if len(block) >= BLOCK_BYTES:
                yield bytes(block)
                block.clear()
        if block:
            yield bytes(block)


class FileBody:
    """A file, sent as it is; compressed files are sent compressed.

    Args:
        path: of the file.
        format: `csv`, `ndjson`, `jsonl` or `parquet`; by the file's name if None.
    Attributes:
        bytes: its size.
        on_sent: is told how many bytes each block held.

    Raises:
        InvalidInput: the format cannot be told, or the file cannot be read.
    """

    def __init__(self, path: Path, format: str | None = None) -> None:
        self._path = path
        self.on_sent: Callable[[int], object] = lambda _: None
        encoding = _ENCODINGS.get(path.suffix.lower())
        name = format or (path.with_suffix("") if encoding else path).suffix.lower().lstrip(".")
        try:
            self.bytes = path.stat().st_size
        except OSError as error:
            raise _unusable(path, f"cannot be read: {error.strerror}", "check its name") from None
        self.headers: dict[str, str] = {"Content-Type": content_type_of(name), "Content-Length": str(self.bytes)}
        if encoding:
            self.headers["Content-Encoding"] = encoding

    def blocks(self) -> Iterator[bytes]:
        """The file's bytes.

        Raises:
            InvalidInput: they are not as many as were announced.
        """
        left = self.bytes
        with self._path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                left -= len(block)
                if left < 0:
                    break
                yield block
                self.on_sent(len(block))
        if left:
            raise _unusable(self._path, "changed while it was sent", "send it again when nobody writes it")


def _encode(document: Any) -> bytes:
    try:
        return _encoder.encode(document)
    except UnicodeEncodeError:  # values are looked at before, by name: see `samples.clean`
        problem = Problem("a field's name", "is no valid text: it holds half a character", "rename the field")
        raise InvalidInput("the data cannot be sent as it is", problems=[problem]) from None


def content_type_of(format: str) -> str:
    """The content type of a format's name.

    Raises:
        InvalidInput: it is none of the known ones.
    """
    try:
        return CONTENT_TYPES[format]
    except KeyError:
        raise _unusable("format", f"is '{format}'", f"use {', '.join(CONTENT_TYPES)}") from None


def format_of(path: Path) -> str:
    """The format that a file's name asks for."""
    return path.suffix.lower().lstrip(".")


def _unusable(field: Path | str, problem: str, remedy: str) -> InvalidInput:
    return InvalidInput("the file cannot be sent as it is", problems=[Problem(str(field), problem, remedy)])
