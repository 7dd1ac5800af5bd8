"""The runtime of the models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from chalicelib.vision.packs.packs import Pack

LOADS = """
import sys
from pathlib import Path

from chalicelib.vision.packs import packs
from chalicelib.vision.packs.session import Sessions

pack = packs.at([Path(place) for place in sys.argv[2:]], sys.argv[1])
Sessions(pack).load(pack.manifest.detector.file)
"""


def test_it_leaves_nothing_in_the_home_folder_and_calls_nobody(pack: Pack, tmp_path: Path) -> None:
    """onnxruntime would keep a device's id and a queue of events there, and send them to its makers."""
    home = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", LOADS, pack.manifest.name, *map(str, pack.places)]
    subprocess.run(command, env={k: v for k, v in home.items() if k != "ORT_DISABLE_TELEMETRY"}, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
