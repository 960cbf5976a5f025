"""Thrift's compact protocol [1], as far as Parquet's headers and footers need it: what is wanted of a struct is kept.

[1] https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Mapping
from typing import Any

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
_TRUE, _FALSE, _BYTE, _I16, _DOUBLE, _SET = 1, 2, 3, 4, 7, 10
_MAX_DEPTH = 16
_MAX_VARINT_BITS = 63

#: Fields that are kept, by number and kind; of structs and of lists of structs, with what is kept of each.
Wanted = Mapping[tuple[int, int], Any]
Struct = dict[int, Any]


class ThriftError(Exception):
    """The bytes are no struct."""


class Cursor:
    """Reads structs; an IndexError means that the bytes end too early.

    Attributes:
        at: the place of the next byte.
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at

    def read_struct(self, wanted: Wanted, depth: int = 0) -> Struct:
        """The wanted fields that are there, by their numbers.

        Raises:
            ThriftError: it cannot be read, or holds a field twice: readers differ in what they make of that.
        """
        if depth > _MAX_DEPTH:
            raise ThriftError
        fields: Struct = {}
        seen: set[int] = set()
        number = 0
        while head := self._read_byte():
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._read_number()
            if number in seen:
                raise ThriftError
            seen.add(number)
            if (number, kind) in wanted:
                fields[number] = self._read_value(kind, wanted[number, kind], depth + 1)
            elif kind not in (_TRUE, _FALSE):  # whose value is its kind
                self._read_value(kind, {}, depth + 1)
        return fields

    def _read_value(self, kind: int, wanted: Wanted, depth: int) -> Any:
        if kind in (_I16, I32, I64):
            return self._read_number()
        if kind == BINARY:
            return self._skip(self._read_varint())
        if kind == STRUCT:
            return self.read_struct(wanted, depth)
        if kind in (LIST, _SET):
            return self._read_list(wanted, depth)
        if kind == _DOUBLE:
            return self._skip(8)
        if kind in (_TRUE, _FALSE, _BYTE):
            return self._read_byte()
        raise ThriftError  # Parquet has no maps

    def _read_list(self, wanted: Wanted, depth: int) -> list[Any]:
        if depth > _MAX_DEPTH:
            raise ThriftError
        head = self._read_byte()
        count = head >> 4 if head >> 4 < 15 else self._read_varint()
        if count > len(self._data) - self.at:  # each item is a byte at least
            raise IndexError
        return [self._read_value(head & 15, wanted, depth + 1) for _ in range(count)]

    def _read_byte(self) -> int:
        byte = self._data[self.at]
        self.at += 1
        return byte

    def _read_varint(self) -> int:
        value = shift = 0
        while (byte := self._read_byte()) > 127:
            value |= (byte & 127) << shift
            shift += 7
            if shift > _MAX_VARINT_BITS:
                raise ThriftError
        return value | byte << shift

    def _read_number(self) -> int:
        """Zigzag: 0, -1, 1, -2, …"""
        value = self._read_varint()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, size: int) -> None:
        self.at += size
        if self.at > len(self._data):
            raise IndexError
