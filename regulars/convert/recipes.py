"""The converters by the names that manifests call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from regulars.convert import dlib_resnet, faceapi, openvino

CONVERTERS: Mapping[str, Callable[..., bytes]] = {
    "dlib_face_recognition": dlib_resnet.face_recognition,
    "dlib_face_recognition_on_sphere": dlib_resnet.face_recognition_on_sphere,
    "faceapi_age_gender": faceapi.age_gender,
    "faceapi_expression": faceapi.expression,
    "faceapi_landmarks_68": faceapi.landmarks_68,
    "faceapi_tiny_face_detector": faceapi.tiny_face_detector,
    "openvino_face_reidentification": openvino.face_reidentification,
    "openvino_head_pose": openvino.head_pose,
}
"""Each takes the contents of its sources, in the manifest's order, and gives the ONNX file."""
