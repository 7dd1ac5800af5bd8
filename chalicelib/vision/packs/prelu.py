"""Replacement of PReLU in a model file by operations that onnxruntime runs fast.

onnxruntime's PReLU takes 3 to 5 ns a value, and its tensors leave the blocked layout of fast convolutions before it and
return to it afterwards: 60 % of an embedding's time. One slope for all channels becomes LeakyRelu, which onnxruntime
fuses with the convolution before it. A slope per channel becomes a x + (1 - a) relu(x), whose operations keep the
layout. The first gives the same numbers, the second the same but for rounding.

The bytes are rewritten when a session is created, in 2 ms. So the files keep the digests of the manifest, and the
package `onnx` is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.vision.packs import protobuf
from chalicelib.vision.packs.protobuf import (
    GRAPH_NODE,
    GRAPH_WEIGHT,
    MODEL_GRAPH,
    Bytes,
    Field,
    fields,
    message,
    node,
    text,
)

_WEIGHT_NAME, _WEIGHT_RAW = 8, 9
_FLOATS = b"\x10\x01"
"""A float tensor's `data_type` as encoded in the file."""


def without_prelu(model: bytes) -> bytes:
    """Return an ONNX file with the same answers as `model`; PReLUs whose slopes are no plain weights stay."""
    whole = list(fields(memoryview(model)))
    (graph,) = (list(fields(field.value)) for field in whole if field.number == MODEL_GRAPH)
    if not any(field.number == GRAPH_NODE and b"PRelu" in bytes(field.value) for field in graph):
        return model
    parts = _rewritten(graph)
    rest: list[Bytes] = [field.whole for field in whole if field.number != MODEL_GRAPH]
    return b"".join([*rest, protobuf.head(MODEL_GRAPH, sum(map(len, parts))), *parts])


def _rewritten(graph: Sequence[Field]) -> list[Bytes]:
    weights = {text(field.value, _WEIGHT_NAME): field.value for field in graph if field.number == GRAPH_WEIGHT}
    parts: list[Bytes] = []
    for field in graph:
        parts += (field.number == GRAPH_NODE and _prelu(field.value, weights)) or [field.whole]
    return parts


def _prelu(found: memoryview, weights: Mapping[bytes, memoryview]) -> list[Bytes]:
    """Return the nodes and weights that replace this node; nothing if it stays."""
    if b"PRelu" not in bytes(found) or text(found, protobuf.NODE_KIND) != b"PRelu":
        return []
    source, slope = (bytes(field.value) for field in fields(found) if field.number == protobuf.NODE_INPUT)
    slopes = _floats(weights.get(slope, memoryview(b"")))
    target = text(found, protobuf.NODE_OUTPUT)
    if slopes is None:
        return []
    if len(slopes) == 1:
        return [node(b"LeakyRelu", [source], target, [protobuf.of_float(b"alpha", slopes.tobytes())])]
    relu, rest, below, above = (target + b"/" + name for name in (b"relu", b"rest", b"below", b"above"))
    return [
        _weight(weights[slope], rest, 1 - slopes),
        node(b"Relu", [source], relu),
        node(b"Mul", [source, slope], below),
        node(b"Mul", [relu, rest], above),
        node(b"Add", [below, above], target),
    ]


def _weight(tensor: memoryview, name: bytes, values: NDArray[np.float32]) -> bytes:
    """Make a weight of the same shape as `tensor`, with another name and other values."""
    kept = [field.whole for field in fields(tensor) if field.number not in (_WEIGHT_NAME, _WEIGHT_RAW)]
    return message(GRAPH_WEIGHT, b"".join([*kept, message(_WEIGHT_NAME, name), message(_WEIGHT_RAW, values.tobytes())]))


def _floats(tensor: memoryview) -> NDArray[np.float32] | None:
    """Return a weight's values, or None if they are not float32 as raw bytes."""
    known = {field.number: field for field in fields(tensor)}
    if _WEIGHT_RAW not in known or not any(bytes(field.whole) == _FLOATS for field in known.values()):
        return None
    return np.frombuffer(known[_WEIGHT_RAW].value, "<f4")
