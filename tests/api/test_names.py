"""A name means one person, by one rule in all dialects: each pair is two people, or one, wherever
names name people."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import pytest
from chalice.app import Chalice
from msgspec import Struct
from regulars_dialects.subjects import Subjects
from regulars_transfer import sources

from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.model import Credentials, Profile
from chalicelib.domain.names import is_same_name
from chalicelib.services import Services
from chalicelib.storage.in_process import SystemClock
from tests.support.api.compreface.client import RECOGNITION
from tests.support.api.compreface.client import Client as CompreFace
from tests.support.api.deepstack.client import Client as DeepStack
from tests.support.api.rekognition.client import client as rekognition
from tests.support.api.v1.client import V1Client
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import FakeClock, Person, picture

TWO_PEOPLE = [
    ("Anna Weiß", "Anna Weiss"),
    ("Straße", "STRASSE"),
    ("ﬁn", "fin"),
    ("Ann ", "Ann"),
    (" Ann", "Ann"),
]
BY_CASE = [("ann", "Ann"), ("ZOË", "zoë"), ("İpek", "i̇pek")]
ONE_PERSON = [("Zoë", "Zoe\u0308"), ("한글", "\u1112\u1161\u11ab\u1100\u1173\u11af")]


def photo(seed: int, likeness: float = 0.9) -> bytes:
    return picture(Person(seed, likeness=likeness))


class Dialect(Protocol):
    """A dialect in which a name is a person's. `matches_case`: by its old system."""

    matches_case: bool

    def enrol(self, name: str, seed: int, likeness: float = 0.9) -> None: ...
    def names(self) -> list[str]: ...
    def named(self, seed: int) -> str: ...
    def delete(self, name: str) -> None: ...


class OfCompreFace(Struct):
    client: CompreFace
    matches_case: bool = False

    def enrol(self, name: str, seed: int, likeness: float = 0.9) -> None:
        self.client.add(quote(name), photo(seed, likeness))

    def names(self) -> list[str]:
        return self.client.subjects()

    def named(self, seed: int) -> str:
        return str(self.client.named(photo(seed))[0]["subject"])

    def delete(self, name: str) -> None:
        self.client.delete(f"{RECOGNITION}/subjects/{quote(name)}")


class OfDeepStack(Struct):
    client: DeepStack
    matches_case: bool = True

    def enrol(self, name: str, seed: int, likeness: float = 0.9) -> None:
        self.client.register(name, photo(seed, likeness))

    def names(self) -> list[str]:
        return self.client.names()

    def named(self, seed: int) -> str:
        return self.client.named(photo(seed))[0][0]

    def delete(self, name: str) -> None:
        self.client.call("/delete", userid=name)


@pytest.fixture
def house(services: Services) -> Credentials:
    made = services.tenants.add("home", Profile.CLOUD)
    services.groups.create(services.tenants.get_by_name("home"), "family", None, "")
    return made


@pytest.fixture
def key_for(services: Services, house: Credentials) -> Callable[[str], str]:
    tenant = services.tenants.get_by_name("home")
    group = services.groups.get_by_name(tenant, "family")
    return lambda service: add_service_key(services, tenant, service, service, group.id)


@pytest.fixture
def compreface(app: Chalice, key_for: Callable[[str], str]) -> Dialect:
    return OfCompreFace(CompreFace(app, key_for("recognition")))


@pytest.fixture
def deepstack(app: Chalice, key_for: Callable[[str], str]) -> Dialect:
    return OfDeepStack(DeepStack(app, key_for("deepstack")))


