"""Reader of dlib's serialised face recognition ResNet: its weights, from the input to the output.

It reads only the layers with weights. A layer begins with its tag (a length and the text). A convolution is `con_4`:
its weights and biases in one tensor, then filters, height, width, strides and padding. A trained batch normalisation
is `affine_`: scales and shifts in one tensor. The last layer is `fc_2`, a matrix. A number is a byte (its length, with
the sign in the top bit) and then its bytes, little end first. A tensor is the number 2, four dimensions, and float32
values (dlib/serialize.h, dlib/dnn/layers.h, dlib/dnn/tensor.h).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regulars.models.convert.errors import DamagedWeights

_TENSOR_VERSION = 2
_LONGEST_NUMBER = 8


@dataclass(frozen=True)
class Convolution:
    """A convolution. `weights` (out, in, height, width), `bias`, and the following `scale` and `shift` (out,)."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    stride: int
    padding: int


@dataclass(frozen=True)
class Network:
    """Weights of the network. `convolutions`: in order of use; `projection`: (features, dimensions)."""

    convolutions: tuple[Convolution, ...]
    projection: NDArray[np.float32]


def read(data: bytes) -> Network:
    """Read the weights. Raises DamagedWeights if the stream does not hold what its tags announce."""
    stream = _Stream(data)
    convolutions: list[Convolution] = []
    while stream.seek("con_4"):
        convolutions.append(_convolution(stream))
    if not convolutions or not stream.seek("fc_2"):
        raise DamagedWeights("this is no network of convolutions and a projection, as dlib's face recognition is")
    outputs, inputs = (stream.number() for _ in range(2))
    values = stream.tensor()
    if len(values) != inputs * outputs:
        raise DamagedWeights(f"the projection has {len(values)} numbers, not {inputs} x {outputs}")
    return Network(tuple(convolutions), values.reshape(inputs, outputs))


def _convolution(stream: _Stream) -> Convolution:
    values = stream.tensor()
    out, height, width, stride_y, stride_x, padding_y, padding_x = (stream.number() for _ in range(7))
    inputs, rest = divmod(len(values) - out, out * height * width)
    if rest or stride_y != stride_x or padding_y != padding_x:
        raise DamagedWeights(f"a convolution of {out} filters of {height} x {width} has {len(values)} numbers")
    if not stream.seek("affine_"):
        raise DamagedWeights("a convolution is not followed by its scales and shifts")
    scale, shift = stream.tensor().reshape(2, out)
    weights = values[:-out].reshape(out, inputs, height, width)
    return Convolution(weights, values[-out:], scale, shift, stride_x, padding_x)


class _Stream:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def seek(self, tag: str) -> bool:
        """Move behind the next tag of this name. Return False, without a move, if there is none."""
        sought = bytes([1, len(tag)]) + tag.encode("ascii")
        found = self._data.find(sought, self._at)
        if found >= 0:
            self._at = found + len(sought)
        return found >= 0

    def number(self) -> int:
        size = self._take(1)[0]
        if not 1 <= size & 0x7F <= _LONGEST_NUMBER:
            raise DamagedWeights(f"at byte {self._at - 1} a number begins, which has 1 to 8 bytes, not {size & 0x7F}")
        value = int.from_bytes(self._take(size & 0x7F), "little")
        return -value if size & 0x80 else value

    def tensor(self) -> NDArray[np.float32]:
        """Read a tensor as one row of values."""
        version, *dimensions = (self.number() for _ in range(5))
        if version != _TENSOR_VERSION or min(dimensions) < 0:
            raise DamagedWeights(f"at byte {self._at} a tensor begins, of version {_TENSOR_VERSION}, not {version}")
        return np.frombuffer(self._take(4 * math.prod(dimensions)), "<f4").astype(np.float32)

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise DamagedWeights(f"the file ends at byte {len(self._data)}, within its weights")
        self._at += size
        return taken
