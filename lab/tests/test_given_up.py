"""bench.given_up in short: a tenant's calls are answered while others give up requests."""

import json
from pathlib import Path

from regulars_lab.bench import given_up


def test_no_call_is_lost_beside_requests_that_are_given_up(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    assert given_up.main(["--seconds", "3", "--json", str(figures)]) == 0
    alone, *beside = json.loads(figures.read_text())["parts"]
    assert (alone["given_up"], alone["lost"]) == (0, 0)
    assert all(part["given_up"] > 0 < len(part["times_ms"]) for part in beside)
