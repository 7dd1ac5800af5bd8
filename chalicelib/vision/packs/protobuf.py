"""The part of protobuf that reading and writing an ONNX file needs (onnx/onnx.proto), without the package `onnx`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

Bytes = bytes | memoryview

MODEL_IR, MODEL_GRAPH, MODEL_OPSET = 1, 7, 8
GRAPH_NODE, GRAPH_NAME, GRAPH_WEIGHT, GRAPH_INPUT, GRAPH_OUTPUT = 1, 2, 5, 11, 12
NODE_INPUT, NODE_OUTPUT, NODE_KIND, NODE_ATTRIBUTE = 1, 2, 4, 5
"""Field numbers of the messages."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """A field of a message. `value`: without key and length; `whole`: with them."""

    number: int
    value: memoryview
    whole: memoryview


def text(data: memoryview, number: int) -> bytes:
    """Return the value of the first field with this number; b"" if there is none."""
    return next((bytes(field.value) for field in fields(data) if field.number == number), b"")


def fields(data: memoryview) -> Iterator[Field]:
    """Iterate over a message's fields. Raises ValueError or IndexError if it is no protobuf."""
    at = 0
    while at < len(data):
        key, begin = _varint(data, at)
        kind = key & 7
        if kind == _LENGTH:
            size, begin = _varint(data, begin)
        elif kind == _VARINT:
            size = _varint(data, begin)[1] - begin
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"protobuf has no field of kind {kind}: this is no ONNX file")
        yield Field(key >> 3, data[begin : begin + size], data[at : begin + size])
        at = begin + size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Decode the number that begins at `at`, and return it with its end: seven bits a byte, the lowest first."""
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def message(number: int, value: bytes) -> bytes:
    return head(number, len(value)) + value


def head(number: int, size: int) -> bytes:
    """Encode key and length of a field of `size` bytes; `number` is below 16."""
    head = bytearray([number << 3 | _LENGTH])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size])


def integer(number: int, value: int) -> bytes:
    """Encode a field of a number below 128."""
    return bytes([number << 3 | _VARINT, value])


def node(kind: bytes, inputs: Sequence[bytes], output: bytes, attributes: Sequence[bytes] = ()) -> bytes:
    """Encode a graph's node."""
    parts = [*(message(NODE_INPUT, name) for name in inputs), message(NODE_OUTPUT, output), message(NODE_KIND, kind)]
    return message(GRAPH_NODE, b"".join([*parts, *(message(NODE_ATTRIBUTE, each) for each in attributes)]))


def of_float(name: bytes, value: bytes) -> bytes:
    """Encode an attribute; `value` is the float's four bytes."""
    return message(1, name) + bytes([2 << 3 | _FIXED32]) + value + b"\xa0\x01\x01"


def of_text(name: bytes, value: bytes) -> bytes:
    """Encode an attribute of text."""
    return message(1, name) + message(4, value) + b"\xa0\x01\x03"
