"""Converters of face-api's networks (vladmandic/face-api, MIT), from TensorFlow.js weights to ONNX.

All models take (N, 3, height, width) RGB 0..255; means and scales are inside. Their structure follows the project's
sources: src/xception, src/faceFeatureExtractor, src/ageGenderNet. Its detector is in faceapi_ssd.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from regulars.models.convert.graph import Graph
from regulars.models.convert.tfjs import Weights, read

PRODUCER = "face-pack-convert"
FACE_MEAN = (122.782, 117.001, 104.298)
SIZE = 112
SAME = "SAME_UPPER"


class _Net:
    """Builder with face-api's layers, over one network's weights."""

    def __init__(self, weights: Weights) -> None:
        self.graph = Graph(("N", 3, SIZE, SIZE))
        self._weights = weights
        means = self.graph.weight(np.array(FACE_MEAN, np.float32).reshape(1, 3, 1, 1))
        centred = self.graph.node("Sub", self.graph.input, means)
        scale = self.graph.weight(np.array([1 / 255], np.float32))
        self.begin = self.graph.node("Mul", centred, scale)

    def relu(self, x: str) -> str:
        return self.graph.node("Relu", x)

    def add(self, a: str, b: str) -> str:
        return self.graph.node("Add", a, b)

    def pool(self, x: str, size: int, stride: int) -> str:
        return self.graph.node("MaxPool", x, kernel_shape=[size, size], strides=[stride, stride], auto_pad=SAME)

    def conv(self, x: str, name: str, stride: int = 1) -> str:
        """Add a plain convolution with its bias."""
        filters = self._weights[f"{name}/filters"].transpose(3, 2, 0, 1)
        side = filters.shape[2]
        inputs = (x, self.graph.weight(filters), self.graph.weight(self._weights[f"{name}/bias"]))
        return self.graph.node("Conv", *inputs, kernel_shape=[side, side], strides=[stride, stride], auto_pad=SAME)

    def separable(self, x: str, name: str, stride: int = 1) -> str:
        """Add a separable convolution: depthwise 3x3, pointwise 1x1, bias."""
        deep = self._weights[f"{name}/depthwise_filter"].transpose(2, 3, 0, 1)
        wide = self._weights[f"{name}/pointwise_filter"].transpose(3, 2, 0, 1)
        options = {"kernel_shape": [3, 3], "strides": [stride, stride], "auto_pad": SAME, "group": deep.shape[0]}
        inner = self.graph.node("Conv", x, self.graph.weight(deep), **options)
        inputs = (inner, self.graph.weight(wide), self.graph.weight(self._weights[f"{name}/bias"]))
        return self.graph.node("Conv", *inputs, kernel_shape=[1, 1])

    def average(self, x: str) -> str:
        pooled = self.graph.node("AveragePool", x, kernel_shape=[7, 7], strides=[2, 2])
        return self.graph.node("Flatten", pooled, axis=1)

    def dense(self, x: str, name: str) -> str:
        product = self.graph.node("MatMul", x, self.graph.weight(self._weights[f"{name}/weights"]))
        return self.graph.node("Add", product, self.graph.weight(self._weights[f"{name}/bias"]))

    def softmax(self, x: str) -> str:
        return self.graph.node("Softmax", x, axis=1)

    def file(self, name: str) -> bytes:
        notes = {
            "source": f"vladmandic/face-api {name}_model (uint8 weights dequantised)",
            "license": "MIT",
            "input": f"N,3,{SIZE},{SIZE} RGB 0-255 (normalisation inside)",
        }
        return self.graph.file(notes, PRODUCER)


def age_gender(manifest: bytes, data: bytes) -> bytes:
    """Convert to a model with the outputs `age` (N, 1) in years and `gender` (N, 2).

    The latter are the probabilities of male and female.
    """
    net = _Net(read(manifest, data))
    x = net.relu(net.conv(net.begin, "entry_flow/conv_in", 2))
    x = _reduction(net, x, "entry_flow/reduction_block_0", relu_first=False)
    x = _reduction(net, x, "entry_flow/reduction_block_1")
    for block in ("middle_flow/main_block_0", "middle_flow/main_block_1"):
        y = x
        for number in range(3):
            y = net.separable(net.relu(y), f"{block}/separable_conv{number}")
        x = net.add(y, x)
    x = _reduction(net, x, "exit_flow/reduction_block")
    x = net.average(net.relu(net.separable(x, "exit_flow/separable_conv")))
    age = net.dense(x, "fc/age")
    gender = net.softmax(net.dense(x, "fc/gender"))
    net.graph.output(age, ("N", 1), "age")
    net.graph.output(gender, ("N", 2), "gender")
    return net.file("age_gender")


def _reduction(net: _Net, x: str, name: str, *, relu_first: bool = True) -> str:
    y = net.separable(net.relu(x) if relu_first else x, f"{name}/separable_conv0")
    y = net.pool(net.separable(net.relu(y), f"{name}/separable_conv1"), 3, 2)
    return net.add(y, net.conv(x, f"{name}/expansion_conv", 2))


def expression(manifest: bytes, data: bytes) -> bytes:
    """Convert to a model with the output `expression` (N, 7).

    Its columns are neutral, happy, sad, angry, fearful, disgusted, surprised.
    """
    net = _Net(read(manifest, data))
    net.graph.output(net.softmax(net.dense(_features(net), "fc")), ("N", 7), "expression")
    return net.file("face_expression")


def landmarks_68(manifest: bytes, data: bytes) -> bytes:
    """Convert to a model with the output `landmarks` (N, 136).

    They are x, y of the 68 points in iBUG's order, as fractions of the crop's sides.
    """
    net = _Net(read(manifest, data))
    net.graph.output(net.dense(_features(net), "fc"), ("N", 136), "landmarks")
    return net.file("face_landmark_68")


def _features(net: _Net) -> str:
    x = net.begin
    for block in range(4):
        first = net.conv if block == 0 else net.separable
        x = _dense_block(net, x, f"dense{block}", first)
    return net.average(x)


def _dense_block(net: _Net, x: str, name: str, first: Callable[[str, str, int], str]) -> str:
    """Add relu(a + b + c + d). Each term is the separable convolution of the relu of the sum of those before it."""
    outputs = [net.relu(first(x, f"{name}/conv0", 2))]
    outputs.append(net.separable(outputs[0], f"{name}/conv1"))
    for number in (2, 3):
        outputs.append(net.separable(net.relu(_sum(net, outputs)), f"{name}/conv{number}"))
    return net.relu(_sum(net, outputs))


def _sum(net: _Net, tensors: list[str]) -> str:
    total = tensors[-1]
    for tensor in reversed(tensors[:-1]):
        total = net.add(tensor, total)
    return total
