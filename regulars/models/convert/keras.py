"""Converter of face_classification's emotion network (oarriaga, MIT), from Keras's .hdf5 to ONNX.

The structure follows the project's mini_XCEPTION (src/models/cnn.py): two plain convolutions, four residual blocks of
separable ones, and a convolution to the seven emotions. It takes (N, 1, 64, 64) luminance, from -1 for black
to 1 for white.
"""

from __future__ import annotations

import io

import h5py
import numpy as np
from numpy.typing import NDArray

from regulars.models.convert.errors import DamagedWeights
from regulars.models.convert.graph import Graph

PRODUCER = "face-pack-convert"
SIZE = 64
BLOCKS = 4
EPSILON = 0.001
SAME, VALID = "SAME_UPPER", "VALID"


def mini_xception(data: bytes) -> bytes:
    """Convert to a model with the output `emotion` (N, 7): angry, disgust, fear, happy, sad, surprise, neutral.

    Raises DamagedWeights if the file is no HDF5, or lacks a layer.
    """
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            net = _Net(file)
            x = net.relu(net.normal(net.conv(net.graph.input, "conv2d_1", padding=VALID), 1))
            x = net.relu(net.normal(net.conv(x, "conv2d_2", padding=VALID), 2))
            for block in range(BLOCKS):
                x = _residual(net, x, block)
            x = net.conv(x, f"conv2d_{3 + BLOCKS}", bias=True)
    except (OSError, KeyError) as error:
        raise DamagedWeights(f"the weights are no file of this network: {error}") from error
    x = net.graph.node("Flatten", net.graph.node("GlobalAveragePool", x), axis=1)
    net.graph.output(net.graph.node("Softmax", x, axis=1), ("N", None), "emotion")
    notes = {
        "source": "oarriaga/face_classification fer2013_mini_XCEPTION.102-0.66.hdf5",
        "license": "MIT",
        "input": f"N,1,{SIZE},{SIZE} gray x/127.5-1",
    }
    return net.graph.file(notes, PRODUCER)


def _residual(net: _Net, x: str, block: int) -> str:
    """Add two separable convolutions at half the size to a plain one. Keras numbers the plain one's layers first."""
    plain, first, second = (3 + 3 * block + number for number in range(3))
    y = net.relu(net.normal(net.separable(x, 2 * block + 1), first))
    y = net.normal(net.separable(y, 2 * block + 2), second)
    beside = net.conv(x, f"conv2d_{3 + block}", stride=2)
    y = net.graph.node("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], auto_pad=SAME)
    return net.graph.node("Add", y, net.normal(beside, plain))


class _Net:
    """Builder with Keras's layers, over one file's weights."""

    def __init__(self, file: h5py.File) -> None:
        self.graph = Graph(("N", 1, SIZE, SIZE))
        self._weights = file["model_weights"]

    def relu(self, x: str) -> str:
        return self.graph.node("Relu", x)

    def conv(self, x: str, layer: str, *, stride: int = 1, padding: str = SAME, bias: bool = False) -> str:
        """Add a plain convolution."""
        filters = self._read(layer, "kernel").transpose(3, 2, 0, 1)
        inputs = [x, self.graph.weight(filters)]
        if bias:
            inputs.append(self.graph.weight(self._read(layer, "bias")))
        sides = list(filters.shape[2:])
        return self.graph.node("Conv", *inputs, kernel_shape=sides, strides=[stride, stride], auto_pad=padding)

    def separable(self, x: str, number: int) -> str:
        """Add a separable convolution: depthwise 3x3, pointwise 1x1."""
        layer = f"separable_conv2d_{number}"
        deep = self._read(layer, "depthwise_kernel").transpose(2, 3, 0, 1)
        options = {"kernel_shape": [3, 3], "strides": [1, 1], "auto_pad": SAME, "group": deep.shape[0]}
        inner = self.graph.node("Conv", x, self.graph.weight(deep), **options)
        wide = self._read(layer, "pointwise_kernel").transpose(3, 2, 0, 1)
        return self.graph.node("Conv", inner, self.graph.weight(wide), kernel_shape=[1, 1])

    def normal(self, x: str, number: int) -> str:
        """Add a batch normalisation."""
        layer = f"batch_normalization_{number}"
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        weights = [self.graph.weight(self._read(layer, name)) for name in names]
        return self.graph.node("BatchNormalization", x, *weights, epsilon=EPSILON)

    def _read(self, layer: str, name: str) -> NDArray[np.float32]:
        path = f"{layer}/{layer}_1/{name}:0"
        if path not in self._weights:
            raise DamagedWeights(f"the weights are no file of this network: they lack {path}")
        return np.asarray(self._weights[path], np.float32)
