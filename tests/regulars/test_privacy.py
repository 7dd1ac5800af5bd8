import base64
import json
import os
import re
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.domain.consent import Basis, Consent
from chalicelib.privacy import signing
from chalicelib.privacy.data_map import DATA_MAP
from chalicelib.privacy.erasure_progress import RECEIPT, list_named_faces
from chalicelib.services import Services
from chalicelib.storage.records.merges import UNDONE_WITHIN
from regulars.cli import main
from regulars.errors import OperatorError
from regulars.folder import hold_folder
from regulars.options import open_services_of
from regulars.person_of_photo import find_faces_of_photo
from regulars.privacy import erase_one
from tests.support.book.book import Book, shot
from tests.support.book.book_with import book_with
from tests.support.book.person import worked_off
from tests.support.book.several_faces import several_faces
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import FakeClock, Person, picture
from tests.support.meanwhile import Meanwhile

Captured = pytest.CaptureFixture[str]
PRIVATE, PUBLIC = signing.new_key()
PRINT = signing.fingerprint(PUBLIC)


# --- about
# --------------------------------------------------------------------------------------------------


@pytest.fixture
def anns_book(tmp_path: Path) -> Iterator[Book]:
    """Somebody is enrolled and seen, and so is somebody else."""
    with closing(Book(tmp_path / "data")) as book:
        book.enrol(Person(1), faceid="ann")
        book.see(shot(0, 1), shot(60, 2))
        yield book


def about(anns_book: Book, *options: str) -> int:
    return main(["about", "--tenant", "shop", "--data", str(anns_book.folder), *options])


def test_the_file_is_about_the_person_and_for_its_owner_only(
    anns_book: Book, tmp_path: Path
) -> None:
    out = tmp_path / "ann.zip"
    assert about(anns_book, "--face", "ann", "--out", str(out)) == 0
    with zipfile.ZipFile(out) as archive:
        assert json.loads(archive.read("everything.json"))["face"] == "ann"
        assert archive.testzip() is None
    assert out.stat().st_mode & 0o777 == 0o600


def found(anns_book: Book, *people: Person) -> list[str]:
    sent = picture(*people)
    return find_faces_of_photo(anns_book.services, anns_book.tenant, "photo.jpg", sent)


def test_a_photo_finds_the_person_and_is_no_visit(anns_book: Book) -> None:
    before = anns_book.observed()
    assert found(anns_book, Person(1, side_px=98.0)) == ["ann"]
    assert found(anns_book, Person(77)) == []
    assert anns_book.observed() == before


def test_a_photo_finds_somebody_who_is_restricted_and_the_face_of_a_later_visit(
    anns_book: Book,
) -> None:
    anns_book.services.restrictions.set(anns_book.tenant, "ann", "letter 7")
    [again] = anns_book.see(shot(120, 1))
    assert found(anns_book, Person(1, side_px=98.0)) == ["ann", again.sightings[0].faceid]
    assert found(anns_book, Person(77)) == []


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ([Person(1), Person(2)], "shows 2 faces: use a photo with exactly one face"),
        ([], "shows 0 faces"),
        ([Person(55, quality=3.0)], "cannot be compared: too poor"),
    ],
)
def test_a_photo_that_cannot_be_compared_is_refused_with_the_reason(
    anns_book: Book, people: list[Person], said: str
) -> None:
    with pytest.raises(OperatorError, match=said):
        found(anns_book, *people)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "pass either --face ID or --photo FILE"),
        (["--face", "ann", "--photo", "x.jpg"], "pass either --face ID or --photo FILE"),
        (["--face", "nobody"], "'nobody'"),
    ],
)
def test_what_cannot_be_answered_is_said_and_leaves_no_file(
    anns_book: Book, tmp_path: Path, capsys: Captured, options: list[str], said: str
) -> None:
    out = tmp_path / "none.zip"
    assert about(anns_book, *options, "--out", str(out)) != 0
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_a_file_that_is_there_is_not_written_over(anns_book: Book, tmp_path: Path) -> None:
    out = tmp_path / "there.zip"
    out.write_text("mine")
    assert about(anns_book, "--face", "ann", "--out", str(out)) == 1
    assert out.read_text() == "mine"


