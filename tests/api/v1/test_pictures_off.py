"""Pictures off over v1: no answer has a link to one, and what needs one says that there is none."""

from __future__ import annotations

import base64
import re

from chalicelib.core.model import Credentials
from chalicelib.services import Services
from tests.api.v1.client import V1Client, offer_of
from tests.fakes import FakeClock, Person, picture


def seen(v1: V1Client, services: Services, shop: Credentials, clock: FakeClock) -> dict[str, str]:
    data = picture(Person(1))
    [upload] = v1.offer(offer_of(data, clock.now()))
    services.ports.storage.uploads.put_if_absent(f"{shop.tenant}/door/{upload['id']}", data, "image/jpeg")
    services.sightings.ingest.capture(shop.tenant, "door", upload["id"])
    capture: dict[str, str] = v1.done("GET", f"/v1/captures/{upload['id']}", camera="door")
    return capture


def test_no_answer_has_a_link_to_a_picture(
    v1: V1Client, services: Services, shop: Credentials, clock: FakeClock
) -> None:
    v1.add_camera("door", id="door")
    v1.done("PATCH", "/v1/settings", {"keeps_pictures": False})
    capture = seen(v1, services, shop, clock)
    face = v1.done("GET", "/v1/faces")["faces"][0]
    more = [v1.done("GET", path) for path in ("/v1/arrivals", "/v1/observations", f"/v1/faces/{face['id']}/pictures")]
    links = re.findall(r"'\w*url': ([^,}]+)", str([capture, face, *more]))
    assert set(links) == {"None"}
    crop = v1.failed(409, "GET", f"/v1/captures/{capture['id']}/crops/0", camera="door")
    assert "keeps no pictures" in crop["message"]


def test_a_signed_in_key_is_told_that_there_are_no_pictures(v1: V1Client) -> None:
    assert v1.done("GET", "/v1/session")["pictures"] is True
    v1.done("PATCH", "/v1/settings", {"keeps_pictures": False})
    assert v1.done("GET", "/v1/session")["pictures"] is False


def test_groups_without_pictures_are_named_and_must_be_there(v1: V1Client) -> None:
    v1.done("POST", "/v1/groups", {"name": "staff", "capacity": 9})
    changed = v1.done("PATCH", "/v1/settings", {"no_pictures_of": ["staff", "stranger"]})
    assert sorted(changed["no_pictures_of"]) == ["staff", "stranger"]
    assert v1.failed(404, "PATCH", "/v1/settings", {"no_pictures_of": ["nobody"]})["code"] == "GroupNotFound"
    photo = base64.b64encode(picture(Person(5))).decode()
    face = v1.done("POST", "/v1/faces", {"group": "staff", "picture": photo})
    assert (face["portrait"]["url"], face["pictures"]) == (None, 1)
    kept = v1.done("POST", "/v1/faces", {"group": "regular", "picture": photo})
    assert kept["portrait"]["url"]
