"""Who said no is not enrolled again by what was there before, through any way in: the old record of
consent, the same id, the same picture. What is given after the no counts.

Each is tried on the first day, after the erasure and a year later, in the same shop, in another one
of the same controller, and in a book that was restored from a backup of before the no. The ways in
are those of tests/support/api/ways_in.py, which the walk over all routes holds complete.
"""

import base64
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.model import Tenant
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.storage.values import time_text
from regulars.cli import main
from tests.support.api.rekognition import signed
from tests.support.api.ways_in import IN, House, Somebody, furnish_ways, served
from tests.support.book.book import MONDAY
from tests.support.fakes import Person, picture
from tests.support.faults.shop import Box, Shop, furnished
from tests.support.hooks.receiver import answers, receiving

BY_CAMERA = {"camera", "capture", "upload", "frigate"}
"""Ways in by which nobody gives a picture or an id, so nothing of before can come again."""
GIVES_NO_ID = {"photo", "icredit", "import"}
NO_BROKER: Any = None
"""Only a camera's ways in need one."""
GIVEN = MONDAY - timedelta(days=7)
CONTROLLER = "Corner Shops, 1 High Street"
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
OF_RESTRICTED = re.compile("FaceExists|'code': 206|looks like somebody whose record of consent")
"""What is said while the restricted face is in the book: it has the id, or looks like the picture.
"""
_SEEDS = count(70_001)


class Member(Somebody):
    """A person with an id of a program's own. `looks_like`: the seed of another one's face."""

    looks_like: int = 0
    given_at: datetime | None = None
    evidence: str = ""

    @property
    def look(self) -> Person:
        return Person(self.looks_like or self.seed, side_px=140.0)

    @property
    def first_photo(self) -> bytes:
        return picture(Person(self.seed + 1_000_000 + next(_SEEDS)))

    @property
    def own_record(self) -> dict[str, str]:
        return {
            "basis": "consent",
            "given_at": time_text(self.given_at or GIVEN),
            "evidence": self.evidence or f"form {self.seed}",
        }


def again(one: Member, **fields: Any) -> Member:
    """Make somebody who has some things of a person, and else own ones."""
    made = Member(one.way_in, "said no", seed=fields.pop("seed", next(_SEEDS)))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def enrol_by_v1(house: House, one: Member, **fields: Any) -> str:
    photo = base64.b64encode(one.photo).decode()
    body = {"picture": photo, "group": one.group, "name": one.name, **fields}
    return str(house.box.v1.done("POST", "/v1/faces", body)["id"])


def enrol_with_id(house: House, one: Member) -> str:
    return enrol_by_v1(house, one, id=f"employee-{one.seed}-0")


def associate(house: House, one: Member) -> str:
    """Give a face to a user, whose id alone may be of before."""
    image, box = {"Bytes": one.photo}, house.box

    def rekognition(operation: str, **members: Any) -> Any:
        pair = box.credentials.access_key_id, box.credentials.secret_access_key
        token = f"request-{next(_SEEDS)}"
        return signed.call(box.app, *pair, operation, members, box.clock.now(), token).json

    answer = rekognition("IndexFaces", CollectionId=one.group, Image=image)
    assert answer.get("FaceRecords"), str(answer)
    faceid = str(answer["FaceRecords"][0]["Face"]["FaceId"])
    user = {"CollectionId": one.group, "UserId": f"user-{one.name}"}
    rekognition("CreateUser", **user)
    answer = rekognition("AssociateFaces", **user, FaceIds=[faceid])
    assert answer.get("AssociatedFaces"), str(answer)
    return faceid


def import_folder(house: House, one: Member) -> str:
    with served(house.box, NO_BROKER) as own:
        return IN["import"].go(own, one)


OWN: dict[str, Callable[[House, Member], str]] = {
    "v1": enrol_with_id,
    "user": associate,
    "import": import_folder,
}


def enrol(house: House, one: Member) -> str:
    return OWN.get(one.way_in, IN[one.way_in].go)(house, one)  # type: ignore[arg-type]


