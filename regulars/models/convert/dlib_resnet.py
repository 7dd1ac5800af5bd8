"""Converter of dlib's face recognition ResNet (davisking/dlib-models, CC0) to ONNX.

The network has 29 convolutions, with their batch normalisations folded in: a stem, fourteen residual blocks, and a
projection.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regulars.models.convert.dlib_dat import Convolution, Network, read
from regulars.models.convert.errors import DamagedWeights
from regulars.models.convert.faceapi import FACE_MEAN, PRODUCER
from regulars.models.convert.graph import Graph

SIZE = 150
BLOCKS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Stages after the stem: channels, number of blocks, and whether the first block halves the sides."""

# fmt: off
CENTRE_HUNDREDTHS = (
    -13, 9, 7, -5, -9, -3, -3, -11, 16, -10, 23, -2, -22, -7, -1, 15,
    -17, -15, -7, -5, 5, 1, 1, 5, -13, -33, -9, -9, 3, -9, 0, 5,
    -19, -3, 1, 7, -1, -7, 17, 0, -20, -2, 4, 23, 19, 0, 3, -8,
    10, -24, 5, 13, 8, 5, 4, -15, 0, 13, -19, 6, 6, -9, -6, -6,
    21, 11, -13, -15, 17, -14, -4, 8, -13, -18, -28, 4, 40, 12, -18, 2,
    -10, 0, 3, 9, -4, 0, -9, 3, 20, -1, -2, 24, 0, 1, 2, 4,
    -7, -2, -12, -3, 1, -6, -1, 11, -16, 14, -1, 0, -1, -1, -8, -5,
    14, -24, 18, 17, 5, 15, 6, 8, 0, -4, -15, -4, 6, -4, 4, 3,
)
# fmt: on
"""Approximate centre of all faces' embeddings, in hundredths: the mean over 29 persons.

Distances do not depend on the centre. It only has to be near enough to all embeddings for RADIUS.
"""

RADIUS = 1.0
"""Radius of the sphere. Embeddings lie 0.5 to 0.75 from the centre."""


def face_recognition_on_sphere(data: bytes) -> bytes:
    """Convert to a model that takes (N, 3, 150, 150) RGB 0..255.

    Its output is `embedding` (N, 129) of length 1, to be compared by cosine. Raises DamagedWeights.

    The network was trained by distance d, and its own cosines lie close together. So an embedding x is placed on a
    sphere, as (x - centre, sqrt(1 - |x - centre|^2)). The cosine of two is then 1 - d^2 / 2, less half the square of
    the difference of their last numbers. That moves d by less than 0.004 near the threshold (tests/regulars/models).
    """
    network = read(data)
    expected = 1 + 2 * sum(blocks for _, blocks, _ in BLOCKS)
    if len(network.convolutions) != expected:
        raise DamagedWeights(f"the network has {expected} convolutions, not {len(network.convolutions)}")
    return _Builder(network).file()


class _Builder:
    def __init__(self, network: Network) -> None:
        self._graph = Graph(("N", 3, SIZE, SIZE))
        self._network = network
        self._left = iter(network.convolutions)
        self._side = 0
        self._channels = 0

    def file(self) -> bytes:
        graph = self._graph
        x = graph.node("Relu", self._stem())
        x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
        self._side = (self._side - 3) // 2 + 1
        for channels, blocks, halves in BLOCKS:
            for block in range(blocks):
                x = self._halving(x, channels) if halves and block == 0 else self._block(x)
        x = graph.node("Flatten", graph.node("GlobalAveragePool", x), axis=1)
        x = graph.node("MatMul", x, graph.weight(self._network.projection))
        graph.output(self._on_sphere(x), ("N", self._network.projection.shape[1] + 1), "embedding")
        notes = {
            "source": "davisking/dlib-models dlib_face_recognition_resnet_model_v1.dat sha256 "
            "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
            "license": "CC0-1.0",
            "input": "N,3,150,150 RGB 0-255 (mean and 1/256 folded into conv0), 5-point aligned",
        }
        return graph.file(notes, PRODUCER)

    def _on_sphere(self, x: str) -> str:
        graph = self._graph
        centre = np.array(CENTRE_HUNDREDTHS, np.float32) / np.float32(100)
        x = graph.node("Sub", x, graph.weight(centre))
        square = graph.node("ReduceSum", graph.node("Mul", x, x), graph.weight(np.array([1], np.int64)), keepdims=1)
        left = graph.node("Sub", graph.weight(np.array([RADIUS**2], np.float32)), square)
        height = graph.node("Sqrt", graph.node("Relu", left))
        return graph.node("Concat", x, height, axis=1)

    def _stem(self) -> str:
        """Add the first convolution. It takes plain pixels: (x - mean) / 256 is folded into its weights."""
        layer = next(self._left)
        weights, bias = _folded(layer)
        weights = weights / np.float32(256)
        mean = np.array(FACE_MEAN, np.float32).reshape(1, 3, 1, 1)
        bias = bias - (weights * mean).sum(axis=(1, 2, 3))
        self._side = (SIZE - layer.weights.shape[2]) // layer.stride + 1
        self._channels = len(bias)
        return self._convolved(self._graph.input, weights, bias, layer)

    def _block(self, x: str) -> str:
        y = self._graph.node("Relu", self._conv(x))
        return self._graph.node("Relu", self._graph.node("Add", self._conv(y), x))

    def _halving(self, x: str, channels: int) -> str:
        """Add a block that halves the sides. Zeros pad its two branches to one shape."""
        y = self._conv(self._graph.node("Relu", self._conv(x)))
        short = self._graph.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
        pooled, convolved = self._side // 2, (self._side - 3) // 2 + 1
        if pooled > convolved:
            y = self._padded(y, 0, pooled - convolved)
        if channels > self._channels:
            short = self._padded(short, channels - self._channels, 0)
        self._side, self._channels = pooled, channels
        return self._graph.node("Relu", self._graph.node("Add", y, short))

    def _padded(self, x: str, channels: int, sides: int) -> str:
        pads = self._graph.weight(np.array([0, 0, 0, 0, 0, channels, sides, sides], np.int64))
        return self._graph.node("Pad", x, pads, mode="constant")

    def _conv(self, x: str) -> str:
        layer = next(self._left)
        return self._convolved(x, *_folded(layer), layer)

    def _convolved(self, x: str, weights: NDArray[np.float32], bias: NDArray[np.float32], layer: Convolution) -> str:
        side, padding, stride = weights.shape[2], layer.padding, layer.stride
        inputs = (x, self._graph.weight(weights), self._graph.weight(bias))
        pads, strides = [padding] * 4, [stride, stride]
        return self._graph.node("Conv", *inputs, kernel_shape=[side, side], pads=pads, strides=strides)


def _folded(layer: Convolution) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fold the following scale and shift into the convolution; return its weights and bias."""
    return layer.weights * layer.scale[:, None, None, None], layer.bias * layer.scale + layer.shift
