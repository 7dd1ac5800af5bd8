"""People who are hidden from lists, over v1: who asks for `listed` does not see them, counts agree,
and each hiding is an act that can be taken back."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.model import Credentials
from chalicelib.services import Services
from chalicelib.storage.items import FaceOrder
from tests.api.v1.acts import acts, v1
from tests.support.api.v1.client import V1Client
from tests.support.fakes import FakeClock, photo

__all__ = ["v1"]


@pytest.fixture
def people(v1: V1Client) -> V1Client:
    """Five regulars, p1 to p5."""
    for number in range(1, 6):
        body = {"group": "regular", "picture": photo(number), "name": f"Ann {number * 'x'}"}
        v1.done("POST", "/v1/faces", {**body, "id": f"p{number}"})
    return v1


def hide(v1: V1Client, faceid: str, *, hidden: bool = True) -> dict[str, Any]:
    return v1.done("PATCH", f"/v1/faces/{faceid}", {"hidden": hidden})


def list_ids(v1: V1Client, **query: str) -> list[str]:
    return [str(face["id"]) for face in v1.done("GET", "/v1/faces", **query)["faces"]]


def read_face_ids(v1: V1Client, **query: str) -> list[str]:
    return list(map(str, v1.done("GET", "/v1/face-ids", **query)["ids"]))


def test_nothing_changes_for_who_asks_as_before(people: V1Client) -> None:
    assert people.done("GET", "/v1/faces/p1")["hidden"] is False
    before = (list_ids(people), read_face_ids(people), list_ids(people, name="ann"))
    answer = hide(people, "p2")
    assert (answer["hidden"], answer["revision"]) == (True, 2)
    assert (list_ids(people), read_face_ids(people), list_ids(people, name="ann")) == before


@pytest.mark.parametrize("order", FaceOrder)
def test_who_asks_for_listed_people_gets_those(people: V1Client, order: FaceOrder) -> None:
    hide(people, "p2")
    hide(people, "p4")
    every_id = read_face_ids(people, order=order)
    shown = [faceid for faceid in every_id if faceid not in ("p2", "p4")]
    assert list_ids(people, order=order, listed="true") == shown
    assert read_face_ids(people, order=order, listed="true") == shown
    hidden = read_face_ids(people, order=order, hidden="true")
    assert hidden == [faceid for faceid in every_id if faceid in ("p2", "p4")]
    faces = people.done("GET", "/v1/faces", ids=hidden)["faces"]
    assert [face["hidden"] for face in faces] == [True, True]
    [group] = [one for one in people.done("GET", "/v1/groups")["groups"] if one["count"]]
    assert (group["count"], group["hidden"]) == (5, 2)
    hide(people, "p2", hidden=False)
    assert read_face_ids(people, order=order, hidden="true") == ["p4"]


def test_by_name_somebody_hidden_is_found_in_full(people: V1Client) -> None:
    hide(people, "p2")
    assert list_ids(people, name="ann", listed="true") == ["p1", "p3", "p4", "p5"]
    assert "p2" in list_ids(people, name="Ann XX", listed="true")
    says = people.failed(400, "GET", "/v1/faces", ids=["p1"], listed="true")
    assert "without any other parameter" in says["detail"]


def test_hidden_people_take_nobodys_place_on_a_page(people: V1Client) -> None:
    for faceid in ("p1", "p2", "p3", "p4"):
        hide(people, faceid)
    page = people.done("GET", "/v1/faces", name="ann", listed="true", limit=1)
    assert [face["id"] for face in page["faces"]] == ["p5"]
    assert page["next_token"] is None


def test_somebody_is_enrolled_hidden(people: V1Client) -> None:
    body = {"group": "regular", "picture": photo(9), "id": "p9", "hidden": True}
    assert people.done("POST", "/v1/faces", body)["hidden"] is True
    assert read_face_ids(people, hidden="true") == ["p9"]


def test_many_are_hidden_at_once(people: V1Client) -> None:
    body = {"ids": ["p1", "gone", "p3"], "hidden": True}
    answer = people.done("POST", "/v1/face-changes", body)
    assert (answer["done"], answer["failed"][0]["code"]) == (["p1", "p3"], "FaceNotFound")
    assert read_face_ids(people, hidden="true") == ["p1", "p3"]


def test_each_hiding_is_an_act_that_is_taken_back(people: V1Client) -> None:
    hide(people, "p2")
    [act] = [one for one in acts(people) if one["kind"] == "face"][:1]
    assert (act["before"], act["after"]) == ({"hidden": False}, {"hidden": True})
    people.done("POST", f"/v1/done/{act['id']}/undo")
    assert read_face_ids(people, hidden="true") == []
    assert people.done("GET", "/v1/faces/p2")["hidden"] is False
    [back] = [one for one in acts(people) if one["takes_back"] == act["id"]]
    people.done("POST", f"/v1/done/{back['id']}/undo")
    assert read_face_ids(people, hidden="true") == ["p2"]


def test_a_stranger_who_is_hidden_or_shown_is_kept_no_longer(
    v1: V1Client, clock: FakeClock
) -> None:
    v1.done("POST", "/v1/faces", {"group": "stranger", "picture": photo(1), "id": "p1"})
    kept_until = v1.done("GET", "/v1/faces/p1")["kept_until"]
    for hidden in (True, False):
        clock.advance(timedelta(days=20))
        assert hide(v1, "p1", hidden=hidden)["kept_until"] == kept_until
    clock.advance(timedelta(days=20))
    v1.done("POST", f"/v1/done/{acts(v1)[0]['id']}/undo")
    face = v1.done("GET", "/v1/faces/p1")
    assert (face["hidden"], face["kept_until"]) == (True, kept_until)


def test_nobody_is_listed_and_hidden(people: V1Client) -> None:
    says = people.failed(400, "GET", "/v1/face-ids", listed="true", hidden="true")
    assert "listed or hidden" in says["detail"]


def test_dialects_list_everybody(people: V1Client, services: Services, shop: Credentials) -> None:
    """The camera's and the cloud's lists go by `read_page` and by who was away the longest."""
    tenant = services.tenants.get_by_name(shop.tenant)
    faces = services.faces

    def list_all() -> list[list[str]]:
        pages = (
            faces.read_page(tenant, "regular", 1, 100),
            faces.list_longest_away(tenant, "regular", 10),
        )
        return [sorted(face.faceid for face in page.faces) for page in pages]

    before = list_all()
    hide(people, "p2")
    assert list_all() == before == [["p1", "p2", "p3", "p4", "p5"]] * 2
