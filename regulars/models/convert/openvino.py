"""Converter of OpenVINO's intermediate representation (xml and bin) to ONNX, layer by layer.

It knows only the operations of the packs' two networks; each has an equivalent in ONNX. Weights in float16 become
float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from regulars.models.convert.errors import DamagedWeights
from regulars.models.convert.graph import Graph

_TYPES: Mapping[str, np.dtype[Any]] = {"f16": np.dtype("<f2"), "f32": np.dtype("<f4"), "i64": np.dtype("<i8")}


@dataclass(frozen=True)
class _Layer:
    """A layer of the network. `inputs`: ids of its source layers, by port; `shape`: of its output."""

    id: str
    kind: str
    name: str
    data: Mapping[str, str]
    shape: tuple[int, ...]
    inputs: tuple[str, ...]

    def integers(self, name: str) -> list[int]:
        return [int(value) for value in self.data[name].split(",")]

    def is_set(self, name: str) -> bool:
        return self.data.get(name) == "true"


def face_reidentification(xml: bytes, data: bytes) -> bytes:
    """Convert Open Model Zoo's face-reidentification-retail-0095. Output: `embedding` (N, 256), not normalised."""
    conversion = _Conversion(xml, data, {"658/sink_port_0": "658"})
    conversion.graph.flattened("embedding", 256)
    name, taken = "face-reidentification-retail-0095", "N,3,128,128 BGR 0-255, 5-point aligned"
    return _file(conversion.graph, name, taken, "256-d, L2-normalise then cosine")


def head_pose(xml: bytes, data: bytes) -> bytes:
    """Convert Open Model Zoo's head-pose-estimation-adas-0001. Outputs: `roll`, `pitch`, `yaw` (N, 1) in degrees."""
    conversion = _Conversion(xml, data, {"fc_r": "roll", "fc_p": "pitch", "fc_y": "yaw"})
    return _file(conversion.graph, "head-pose-estimation-adas-0001", "N,3,60,60 BGR 0-255", "degrees")


def _file(graph: Graph, name: str, taken: str, given: str) -> bytes:
    source = f"openvinotoolkit/open_model_zoo {name} FP16 IR (2023.0), weights widened to float32"
    return graph.file({"source": source, "license": "Apache-2.0", "input": taken, "output": given})


class _Conversion:
    """Conversion of one network into `graph`. `results`: the outputs' names by the network's result layers.

    Raises DamagedWeights if an operation has no equivalent here, or if the weights are too short.
    """

    def __init__(self, xml: bytes, data: bytes, results: Mapping[str, str]) -> None:
        layers = _layers(xml)
        self._data = data
        self._constants: dict[str, NDArray[Any]] = {}
        self._names: dict[str, str] = {}
        self._weights = 0
        self._shapes = {layer.id: layer.shape for layer in layers}
        self._results = {layer.inputs[0]: results[layer.name] for layer in layers if layer.kind == "Result"}
        self.graph = Graph(("N", *next(layer.shape for layer in layers if layer.kind == "Parameter")[1:]))
        for layer in layers:
            self._write(layer)
        for source, name in self._results.items():
            self.graph.output(name, ("N", *self._shapes[source][1:]))
        self.graph.outlined()

    def _write(self, layer: _Layer) -> None:
        if layer.kind == "Parameter":
            self._names[layer.id] = self.graph.input
        elif layer.kind == "Const":
            self._constants[layer.id] = self._constant(layer)
        elif layer.kind == "Convert":
            self._constants[layer.id] = self._constants[layer.inputs[0]].astype(np.float32)
        elif layer.kind != "Result":
            if layer.kind not in _OPERATIONS:
                raise DamagedWeights(f"layer {layer.name} is {layer.kind}, which is not among {sorted(_OPERATIONS)}")
            kind, options, shaped = _OPERATIONS[layer.kind]
            inputs = []
            for source in layer.inputs:
                if (values := self._constants.get(source)) is None:
                    inputs.append(self._names[source])
                else:
                    name = f"w_{layer.id}_{self._weights}"
                    self._weights += 1
                    inputs.append(self.graph.weight(shaped(layer, values) if shaped else values, name))
            name = self._results.get(layer.id, f"t{layer.id}")
            attributes = options(layer, self._shapes) if options else {}
            self._names[layer.id] = self.graph.node(kind, *inputs, name=name, **attributes)

    def _constant(self, layer: _Layer) -> NDArray[Any]:
        kind = _TYPES[layer.data["element_type"]]
        begin, size = int(layer.data["offset"]), int(layer.data["size"])
        shape = layer.integers("shape") if layer.data["shape"] else []
        if begin + size > len(self._data) or size != math.prod(shape) * kind.itemsize:
            raise DamagedWeights(f"the weights have {len(self._data)} bytes, and layer {layer.name} others")
        values: NDArray[Any] = np.frombuffer(self._data, kind, math.prod(shape), begin)
        return values.reshape(shape)


