"""Protocol buffers' wire format, as much of it as model files need: fields by number, in the order of the file."""

from __future__ import annotations

import struct
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Message:
    """The fields of one message; those that are asked for as messages are decoded when they are."""

    def __init__(self, content: memoryview) -> None:
        self._fields: dict[int, list[Any]] = defaultdict(list)
        at = 0
        while at < len(content):
            key, at = varint(content, at)
            number, kind = key >> 3, key & 7
            value: Any
            if kind == 0:
                value, at = varint(content, at)
            else:
                length = {1: 8, 5: 4}.get(kind)
                if kind == 2:
                    length, at = varint(content, at)
                if length is None or not number or at + length > len(content):
                    raise ValueError("no protocol buffer: a field of an unknown kind, or one that is cut off")
                value, at = content[at : at + length], at + length
            self._fields[number].append(value)

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def messages(self, number: int) -> list[Message]:
        """A repeated field's messages."""
        return [Message(_piece(value)) for value in self._fields[number]]

    def texts(self, number: int) -> list[str]:
        """A repeated field's texts."""
        return [bytes(_piece(value)).decode() for value in self._fields[number]]

    def text(self, number: int) -> str:
        """A field's text, or an empty one."""
        return next(reversed(self.texts(number)), "")

    def piece(self, number: int) -> memoryview:
        """A field's bytes, or none."""
        return _piece(next(reversed(self._fields[number]), memoryview(b"")))

    def integers(self, number: int) -> list[int]:
        """A repeated field's signed integers, whether they are packed or not."""
        found: list[int] = []
        for value in self._fields[number]:
            if isinstance(value, int):
                found.append(value)
                continue
            at = 0
            while at < len(value):
                integer, at = varint(value, at)
                found.append(integer)
        return [value - 2**64 if value >= 2**63 else value for value in found]

    def integer(self, number: int, default: int = 0) -> int:
        """A field's signed integer."""
        return next(reversed(self.integers(number)), default)

    def floats(self, number: int, dtype: str = "<f4") -> NDArray[Any]:
        """A repeated field's numbers of fixed width, whether they are packed or not."""
        return np.frombuffer(b"".join(_piece(value) for value in self._fields[number]), dtype)

    def real(self, number: int, default: float) -> float:
        """A field's float32, as the number of fewest digits that is stored so: 0.001 and not 0.0010000000474974513."""
        values = self._fields[number]
        return float(str(np.float32(struct.unpack("<f", _piece(values[-1]))[0]))) if values else default


def varint(content: memoryview | bytes, at: int) -> tuple[int, int]:
    """An integer of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            break
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), at
    raise ValueError("no protocol buffer: an integer that does not end")


def _piece(value: Any) -> memoryview:
    if isinstance(value, int):
        raise ValueError("no protocol buffer of this kind: an integer where bytes are expected")
    return memoryview(value)
