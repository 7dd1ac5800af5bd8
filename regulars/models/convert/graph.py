"""Writer of an ONNX graph, node by node. The same calls give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

IR_VERSION = 8
OPSET = 13

Shape = Sequence[int | str | None]
"""A dimension is a number, the name of one that varies, or unknown."""


class Graph:
    """Collector of nodes and weights; `file` gives the model. Tensors without a name get t1, ..., weights w1, ..."""

    def __init__(self, input_shape: Shape) -> None:
        self.input = "input"
        self._input = helper.make_tensor_value_info(self.input, TensorProto.FLOAT, input_shape)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._shapes: list[onnx.ValueInfoProto] = []
        self._made = 0

    def weight(self, values: NDArray[Any], name: str | None = None) -> str:
        """Add a constant tensor; return its name."""
        self._made += 1
        name = name or f"w{self._made}"
        self._weights.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def node(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Add an operation with one output; return the output's name."""
        self._made += 1
        name = name or f"t{self._made}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def output(self, tensor: str, shape: Shape, name: str | None = None) -> None:
        """Make `tensor` an output, under another `name` if one is given."""
        if name is not None:
            self._nodes.append(helper.make_node("Identity", [tensor], [name]))
        self._outputs.append(helper.make_tensor_value_info(name or tensor, TensorProto.FLOAT, shape))

    def outlined(self) -> None:
        """Store the shape of every tensor made so far in the model, except the outputs'."""
        self._shapes = list(onnx.shape_inference.infer_shapes(self._model()).graph.value_info)

    def flattened(self, name: str, size: int) -> None:
        """Flatten the only output to rows of `size` numbers, under another `name`."""
        (output,) = self._outputs
        self._nodes.append(helper.make_node("Flatten", [output.name], [name], axis=1))
        self._outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("N", size))]

    def file(self, notes: Mapping[str, str], producer: str | None = None) -> bytes:
        """Check the model and return its bytes. Raises onnx.checker.ValidationError if it is not valid."""
        model = self._model()
        model.graph.value_info.extend(self._shapes)
        if producer is not None:
            model.producer_name, model.doc_string = producer, ""
        helper.set_model_props(model, dict(notes))
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def _model(self) -> onnx.ModelProto:
        graph = helper.make_graph(self._nodes, "g", [self._input], self._outputs, self._weights)
        return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
