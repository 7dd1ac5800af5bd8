from __future__ import annotations

import json
import re
from pathlib import Path

from chalicelib.core.model import LIMITS, MAX_PICTURES, Profile
from chalicelib.services.access.access import MAX_KEYS
from chalicelib.services.cameras import MAX_CAMERAS
from chalicelib.services.webhooks import MAX_HOOKS
from tests import photos as at_hand
from tests.docs.session import ROOT, Session
from tests.faults.server import Server

PAGE = ROOT / "docs" / "api.md"


def test_the_first_calls_of_the_page_work_as_printed(server: Server, photos: Path) -> None:
    answers = Session.of("First calls", PAGE).answers(server, photos / at_hand.PORTRAIT)
    enrolled, looked_at, _, captured, arrivals = map(json.loads, answers)
    assert (enrolled["name"], enrolled["group"]) == ("Ann Lee", "regular")
    [face] = looked_at["faces"]
    assert face["match"]
    assert face["candidates"][0]["face"]["id"] == enrolled["id"]
    assert captured["camera"] == "door"
    assert [(one["name"], one["visit"]) for one in arrivals["arrivals"]] == [("Ann Lee", 1)]


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    camera, cloud = LIMITS[Profile.CAMERA], LIMITS[Profile.CLOUD]
    assert f"{camera.groups} and {camera.faces:,} (profile `camera`), {cloud.groups:,} and {cloud.faces:,}" in text
    assert f"| {MAX_CAMERAS:,}, {MAX_HOOKS}, {MAX_KEYS} |" in text
    assert re.search(rf"\| pictures of a face \| {MAX_PICTURES} \|", text)
