"""Reviews over v1: listed page by page, over when somebody is done with them."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import pytest

from chalicelib.services import Services
from tests.api.v1.client import V1Client
from tests.fakes import FakeClock, Person, picture

REVIEWS = "/v1/reviews"


@pytest.fixture
def door(v1: V1Client, services: Services) -> V1Client:
    """A shop with one camera, `door`, in which every match is uncertain."""
    v1.add_camera("door")
    services.tenants.change("shop", {"review_margin": 0.5})
    return v1


def see(v1: V1Client, services: Services, at: datetime, side_px: float) -> str:
    data = picture(Person(1, side_px=side_px))
    query = {"camera": "door", "captured_at": at.isoformat()}
    reply = v1.send("POST", "/v1/captures", data, query=query, content_type="image/jpeg")
    assert reply.json["sha256"] == hashlib.sha256(data).hexdigest()
    services.sightings.ingest.capture("shop", "door", reply.json["id"])
    return str(reply.json["id"])


def test_an_uncertain_match_is_listed_with_its_figures_until_it_is_done(
    door: V1Client, services: Services, clock: FakeClock
) -> None:
    captures = [see(door, services, clock.now() - timedelta(minutes=60 - n), 100.0 - 5 * n) for n in range(4)]
    found = door.done("GET", REVIEWS, kind="uncertain")
    assert found["next_token"] is None
    assert [one["capture"] for one in found["reviews"]] == captures[:0:-1]
    one = found["reviews"][0]
    assert (one["kind"], one["camera"], one["id"]) == ("uncertain", "door", f"uncertain-{captures[3]}-0")
    assert one["at"] == "2026-03-01T11:03:00.000Z"
    assert one["near"][0] == {"face": one["face"], "score": one["score"]}
    assert one["box"] == door.done("GET", f"/v1/captures/{captures[3]}", camera="door")["sightings"][0]["box"]
    assert "/_blobs/" in one["picture_url"]
    assert one["threshold"] <= one["score"] < one["threshold"] + 0.5
    page = door.done("GET", REVIEWS, limit=2)
    rest = door.done("GET", REVIEWS, limit=2, token=page["next_token"])
    assert [*page["reviews"], *rest["reviews"]] == found["reviews"]
    door.done_without_body("POST", f"{REVIEWS}/{one['id']}/done")
    assert one not in door.done("GET", REVIEWS)["reviews"]
    assert door.failed(404, "POST", f"{REVIEWS}/{one['id']}/done")["code"] == "ReviewNotFound"


def test_who_is_promoted_is_asked_about(door: V1Client, services: Services, clock: FakeClock) -> None:
    for n in range(5):
        see(door, services, clock.now() - timedelta(days=5 - n), 100.0 - n)
    (review,) = door.done("GET", REVIEWS, kind="promoted")["reviews"]
    assert review["id"] == f"promoted-{review['face']}"
    assert door.done("GET", f"/v1/faces/{review['face']}")["group"] == "regular"


@pytest.mark.parametrize(
    ("query", "says"),
    [({"kind": "odd"}, "kind is promoted or uncertain"), ({"limit": 0}, "limit"), ({"token": "x"}, "page token")],
)
def test_what_cannot_be_listed_is_refused(door: V1Client, query: dict[str, object], says: str) -> None:
    assert says in door.failed(400, "GET", REVIEWS, **query)["message"]