@pytest.fixture(params=["compreface", "deepstack"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    named: Dialect = request.getfixturevalue(request.param)
    return named


@pytest.fixture(autouse=True)
def agreement(services: Services, house: Credentials) -> Iterator[None]:
    """After each test, what is stored agrees with itself."""
    yield
    assert list_disagreements(services, "home") == []


@pytest.mark.parametrize(("one", "other"), TWO_PEOPLE + [pair[::-1] for pair in TWO_PEOPLE])
def test_names_that_differ_are_two_people_and_neither_goes_with_the_other(
    dialect: Dialect, one: str, other: str
) -> None:
    dialect.enrol(one, 1)
    dialect.enrol(other, 2)
    assert sorted(dialect.names()) == sorted([one, other])
    assert [dialect.named(1), dialect.named(2)] == [one, other]
    dialect.delete(other)
    assert (dialect.names(), dialect.named(1)) == ([one], one)
    dialect.delete(other)
    assert dialect.names() == [one], "nobody has this name any more"
    dialect.enrol(other, 2)
    dialect.delete(one)
    assert (dialect.names(), dialect.named(2)) == ([other], other)
    dialect.enrol(one, 1)
    assert [dialect.named(1), dialect.named(2)] == [one, other]


@pytest.mark.parametrize(("one", "other"), ONE_PERSON)
def test_two_spellings_of_one_name_are_one_person_and_the_stored_one_is_answered(
    dialect: Dialect, one: str, other: str
) -> None:
    dialect.enrol(one, 1)
    dialect.enrol(other, 1, likeness=0.95)
    assert (dialect.names(), dialect.named(1)) == ([one], one)
    dialect.delete(other)
    assert dialect.names() == []


@pytest.mark.parametrize(("one", "other"), BY_CASE)
def test_case_counts_where_it_did_in_the_old_system(dialect: Dialect, one: str, other: str) -> None:
    dialect.enrol(one, 1)
    dialect.enrol(other, 2)
    assert sorted(dialect.names()) == sorted([one, other] if dialect.matches_case else [one])
    dialect.delete(other)
    assert dialect.names() == ([one] if dialect.matches_case else [])


def test_compreface_answers_the_stored_spelling(compreface: OfCompreFace) -> None:
    compreface.enrol("Ann Lee", 1)
    reply = compreface.client.form(f"{RECOGNITION}/faces?subject=ANN%20LEE", file=photo(2))
    assert reply.json["subject"] == "Ann Lee"
    assert compreface.client.delete(f"{RECOGNITION}/subjects/ann%20lee").json == {
        "subject": "Ann Lee"
    }


def test_one_book_has_both_of_two_people_whose_names_differ_in_case_only(
    compreface: OfCompreFace, deepstack: Dialect
) -> None:
    """CompreFace's client means the spelling that is there, else the older one."""
    deepstack.enrol("ann", 1)
    deepstack.enrol("Ann", 2)
    compreface.enrol("Ann", 3)
    compreface.enrol("ANN", 4)
    assert Counter(one["subject"] for one in compreface.client.examples()) == {"ann": 2, "Ann": 2}
    assert [compreface.named(seed) for seed in (1, 2)] == ["ann", "Ann"]
    compreface.delete("Ann")
    assert deepstack.names() == ["ann"]
    deepstack.delete("ANN")
    assert deepstack.names() == ["ann"]


def test_the_night_unites_nobody_whose_names_only_fold_alike(
    services: Services, house: Credentials, deepstack: Dialect
) -> None:
    for seed, name in enumerate(["ann", "Ann", "Weiß", "Weiss"]):
        deepstack.enrol(name, seed)
    assert Subjects(services).unite_all(services.tenants.get_by_name("home"))
    assert [deepstack.named(seed) for seed in range(4)] == ["ann", "Ann", "Weiß", "Weiss"]


def test_a_rename_reaches_one_of_two_and_unites_no_others(compreface: OfCompreFace) -> None:
    compreface.enrol("Anna Weiß", 1)
    path = f"{RECOGNITION}/subjects"
    assert compreface.client.json(
        f"{path}/Anna%20Wei%C3%9F", {"subject": "Anna Weiss"}, "PUT"
    ).json["updated"]
    assert compreface.names() == ["Anna Weiss"]
    compreface.enrol("Anna Weiß", 2)
    assert sorted(compreface.names()) == ["Anna Weiss", "Anna Weiß"]
    assert compreface.client.json(f"{path}/anna%20weiss", {"subject": "ANNA WEISS"}, "PUT").json[
        "updated"
    ]
    assert sorted(compreface.names()) == ["ANNA WEISS", "Anna Weiß"]
    assert compreface.client.json(f"{path}/ANNA%20WEISS", {"subject": "Anna Weiß"}, "PUT").json[
        "updated"
    ]
    assert compreface.names() == ["Anna Weiß"]
    assert [compreface.named(seed) for seed in (1, 2)] == ["Anna Weiß"] * 2


def test_somebody_who_is_restricted_keeps_the_place_from_another_name(
    services: Services, compreface: Dialect, deepstack: Dialect
) -> None:
    tenant = services.tenants.get_by_name("home")
    deepstack.enrol("Anna Weiß", 1)
    group = services.groups.get_by_name(tenant, "family")
    (faceid,) = Subjects(services).get(tenant, group, "Anna Weiß").faceids
    services.restrictions.set(tenant, faceid, "letter 7")
    deepstack.enrol("Anna Weiss", 2)
    (other,) = Subjects(services).get(tenant, group, "Anna Weiss").faceids
    assert services.faces.find_person(tenant, other).faces == (other,)
    services.restrictions.lift(tenant, faceid, "settled")
    assert sorted(deepstack.names()) == ["Anna Weiss", "Anna Weiß"]
    assert [deepstack.named(seed) for seed in (1, 2)] == ["Anna Weiß", "Anna Weiss"]


def test_users_and_images_of_rekognition_are_told_apart_by_case(
    app: Chalice, house: Credentials, clock: Any
) -> None:
    clock.advance(SystemClock().now() - clock.now())
    amazon = rekognition(app, house)
    amazon.create_collection(CollectionId="staff")
    for number, name in enumerate(("ann", "Ann")):
        amazon.create_user(CollectionId="staff", UserId=name)
        image = {"Bytes": photo(number + 1)}
        amazon.index_faces(CollectionId="staff", Image=image, ExternalImageId=name)
    amazon.delete_user(CollectionId="staff", UserId="Ann")
    assert [one["UserId"] for one in amazon.list_users(CollectionId="staff")["Users"]] == ["ann"]
    faces = amazon.list_faces(CollectionId="staff")["Faces"]
    assert sorted(one["ExternalImageId"] for one in faces) == ["Ann", "ann"]


@pytest.mark.parametrize(("one", "other"), [*TWO_PEOPLE, *BY_CASE, ("Ann", "Ann")])
def test_a_name_of_v1_is_nobodys_alone_and_an_id_is_exact(
    app: Chalice, house: Credentials, one: str, other: str, clock: FakeClock
) -> None:
    v1 = V1Client(app, house.api_key)
    for number, name in enumerate((one, other)):
        query = {"group": "family", "name": name, "id": ("guest", "Guest")[number]}
        assert (
            v1.send(
                "POST", "/v1/faces", photo(number + 1), query=query, content_type="image/png"
            ).status
            == 201
        )
        clock.advance(timedelta(seconds=1))
    assert v1.send("DELETE", "/v1/faces/Guest").status < 300
    assert [face["name"] for face in v1.done("GET", "/v1/faces")["faces"]] == [one.strip()]


@pytest.mark.parametrize(("one", "other"), [*TWO_PEOPLE, *BY_CASE])
def test_folders_of_two_names_are_imported_as_two_people(
    tmp_path: Path, one: str, other: str
) -> None:
    for name in (one, other):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(b"a picture")
    assert {person.name for person in sources.read_folder(tmp_path).people} == {one, other}


def test_the_rule_is_one_function() -> None:
    for one, other in [*TWO_PEOPLE, *BY_CASE]:
        assert not is_same_name(one, other, matches_case=True)
    for one, other in TWO_PEOPLE:
        assert not is_same_name(one, other, matches_case=False)
    for one, other in [*ONE_PERSON, *BY_CASE]:
        assert is_same_name(one, other, matches_case=False)
