"""Converter of face-api's SSD MobileNet v1 (vladmandic/face-api, MIT), from TensorFlow.js weights to ONNX.

The weights are those of yeephycho/tensorflow-face-detection (Apache-2.0), trained on WIDER FACE. The structure follows
src/ssdMobilenetv1. The model takes pictures of any size; face-api itself uses 512 x 512.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import TensorProto

from regulars.models.convert.faceapi import PRODUCER, SAME
from regulars.models.convert.graph import Graph
from regulars.models.convert.tfjs import StoredTensor, stored_tensors

MIDDLE = 127.5
"""The network takes pixels as pixel / 127.5 - 1."""
EPSILON = 0.0010000000474974513
BLOCKS = 13
HALVING = (2, 4, 6, 12)
"""Blocks whose depthwise convolution halves the picture's sides."""
FINE_BLOCK = 11
"""Block whose output goes to the first of the six box predictors, 16 pixels a cell."""
EXTRA = 4
"""Number of pairs of a narrow and a halving convolution behind the blocks."""
NORM = ("gamma", "beta", "moving_mean", "moving_variance")
FACE_CLASS = 1
CLASSES = 3


class _Net:
    """Builder with the network's layers, over its weights."""

    def __init__(self, weights: Mapping[str, StoredTensor]) -> None:
        self.graph = Graph(("N", 3, "H", "W"))
        self._weights = weights

    def weight(self, name: str, axes: Sequence[int] | None = None) -> str:
        """Add a tensor of the weights, transposed to `axes`. Quantised weights stay bytes, a quarter of the size."""
        kept = self._weights[name]
        tensor = self.graph.weight(kept.values if axes is None else kept.values.transpose(*axes))
        if kept.scale is None:
            return tensor
        steps = self.graph.node("Cast", tensor, to=TensorProto.FLOAT)
        scaled = self.graph.node("Mul", steps, self.graph.weight(np.array(kept.scale, np.float32)))
        return self.graph.node("Add", scaled, self.graph.weight(np.array(kept.least, np.float32)))

    def shape(self, name: str) -> tuple[int, ...]:
        return self._weights[name].values.shape

    def constant(self, *values: float) -> str:
        return self.graph.weight(np.array(values, np.float32))

    def centred(self) -> str:
        scaled = self.graph.node("Div", self.graph.input, self.constant(MIDDLE))
        return self.graph.node("Sub", scaled, self.constant(1.0))

    def conv(self, x: str, filters: str, bias: str, stride: int = 1) -> str:
        """Add a convolution with a bias, and nothing behind it."""
        side = self.shape(filters)[0]
        inputs = (x, self.weight(filters, (3, 2, 0, 1)), self.weight(bias))
        return self.graph.node("Conv", *inputs, kernel_shape=[side, side], strides=[stride, stride], auto_pad=SAME)

    def full(self, x: str, name: str, stride: int = 1) -> str:
        """Add a convolution and its offset, clipped to 0..6. The project calls all of these pointwise."""
        name = f"{name}_pointwise"
        return self._clipped(self.conv(x, f"{name}/weights", f"{name}/convolution_bn_offset", stride))

    def depthwise(self, x: str, name: str, stride: int) -> str:
        """Add a depthwise 3x3 convolution, normalised and clipped to 0..6."""
        name = f"{name}_depthwise"
        kernel = f"{name}/depthwise_weights"
        group = self.shape(kernel)[2]
        inputs = (x, self.weight(kernel, (2, 3, 0, 1)))
        strides = [stride, stride]
        x = self.graph.node("Conv", *inputs, kernel_shape=[3, 3], strides=strides, auto_pad=SAME, group=group)
        norm = [self.weight(f"{name}/BatchNorm/{part}") for part in NORM]
        return self._clipped(self.graph.node("BatchNormalization", x, *norm, epsilon=EPSILON))

    def rows(self, x: str, name: str, width: int) -> str:
        """Add a predictor's answers, (N, cells x anchors, width): cells row by row, the anchors of a cell together."""
        last = self.graph.node("Transpose", self.conv(x, f"{name}/weights", f"{name}/biases"), perm=[0, 2, 3, 1])
        return self.graph.node("Reshape", last, self.graph.weight(np.array([0, -1, width], np.int64)))

    def _clipped(self, x: str) -> str:
        return self.graph.node("Clip", x, *(self.graph.weight(np.array(end, np.float32)) for end in (0, 6)))


def ssd_mobilenet_v1(manifest: bytes, data: bytes) -> bytes:
    """Convert to a model with the outputs `boxes` (N, anchors, 4) and `scores` (N, anchors), 0..1.

    A box is y, x, height, width as chalicelib/vision/detect/ssd.py reads them. Anchors of the finest level come first.
    Raises DamagedWeights.
    """
    net = _Net(stored_tensors(manifest, data))
    levels = _levels(net)
    boxes, scores = [], []
    for number, level in enumerate(levels):
        name = f"Prediction/BoxPredictor_{number}"
        boxes.append(net.rows(level, f"{name}/BoxEncodingPredictor", 4))
        scores.append(net.rows(level, f"{name}/ClassPredictor", CLASSES))
    classes = net.graph.node("Concat", *scores, axis=1)
    face = net.graph.node("Gather", classes, net.graph.weight(np.array(FACE_CLASS, np.int64)), axis=2)
    net.graph.output(net.graph.node("Concat", *boxes, axis=1), ("N", "anchors", 4), "boxes")
    net.graph.output(net.graph.node("Sigmoid", face), ("N", "anchors"), "scores")
    notes = {
        "source": "vladmandic/face-api ssd_mobilenetv1_model (uint8 weights, dequantised inside)",
        "license": "MIT",
        "input": "N,3,H,W RGB 0-255 (normalisation inside)",
    }
    return net.graph.file(notes, PRODUCER)


def _levels(net: _Net) -> list[str]:
    """Add the layers; return the six outputs for the box predictors, from 16 pixels a cell to 512."""
    x = net.full(net.centred(), "MobilenetV1/Conv2d_0", 2)
    levels = []
    for block in range(1, BLOCKS + 1):
        name = f"MobilenetV1/Conv2d_{block}"
        x = net.full(net.depthwise(x, name, 2 if block in HALVING else 1), name)
        if block in (FINE_BLOCK, BLOCKS):
            levels.append(x)
    for pair in range(EXTRA):
        x = net.full(x, f"Prediction/Conv2d_{2 * pair}")
        x = net.full(x, f"Prediction/Conv2d_{2 * pair + 1}", 2)
        levels.append(x)
    return levels
