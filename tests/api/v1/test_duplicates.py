"""Duplicates over v1: pairs of faces that may be one person, until somebody says that they are two."""

from __future__ import annotations

from chalicelib.core.model import Decision
from chalicelib.services import Services
from tests.api.v1.client import V1Client
from tests.fakes import Person, picture
from tests.services.joining.people import RULES

DUPLICATES = "/v1/duplicates"


def test_a_pair_is_listed_with_both_faces_until_somebody_says_that_they_are_two(
    v1: V1Client, services: Services
) -> None:
    tenant = services.tenants.named("shop")
    faces = [
        services.enrolment.of_largest_face(tenant, "regular", picture(Person(seed)), RULES, name=name)
        for seed, name in ((1, "Ann"), (2, "Eve"), (3, "Zoe"))
    ]
    for other in faces[1:]:
        services.merges.duplicates.suggest(tenant, faces[0], other, Decision(0.41, 0.5, 3, 0.002))
    pairs = v1.done("GET", DUPLICATES)["duplicates"]
    assert [(one["face"]["name"], one["other"]["name"]) for one in pairs] == [("Ann", "Eve"), ("Ann", "Zoe")]
    assert pairs[0]["other"] == v1.done("GET", f"/v1/faces/{faces[1].faceid}")
    figures = {name: pairs[0][name] for name in ("score", "threshold", "gallery_size", "false_match_probability")}
    assert figures == {"score": 0.41, "threshold": 0.5, "gallery_size": 3, "false_match_probability": 0.002}
    page = v1.done("GET", DUPLICATES, limit=1)
    assert page["duplicates"] == pairs[:1]
    assert v1.done("GET", DUPLICATES, limit=1, token=page["next_token"]) == {
        "duplicates": pairs[1:],
        "next_token": None,
    }
    v1.done_without_body("POST", f"{DUPLICATES}/{pairs[0]['id']}/done")
    assert v1.done("GET", DUPLICATES)["duplicates"] == pairs[1:]
    assert v1.failed(404, "POST", f"{DUPLICATES}/{pairs[0]['id']}/done")["code"] == "DuplicateNotFound"
