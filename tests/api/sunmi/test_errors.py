from datetime import timedelta

import pytest

from chalicelib.api.sunmi import endpoint as ours
from chalicelib.api.sunmi.endpoint import CODES, choose_code
from chalicelib.api.sunmi.routes import ALIASES, ENDPOINTS
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import (
    AttributeNotFound,
    Busy,
    DefaultGroup,
    FaceExists,
    FaceNotFound,
    GroupFull,
    GroupNotFound,
    IllegalAttribute,
    RegularsError,
    StorageUnavailable,
    TenantFull,
    TooManyGroups,
    WrongAttributeCount,
)
from chalicelib.domain.model import Group, Tenant
from tests.support.api.errors import instance, tree
from tests.support.api.stage import Stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.sunmi.source import LISTED
from tests.support.fakes import Person, picture


def test_each_endpoint_lists_what_its_section_of_the_source_lists() -> None:
    assert ours.LISTED == LISTED
    assert {endpoint.name for endpoint in ENDPOINTS} == set(LISTED)
    assert set(ALIASES.values()) <= set(LISTED)


@pytest.mark.shows(
    "sunmi", "An endpoint answers the codes 0, 1, 2, 3, 5, 7, 211 and those of its row"
)
@pytest.mark.parametrize("error", list(tree()))
def test_every_error_has_a_listed_code_on_every_endpoint(error: type[RegularsError]) -> None:
    for endpoint, listed in LISTED.items():
        code = choose_code(instance(error), endpoint)
        assert code in listed
        assert code != 0
        assert (code == 1) == (error is RegularsError), "1 is never for what the tree names"


def test_a_new_error_counts_as_its_nearest_ancestor() -> None:
    class Emptied(GroupNotFound): ...

    assert choose_code(Emptied("gone"), "addFace") == CODES[GroupNotFound] == 204


@pytest.mark.shows("sunmi", "or the tenant is.")
@pytest.mark.shows("sunmi", "If the fitting code is not listed")
@pytest.mark.shows("sunmi", "getFaceByArrival 207 for an unknown group")
@pytest.mark.shows("sunmi", "211 stands in for 220, and 2 for any other code.")
@pytest.mark.parametrize(
    ("endpoint", "error", "code"),
    [
        ("getFace", FaceNotFound, 2),
        ("getFace", Busy, 211),
        ("getFaceList", GroupNotFound, 2),
        ("getFaceList", Busy, 211),
        ("getFaceByPicture", Busy, 211),
        ("getFaceByPicture", FaceNotFound, 283),
        ("deleteGroup", DefaultGroup, 201),
        ("updateGroup", DefaultGroup, 201),
        ("updateFace", GroupFull, 208),
        ("updateFace", FaceExists, 2),
        ("getFaceByArrival", GroupNotFound, 207),
        ("getFaceByArrival", Busy, 211),
        ("addFaceInfoItem", DefaultGroup, 240),
        ("addFaceInfoItem", AttributeNotFound, 2),
        ("removeFaceInfoItem", WrongAttributeCount, 241),
        ("removeFaceInfoItem", IllegalAttribute, 242),
        ("removeFaceInfoItem", AttributeNotFound, 243),
        ("addFace", TenantFull, 208),
        ("addFace", StorageUnavailable, 211),
        ("createGroup", TooManyGroups, 202),
    ],
)
def test_an_unlisted_code_falls_back_as_the_contract_says(
    endpoint: str, error: type[RegularsError], code: int
) -> None:
    assert choose_code(error("why"), endpoint) == code


def test_a_callers_long_text_is_not_sent_back_at_length(camera: CameraClient) -> None:
    request = camera.signed("deleteGroup", [("name", "v" * 500_000)])
    first = request.answer()
    assert first["code"] == 204
    assert len(first["msg"]) < 500
    assert request.answer() == first


def test_a_picture_of_somebody_who_withdrew_is_not_asked_to_be_sent_again(
    camera: CameraClient, stage: Stage
) -> None:
    """The record of the face is from before that: 220 would be answered for ever."""
    consents, tenant = stage.services.consents, stage.services.tenants.get_by_name("shop")
    record = Consent(Basis.CONSENT, stage.services.clock.now() - timedelta(days=1))
    for faceid in ("1", "2"):
        camera.add_face("regular", picture(Person(int(faceid))), faceid=faceid)
        consents.set(tenant, faceid, record)
    consents.withdraw_consent(tenant, "1")
    changed = camera.call(
        "updateFace", {"faceid": "2", "group_name": "regular"}, picture(Person(1))
    )
    assert (changed["code"], "older" in changed["msg"]) == (2, True)


class GroupsMoving:
    """Groups as they are seen just after a face's group was deleted."""

    def find_by_id(self, tenant: Tenant, group_id: str) -> Group | None:
        return None


def test_a_face_whose_group_just_went_is_asked_for_again(
    camera: CameraClient, stage: Stage
) -> None:
    camera.add_face("stranger", picture(Person(1)), faceid="7")
    stage.services.groups = GroupsMoving()  # type: ignore[assignment]
    assert camera.call("getFace", {"faceid": "7"})["code"] == 211