# --- erase
# --------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a shop where Ann and Bob are enrolled and were seen, and a backup of it
    beside."""
    with closing(Book(tmp_path / "data")) as book:
        for seed, faceid in ((1, "ann"), (2, "bob")):
            book.enrol(Person(seed), faceid=faceid)
        book.see(shot(0, 1), shot(60, 1, 2))
        # made by then, as each hour of the audit is signed
        book.services.audit.signing.read_public_keys("shop")
    shutil.copytree(tmp_path / "data", tmp_path / "restored")
    return tmp_path / "data"


@contextmanager
def served(folder: Path, at_each_erasure: Callable[[], None] = lambda: None) -> Iterator[Book]:
    """A service that has the steps done, and whose clock is ahead: nothing has to be waited for."""
    with hold_folder(folder), closing(Book(folder)) as book:
        book.clock.advance(datetime.now(UTC) - book.clock.now() + timedelta(minutes=5))
        is_over = threading.Event()

        def serve() -> None:
            while not is_over.wait(0.1):
                for erasure in book.services.erasure.records.list_unfinished("shop"):
                    at_each_erasure()
                    book.services.erasure.steps.go_on(book.tenant, erasure.id)

        worker = threading.Thread(target=serve)
        worker.start()
        try:
            yield book
        finally:
            is_over.set()
            worker.join()


def erase(folder: Path, *options: str) -> int:
    return main(["erase", "--tenant", "shop", "--data", str(folder), *options])


def erased(data: Path) -> Path:
    """Erase Ann; returns the receipt."""
    receipt = data.parent / "receipt.json"
    with served(data) as book:
        assert erase(data, "--face", "ann", "--receipt", str(receipt), "--dry-run") == 0
        assert erase(data, "--face", "ann", "--receipt", str(receipt)) == 1, "nobody is asked here"
        assert set(book.faceids()) == {"ann", "bob"}
        assert erase(data, "--face", "ann", "--receipt", str(receipt), "--yes") == 0
        assert [face.faceid for face in book.faces()] == ["bob"]
    return receipt


def test_a_face_is_erased_and_its_receipt_verified(data: Path, capsys: Captured) -> None:
    receipt = erased(data)
    assert f"regulars receipt verify {receipt}" in capsys.readouterr().out
    key = ["call", "get-signing-key", "--tenant", "shop", "--data", str(data)]
    assert main([*key, "--field", "fingerprint"]) == 0
    fingerprint = capsys.readouterr().out.strip()
    assert main(["receipt", "verify", str(receipt), "--key", fingerprint]) == 0
    out = capsys.readouterr().out
    assert '"captures_hidden": 1' in out
    assert not re.search(r"\bann\b", receipt.read_text()), "letters of a signature are no word"


def subject_of(book: Book, number: int) -> list[str]:
    """Ann again, by another program: a subject of so many faces, as a book of before may have
    it."""
    group = book.services.groups.get_by_name(book.tenant, "regular")
    photos = [[picture(Person(seed))] for seed in range(50, 50 + number)]
    return several_faces(book.services, book.tenant, group, "Ann Bell Cole Dunn Ede Fox", photos)


def test_faces_of_a_person_that_an_erasure_has_left_are_told_and_each_part_has_a_receipt(
    data: Path,
) -> None:
    receipt = data.parent / "receipt.json"
    with served(data) as book, open_services_of(data, None) as services:
        faces = subject_of(book, 24)
        meanwhile = Meanwhile(services.items)
        meanwhile.first = [
            dict,
            lambda: book.services.faces.holds.set(book.tenant, faces[-1], "asked"),
        ]

        def erased_of(services: Services, faceid: str) -> None:
            erase_one(services, book.tenant, faceid, receipt, lambda _: True, is_former=False)

        with pytest.raises(
            OperatorError, match=f"still in the book.* --face ({'|'.join(faces)})"
        ) as left:
            erased_of(book_with(services, items=meanwhile), faces[0])
        assert {"ann", "bob"} < set(book.faceids()) < {"ann", "bob", *faces}
        receipt.unlink()
        book.services.faces.holds.lift(book.tenant, faces[-1], "asked")
        erased_of(services, re.findall("--face ([0-9]+)", str(left.value))[0])
        assert set(book.faceids()) == {"ann", "bob"}
        parts = len(book.services.erasure.records.read_page(book.tenant.name, 100).rows)
    assert len(list(data.parent.glob("receipt*.json"))) == parts - 1 > 1


def test_each_of_the_records_that_one_erasure_goes_on_in_gives_a_receipt(data: Path) -> None:
    receipt = data.parent / "receipt.json"
    with closing(Book(data)) as book:
        eva, *parts = (
            one.sightings[0].faceid or ""
            for one in book.see(*(shot(60 * n, 11 + n) for n in range(5)))
        )
        for part in parts:
            with audit_events.begin_audit_event(
                AuditEvent("POST /v1/faces/{id}/merge", "key first", Kind.CHANGE, "shop")
            ):
                book.services.merges.merging.merge(book.tenant, eva, part)
        book.clock.advance(UNDONE_WITHIN + timedelta(days=1))
        book.sweep()
    with served(data) as book:
        book.services.erasure.steps.most_named = 2
        assert erase(data, "--face", eva, "--receipt", str(receipt), "--yes") == 0
        key = book.services.audit.signing.read_face_key("shop")
    said = [
        signing.parse_statement(one.read_bytes(), RECEIPT)[0]
        for one in data.parent.glob("receipt*.json")
    ]
    assert sorted(
        one for each in said for one in list_named_faces(each, key, [eva, *parts])
    ) == sorted([eva, *parts])
    assert len(said) == 3


def test_nobody_is_erased_by_a_receipt_in_which_something_was_changed(
    data: Path, capsys: Captured
) -> None:
    said = {"kind": "erasure", "id": "7"}
    receipt = written(
        data.parent, signing.sign_statement(said, PRIVATE) | {"statement": {**said, "id": "8"}}
    )
    assert erase(data, "--again", str(receipt), "--yes") == 1
    assert "was changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "head of the audit"}, "its kind is 'head of the audit', not 'erasure'"),
        ({"tenant": "another"}, "it is of tenant 'another', not of 'shop'"),
        ({"faces": {}}, "it names no faces"),
        ({}, "tenant 'shop' has no key of this signer's fingerprint"),
    ],
)
def test_nobody_is_erased_by_a_paper_that_is_no_receipt_of_this_tenant(
    data: Path, capsys: Captured, changes: dict[str, Any], said: str
) -> None:
    true = json.loads(erased(data).read_text())["statement"]
    restored = data.parent / "restored"
    with closing(Book(restored)) as book:
        sign = (
            book.services.audit.signing.sign_statement
            if changes
            else lambda _, statement: signing.sign_statement(statement, PRIVATE)
        )
        paper = written(restored, sign("shop", {**true, **changes}))
        capsys.readouterr()
        assert (
            erase(restored, "--again", str(data.parent / "receipt.json"), str(paper), "--yes") == 1
        )
        assert said in capsys.readouterr().err
        assert set(book.faceids()) == {"ann", "bob"}


def test_a_receipt_of_a_key_that_the_operator_names_erases_again(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = json.loads(erased(data).read_text())["statement"]
    paper = written(data, signing.sign_statement(true, PRIVATE))
    monkeypatch.chdir(data.parent)
    with served(data.parent / "restored") as book:
        assert erase(data.parent / "restored", "--again", str(paper), "--key", PRINT, "--yes") == 0
        assert set(book.faceids()) == {"bob"}


def test_people_of_many_receipts_are_deleted_before_the_first_is_waited_for(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.parent)
    left = list[set[str]]()
    with served(data):
        assert erase(data, "--face", "ann", "--yes", "--receipt", "a.json") == 0
        assert erase(data, "--face", "bob", "--yes", "--receipt", "b.json") == 0
    restored = data.parent / "restored"
    with served(restored, at_each_erasure=lambda: left.append(set(book.faceids()))) as book:
        assert erase(restored, "--again", "a.json", "b.json", "--yes") == 0
    assert left[0] == set()
    assert len(list(data.parent.glob("erasure-*.json"))) == 1, (
        "one erasure for all, and one receipt"
    )


def test_nobody_is_erased_again_while_one_of_them_is_held(data: Path, capsys: Captured) -> None:
    receipt = erased(data)
    with closing(Book(data.parent / "restored")) as book:
        book.services.faces.holds.set(book.tenant, "ann", "case 7")
        assert erase(book.folder, "--again", str(receipt), "--yes") == 1
        assert "'ann' is under legal hold" in capsys.readouterr().err
        assert book.services.faces.find(book.tenant, "ann")


def test_whom_a_restored_backup_brings_back_is_erased_again(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    receipt, restored = erased(data), data.parent / "restored"
    monkeypatch.chdir(data.parent)
    with served(restored) as book:
        assert set(book.faceids()) == {"ann", "bob"}
        assert erase(restored, "--again", str(receipt)) == 1, "nobody is asked here"
        assert set(book.faceids()) == {"ann", "bob"}
        assert "ann  (no name)" in capsys.readouterr().out
        assert erase(restored, "--again", str(receipt), str(receipt), "--yes") == 0
        assert set(book.faceids()) == {"bob"}
        assert not list_disagreements(book.services, "shop")
        capsys.readouterr()
        assert erase(restored, "--again", str(receipt)) == 0
        assert "no person of these receipts is in the book" in capsys.readouterr().out
    [again] = data.parent.glob("erasure-*.json")
    assert main(["receipt", "verify", str(again)]) == 2  # unchanged; whose key it is, nobody said


def test_somebody_who_is_restricted_is_erased_again_too(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    receipt, restored = erased(data), data.parent / "restored"
    monkeypatch.chdir(data.parent)
    with served(restored) as book:
        book.services.restrictions.set(book.tenant, "ann", "case 7")
        assert erase(restored, "--again", str(receipt), "--yes") == 0
        assert "ann  (no name)" in capsys.readouterr().out
        assert not book.services.restrictions.list_all(book.tenant)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 2, "pass one of --face ID, --photo FILE, or --again"),
        (
            ["--face", "ann", "--again", "receipt.json"],
            2,
            "pass one of --face ID, --photo FILE, or --again",
        ),
        (["--again", "a.json", "--receipt", "b.json"], 2, "--receipt requires --face or --photo"),
        (["--face", "ann", "--key", "x"], 2, "--key requires --again"),
        (["--former", "--again", "a.json"], 2, "--former requires --face"),
        (
            ["--face", "ann", "--former", "--yes"],
            1,
            "there is no former face 'ann', and nothing is left",
        ),
        (["--face", "nobody", "--yes"], 1, "there is no face 'nobody'"),
        (["--again", "missing.json"], 1, "missing.json"),
    ],
)
def test_what_cannot_be_done_is_said_and_nobody_is_erased(
    data: Path, capsys: Captured, options: list[str], code: int, said: str
) -> None:
    assert erase(data, *options) == code
    assert said in capsys.readouterr().err
    with closing(Book(data)) as book:
        assert set(book.faceids()) == {"ann", "bob"}


def test_nobody_is_erased_if_the_receipt_cannot_be_written(data: Path, capsys: Captured) -> None:
    there = data.parent / "another.json"
    there.write_text("another receipt")
    for receipt, said in (
        (there, "already exists"),
        (data.parent / "none" / "r.json", "nothing was erased"),
    ):
        assert erase(data, "--face", "ann", "--receipt", str(receipt)) == 1
        assert said in capsys.readouterr().err
    assert there.read_text() == "another receipt"
    with closing(Book(data)) as book:
        assert book.services.faces.find(book.tenant, "ann")


def test_a_receipt_goes_into_a_pipe(data: Path) -> None:
    reads, writes = os.pipe()
    with served(data):
        assert erase(data, "--face", "ann", "--yes", "--receipt", f"/dev/fd/{writes}") == 0
    os.close(writes)
    with os.fdopen(reads) as pipe:
        assert json.load(pipe)["statement"]["kind"] == "erasure"


def test_a_receipt_that_the_disk_has_no_room_for_is_had_again(data: Path, capsys: Captured) -> None:
    with served(data):
        assert erase(data, "--face", "ann", "--receipt", "/dev/full", "--yes") == 1
    said = capsys.readouterr()
    assert "cannot be written" in said.err
    receipt = data.parent / "kept.json"
    id_ = said.out.partition("erasure ")[2].split()[0]
    assert main(["call", "get-erasure", id_, "--field", "receipt", "--data", str(data)]) == 0
    receipt.write_text(capsys.readouterr().out)
    assert main(["receipt", "verify", str(receipt)]) == 2


def test_an_erasure_that_goes_on_has_no_receipt_yet(data: Path, capsys: Captured) -> None:
    with closing(Book(data)) as book:
        [id_] = book.services.deletion.delete_faces(book.tenant, ["ann"], erase=True).erasures
    get = ["call", "get-erasure", id_, "--data", str(data)]
    assert main([*get, "--field", "receipt"]) == 1
    assert "receipt is null" in capsys.readouterr().err
    assert main([*get, "--field", "state"]) == 0
    assert capsys.readouterr().out == "running\n"
    for unknown in ("7", "7" * 2_000):
        assert main(["call", "get-erasure", unknown, "--data", str(data)]) == 1
        assert "there is no erasure '7" in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--receipt", "receipt.json"]])
def test_nothing_is_left_in_the_folder_before_there_is_a_receipt(
    data: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    place, seen = data.parent / "place", list[list[Path]]()
    place.mkdir()
    monkeypatch.chdir(place)
    assert erase(data, "--face", "nobody", "--yes", *options) == 1
    with served(data, at_each_erasure=lambda: seen.append(list(place.iterdir()))):
        assert erase(data, "--face", "ann", "--yes", *options) == 0
    assert seen[0] == []
    [receipt] = place.iterdir()
    assert main(["receipt", "verify", str(receipt)]) == 2


# --- receipt, notice
# ------------------------------------------------------------------------------------------------


@pytest.fixture
def receipt(tmp_path: Path) -> Path:
    return written(
        tmp_path, signing.sign_statement({"kind": "erasure", "id": "7", "said": "\u674e"}, PRIVATE)
    )


def written(folder: Path, document: Any) -> Path:
    path = folder / "receipt.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_receipt_is_checked_offline_and_shown(receipt: Path, capsys: Captured) -> None:
    assert main(["receipt", "verify", str(receipt), "--key", PRINT]) == 0
    out = capsys.readouterr().out
    assert '"said": "\u674e"' in out
    assert "the receipt is valid: unchanged" in out


def test_a_receipt_whose_signer_nobody_named_is_unchanged_and_not_believed(
    receipt: Path, capsys: Captured
) -> None:
    assert main(["receipt", "verify", str(receipt)]) == 2
    assert f"not verified; fingerprint: {PRINT}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "statement",
    [
        {"kind": "renewal of the signing key"},
        {
            "tenant": "shop",
            "number": 1,
            "hour": 0,
            "count": 0,
            "root": "",
            "before": "",
            "closed_at": 0,
        },
    ],
    ids=["renewal", "head"],
)
def test_what_was_signed_and_is_no_receipt_is_refused(
    statement: Any, tmp_path: Path, capsys: Captured
) -> None:
    other = written(tmp_path, signing.sign_statement(statement, PRIVATE))
    assert main(["receipt", "verify", str(other), "--key", PRINT]) == 1
    assert "is not a valid receipt of an erasure: its kind" in capsys.readouterr().err


def test_the_signer_is_compared_with_a_key_or_its_fingerprint(
    receipt: Path, capsys: Captured
) -> None:
    public = json.loads(receipt.read_text())["public_key"]
    for given in (public, PRINT, PRINT.upper()):
        assert main(["receipt", "verify", str(receipt), "--key", given]) == 0
    _, another = signing.new_key()
    assert main(["receipt", "verify", str(receipt), "--key", signing.fingerprint(another)]) == 1
    assert PRINT in capsys.readouterr().err
    assert main(["receipt", "verify", str(receipt), "--key", "nonsense"]) == 2


def test_a_receipt_that_was_changed_is_refused(receipt: Path, capsys: Captured) -> None:
    document = json.loads(receipt.read_text())
    document["statement"]["id"] = "8"
    assert main(["receipt", "verify", str(written(receipt.parent, document))]) == 1
    assert "was changed" in capsys.readouterr().err
    receipt.write_text("no json")
    assert main(["receipt", "verify", str(receipt)]) == 1


def test_the_record_of_processing_says_the_settings_the_hooks_and_every_place(
    tmp_path: Path, capsys: Captured
) -> None:
    with closing(Book(tmp_path / "data")) as book:
        own = {
            "controller": "Ann Lee Ltd",
            "purposes": "To greet you",
            "observation_days": 222,
            "attributes_off": frozenset({"age"}),
        }
        book.services.tenants.change_settings("shop", own)
        book.services.webhooks.hooks.add("shop", "http://127.0.0.1:1999/told")
    assert main(["privacy", "record", "--tenant", "shop", "--data", str(tmp_path / "data")]) == 0
    said = capsys.readouterr().out
    for text in (
        "Ann Lee Ltd, [contact]",
        "To greet you",
        "222 days",
        "gender, emotion",
        "127.0.0.1 |",
        "kept as strangers (`strangers` is keep: decided by Eva Lee, 2026-",
    ):
        assert text in said
    assert all(f"| `{place.name}` |" in said for place in DATA_MAP)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Removed: {} pictures of"), ("zh", "人脸照片 {} 张")]
)
def test_a_receipt_is_a_page_to_print_with_the_signed_file_in_it(
    anns_book: Book, capsys: Captured, language: str, words: str
) -> None:
    services, tenant = anns_book.services, anns_book.tenant
    services.tenants.change_settings("shop", {"controller": "Ann <Lee> Ltd"})
    [id_] = services.deletion.delete_faces(tenant, ["ann"], by="first", erase=True).erasures
    worked_off(anns_book)
    asked = ["call", "get-receipt-page", id_, "--field", "html", "--language", language]
    assert main([*asked, "--data", str(anns_book.folder)]) == 0
    page = capsys.readouterr().out
    assert "Ann &lt;Lee&gt; Ltd" in page
    [data] = re.findall(r'href="data:application/json;base64,([^"]+)"', page)
    statement, _ = signing.verify_statement(json.loads(base64.b64decode(data)))
    assert statement["id"] == id_
    assert words.format(len(statement["removed"]["pictures"])) in page
    assert signing.fingerprint(services.audit.signing.read_public_keys("shop").current) in page


def test_an_erasure_that_was_cut_off_goes_on_by_the_same_command(
    anns_book: Book, tmp_path: Path, capsys: Captured
) -> None:
    """Nobody has seen the erasure's id; the record of it no longer has the face's."""
    services, tenant = anns_book.services, anns_book.tenant
    services.deletion.delete_faces(tenant, ["ann"], by="operator", erase=True)
    later = book_with(services, clock=FakeClock(anns_book.clock.now() + timedelta(minutes=20)))
    later.erasure.steps.continue_all(tenant)
    for number in range(2):
        receipt = tmp_path / f"receipt-{number}.json"
        erase_one(services, tenant, "ann", receipt, lambda _: True, is_former=False)
        assert json.loads(receipt.read_text())["statement"]["kind"] == RECEIPT
    assert len([*services.erasure.records.list_all("shop")]) == 1


def test_a_withdrawal_that_was_cut_off_before_it_erased_goes_on_by_the_same_command(
    anns_book: Book, capsys: Captured
) -> None:
    services, tenant = anns_book.services, anns_book.tenant
    services.consents.set(tenant, "ann", Consent(Basis.CONSENT, anns_book.clock.now(), "form"))
    words = ["consent", "withdraw", "--tenant", "shop", "--face", "ann", "--later"]
    for _ in range(2):
        assert main([*words, "--data", str(anns_book.folder)]) == 0
        assert "the consent of ann is withdrawn" in capsys.readouterr().out


def test_who_asks_to_be_remembered_is_told_the_days_also_after_the_withdrawal(
    anns_book: Book, capsys: Captured
) -> None:
    services, tenant = anns_book.services, anns_book.tenant
    services.consents.set(tenant, "ann", Consent(Basis.CONSENT, anns_book.clock.now(), "form"))
    words = ["consent", "withdraw", "--tenant", "shop", "--face", "ann"]
    words += ["--data", str(anns_book.folder)]
    assert main([*words, "--later"]) == 0
    assert "The sweep erases the person at " in capsys.readouterr().out
    wish = ["--remember", "consent", "--evidence", "letter 7"]
    assert main([*words, *wish, "--erase"]) != 0
    assert main([*words, "--remember", "consent"]) != 0, "nothing shows the wish"
    capsys.readouterr()
    before = services.faces.get(tenant, "ann", restricted=True)
    assert main([*words, *wish, "--later"]) == 0
    assert "only the template is kept" in capsys.readouterr().out
    face = services.faces.get(tenant, "ann", restricted=True)
    assert face.remembered is not None
    assert (face.remembered.evidence, face.withdrawn_at) == ("letter 7", before.withdrawn_at)
