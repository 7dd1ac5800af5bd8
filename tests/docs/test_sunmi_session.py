"""The session of docs/sunmi.md for SUNMI integrators does what it says."""

from __future__ import annotations

import json
from pathlib import Path

from tests import photos as at_hand
from tests.docs.session import ROOT, Session
from tests.faults.server import Server

TOOLS = ("md5sum", "sort", "paste", "sed", "od")


def test_the_session_answers_what_it_shows(server: Server, photos: Path) -> None:
    picture = photos / at_hand.OTHER
    answers = Session.of("A session to paste", ROOT / "docs/sunmi.md").answers(server, picture, *TOOLS)
    assert [json.loads(answer)["code"] for answer in answers] == [0] * 6
