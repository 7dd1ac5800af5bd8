"""The session of docs/icredit.md for iCREDIT clients does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import app
from tests import photos as at_hand
from tests.docs.session import ROOT, Session
from tests.faults.server import Server

PAGE = ROOT / "docs/icredit.md"
TOOLS = ("base64", "date")


def test_the_session_answers_what_it_shows(server: Server, photos: Path) -> None:
    picture = photos / at_hand.OTHER
    answers = Session.of("A session to paste", PAGE).answers(server, picture, *TOOLS)
    enrolled, found, observed, counted = (json.loads(answer) for answer in answers)
    (token,) = (person["PERSON_TOKEN"] for person in enrolled["PERSON_ENTITY"])
    for answer in (enrolled, found, observed):
        (person,) = answer["PERSON_ENTITY"]
        assert (person["PERSON_TOKEN"], person["LABLE_A"]) == (token, "gold")
        assert person["PERSON_GROUP_LABEL"] == "VIP会员"
    assert observed["TOTAL"] == "2"
    assert observed["NEXT_PAGE_TOKEN"] != ""
    assert {bucket["AMOUNT"] for bucket in counted["PERSON_TOKEN_ENEITY"]} == {"1"}, (
        "one person, on each day of the call"
    )


def test_the_page_names_the_operations_that_there_are() -> None:
    served = {path.rsplit("/", 1)[1] for path in app.app.routes if path.startswith("/icredit/face/")}
    text = PAGE.read_text(encoding="utf-8").partition("\n## ")[0]
    assert served == {"manage", "query", "analysis"}
    assert served == set(re.findall(r"`(\w+)`", text))
