"""Somebody who is in a group already, by whatever dialect, and is enrolled under a new name: the
answer says so."""

import base64
from collections.abc import Callable

import pytest
from chalice.app import Chalice

from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.model import Credentials, Profile
from chalicelib.services import Services
from tests.support.api.compreface.client import RECOGNITION
from tests.support.api.compreface.client import Client as CompreFace
from tests.support.api.deepstack.client import Client as DeepStack
from tests.support.api.v1.client import V1Client
from tests.support.fakes import Person, picture

LIKE = "x-regulars-looks-like"


def photo(seed: int, number: int = 0) -> bytes:
    return picture(Person(seed, side_px=100.0 + number))


@pytest.fixture
def house(services: Services) -> Credentials:
    made = services.tenants.add("home", Profile.CLOUD)
    for name in ("family", "office"):
        services.groups.create(services.tenants.get_by_name("home"), name, None, "")
    return made


@pytest.fixture
def key_for(services: Services, house: Credentials) -> Callable[..., str]:
    tenant = services.tenants.get_by_name("home")

    def key_for(service: str, group: str = "family") -> str:
        return add_service_key(
            services,
            tenant,
            f"{service} {group}",
            service,
            services.groups.get_by_name(tenant, group).id,
        )

    return key_for


def enrol(app: Chalice, house: Credentials, seed: int, group: str = "family", **more: str) -> str:
    sent = {"picture": base64.b64encode(photo(seed)).decode(), "group": group, **more}
    return str(V1Client(app, house.api_key).done("POST", "/v1/faces", sent)["id"])


def compreface(app: Chalice, key: str, name: str, data: bytes) -> str | None:
    reply = CompreFace(app, key).form(f"{RECOGNITION}/faces?subject={name}", file=data)
    assert (reply.status, reply.json.keys()) == (201, {"image_id", "subject"})
    return reply.headers.get(LIKE)


def deepstack(app: Chalice, key: str, name: str, data: bytes) -> str | None:
    reply = DeepStack(app, key).call("/register", {"image": data}, userid=name)
    assert reply.json["success"]
    return reply.json.get("looks_like")


def test_who_was_enrolled_by_v1_is_told_to_a_dialect_that_gives_another_name(
    app: Chalice, house: Credentials, key_for: Callable[..., str]
) -> None:
    enrol(app, house, 1, name="Ann")
    unnamed = enrol(app, house, 2)
    assert compreface(app, key_for("recognition"), "Mum", photo(1, 1)) == "Ann"
    assert deepstack(app, key_for("deepstack"), "Dad", photo(2, 1)) == unnamed


def test_each_dialect_tells_of_the_others_subjects_and_of_its_own(
    app: Chalice, house: Credentials, key_for: Callable[..., str]
) -> None:
    first, second = key_for("recognition"), key_for("deepstack")
    assert compreface(app, first, "Ann", photo(1)) is None
    assert deepstack(app, second, "Mum", photo(1, 1)) == "Ann"
    assert compreface(app, first, "Zo%C3%AB", photo(2)) is None
    assert deepstack(app, second, "Zoe", photo(2, 1)) == "Zoë"
    assert compreface(app, first, "Other", photo(2, 2)) in ("Zo%C3%AB", "Zoe")
    refused = {
        "picture": base64.b64encode(photo(2, 3)).decode(),
        "group": "family",
        "if_known": "refuse",
    }
    assert (
        V1Client(app, house.api_key).failed(409, "POST", "/v1/faces", refused)["code"]
        == "FaceKnown"
    )


def test_nothing_is_told_of_more_photos_of_one_name_nor_of_anybody_else(
    app: Chalice, house: Credentials, key_for: Callable[..., str]
) -> None:
    key = key_for("recognition")
    assert [compreface(app, key, "Ann", photo(1, number)) for number in range(3)] == [None] * 3
    assert compreface(app, key, "Bob", photo(2)) is None


def test_a_photo_unlike_the_persons_others_is_told_and_kept(
    app: Chalice, key_for: Callable[..., str]
) -> None:
    compreface_client = CompreFace(app, key_for("recognition"))
    deepstack_client = DeepStack(app, key_for("deepstack", "office"))
    told_of = []
    for seed, number in ((1, 0), (1, 1), (2, 0), (1, 2), (2, 0)):
        sent = photo(seed, number)
        reply = compreface_client.form(f"{RECOGNITION}/faces?subject=staff", file=sent)
        told_of.append(reply.headers.get("x-regulars-looks-unlike"))
        body = deepstack_client.call("/register", {"image": sent}, userid="staff").json
        assert body.get("looks_unlike", []) == (["image"] if told_of[-1] else [])
    assert told_of == [None, None, "the other examples", None, None]
    listed = compreface_client.get(f"{RECOGNITION}/faces?subject=staff").json
    assert listed["total_elements"] == 4


def test_a_key_learns_nothing_of_other_groups(
    app: Chalice, house: Credentials, key_for: Callable[..., str]
) -> None:
    enrol(app, house, 1, "office", name="Ann")
    assert compreface(app, key_for("recognition"), "Mum", photo(1, 1)) is None
    assert deepstack(app, key_for("deepstack"), "Mummy", photo(2)) is None
