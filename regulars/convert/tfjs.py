"""TensorFlow.js weights: a manifest in JSON, and the tensors behind each other in one file, most as bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from regulars.convert.errors import DamagedWeights

Weights = Mapping[str, NDArray[np.float32]]


def read(manifest: bytes, data: bytes) -> Weights:
    """The tensors by name, as TensorFlow has them: convolutions are (height, width, in, out).

    A tensor quantised to uint8 is q * scale + min, in float32. Raises DamagedWeights for another quantisation or where
    the data is longer or shorter than the manifest says.
    """
    weights: dict[str, NDArray[np.float32]] = {}
    at = 0
    for entry in (entry for group in json.loads(manifest) for entry in group["weights"]):
        quantised = entry.get("quantization")
        kind = quantised["dtype"] if quantised else entry["dtype"]
        if kind not in ("uint8", "float32"):
            raise DamagedWeights(f"tensor {entry['name']} is of uint8 or float32, not {kind}")
        stored = np.dtype("u1" if kind == "uint8" else "<f4")
        count = math.prod(entry["shape"])
        end = at + count * stored.itemsize
        if end > len(data):
            raise DamagedWeights(f"the weights end at byte {len(data)}, before tensor {entry['name']} does, at {end}")
        values = np.frombuffer(data, stored, count, at).astype(np.float32)
        if quantised:
            values = values * np.float32(quantised["scale"]) + np.float32(quantised["min"])
        weights[entry["name"]] = values.reshape(entry["shape"])
        at = end
    if at != len(data):
        raise DamagedWeights(f"the weights have {len(data)} bytes, and the manifest names {at} of them")
    return weights
