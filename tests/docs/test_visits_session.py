from __future__ import annotations

import json
from pathlib import Path

from tests import photos as at_hand
from tests.docs.session import Session
from tests.faults.server import Server


def test_the_session_of_the_readme_works_as_printed(server: Server, photos: Path) -> None:
    session = Session.of("From cameras to the visitor book")
    answers = session.answers(server, photos / at_hand.PORTRAIT, "sha256sum", "stat")
    captures, arrivals, statistics = map(json.loads, answers[-3:])
    [capture] = captures["captures"]
    assert (capture["state"], capture["camera"]) == ("resolved", "door")
    assert [sighting["resolution"] for sighting in capture["sightings"]] == ["stranger"]
    [arrival] = arrivals["arrivals"]
    assert (arrival["camera"], arrival["visit"]) == ("door", 1)
    assert {"door": 1} in [bucket["amounts"] for bucket in statistics["buckets"]]
