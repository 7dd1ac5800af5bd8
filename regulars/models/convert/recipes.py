"""The converters by the names that manifests have for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from regulars.models.convert import dlib_resnet, faceapi, faceapi_ssd, keras, openvino

CONVERTERS: Mapping[str, Callable[..., bytes]] = {
    "dlib_face_recognition_on_sphere": dlib_resnet.face_recognition_on_sphere,
    "faceapi_age_gender": faceapi.age_gender,
    "faceapi_expression": faceapi.expression,
    "faceapi_landmarks_68": faceapi.landmarks_68,
    "faceapi_ssd_mobilenet_v1": faceapi_ssd.ssd_mobilenet_v1,
    "keras_mini_xception": keras.mini_xception,
    "openvino_face_reidentification": openvino.face_reidentification,
    "openvino_head_pose": openvino.head_pose,
}
"""Each takes the contents of its sources, in the manifest's order, and returns the ONNX file."""
