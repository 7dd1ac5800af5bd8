"""Reader of TensorFlow.js weights: a manifest in JSON, and one file with the tensors in a row, most as bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regulars.models.convert.errors import DamagedWeights

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as in the file: float32, or bytes that stand for values * scale + least."""

    values: NDArray[Any]
    scale: float | None = None
    least: float = 0.0

    @property
    def floats(self) -> NDArray[np.float32]:
        values = self.values.astype(np.float32)
        return values if self.scale is None else values * np.float32(self.scale) + np.float32(self.least)


def read(manifest: bytes, data: bytes) -> Weights:
    """Read the tensors in float32 by name, in TensorFlow's layout: convolutions are (height, width, in, out).

    Raises DamagedWeights as `stored_tensors` does.
    """
    return {name: tensor.floats for name, tensor in stored_tensors(manifest, data).items()}


def stored_tensors(manifest: bytes, data: bytes) -> Mapping[str, StoredTensor]:
    """Read the tensors by name.

    Raises DamagedWeights if a tensor is neither of uint8 nor of float32, or if the data is longer or shorter than the
    manifest says.
    """
    weights: dict[str, StoredTensor] = {}
    at = 0
    for entry in (entry for group in json.loads(manifest) for entry in group["weights"]):
        quantised = entry.get("quantization")
        kind = quantised["dtype"] if quantised else entry["dtype"]
        if kind not in ("uint8", "float32"):
            raise DamagedWeights(f"tensor {entry['name']} is of uint8 or float32, not {kind}")
        kept = np.dtype("u1" if kind == "uint8" else "<f4")
        count = math.prod(entry["shape"])
        end = at + count * kept.itemsize
        if end > len(data):
            raise DamagedWeights(f"the weights end at byte {len(data)}, before tensor {entry['name']} does, at {end}")
        values = np.frombuffer(data, kept, count, at).reshape(entry["shape"])
        known = (float(quantised["scale"]), float(quantised["min"])) if quantised else ()
        weights[entry["name"]] = StoredTensor(values, *known)
        at = end
    if at != len(data):
        raise DamagedWeights(f"the weights have {len(data)} bytes, and the manifest names {at} of them")
    return weights
