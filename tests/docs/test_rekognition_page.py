"""The page for Rekognition's clients does what it says: its session by boto3, and its table of operations."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from chalicelib.api.rekognition import requests, routes
from tests import photos as at_hand
from tests.docs.session import ROOT, Session
from tests.faults.server import Server

PAGE = ROOT / "docs/rekognition.md"


def test_the_session_finds_the_person_on_the_second_photo(server: Server, photos: Path) -> None:
    shutil.copyfile(photos / at_hand.PORTRAIT_AGAIN, server.data.parent / "second.jpg")
    (found,) = Session.of("Move in ten minutes", PAGE).output(server, "sed", picture=photos / at_hand.PORTRAIT)
    name, similarity = found.split()
    assert name == "ann"
    assert float(similarity) >= 80


def test_the_page_names_the_operations_that_are_answered_and_only_those() -> None:
    rows = re.findall(r"^\| (collections|faces|pictures) \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    named = {name for _, cell in rows for name in re.findall(r"\b[A-Z][a-z]+[A-Z]\w+", cell)} - {"S3Object"}
    assert named == {operation for operations in routes.MODULES.values() for operation in operations}
    assert named <= set(requests.REQUESTS)