def _layers(xml: bytes) -> list[_Layer]:
    """Read the layers in the file's order, in which every layer comes after its sources.

    Raises DamagedWeights if the file is no XML.
    """
    try:
        root = ElementTree.fromstring(xml)  # noqa: S314 -- its digest is known
    except ElementTree.ParseError as error:
        raise DamagedWeights(f"the network's description is no XML: {error}") from error
    edges = {
        (edge.get("to-layer"), edge.get("to-port")): edge.get("from-layer", "") for edge in root.iterfind("edges/edge")
    }
    layers = []
    for element in root.iterfind("layers/layer"):
        id_ = element.get("id", "")
        ports = [port.get("id") for port in element.iterfind("input/port")]
        output = element.find("output/port")
        data = element.find("data")
        layers.append(
            _Layer(
                id=id_,
                kind=element.get("type", ""),
                name=element.get("name", ""),
                data={} if data is None else data.attrib,
                shape=() if output is None else tuple(int(dim.text or 0) for dim in output.iterfind("dim")),
                inputs=tuple(edges[id_, port] for port in ports),
            )
        )
    return layers


_Shapes = Mapping[str, tuple[int, ...]]
_Values = NDArray[Any]
_Attributes = Callable[[_Layer, _Shapes], dict[str, Any]]
_Layout = Callable[[_Layer, _Values], _Values]


def _window(layer: _Layer) -> dict[str, Any]:
    return {
        "strides": layer.integers("strides"),
        "pads": [*layer.integers("pads_begin"), *layer.integers("pads_end")],
    }


def _convolution(layer: _Layer, shapes: _Shapes) -> dict[str, Any]:
    """Read a convolution's attributes. Weights are (out, in, height, width), or with groups (groups, out, in, ...)."""
    weights = shapes[layer.inputs[1]]
    return {
        **_window(layer),
        "dilations": layer.integers("dilations"),
        "group": weights[0] if layer.kind == "GroupConvolution" else 1,
        "kernel_shape": weights[-2:],
    }


def _ungrouped(_layer: _Layer, values: _Values) -> _Values:
    return values.reshape(-1, *values.shape[2:])


def _pool(layer: _Layer, _shapes: _Shapes) -> dict[str, Any]:
    options = {**_window(layer), "kernel_shape": layer.integers("kernel")}
    if layer.kind == "AvgPool":
        options["count_include_pad"] = 0 if layer.is_set("exclude-pad") else 1
    if layer.data["rounding_type"] == "ceil":
        options["ceil_mode"] = 1
    return options


def _known_sides(layer: _Layer, values: _Values) -> _Values:
    """Return the output's shape with 0 for the batch, so that Reshape keeps a batch of any size."""
    return np.array([0, *layer.shape[1:]], values.dtype)


def _transposed(layer: _Layer, values: _Values) -> _Values:
    return values.T if layer.is_set("transpose_b") else values


_OPERATIONS: Mapping[str, tuple[str, _Attributes | None, _Layout | None]] = {
    "Add": ("Add", None, None),
    "AvgPool": ("AveragePool", _pool, None),
    "Convolution": ("Conv", _convolution, None),
    "GroupConvolution": ("Conv", _convolution, _ungrouped),
    "MatMul": ("MatMul", None, _transposed),
    "MaxPool": ("MaxPool", _pool, None),
    "Multiply": ("Mul", None, None),
    "PReLU": ("PRelu", None, None),
    "ReLU": ("Relu", None, None),
    "Reshape": ("Reshape", None, _known_sides),
    "Sigmoid": ("Sigmoid", None, None),
    "Subtract": ("Sub", None, None),
}
"""OpenVINO's operations by name: the equivalent in ONNX, its attributes (None: none), and the layout of its weights."""
