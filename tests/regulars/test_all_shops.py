"""One person in several shops, by one photo: who asks is told of each shop, and of none what a
shop may not tell."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.domain.audit_events import AuditEvent, Kind, begin_audit_event
from chalicelib.domain.errors import Busy
from chalicelib.domain.model import NewFace, Profile, Tenant
from chalicelib.services import Services
from chalicelib.storage.ports import ItemStore
from regulars.cli import main
from regulars.errors import OperatorError
from regulars.person_of_photo import ask_shops
from regulars.privacy import erase_in_shops, write_archives_of_shops
from tests.support.book.book import Book
from tests.support.book.book_with import book_with
from tests.support.fakes import RULES, FakeClock, Person, picture
from tests.support.meanwhile import Around, Meanwhile

Captured = pytest.CaptureFixture[str]
SHOPS = ("shop", "shop-12", "shop-13")


class Hurrying(FakeClock):
    """Goes on by a minute each time that somebody looks."""

    def now(self) -> datetime:
        self.advance(timedelta(minutes=1))
        return super().now()


class BusyFor(Around):
    """Storage that is busy for what is of one shop."""

    def __init__(self, items: ItemStore, tenant: str) -> None:
        super().__init__(items)
        self._tenant = tenant

    def query(self, *given: object, **named: object) -> object:
        if self._tenant in given[1:2]:
            raise Busy("storage is busy: try again in a moment")
        return self._items.query(*given, **named)  # type: ignore[arg-type]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Book]:
    """Ann is in the books of two shops, by another id in each, and not in the third's."""
    with closing(Book(tmp_path / "data")) as book:
        book.enrol(Person(1), faceid="ann", name="Ann")
        for name in SHOPS[1:]:
            book.services.tenants.add(name, Profile.CAMERA)
        services = book.services
        for faceid, seed in (("21", 1), ("22", 2)):
            services.enrolment.enrol_largest_face(
                services.tenants.get_by_name("shop-12"),
                "regular",
                picture(Person(seed)),
                RULES,
                NewFace(faceid=faceid),
            )
        yield book


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    file = tmp_path / "letter.jpg"
    file.write_bytes(picture(Person(1, side_px=98.0)))
    return file


def shops(services: Services) -> list[Tenant]:
    return [services.tenants.get_by_name(name) for name in SHOPS]


def hurried(book: Book, **other: object) -> Services:
    return book_with(book.services, clock=Hurrying(book.clock.now()), **other)


def erase(services: Services, letter: Path, receipt: Path) -> None:
    act = AuditEvent("regulars erase", "operator", Kind.CHANGE)
    with begin_audit_event(act):
        erase_in_shops(services, shops(services), letter, receipt, lambda _: True)


def knows(services: Services, letter: Path) -> dict[str, list[str]]:
    return {tenant.name: ids for tenant, ids in ask_shops(services, shops(services), letter).known}


def test_one_photo_erases_in_each_shop_and_says_one_by_one_what_was_done(
    chain: Book, letter: Path, capsys: Captured
) -> None:
    observed = chain.observed()
    erase(hurried(chain), letter, letter.with_name("receipt.json"))
    out = capsys.readouterr().out
    assert "shop: ann, Ann" in out
    assert "shop-12: 21, (no name)" in out
    assert "shop-13: no enrolled person matches the photo" in out
    assert knows(chain.services, letter) == {}
    assert [face.faceid for face in chain.services.faces.by_id(shops(chain.services)[1], ["22"])
            .values()] == ["22"]  # fmt: skip
    said = {
        file.stem: json.loads(file.read_text())["statement"]["tenant"]
        for file in letter.parent.glob("receipt*.json")
    }
    assert said == {"receipt-shop": "shop", "receipt-shop-12": "shop-12"}
    assert chain.observed() <= observed, "no search is counted"


