"""PReLU rewritten: every model says what it said, in operations that onnxruntime runs fast."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from chalicelib.vision.detect.align import aligned
from chalicelib.vision.packs.packs import Pack
from chalicelib.vision.packs.prelu import without_prelu
from chalicelib.vision.pictures.crop import batch
from tests.vision.album import Album

SIDE_PX = 8


def model(slope: NDArray[np.float32], *, given: bool = False) -> bytes:
    """A convolution of 3 to 4 channels, a PReLU by `slope`, which is an input where it is `given`, and another one."""
    from onnx import TensorProto, helper, numpy_helper

    shapes = {"x": ("N", 3, SIDE_PX, SIDE_PX), "y": ("N", 4, SIDE_PX, SIDE_PX)}
    into, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    inputs = [into, helper.make_tensor_value_info("slope", TensorProto.FLOAT, slope.shape)][: 1 + given]
    first, last = (np.random.default_rng(n).normal(size=(4, n, 1, 1)).astype(np.float32) for n in (3, 4))
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["seen"]),
        helper.make_node("PRelu", ["seen", "slope"], ["bent"], name="the only one"),
        helper.make_node("Conv", ["bent", "last"], ["y"]),
    ]
    weights = {"first": first, "slope": slope, "last": last}
    kept = [numpy_helper.from_array(values, name) for name, values in weights.items() if name != "slope" or not given]
    graph = helper.make_graph(nodes, "g", inputs, [out], kept)
    made = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    return bytes(made.SerializeToString())


def kinds(file: bytes) -> list[str]:
    import onnx

    loaded = onnx.load_from_string(file)
    onnx.checker.check_model(loaded)
    return [node.op_type for node in loaded.graph.node]


def answers(file: bytes, pictures: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {session.get_inputs()[0].name: pictures}))


NOISE = np.random.default_rng(7).normal(size=(2, 3, SIDE_PX, SIDE_PX)).astype(np.float32)


class TestRewriting:
    @settings(deadline=None)
    @given(st.floats(-8, 8, width=32))
    def test_one_slope_is_a_leaky_relu(self, slope: float) -> None:
        file = model(np.array([slope], np.float32))
        rewritten = without_prelu(file)
        assert kinds(rewritten) == ["Conv", "LeakyRelu", "Conv"]
        assert answers(rewritten, NOISE)[0] == pytest.approx(answers(file, NOISE)[0], abs=1e-6)

    @settings(deadline=None)
    @given(st.lists(st.floats(-8, 8, width=32), min_size=4, max_size=4))
    def test_a_slope_a_channel_is_a_sum(self, slopes: list[float]) -> None:
        file = model(np.array(slopes, np.float32).reshape(4, 1, 1))
        rewritten = without_prelu(file)
        assert kinds(rewritten) == ["Conv", "Relu", "Mul", "Mul", "Add", "Conv"]
        assert answers(rewritten, NOISE)[0] == pytest.approx(answers(file, NOISE)[0], abs=1e-4)

    def test_slopes_that_are_no_weights_stay(self) -> None:
        assert kinds(without_prelu(model(np.array([0.5], np.float32), given=True))) == ["Conv", "PRelu", "Conv"]

    def test_slopes_that_are_not_stored_as_raw_floats_stay(self) -> None:
        import onnx

        loaded = onnx.load_from_string(model(np.array([0.5], np.float32)))
        stored = next(weight for weight in loaded.graph.initializer if weight.name == "slope")
        stored.CopyFrom(onnx.helper.make_tensor("slope", onnx.TensorProto.FLOAT, [1], [0.5]))
        assert kinds(without_prelu(loaded.SerializeToString())) == ["Conv", "PRelu", "Conv"]

    def test_what_has_none_is_left_alone(self, pack: Pack) -> None:
        file = pack.content(pack.manifest.detector.file)
        assert without_prelu(file) is file

    def test_what_is_no_protobuf_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no ONNX file"):
            without_prelu(b"\x0b\x00")


class TestPacks:
    def test_every_model_says_what_its_file_says(self, pack: Pack, album: Album) -> None:
        """Of aligned crops of real faces, as far as its rounding goes."""
        role = pack.manifest.embedding
        seen = [album.seen(label.file) for label in album.of("people")[::8]]
        for file in filter(pack.has, pack.files):
            content = pack.content(file.name)
            rewritten = without_prelu(content)
            assert "PRelu" not in kinds(rewritten)
            if rewritten is content:
                continue
            size = 80 if "MiniFASNet" in file.name else role.size_px
            crops = [
                aligned(one.image, one.faces[0].landmarks, role.points, role.size_px)[:size, :size] for one in seen
            ]
            pictures = batch(crops, role.channels)
            for before, after in zip(answers(content, pictures), answers(rewritten, pictures), strict=True):
                norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
                assert (before * after).sum(axis=1) / norms == pytest.approx(1, abs=1e-6)
                assert after == pytest.approx(before, abs=1e-5 * float(np.abs(before).max()))
