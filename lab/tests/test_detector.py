"""The pack's detector beside OpenCV's, which has the same weights as they were published."""

import cv2
import numpy as np
import pytest
from PIL import Image

from chalicelib.book.vision.detect.detect import YuNet, measure_overlap, suppress_overlaps
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.packs.session import Sessions
from chalicelib.book.vision.pictures.crop import make_planes
from regulars_lab.bench.measuring import SHARED
from tests.support.pictures.album import Album

PUBLISHED = SHARED / "models" / "face-pack-1" / "face_detection_yunet_2023mar.onnx"


def test_each_pass_finds_what_opencv_finds(album: Album, pack: Pack) -> None:
    peer = cv2.FaceDetectorYN.create(str(PUBLISHED), "", (640, 640), 0.6, 0.3, 5000)
    detector = YuNet(Sessions(pack), pack.manifest.detector)
    for label in album.of("multi"):
        picture = Image.fromarray(album.seen(label.file).image)
        picture.thumbnail((640, 640))
        canvas = np.zeros((640, 640, 3), np.uint8)
        canvas[: picture.height, : picture.width] = np.asarray(picture)
        _, theirs = peer.detect(np.ascontiguousarray(canvas[:, :, ::-1]))
        ours = suppress_overlaps(detector.detect_rows([make_planes(canvas)], 0.6)[0], 0.3)
        assert len(ours) == len(theirs)
        order = [
            int(np.argmax(measure_overlap(face[:4], ours))) for face in theirs.astype(np.float32)
        ]
        assert sorted(order) == list(range(len(ours)))
        assert ours[order][:, :14] == pytest.approx(theirs[:, :14], abs=0.05)
        assert ours[order][:, 14] == pytest.approx(theirs[:, 14], abs=0.005)
