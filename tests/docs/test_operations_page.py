"""docs/operations.md names every alarm and every metric that there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from chalicelib.core.telemetry import UNITS
from infra import template

PAGE = (Path(__file__).resolve().parents[2] / "docs/operations.md").read_text()


def rows(heading: str) -> set[str]:
    """What the first column of the tables below a heading names."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    firsts = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for first in firsts for name in re.findall(r"`([^`]+)`", first)}


def test_there_is_a_line_in_the_runbook_for_every_alarm() -> None:
    resources = template.whole()["Resources"]
    alarms = {name for name, resource in resources.items() if resource.get("Type") == "AWS::CloudWatch::Alarm"}
    assert rows("Alarms") == alarms


def test_every_metric_is_explained() -> None:
    assert rows("Logs and metrics") == set(UNITS)
