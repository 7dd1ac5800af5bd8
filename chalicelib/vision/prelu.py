"""PReLU in a model's file, rewritten as what onnxruntime runs fast.

Its kernel for PReLU takes 3 to 5 ns a value, and tensors leave the blocked layout that convolutions are fast in before
it and come back after it: of an embedding's time that was 60 %. So one slope for all channels becomes LeakyRelu, which
onnxruntime makes part of the convolution before; a slope a channel becomes a x + (1 - a) relu(x), of operations that
know that layout. The first gives the same numbers, the second the same but for rounding.

This is done to the bytes when a session is made, in 2 ms: files stay those whose digests the manifest knows, and the
package `onnx` is not needed. Of its protobuf only the few fields are read that matter here (onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = bytes | memoryview

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_WEIGHT = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_KIND, _NODE_ATTRIBUTE = 1, 2, 4, 5
_WEIGHT_NAME, _WEIGHT_RAW = 8, 9
_FLOATS = b"\x10\x01"
"""A tensor's `data_type`, as it stands in the file."""


class _Field(NamedTuple):
    """`value`: without key and length; `whole`: with them."""

    number: int
    value: memoryview
    whole: memoryview


def without_prelu(model: bytes) -> bytes:
    """An ONNX file that answers as `model` does. PReLUs whose slopes are no plain weights stay; so does all else."""
    fields = list(_fields(memoryview(model)))
    (graph,) = (list(_fields(field.value)) for field in fields if field.number == _MODEL_GRAPH)
    if not any(field.number == _GRAPH_NODE and b"PRelu" in bytes(field.value) for field in graph):
        return model
    parts = _rewritten(graph)
    whole: list[Bytes] = [field.whole for field in fields if field.number != _MODEL_GRAPH]
    return b"".join([*whole, _head(_MODEL_GRAPH, sum(map(len, parts))), *parts])


def _rewritten(graph: Sequence[_Field]) -> list[Bytes]:
    weights = {_text(field.value, _WEIGHT_NAME): field.value for field in graph if field.number == _GRAPH_WEIGHT}
    parts: list[Bytes] = []
    for field in graph:
        parts += (field.number == _GRAPH_NODE and _prelu(field.value, weights)) or [field.whole]
    return parts


def _prelu(node: memoryview, weights: Mapping[bytes, memoryview]) -> list[Bytes]:
    """What the graph has in place of this node; nothing where it is to stay."""
    if b"PRelu" not in bytes(node) or _text(node, _NODE_KIND) != b"PRelu":
        return []
    source, slope = (bytes(field.value) for field in _fields(node) if field.number == _NODE_INPUT)
    slopes = _floats(weights.get(slope, memoryview(b"")))
    target = _text(node, _NODE_OUTPUT)
    if slopes is None:
        return []
    if len(slopes) == 1:
        return [_node(b"LeakyRelu", [source], target, alpha=slopes)]
    relu, rest, below, above = (target + b"/" + name for name in (b"relu", b"rest", b"below", b"above"))
    return [
        _weight(weights[slope], rest, 1 - slopes),
        _node(b"Relu", [source], relu),
        _node(b"Mul", [source, slope], below),
        _node(b"Mul", [relu, rest], above),
        _node(b"Add", [below, above], target),
    ]


def _node(kind: bytes, inputs: list[bytes], output: bytes, alpha: NDArray[np.float32] | None = None) -> bytes:
    parts = [*(_bytes(_NODE_INPUT, name) for name in inputs), _bytes(_NODE_OUTPUT, output), _bytes(_NODE_KIND, kind)]
    if alpha is not None:  # an AttributeProto: name, f, and the type FLOAT
        value = _bytes(1, b"alpha") + bytes([2 << 3 | _FIXED32]) + alpha.tobytes() + b"\xa0\x01\x01"
        parts.append(_bytes(_NODE_ATTRIBUTE, value))
    return _bytes(_GRAPH_NODE, b"".join(parts))


def _weight(tensor: memoryview, name: bytes, values: NDArray[np.float32]) -> bytes:
    """A weight of the shape that `tensor` has, with another name and other values."""
    kept = [field.whole for field in _fields(tensor) if field.number not in (_WEIGHT_NAME, _WEIGHT_RAW)]
    return _bytes(_GRAPH_WEIGHT, b"".join([*kept, _bytes(_WEIGHT_NAME, name), _bytes(_WEIGHT_RAW, values.tobytes())]))


def _floats(tensor: memoryview) -> NDArray[np.float32] | None:
    """A weight's values, where they are float32 as raw bytes."""
    fields = {field.number: field for field in _fields(tensor)}
    if _WEIGHT_RAW not in fields or not any(bytes(field.whole) == _FLOATS for field in fields.values()):
        return None
    return np.frombuffer(fields[_WEIGHT_RAW].value, "<f4")


def _text(message: memoryview, number: int) -> bytes:
    """Of a field that is there once; b"" where it is not."""
    return next((bytes(field.value) for field in _fields(message) if field.number == number), b"")


def _fields(message: memoryview) -> Iterator[_Field]:
    """Raises ValueError, IndexError where it is no protobuf."""
    at = 0
    while at < len(message):
        key, begin = _varint(message, at)
        kind = key & 7
        if kind == _LENGTH:
            size, begin = _varint(message, begin)
        elif kind == _VARINT:
            size = _varint(message, begin)[1] - begin
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"protobuf has no field of kind {kind}: this is no ONNX file")
        yield _Field(key >> 3, message[begin : begin + size], message[at : begin + size])
        at = begin + size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends: seven bits a byte, the lowest first."""
    value = shift = 0
    while message[at] & 0x80:
        value |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | message[at] << shift, at + 1


def _bytes(number: int, value: bytes) -> bytes:
    return _head(number, len(value)) + value


def _head(number: int, size: int) -> bytes:
    """Key and length of a field of so many bytes; `number` is below 16."""
    head = bytearray([number << 3 | _LENGTH])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size])
