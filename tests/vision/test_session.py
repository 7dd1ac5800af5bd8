"""The runtime of the models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from chalicelib.vision.machine import CpuSlots
from chalicelib.vision.packs.packs import Pack
from chalicelib.vision.packs.session import LARGE, Sessions

LOADS = """
from chalicelib.vision.packs import packs
from chalicelib.vision.packs.session import Sessions

pack = packs.at()
Sessions(pack).load(pack.manifest.detector.file)
"""


def test_it_leaves_nothing_in_the_home_folder_and_calls_nobody(tmp_path: Path) -> None:
    """onnxruntime would keep a device's id and a queue of events there, and send them to its makers."""
    home = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run(
        [sys.executable, "-c", LOADS], env={k: v for k, v in home.items() if k != "ORT_DISABLE_TELEMETRY"}, check=True
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_run_on_two_threads_has_the_answer_of_a_run_on_one(pack: Pack) -> None:
    file, two = pack.manifest.detector.file, CpuSlots(2)
    batch = np.random.default_rng(1).uniform(0, 255, (1, 3, 640, 640)).astype(np.float32)
    assert batch.size >= LARGE
    alone, together = Sessions(pack), Sessions(pack, two)
    with two.slot():
        answers = together.run(file, batch)
    assert [threads for _, threads in together._sessions] == [2]
    for name, one in alone.run(file, batch).items():
        assert np.array_equal(answers[name], one)


def test_what_the_runtime_writes_at_its_start_is_in_the_log_of_a_function_as_json(tmp_path: Path) -> None:
    """On arm64 in Lambda, onnxruntime's C code writes of what is not in /sys. This runtime does nothing else."""
    (tmp_path / "onnxruntime.py").write_text(r"import os; os.write(2, b'Error in cpuinfo: no list\nand no other')")
    program = """
import logging, os
logging.basicConfig()
from chalicelib.api import observability
observability.log_as_json(os.environ)
import chalicelib.vision.packs.session
os.write(2, b'the end')
"""
    environ = {**os.environ, "AWS_LAMBDA_FUNCTION_NAME": "ingest", "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    *lines, end = done.stderr.split("\n")
    assert [json.loads(line)["message"] for line in lines if line] == [
        "onnxruntime: Error in cpuinfo: no list",
        "onnxruntime: and no other",
    ]
    assert end == "the end"
