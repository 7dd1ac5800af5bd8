"""The networks of the package, optimised when it is made, and manifests that name them.

onnxruntime optimises a network each time that it is loaded, a third of the time of a load. What it does for every
processor is done here, and PReLU is replaced (vision/packs/prelu.py). What it does for the one that it runs on, the
layout of convolutions, stays for the load: so the answers are the same to the last bit.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import onnxruntime

from chalicelib.vision.packs import manifest as manifests
from chalicelib.vision.packs.packs import PACKS, Pack
from chalicelib.vision.packs.prelu import without_prelu

_LARGER = 1.1
"""How much larger an optimised file may be: weights kept in 16 bits become 32."""
_ERRORS_ONLY = 3


def ready(pack: Pack, folder: Path) -> Pack:
    """Write what is at hand of the pack, optimised, and its manifest into `folder`; return the pack of these.

    Raises MissingModel.
    """
    made = folder / pack.manifest.name
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(PACKS / pack.manifest.name, made, ignore=shutil.ignore_patterns("*.onnx"))
    table = manifests.table(made)
    entries = {entry["name"]: entry for entry in table["file"]}
    for file in filter(pack.has, pack.files):
        content = _optimised(pack.content(file.name), made / file.name)
        entries[file.name] |= {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    (made / manifests.CHECKED).write_text(json.dumps(table), encoding="utf-8")
    return Pack(manifests.read(made), (folder,), pack.measured)


def _optimised(model: bytes, file: Path) -> bytes:
    """Write the network optimised, or as it is if its weights would take more room; return what was written."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(file)
    options.log_severity_level = _ERRORS_ONLY
    onnxruntime.InferenceSession(without_prelu(model), options, providers=["CPUExecutionProvider"])
    if file.stat().st_size > _LARGER * len(model):
        file.write_bytes(model)
    return file.read_bytes()