def try_same_id(house: House, one: Member) -> None:
    """Another face comes with the id that the person had."""
    enrol(house, again(one, seed=one.seed, looks_like=next(_SEEDS)))


def try_same_picture(house: House, one: Member) -> None:
    """The very picture comes with another id."""
    enrol(house, again(one, looks_like=one.seed))


def try_old_record(house: House, one: Member) -> None:
    """Another picture comes with the record of consent, and no id."""
    enrol_by_v1(house, again(one), consent=one.own_record)


def try_everything(house: House, one: Member) -> None:
    """A program that keeps members sends what it has, as each night."""
    enrol_by_v1(house, one, id=f"employee-{one.seed}-0", consent=one.own_record)


def try_to_write_the_record_down(house: House, one: Member) -> None:
    """Somebody is enrolled, and gets the old record."""
    stranger = again(one)
    faceid = enrol_by_v1(house, stranger)
    house.box.v1.done("PUT", f"/v1/faces/{faceid}/consent", one.own_record)


TRIES = [
    try_same_id,
    try_same_picture,
    try_old_record,
    try_everything,
    try_to_write_the_record_down,
]


def withdraw(house: House, one: Member) -> None:
    assert house.box.v1.send("DELETE", f"/v1/faces/{one.faceid}/consent").status == 204


def erase(house: House, one: Member) -> None:
    house.box.v1.done("DELETE", f"/v1/faces/{one.faceid}", erase="true")


def come_in(house: House) -> list[Member]:
    """Enrol two people by each way in, with a record each."""
    people = [
        Member(way_in, end, seed=next(_SEEDS))
        for way_in in sorted(IN.keys() - BY_CAMERA)
        for end in ("withdraw", "erase")
    ]
    for one in people:
        one.faceid = enrol(house, one)
        house.box.v1.done("PUT", f"/v1/faces/{one.faceid}/consent", one.own_record)
    return people


def say_no(house: House, people: list[Member]) -> str:
    """Return when they did."""
    house.box.clock.advance(timedelta(hours=1))
    for one in people:
        {"withdraw": withdraw, "erase": erase}[one.way_out](house, one)
    return time_text(house.box.clock.now())


def pass_days(house: House, days: int) -> None:
    """Let days pass, with all that is done by the clock."""
    box = house.box
    box.clock.advance(timedelta(days=days))
    for _ in range(3):  # a sweep mistrusts a clock that has run ahead, for half an hour
        box.sweep()
        box.services.erasure.retention.sweep_tenant(box.tenant, is_confirmed=True)
        box.services.erasure.steps.continue_all(box.tenant)
        box.clock.advance(timedelta(minutes=35))


def is_restricted(house: House, one: Member) -> bool:
    listed = house.box.services.restrictions.list_all(house.box.tenant)
    return one.faceid in {face.faceid for face in listed}


def find_open_ways(house: House, people: list[Member], said_no_at: str) -> Iterator[str]:
    """Yield by what somebody comes in who said no, or is refused without the times."""
    for one in people:
        for attempt in TRIES:
            if attempt is try_same_id and one.way_in in GIVES_NO_ID:
                continue
            what = f"{attempt.__name__} {one.way_in}, {one.way_out}"
            try:
                attempt(house, one)
            except Exception as error:
                times = {*TIME.findall(refusal := str(error))}
                if is_restricted(house, one) and OF_RESTRICTED.search(refusal):
                    continue
                wanted = set() if one.way_in == "import" else {said_no_at}
                if "record" in attempt.__name__ or attempt is try_everything:
                    wanted.add(one.own_record["given_at"])
                if not wanted <= times:
                    yield f"{what}: refused by {refusal}"
            else:
                yield f"{what}: nobody says no"


class Branch(Box):
    """A process at another shop of the same box."""

    @property
    def tenant(self) -> Tenant:
        return self.services.tenants.get_by_name(self.credentials.tenant)


