"""bench.throughput in short: every capture is resolved, half of them call the hook, and each figure
is there."""

import json
from pathlib import Path

from regulars_lab.bench import throughput


def test_a_short_run_resolves_every_capture_and_hears_of_half(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "throughput.json"
    throughput.main(["--captures", "8", "--cameras", "2", "--json", str(file)])
    figures = json.loads(file.read_text())
    assert (figures["captures"], figures["cameras"], figures["cores"]) == (8, 2, 2)
    assert figures["hooks"] in (3, 4), "one may be missed of the four who come again"
    assert figures["cpu_ms"] > 0
    assert figures["bare_cpu_ms"] > 0
    assert 50 < figures["idle_mb"] <= figures["peak_mb"]
    assert 0 < figures["put_to_hook_ms"]["p50"] <= figures["put_to_hook_ms"]["p99"]
