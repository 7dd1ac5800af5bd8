"""One person is one visitor, by whatever way the photos came that name it, and however many these
are."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from chalice.app import Chalice

from chalicelib.api.service_keys import add_service_key
from chalicelib.book.cameras import CameraSettings
from chalicelib.domain.captures import Capture, CaptureState, capture_id
from chalicelib.domain.model import REGULAR, STRANGER, Credentials, Face, NewFace, Profile, Tenant
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.in_process import SystemClock
from chalicelib.storage.ports import Put
from chalicelib.storage.records.captures import capture_item
from tests.support.api.compreface.client import Client
from tests.support.api.deepstack.client import Client as DeepStack
from tests.support.api.rekognition.client import client as rekognition_client
from tests.support.api.rekognition.faces import ids, image
from tests.support.book.tenants import KEEPING
from tests.support.consistency.consistency import list_disagreements
from tests.support.examples import parametrize
from tests.support.fakes import RULES, FakeClock, Person, picture

DAYS = 12


def photos(number: int) -> list[Person]:
    """So many of one person."""
    return [Person(1, side_px=100.0 + n) for n in range(number)]


@pytest.fixture
def credentials(services: Services, clock: FakeClock) -> Credentials:
    clock.advance(SystemClock().now() - clock.now())  # by which boto3 signs
    return services.tenants.add("home", Profile.CLOUD, KEEPING)


@pytest.fixture
def tenant(services: Services, credentials: Credentials) -> Tenant:
    tenant = services.tenants.get_by_name(credentials.tenant)
    services.cameras.add(tenant, "door", "door", CameraSettings())
    return tenant


Way = Callable[[str, int], Any]
"""Names a person of a group by so many photos."""


@pytest.fixture(params=["compreface", "deepstack", "rekognition", "import"])
def enrol_photos(
    request: pytest.FixtureRequest,
    app: Chalice,
    services: Services,
    tenant: Tenant,
    credentials: Credentials,
) -> Way:
    def key(service: str, name: str) -> str:
        return add_service_key(
            services, tenant, service, service, services.groups.get_by_name(tenant, name).id
        )

    def compreface(group: str, number: int) -> None:
        client = Client(app, key("recognition", group))
        for one in photos(number):
            client.add("Ann", picture(one))

    def deepstack(group: str, number: int) -> None:
        client = DeepStack(app, key("deepstack", group))
        for one in photos(number):
            client.register("Ann", picture(one))

    def rekognition(group: str, number: int) -> None:
        client = rekognition_client(app, credentials)
        faces = [
            id_
            for one in photos(number)
            for id_ in ids(client.index_faces(CollectionId=group, Image=image(one)))
        ]
        client.create_user(CollectionId=group, UserId="ann")
        client.associate_faces(CollectionId=group, UserId="ann", FaceIds=faces)

    def import_photos(group: str, number: int) -> None:
        """Do what v1's calls of `regulars import` do."""
        first, *others = map(picture, photos(number))
        face = services.enrolment.enrol_largest_face(
            tenant, group, first, RULES, NewFace(name="Ann")
        )
        for one in others:
            services.enrolment.pictures.add_photo(tenant, face.faceid, one, RULES)

    ways: dict[str, Way] = {
        "compreface": compreface,
        "deepstack": deepstack,
        "rekognition": rekognition,
        "import": import_photos,
    }
    return ways[request.param]


def see(services: Services, tenant: Tenant, at: datetime, person: Person) -> None:
    shot = picture(person)
    sha256 = hashlib.sha256(shot).hexdigest()
    id_ = capture_id(tenant.name, "door", at, sha256)
    capture = Capture(id_, "door", at, sha256, len(shot), "image/jpeg", CaptureState.WANTED)
    services.storage.uploads.put_if_absent(
        keys.capture_picture(tenant.name, "door", id_), shot, "image/jpeg"
    )
    services.items.transact([Put(keys.CAPTURES, capture_item(tenant.name, capture, at))])
    services.sightings.ingest.resolve_capture(tenant.name, "door", id_)


def visitors(services: Services, tenant: Tenant) -> list[Face]:
    found = services.faces.by_id(tenant, services.faces.lists.list_every_id(tenant)).values()
    return [face for face in found if face.arrive_count]


@parametrize("number", [20, 50, 100], gate=1)
def test_a_person_with_many_photos_is_one_visitor(
    enrol_photos: Way, number: int, services: Services, tenant: Tenant, clock: FakeClock
) -> None:
    services.groups.create(tenant, "family", None, "")
    enrol_photos("family", number)
    for day in range(DAYS):
        clock.advance(timedelta(days=1))
        see(services, tenant, clock.now(), Person(1, side_px=300.0 + day))
    (face,) = visitors(services, tenant)
    assert face.arrive_count == DAYS
    assert list_disagreements(services, tenant.name) == []


@pytest.mark.parametrize("enrol_photos", ["compreface", "deepstack", "import"], indirect=True)
def test_a_stranger_with_many_photos_is_a_regular_by_the_fifth_visit(
    enrol_photos: Way, services: Services, tenant: Tenant, clock: FakeClock
) -> None:
    enrol_photos(STRANGER, 20)
    groups = []
    for day in range(5):
        clock.advance(timedelta(days=1))
        see(services, tenant, clock.now(), Person(1, side_px=300.0 + day))
        (face,) = visitors(services, tenant)
        groups.append(face.group_id)
    assert groups == [STRANGER] * 4 + [REGULAR]
    assert face.picture_count == 20
