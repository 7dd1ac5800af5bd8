"""Writing of the two graphs that resize planes (book/vision/pictures/crop.py): `python -m
regulars_lab.models.resize`.

Each is one linear Resize, which maps pixel centres to pixel centres, by `sides` or by `scales`. It
needs onnx, as face_pack.py beside it does.
"""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto, helper

FOLDER = Path(__file__).resolve().parents[4] / "chalicelib" / "book" / "vision" / "pictures"


def resize(by: str, kind: int, inputs: list[str]) -> bytes:
    """Encode the graph; `kind` is the type of the input `by`."""
    node = helper.make_node("Resize", inputs, ["resized"], mode="linear")
    planes, resized = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in ("planes", "resized")
    )
    graph = helper.make_graph(
        [node], "resize", [planes, helper.make_tensor_value_info(by, kind, None)], [resized]
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    return bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    (FOLDER / "resize_by_scales.onnx").write_bytes(
        resize("scales", TensorProto.FLOAT, ["planes", "", "scales"])
    )
    (FOLDER / "resize_by_sides.onnx").write_bytes(
        resize("sides", TensorProto.INT64, ["planes", "", "", "sides"])
    )