def test_all_faces_of_a_person_go_though_nobody_has_joined_them(
    chain: Book, letter: Path, capsys: Captured
) -> None:
    for faceid in ("ann2", "ann3"):
        chain.enrol(Person(1), faceid=faceid, name="Ann again")
    chain.services.restrictions.set(chain.tenant, "ann3", "letter 7")
    erase(hurried(chain), letter, letter.with_name("receipt.json"))
    out = capsys.readouterr().out
    assert all(f"shop: {faceid}, Ann" in out for faceid in ("ann", "ann2", "ann3"))
    assert knows(chain.services, letter) == {}


def test_the_page_of_an_erasure_in_one_shop_names_it_and_the_one_that_still_knows_her(
    chain: Book, letter: Path, capsys: Captured
) -> None:
    services = hurried(chain)
    for name in SHOPS[:2]:
        services.tenants.change_settings(
            name, {"controller": "Ann Lee Ltd", "display_name": f"Lee {name}"}
        )
    erase_in_shops(services, shops(services)[:1], letter, letter.with_name("r.json"), bool)
    [erasure] = services.erasure.records.list_all("shop")
    assert knows(services, letter) == {"shop-12": ["21"]}
    capsys.readouterr()
    asked = ["call", "get-receipt-page", erasure.id, "--tenant", "shop", "--shops", "Lee shop-12"]
    assert main([*asked, "--field", "html", "--data", str(chain.folder)]) == 0
    page = capsys.readouterr().out
    assert "What was held about you in Lee shop is erased" in page
    assert "may know you: Lee shop-12. Ask us" in page
    assert "nothing is left there by which a camera could know you" in page


def test_no_shop_s_audit_names_what_was_done_in_another(chain: Book, letter: Path) -> None:
    services = hurried(chain)
    erase(services, letter, letter.with_name("receipt.json"))
    for name, others in (("shop", "21"), ("shop-12", "ann")):
        listed = [
            json.dumps(entry.leaf.content or {})
            for entry in services.audit.chain.list_waiting(name)
        ]
        assert any('"regulars erase"' in one for one in listed)
        assert [one for one in listed if f'"{others}"' in one] == []


def test_a_shop_that_could_not_be_asked_is_said_and_the_others_are_done(
    chain: Book, letter: Path, capsys: Captured
) -> None:
    services = hurried(chain, items=BusyFor(chain.services.items, "shop"))
    with pytest.raises(OperatorError, match="1 shop left: shop"):
        erase(services, letter, letter.with_name("receipt.json"))
    assert "shop: could not be asked: storage is busy" in capsys.readouterr().err
    assert knows(chain.services, letter) == {"shop": ["ann"]}
    erase(hurried(chain), letter, letter.with_name("receipt.json"))
    assert knows(chain.services, letter) == {}
    assert letter.with_name("receipt-shop.json").is_file()


def test_a_second_person_s_receipts_lie_beside_the_first_one_s(
    chain: Book, letter: Path, capsys: Captured
) -> None:
    first = letter.with_name("receipt-shop.json")
    first.write_text("of somebody else")
    erase(hurried(chain), letter, letter.with_name("receipt.json"))
    assert knows(chain.services, letter) == {}
    assert first.read_text() == "of somebody else"
    [own] = letter.parent.glob("receipt-shop-??????????*.json")  # an id is longer than a number
    assert f"erased; receipt: {own};" in capsys.readouterr().out


def test_a_shop_that_cannot_use_the_photo_holds_up_no_other(
    chain: Book, letter: Path, capsys: Captured
) -> None:
    chain.services.tenants.change_settings("shop-13", {"least_liveness": 1.0})
    with pytest.raises(OperatorError, match="1 shop left: shop-13"):
        erase(hurried(chain), letter, letter.with_name("receipt.json"))
    assert "shop-13: could not be asked: the face in letter.jpg" in capsys.readouterr().err
    chain.services.tenants.change_settings("shop-13", {"least_liveness": None})
    assert knows(chain.services, letter) == {}


