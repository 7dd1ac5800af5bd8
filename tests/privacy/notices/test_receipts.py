"""The page of a receipt: why, by whom, and how to check it with nothing of ours."""

import base64
import html
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.api.dialects import NAMES
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import Conflict
from chalicelib.domain.model import Profile
from chalicelib.privacy import signing
from chalicelib.privacy.data_map import DATA_MAP
from chalicelib.privacy.erasure_progress import require_done
from chalicelib.privacy.notices import BLANK, Page, write_receipt_page
from chalicelib.privacy.retention import Kind
from chalicelib.privacy.texts import LANGUAGES, Language, words_of
from chalicelib.storage import keys
from testing.needs import needed
from tests.privacy.notices.shops import OWN
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.person import worked_off
from tests.support.fakes import Person


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Book(tmp_path)) as made:
        yield made


def receipts(book: Book) -> list[Any]:
    """Do what is left to do of erasures, and return their receipts."""
    worked_off(book)
    book.clock.advance(timedelta(days=1))  # the night ends what nobody asked for
    book.services.erasure.steps.continue_all(book.tenant)
    return [one.receipt for one in book.services.erasure.records.read_page("shop", 100, None).rows]


def page(book: Book, language: Language = "en") -> Page:
    [receipt] = receipts(book)
    return book.services.notices.write_receipt_page(book.tenant, language, receipt, NAMES)


def ask_for_erasure(book: Book) -> None:
    book.enrol(Person(1), faceid="ann")
    book.services.deletion.delete_faces(book.tenant, ["ann"], by="first", erase=True)


def deleted_by_program(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"deletes_erase": True})
    book.enrol(Person(1), faceid="ann")
    book.services.deletion.delete_faces_of_group(book.tenant, "regular", ["ann"], by="sunmi")


def unseen(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"deletes_erase": True, "stranger_days": 1})
    book.see(shot(0, 1))
    book.clock.advance(timedelta(days=3))
    book.services.erasure.retention.sweep_tenant(
        book.tenant, swept_kinds=(Kind.FACES,), is_confirmed=True
    )


def expired(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"ended_days": 0})
    ends = book.clock.now() + timedelta(hours=1)
    book.enrol(Person(1), faceid="ann", consent=Consent(Basis.CONSENT, MONDAY, expires_at=ends))
    book.clock.advance(timedelta(days=3))
    book.sweep()


def withdrawn(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"ended_days": 0})
    book.enrol(Person(1), faceid="ann", consent=Consent(Basis.CONSENT, MONDAY))
    book.services.consents.withdraw_consent(book.tenant, "ann")
    book.sweep()


def forgotten(book: Book) -> None:
    book.see(shot(0, 1))
    book.services.tenants.change_settings("shop", {"strangers": "forget"})
    book.sweep()


@pytest.mark.parametrize(
    ("way", "why"),
    [
        (ask_for_erasure, "why asked"),
        (deleted_by_program, "why program"),
        (unseen, "why retention"),
        (expired, "why ended consent"),
        (withdrawn, "why ended consent"),
        (forgotten, "why strangers"),
    ],
)
def test_the_page_says_why_somebody_was_erased(book: Book, way: Any, why: str) -> None:
    way(book)
    words = words_of("receipt", "en")
    assert page(book).sections[words["why"]] == [words[why]]


def test_a_stranger_who_made_room_for_another_reads_so(book: Book) -> None:
    ask_for_erasure(book)
    [receipt] = receipts(book)
    full = {**receipt, "statement": {**receipt["statement"], "by": "full group"}}
    words = words_of("receipt", "en")
    shown = write_receipt_page(book.services.notices.read_facts(book.tenant), "en", full, NAMES)
    assert shown.sections[words["why"]] == [words["why full group"]]


def test_blanks_are_named_and_what_is_set_is_said(book: Book) -> None:
    ask_for_erasure(book)
    assert page(book).missing == ["controller", "contact", "officer", "authority"]
    assert BLANK in page(book).write_text()
    book.services.tenants.change_settings("shop", OWN)
    shown = page(book)
    assert shown.missing == []
    for name in ("controller", "contact", "officer", "authority"):
        assert OWN[name] in shown.write_text()
    assert BLANK not in shown.write_text()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lines_on_the_page_check_it_with_python_and_openssl_alone(
    book: Book, language: Language, tmp_path: Path
) -> None:
    needed("openssl")
    ask_for_erasure(book)
    place = tmp_path / "beside"
    place.mkdir()
    shown = page(book, language).write_html()
    [(name, data)] = re.findall(
        r'<a download="([^"]+)" href="data:application/json;base64,([^"]+)"', shown
    )
    [lines] = re.findall(r'<pre dir="ltr">(.*?)</pre>', shown, re.DOTALL)
    (place / name).write_bytes(base64.b64decode(data))
    done = checked(html.unescape(lines), place)
    assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout
    key = signing.fingerprint(book.services.audit.signing.read_public_keys("shop").current)
    assert key in done.stdout
    assert key in shown

    document = json.loads((place / name).read_text(encoding="utf-8"))
    document["statement"]["by"] = "somebody else"
    (place / name).write_text(json.dumps(document), encoding="utf-8")
    assert "Signature Verified Successfully" not in checked(html.unescape(lines), place).stdout


