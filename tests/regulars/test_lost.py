"""What lay at most on a stolen box, on a lost phone and in a backup that got out."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.api.dialects import READS
from chalicelib.auth.roles import Role
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, kind_of
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.model import Profile
from chalicelib.storage.box.blobs import BACKUP
from regulars.cli import main
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.tenants import KEEPING
from tests.support.fakes import Person

Captured = pytest.CaptureFixture[str]
BOX = {"box": "9f" * 8, "box_name": "till-box", "spooled": 9, "refused": 2, "oldest_unsent_s": 600}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Book(tmp_path / "data", cameras=("door", "till", "bare"))) as made:
        made.clock.advance(
            datetime.now(UTC) - made.clock.now()
        )  # commands have a clock of their own
        yield made


def breach(book: Book, *options: str) -> int:
    return main(["audit", "breach", "--tenant", "shop", "--data", str(book.folder), *options])


def beat(book: Book, camera: str, status: dict[str, object], *, is_working: bool = True) -> None:
    cameras, tenant = book.services.cameras, book.tenant
    cameras.note_heartbeat(tenant, cameras.get(tenant, camera), status, is_working=is_working)


def test_a_stolen_box_has_the_pictures_of_all_its_cameras_as_its_heartbeats_told(
    book: Book, capsys: Captured
) -> None:
    beat(book, "door", BOX)
    beat(book, "till", {**BOX, "spooled": 1, "oldest_unsent_s": 5, "error": "no"}, is_working=False)
    assert breach(book, "--camera", "door") == 0
    out = capsys.readouterr().out
    heard = f"{book.clock.now():%Y-%m-%dT%H:%M}"
    oldest = f"{book.clock.now() - timedelta(minutes=10):%Y-%m-%dT%H:%M}"
    assert "shop: what lay at most on the box till-box, in UTC" in out
    assert f"pictures door: 9 waited, the oldest of {oldest}; 2 were refused" in out
    assert f"Known of {heard}, or up to 15 minutes earlier" in out
    assert "pictures till: 1 waited" in out
    assert "bare" not in out
    assert "POST /v1/cameras/till/key" in out


def test_numbers_that_nobody_told_are_not_known_since_a_time(book: Book, capsys: Captured) -> None:
    assert breach(book, "--camera", "bare") == 0
    assert "pictures bare: not known since its first day" in capsys.readouterr().out
    beat(book, "bare", {"box": "1", "version": "0.0.1"})
    assert breach(book, "--camera", "bare") == 0
    said = f"pictures bare: not known since {book.clock.now():%Y-%m-%dT%H:%M}"
    assert said in capsys.readouterr().out


def test_a_status_of_a_strange_box_is_not_known(book: Book, capsys: Captured) -> None:
    beat(book, "door", {**BOX, "spooled": "many"})
    beat(book, "till", {**BOX, "refused": [], "oldest_unsent_s": "old"})
    beat(book, "bare", {**BOX, "oldest_unsent_s": 1e300})
    assert breach(book, "--camera", "door") == 0
    out = capsys.readouterr().out
    assert "pictures door: not known since" in out
    assert "pictures till: 9 waited; an unknown number were refused" in out
    assert "pictures bare: 9 waited; 2 were refused" in out


def test_a_lost_phone_says_its_sessions_what_its_role_may_and_what_was_read(
    book: Book, capsys: Captured
) -> None:
    services, tenant = book.services, book.tenant
    book.enrol(Person(1), faceid="ann")
    member, invitation = services.access.members.add(tenant, "Mona", Role.OPERATOR)
    assert breach(book, "--browser", "Mona") == 0
    assert "browser  none is signed in as Mona now" in capsys.readouterr().out
    services.access.sessions.begin_by_invitation(
        invitation, password="four words that fit", passkey=None, origin="", keep=True
    )
    assert breach(book, "--browser", "Mona") == 0
    out = capsys.readouterr().out
    begun = f"{book.clock.now():%Y-%m-%dT%H:%M}"
    assert f", signed in since {begun}: operator reads the book, enrols" in out
    assert f"shop: what member {member.id} read from {begun}" in out
    assert breach(book, "--browser", "Nobody") == 1


def test_what_was_read_by_a_session_that_was_ended_counts_too(book: Book, capsys: Captured) -> None:
    access, tenant, password = book.services.access, book.tenant, "four words that fit"
    book.enrol(Person(1), faceid="ann")
    now = book.clock.now()
    book.clock.advance(-timedelta(days=9))
    member, invitation = access.members.add(tenant, "Mona", Role.OPERATOR)
    access.sessions.begin_by_invitation(
        invitation, password=password, passkey=None, origin="", keep=True
    )
    [lost] = access.sessions.list_of("shop", f"member {member.id}")
    what = "GET /v1/faces"
    act = AuditEvent(what, f"member {member.id}", kind_of(what), "shop", tells=READS[what])
    with book.services.audit.reads.enter_act(act):
        audit_events.report_people(["ann"])
    book.clock.advance(timedelta(days=8))
    access.sessions.begin_by_password("shop", "Mona", password, keep=True, address="1.2.3.4")
    access.sessions.end_by_hash("shop", lost["id"][:16])
    book.clock.advance(now - book.clock.now())
    assert breach(book, "--browser", "Mona") == 0
    out = capsys.readouterr().out
    assert f"read from {now - timedelta(days=9):%Y-%m-%dT%H:%M}" in out
    assert "those that have ended are among it" in out
    assert "people   1\n" in out, out


def test_a_backup_that_got_out_says_whom_it_holds_as_of_then_and_that_it_lies_open(
    book: Book, tmp_path: Path, capsys: Captured
) -> None:
    book.services.audit.signing.read_public_keys("shop")
    book.enrol(Person(1), faceid="ann", consent=Consent(Basis.CONSENT, MONDAY))
    book.see(shot(0, 2), shot(60, 3))
    file = tmp_path / "night.tar"
    assert main(["backup", str(file), "--data", str(book.folder)]) == 0
    book.enrol(Person(4), faceid="later")
    capsys.readouterr()
    assert breach(book, "--backup", str(file)) == 0
    out = capsys.readouterr().out
    assert "shop: what lies in night.tar, of " in out
    assert "open     it is not encrypted" in out
    assert "people   3 with templates (biometric data), names and visits: " in out
    assert "2 in stranger" in out
    assert "1 in regular" in out
    assert "marked   1 with a record of consent" in out
    assert "pictures 3 of faces, and 2 camera pictures" in out
    assert "access   key first is open" in out, out


def test_a_backup_of_the_book_s_life_before_says_whom_it_holds(
    book: Book, tmp_path: Path, capsys: Captured
) -> None:
    book.enrol(Person(1), faceid="ann")
    file = tmp_path / "night.tar"
    assert main(["backup", str(file), "--data", str(book.folder)]) == 0
    book.services.tenants.begin_book("shop")
    capsys.readouterr()
    assert breach(book, "--backup", str(file)) == 0
    out = capsys.readouterr().out
    assert "people   1 with templates" in out
    assert "pictures 1 of faces" in out
    assert "by its name: this book began anew since, or the file is another box's" in out


def test_a_backup_is_looked_into_where_backups_are_made(
    book: Book, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "night.tar"
    assert main(["backup", str(file), "--data", str(book.folder)]) == 0
    left = book.folder / BACKUP / "left by a kill"
    left.mkdir(parents=True)
    assert breach(book, "--backup", str(file)) == 0
    assert not left.exists()


def test_another_shop_s_backup_holds_nobody_and_an_encrypted_one_is_not_guessed_at(
    book: Book, tmp_path: Path, capsys: Captured
) -> None:
    other = tmp_path / "other.tar"
    assert main(["backup", str(other), "--data", str(book.folder)]) == 0
    book.services.tenants.add("shop-12", Profile.CAMERA, KEEPING)
    assert breach(book, "--tenant", "shop-12", "--backup", str(other)) == 0
    assert "people   0: nothing of this shop is in it" in capsys.readouterr().out
    closed = tmp_path / "closed.tar.age"
    closed.write_bytes(b"age-encryption.org/v1\n" + bytes(600))
    assert breach(book, "--backup", str(closed)) == 1
    assert "whoever has it needs its key" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [[], ["--key", "first"], ["--camera", "door", "--browser", "Mona"], ["--since", "2026-01-01"]],
)
def test_one_thing_got_out_and_a_key_since_a_time(
    book: Book, capsys: Captured, options: list[str]
) -> None:
    assert breach(book, *options) == 2
    assert "regulars: " in capsys.readouterr().err
