"""Small ONNX files, written by hand: no package for them is needed. Numbers are the fields of
onnx.proto."""

import struct


def _number(value: int) -> bytes:
    written = b""
    while value > 127:
        written, value = written + bytes([value & 127 | 128]), value >> 7
    return written + bytes([value])


def _text(field: int, value: bytes) -> bytes:
    return _number(field << 3 | 2) + _number(len(value)) + value


def _integer(field: int, value: int) -> bytes:
    return _number(field << 3) + _number(value)


def _node(kind: str, inputs: str, output: str, attributes: bytes = b"") -> bytes:
    names = b"".join(_text(1, name.encode()) for name in inputs.split())
    names += b"".join(_text(2, name.encode()) for name in output.split())
    return _text(1, names + _text(4, kind.encode()) + attributes)


def _value(name: str, kind: int, sizes: tuple[int, ...]) -> bytes:
    shape = b"".join(_text(1, _integer(1, size)) for size in sizes)
    return _text(1, name.encode()) + _text(2, _text(1, _integer(1, kind) + _text(2, shape)))


def _tensor(name: str, kind: int, sizes: tuple[int, ...], content: bytes) -> bytes:
    return (
        b"".join(_integer(1, size) for size in sizes)
        + _integer(2, kind)
        + _text(8, name.encode())
        + content
    )


FLOAT, INT64, BOOL = 1, 7, 9
WEIGHTS = _text(9, bytes(4 * 128))


def weights_in(file: str) -> bytes:
    """What a tensor has in place of its numbers if they are in another file."""
    said = {"location": file, "offset": "0", "length": str(4 * 128)}
    written = [
        _text(13, _text(1, key.encode()) + _text(2, value.encode())) for key, value in said.items()
    ]
    return b"".join(written) + _integer(14, 1)


def network(weights: bytes = WEIGHTS, *, is_endless: bool = False) -> bytes:
    """A network that takes x, (1, 3, 112, 112), and gives y, (1, 128): its weights, whatever the
    picture shows."""
    axes = _text(
        5, _text(1, b"axes") + b"".join(_integer(8, axis) for axis in (1, 2, 3)) + _integer(20, 7)
    )
    flat = _text(5, _text(1, b"keepdims") + _integer(3, 0) + _integer(20, 2))
    nodes = [
        _node("ReduceMean", "x", "mean", axes + flat),
        _node("Unsqueeze", "mean one", "column"),
        _node("Mul", "column zero", "nothing"),
        _node("Add", "nothing weights", "y"),
    ]
    tensors = [
        _tensor("one", INT64, (1,), _text(9, struct.pack("<q", 1))),
        _tensor("zero", FLOAT, (1,), _text(9, struct.pack("<f", 0))),
    ]
    if is_endless:
        nodes = [_node("Loop", "often yes none", "weights", _body()), *nodes]
        tensors += [
            _tensor("often", INT64, (), _text(9, struct.pack("<q", 2**62))),
            _tensor("yes", BOOL, (), _text(9, b"\1")),
            _tensor("none", FLOAT, (128,), WEIGHTS),
        ]
    else:
        tensors += [_tensor("weights", FLOAT, (128,), weights)]
    graph = b"".join(nodes) + _text(2, b"g") + b"".join(_text(5, tensor) for tensor in tensors)
    graph += _text(11, _value("x", FLOAT, (1, 3, 112, 112))) + _text(
        12, _value("y", FLOAT, (1, 128))
    )
    return _integer(1, 8) + _text(8, _text(1, b"") + _integer(2, 13)) + _text(7, graph)


def _body() -> bytes:
    """The body of a loop that keeps its condition and its value."""
    graph = _node("Identity", "go", "still") + _node("Identity", "value", "same") + _text(2, b"b")
    taken = [_value("turn", INT64, ()), _value("go", BOOL, ()), _value("value", FLOAT, (128,))]
    given = [_value("still", BOOL, ()), _value("same", FLOAT, (128,))]
    graph += b"".join(_text(11, value) for value in taken) + b"".join(
        _text(12, value) for value in given
    )
    return _text(5, _text(1, b"body") + _text(6, graph) + _integer(20, 5))