@contextmanager
def opened(shop: Shop, folder: Path, now: datetime, make: type[Box] = Box) -> Iterator[House]:
    with closing(make(folder, shop)) as box:
        box.clock.advance(now - box.clock.now())
        yield House(box, "", NO_BROKER)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop") / "data"
    with receiving(answers(200)) as receiver:
        made = furnished(folder, receiver)
        with closing(made.opened(folder)) as box:
            furnish_ways(box, "people")
            box.services.tenants.change_settings("shop", {"controller": CONTROLLER})
        yield made


@pytest.fixture
def house(shop: Shop, tmp_path: Path) -> Iterator[House]:
    folder = Path(shutil.copytree(shop.folder, tmp_path / "data"))
    with opened(shop, folder, MONDAY + timedelta(days=14)) as made:
        yield made


@contextmanager
def open_branch(house: House, name: str, controller: str) -> Iterator[House]:
    """Open another shop of the box."""
    credentials = house.box.services.tenants.add(
        name, house.box.tenant.profile, TenantSettings(controller=controller)
    )
    branch = Shop(house.box.folder, credentials, {}, house.box._receiver)
    with opened(branch, house.box.folder, house.box.clock.now(), Branch) as made:
        furnish_ways(made.box, "people")
        yield made


DAYS = [1, 15, 366]


def test_nobody_who_said_no_comes_in_by_what_was_there_before(house: House) -> None:
    people = come_in(house)
    said_no_at, passed = say_no(house, people), 0
    for days in DAYS:
        pass_days(house, days - passed)
        passed = days
        assert is_restricted(house, people[0]) == (days == 1)
        found = [*find_open_ways(house, people, said_no_at)]
        assert not found, f"day {days}: " + "\n".join(found)


@pytest.mark.parametrize("days", DAYS)
def test_nor_in_another_shop_of_the_controller(house: House, days: int) -> None:
    people = come_in(house)
    said_no_at = say_no(house, people)
    pass_days(house, days)
    with open_branch(house, "station", f" {CONTROLLER.upper()}") as branch:
        found = [*find_open_ways(branch, people, said_no_at)]
        assert not found, "\n".join(found)
    with open_branch(house, "rival", "Rival Ltd") as rival:
        for one in people[::6]:
            try_everything(rival, one)


@pytest.mark.parametrize("days", DAYS)
def test_nor_in_a_book_that_was_restored_from_a_backup_of_before(
    house: House, shop: Shop, tmp_path: Path, days: int
) -> None:
    people, backup = come_in(house), tmp_path / "backups" / "monday.tar"
    backup.parent.mkdir()
    assert main(["backup", str(backup), "--data", str(house.box.folder)]) == 0
    house.box.services.ports.backups.add(backup.parent)
    house.box.clock.advance(timedelta(days=20_000))  # the backup is of the time that it is here
    said_no_at = say_no(house, people)
    pass_days(house, min(days, 15))
    again, now = tmp_path / "again", house.box.clock.now()
    assert main(["restore", str(backup), "--data", str(again)]) == 0
    with opened(shop, again, now) as restored:
        if days > 15:
            pass_days(restored, days - 15)
        found = [*find_open_ways(restored, people, said_no_at)]
        assert not found, "\n".join(found)


def test_a_record_that_was_given_after_the_no_counts_by_each_way_in(house: House) -> None:
    people = come_in(house)
    say_no(house, people)
    for days in DAYS:
        pass_days(house, days)
        for one in people[:: len(DAYS)]:
            one.given_at, one.evidence = house.box.clock.now(), f"form {one.seed}, {days}"
            if is_restricted(house, one):
                house.box.v1.done("PUT", f"/v1/faces/{one.faceid}/consent", one.own_record)
            else:
                one.faceid = enrol_by_v1(house, one, id=one.faceid, consent=one.own_record)
            assert house.box.services.faces.get(house.box.tenant, one.faceid).consent is not None
            withdraw(house, one)
