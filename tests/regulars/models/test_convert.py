"""Converters: the given files to the byte, the upstream's own answers to the last digits, and damage named."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.vision.detect import ssd
from chalicelib.vision.packs import packs
from chalicelib.vision.packs.packs import Pack
from chalicelib.vision.packs.session import Sessions
from regulars.models import pulling
from regulars.models.convert import dlib_dat, dlib_resnet, keras, openvino, tfjs
from regulars.models.convert.errors import DamagedWeights
from regulars.models.pulling import Web
from tests.regulars.models.nowhere import no_archive, no_route

REFERENCE = Path(__file__).with_name("faceapi_reference.json")
"""What face-api 1.7.15 itself answers, run by its own TensorFlow.js on the processor, for `picture`."""


def picture(side: int) -> NDArray[np.float32]:
    """(1, 3, side, side): pixels that need no file."""
    y, x = np.mgrid[:side, :side]
    planes = [(x * 7 + y * 13 + channel * 50 + (x * y) % 97) % 256 for channel in range(3)]
    return np.stack(planes).astype(np.float32)[None]


def test_the_given_upstream_files_become_the_given_models(given_models: Path, tmp_path: Path) -> None:
    """Byte for byte, without a network: the embedding and the head pose from OpenVINO, age, gender and expression, the
    second emotion model from Keras.
    """
    pack = packs.at([given_models.parent], "face-pack-1")
    built = pulling.build(pack, tmp_path, Web(no_route, no_archive))
    assert {made.file.name: made.same for made in built} == {
        "face_reid_0095.onnx": True,
        "age_gender_tinyxception.onnx": True,
        "face_expression_faceapi.onnx": True,
        "head_pose_adas_0001.onnx": True,
        "fer2013_mini_xception_102_066.onnx": True,
    }
    for made in built:
        assert (tmp_path / made.file.name).read_bytes() == (given_models / made.file.name).read_bytes()


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    answers: dict[str, Any] = json.loads(REFERENCE.read_text())
    return answers


@pytest.fixture(scope="module")
def sessions(registry: Pack) -> Sessions:
    return Sessions(registry)


class TestFaceApi:
    def test_landmarks_are_face_apis(self, sessions: Sessions, reference: dict[str, Any]) -> None:
        found = sessions.run("face_landmark_68.onnx", picture(112))["landmarks"][0]
        assert found == pytest.approx(np.array(reference["landmarks"]), abs=1e-5)

    def test_expressions_are_face_apis(self, sessions: Sessions, reference: dict[str, Any]) -> None:
        found = sessions.run("face_expression_faceapi.onnx", picture(112))["expression"][0]
        assert found == pytest.approx(np.array(reference["expression"]), abs=2e-6)

    def test_age_and_gender_are_face_apis(self, sessions: Sessions, reference: dict[str, Any]) -> None:
        found = sessions.run("age_gender_tinyxception.onnx", picture(112))
        assert found["age"][0, 0] == pytest.approx(reference["age"], abs=1e-3)
        assert found["gender"][0] == pytest.approx(np.array(reference["gender"]), abs=1e-6)

    def test_the_detectors_boxes_are_face_apis(self, sessions: Sessions, reference: dict[str, Any]) -> None:
        """Of 58 anchors of all levels; to a tenth of a pixel, since face-api's table of anchors is rounded."""
        outputs = sessions.run("ssd_mobilenet_v1.onnx", picture(512))
        (rows,) = ssd.boxes(outputs["boxes"], outputs["scores"], (512, 512), 0.0)
        theirs = reference["ssd"]
        found = rows[theirs["anchors"]]
        top, left, bottom, right = np.array(theirs["boxes"]).T * 512
        assert found[:, :4] == pytest.approx(np.stack([left, top, right - left, bottom - top], axis=1), abs=0.1)
        assert found[:, 4] == pytest.approx(np.array(theirs["scores"]), abs=2e-5)


class TestTensorFlowJs:
    MANIFEST = json.dumps(
        [
            {
                "weights": [
                    {
                        "name": "a",
                        "shape": [2, 2],
                        "dtype": "float32",
                        "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1.0},
                    },
                    {"name": "b", "shape": [1], "dtype": "float32"},
                ]
            }
        ]
    ).encode()
    DATA = bytes([0, 1, 2, 255]) + struct.pack("<f", 0.25)

    def test_a_byte_is_a_step_from_the_least(self) -> None:
        weights = tfjs.read(self.MANIFEST, self.DATA)
        assert weights["a"].tolist() == [[-1.0, -0.5], [0.0, 126.5]]
        assert weights["b"].tolist() == [0.25]

    @pytest.mark.parametrize("data", [DATA[:-1], DATA + b"x", b""])
    def test_too_few_or_too_many_bytes(self, data: bytes) -> None:
        with pytest.raises(DamagedWeights):
            tfjs.read(self.MANIFEST, data)

    def test_another_quantisation(self) -> None:
        with pytest.raises(DamagedWeights, match="uint8 or float32, not uint16"):
            tfjs.read(self.MANIFEST.replace(b"uint8", b"uint16"), self.DATA)