def test_an_erasure_that_may_be_somebody_else_s_gives_no_receipt_as_hers(
    chain: Book, letter: Path, capsys: Captured
) -> None:
    services = chain.services
    other = services.tenants.get_by_name("shop-13")
    bob = NewFace(faceid="bob")
    services.enrolment.enrol_largest_face(other, "regular", picture(Person(9)), RULES, bob)
    deleted = services.deletion.delete_faces(other, ["bob"], by="operator", erase=True)
    [id_] = deleted.erasures
    erase(hurried(chain), letter, letter.with_name("receipt.json"))
    said = [line for line in capsys.readouterr().out.splitlines() if id_ in line]
    assert said
    assert all("perhaps of this person" in line for line in said)
    assert {file.stem for file in letter.parent.glob("receipt*.json")} == {
        "receipt-shop",
        "receipt-shop-12",
    }


def test_files_of_a_run_before_stay_and_the_shops_behind_get_theirs(
    chain: Book, letter: Path, capsys: Captured
) -> None:
    out, tenants = letter.with_name("answer.zip"), shops(chain.services)
    first = out.with_stem("answer-shop")
    first.write_bytes(b"of the run before")
    asked = ask_shops(chain.services, tenants, letter)
    write_archives_of_shops(chain.services, asked, tenants, out, "en")
    assert first.read_bytes() == b"of the run before"
    assert out.with_stem("answer-shop-12").is_file()
    assert f"{first} already exists and was kept" in capsys.readouterr().out
    assert asked.left == []


def test_a_held_face_stays_and_is_said_and_the_others_are_erased(
    chain: Book, letter: Path, capsys: Captured
) -> None:
    chain.services.faces.holds.set(chain.tenant, "ann", "case 7")
    with pytest.raises(OperatorError, match="1 shop left: shop"):
        erase(hurried(chain), letter, letter.with_name("receipt.json"))
    assert "shop: not erased: " in capsys.readouterr().err
    assert knows(chain.services, letter) == {"shop": ["ann"]}


class Killed(BaseException):
    """The process is gone."""


def test_an_erasure_cut_off_between_two_shops_is_said_and_ended_by_the_same_press(
    chain: Book, letter: Path, capsys: Captured
) -> None:
    meanwhile = Meanwhile(chain.services.items)

    def is_gone() -> None:
        if "ann" not in chain.faceids():
            raise Killed
        meanwhile.first.append(is_gone)

    meanwhile.first = [is_gone]
    receipt = letter.with_name("receipt.json")
    with pytest.raises(Killed):
        erase(hurried(chain, items=meanwhile), letter, receipt)
    assert "finish it with `regulars erase --tenant shop-12 --face 21`" in capsys.readouterr().out
    assert knows(chain.services, letter) == {"shop-12": ["21"]}
    erase(hurried(chain), letter, receipt)
    assert "is running, perhaps of this person" in capsys.readouterr().out
    assert knows(chain.services, letter) == {}
    assert [file.stem for file in letter.parent.glob("receipt*.json")] == ["receipt-shop-12"]
    [erasure] = chain.services.erasure.records.list_all("shop")
    assert erasure.done_at is not None


@pytest.mark.parametrize("command", ["about --out answer.zip", "erase"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--photo x.jpg", "pass either --tenant NAME or --all-shops"),
        ("--photo x.jpg --tenant shop --all-shops", "pass either --tenant NAME or --all-shops"),
        ("--face ann --all-shops", "name the person by --photo"),
        ("--face ann --tenant shop --tenant shop-12", "name the person by --photo"),
    ],
)
def test_an_id_is_of_one_book(
    chain: Book, capsys: Captured, command: str, options: str, said: str
) -> None:
    assert main([*command.split(), *options.split(), "--data", str(chain.folder)]) == 2
    assert said in capsys.readouterr().err