def checked(lines: str, place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh"], input=lines, cwd=place, capture_output=True, text=True, check=False, timeout=60
    )


def test_an_erasure_that_goes_on_has_no_page(book: Book) -> None:
    book.enrol(Person(1), faceid="ann")
    [id_] = book.services.deletion.delete_faces(book.tenant, ["ann"], erase=True).erasures
    with pytest.raises(Conflict, match="goes on"):
        require_done(book.services.erasure.records.get("shop", id_))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_of_which_shop_it_is_and_which_others_to_ask(
    book: Book, language: Language
) -> None:
    services = book.services
    services.tenants.change_settings("shop", {"display_name": "Ann Lee, High Street"})
    ask_for_erasure(book)
    [receipt] = receipts(book)
    alone = page(book, language)
    named = services.notices.write_receipt_page(
        book.tenant, language, receipt, NAMES, ["Ann Lee, Station"]
    )
    words = words_of("receipt", language)
    assert words["any shops"] in alone.write_text()
    assert "Ann Lee, Station" in named.write_text()
    assert words["any shops"] not in named.write_text()
    for shown in (alone, named):
        assert "Ann Lee, High Street" in shown.title
        left = shown.sections[words["left"]]
        assert sum("High Street" in line for line in left) == 1
        assert sum("Station" in line for line in left) == (shown is named)


def test_the_operator_names_the_shops_of_the_same_controller_and_no_others(book: Book) -> None:
    services = book.services
    for name, controller in (("shop-12", "ann lee ltd "), ("shop-13", "Bo Ltd"), ("shop-14", "")):
        services.tenants.add(name, Profile.CAMERA)
        services.tenants.change_settings(name, {"controller": controller})
    services.tenants.change_settings("shop-12", {"display_name": "Ann Lee, Station"})
    assert services.tenants.list_other_shops(book.tenant) == [], "nobody has said who it is"
    services.tenants.change_settings("shop", {"controller": "Ann Lee Ltd"})
    [other] = services.tenants.list_other_shops(book.tenant)
    assert other.shown_name == "Ann Lee, Station"


# --- what is left, by the data map
# --------------------------------------------------------------------------------------------------


def live_and_leave(book: Book) -> None:
    """She has all that an observation may have: labels, estimates, and a place on a picture that
    shows another, too."""
    book.enrol(Person(1), faceid="ann", consent=Consent(Basis.CONSENT, MONDAY, "form 7"))
    book.services.cameras.change(book.tenant, "door", {"labels": {"a": "ground floor"}})
    book.see(shot(0, 1), shot(60, 1, 2))
    book.services.deletion.delete_faces(book.tenant, ["ann"], by="first", erase=True)


def list_stored_after_erasure(book: Book) -> dict[str, set[str]]:
    """The attributes that are stored of her, by place, without those of the shop."""
    observed = book.storage.items.scan(keys.OBSERVATIONS, "shop")
    nameless = [item for item in observed if item["faceid"].startswith("erased-")]
    directory = book.storage.items.scan(keys.DIRECTORY, "shop")
    refused = [item for item in directory if item["item"].startswith("REFUSED#")]
    captures = book.storage.items.scan(keys.CAPTURES, "shop")
    sightings = [one for item in captures for one in item["sightings"]]
    masked = [one for one in sightings if one.get("reason") == "erased"]
    assert nameless
    assert masked
    assert {name for one in masked for name in one} == {"n", "resolution", "box", "reason"}
    estimated = [dict(enumerate(item["estimates"])) for item in nameless if "estimates" in item]
    kept = {place for one in estimated for place, value in one.items() if value not in (None, [])}
    assert kept == {0, 1}, "age, in tens of years, and gender"
    assert {one[0] % 10 for one in estimated} == {0}
    return {
        "observations": {name for item in nameless for name in item} - {"tenant_day"},
        "refused": {name for item in refused for name in item} - {"tenant"},
        "captures": {"sightings"},
    }


def test_each_field_that_is_stored_of_somebody_after_an_erasure_is_said(book: Book) -> None:
    live_and_leave(book)
    [receipt] = receipts(book)
    stored = list_stored_after_erasure(book)
    assert stored == {place.name: {*place.left} for place in DATA_MAP if place.left}
    said = receipt["statement"]["left"]
    for language in LANGUAGES:
        words = words_of("receipt", language)
        shown = book.services.notices.write_receipt_page(book.tenant, language, receipt, NAMES)
        text = " ".join(shown.sections[words["left"]])
        named = [words[f"left {one}"] for place in DATA_MAP for one in place.left]
        assert [word for word in named if word not in text] == []
        if language == "en":
            assert [word for word in named if word not in said] == []


def test_whom_nobody_refuses_is_not_told_of_hashes(book: Book) -> None:
    deleted_by_program(book)
    [receipt] = receipts(book)
    assert "hash" not in receipt["statement"]["left"]
    assert receipt["statement"]["refused"] == []