class TestOpenVino:
    def test_weights_that_end_too_early(self, given_models: Path) -> None:
        name = "head-pose-estimation-adas-0001.fp16"
        xml = (given_models / "upstream" / f"{name}.xml").read_bytes()
        data = (given_models / "upstream" / f"{name}.bin").read_bytes()
        with pytest.raises(DamagedWeights, match="the weights have"):
            openvino.head_pose(xml, data[:-2])

    def test_an_operation_without_a_twin(self, given_models: Path) -> None:
        xml = (given_models / "upstream" / "head-pose-estimation-adas-0001.fp16.xml").read_bytes()
        data = (given_models / "upstream" / "head-pose-estimation-adas-0001.fp16.bin").read_bytes()
        with pytest.raises(DamagedWeights, match="layer conv1/WithoutBiases is DeformableConvolution"):
            openvino.head_pose(xml.replace(b'type="Convolution"', b'type="DeformableConvolution"'), data)

    def test_no_xml(self) -> None:
        with pytest.raises(DamagedWeights, match="is no XML"):
            openvino.head_pose(b"<net", b"")


class TestKeras:
    def test_a_file_cut_short(self, given_models: Path) -> None:
        data = (given_models / "upstream" / "fer2013_mini_XCEPTION.102-0.66.hdf5").read_bytes()
        with pytest.raises(DamagedWeights, match="no file of this network"):
            keras.mini_xception(data[: len(data) // 2])

    def test_another_networks_file(self) -> None:
        made = io.BytesIO()
        with h5py.File(made, "w") as file:
            file.create_group("model_weights")
        with pytest.raises(DamagedWeights, match="conv2d_1"):
            keras.mini_xception(made.getvalue())


class TestDlib:
    def test_the_networks_numbers_are_those_of_the_given_model(self, registry: Pack, given_models: Path) -> None:
        """On the sphere lies what the plain network says, and two faces' cosine is 1 - d^2 / 2 of their distance."""
        import onnxruntime

        crops = np.concatenate([picture(150), picture(150)[:, :, ::-1], np.full((1, 3, 150, 150), 90, np.float32)])
        given = onnxruntime.InferenceSession(given_models / "dlib_face_recognition_resnet_v1.onnx")
        plain = given.run(None, {"input": crops})[0]
        sphere = Sessions(registry).run(registry.manifest.embedding.file, crops)["embedding"]
        centred = plain - np.array(dlib_resnet.CENTRE_HUNDREDTHS, np.float32) / 100
        assert sphere[:, :-1] == pytest.approx(centred, abs=1e-5)
        inside = (centred**2).sum(axis=1) < 1
        assert inside.any()
        assert (sphere[inside] ** 2).sum(axis=1) == pytest.approx(1, abs=1e-5)

    def test_distances_become_cosines(self) -> None:
        """Of faces at 0.5 to 0.7 from the centre, as faces are, the distance is kept to 0.02 and mostly much better."""
        ways = np.random.default_rng(1).standard_normal((200, 128))
        away = np.random.default_rng(2).normal(0.58, 0.04, (200, 1))
        points = ways / np.linalg.norm(ways, axis=1, keepdims=True) * away
        points[100:] = points[:100] + points[100:] * 0.6  # pairs that are near
        lifted = np.concatenate([points, np.sqrt(1 - (points**2).sum(axis=1, keepdims=True))], axis=1)
        distance = np.linalg.norm(points[:100] - points[100:], axis=1)
        cosine = (lifted[:100] * lifted[100:]).sum(axis=1)
        off = np.sqrt(2 * (1 - cosine)) - distance
        assert off.min() > -1e-9  # never nearer than they are
        assert np.median(off) < 0.02

    def test_a_number_is_its_bytes_behind_their_count(self) -> None:
        stream = dlib_dat._Stream(bytes([1, 5, 2, 0x80, 0x12, 0x81, 7]))
        assert [stream.number() for _ in range(3)] == [5, 0x1280, -7]

    @pytest.mark.parametrize("data", [b"", b"\x01\x05con_4", b"\x01\x05con_4\x01\x02\x01\x09\x01\x01\x01\x01\x01\x01"])
    def test_a_stream_that_ends_too_early(self, data: bytes) -> None:
        with pytest.raises(DamagedWeights):
            dlib_dat.read(data)
