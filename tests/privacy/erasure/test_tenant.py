"""A shop that leaves: of an erased tenant nothing is left anywhere but the receipt, whenever the
erasure is cut off."""

import inspect
import json
import shutil
from contextlib import closing, suppress
from datetime import timedelta
from itertools import count, product
from pathlib import Path

import pytest

from chalicelib.auth.roles import Role
from chalicelib.book.cameras import CameraSettings
from chalicelib.book.captures.captures import URL_GOOD_S
from chalicelib.domain.errors import FaceHeld, TenantExists
from chalicelib.domain.model import NewFace, Profile
from chalicelib.privacy.signing import public_key_from, verify_statement
from chalicelib.privacy.tenant_erasure_progress import RECEIPT_OF_TENANT, UNDER_WAY, TenantStep
from chalicelib.storage import keys
from chalicelib.storage.ports import UPLOADED, Put, picture_event
from regulars.tenants.credentials import CredentialsFile
from tests.support.book import person
from tests.support.book.book import Book, shot
from tests.support.book.erased_tenant import finished, traces
from tests.support.fakes import RULES, Person, picture
from tests.support.storage.failing import DONE_KILLED, KILLED, Calls, Killed
from tests.support.storage.key_makers import makers


def shop(book: Book) -> dict[str, bytes]:
    """A tenant in which somebody left all traces, and another one beside it, whose name begins
    alike.

    Returns what must be nowhere once it is erased.
    """
    _, wanted = person.live(book)
    book.services.tenants.add("shop-2", Profile.CLOUD)
    book.services.enrolment.enrol_largest_face(
        book.services.tenants.get_by_name("shop-2"),
        "regular",
        picture(Person(77)),
        RULES,
        NewFace(faceid="other"),
    )
    book.clock.advance(timedelta(hours=3))
    book.sweep()
    book.storage.deliveries_queue.send(json.dumps({"tenant": "shop"}), 900, "shop")
    return wanted


def test_nothing_is_left_but_the_receipt_which_anybody_can_check(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data")) as book:
        wanted = shop(book)
        key = book.services.audit.signing.read_public_keys("shop").current
        book.services.erasure.of_tenants.begin("shop", "operator")
        done = finished(book)
        assert traces(book) == []
        assert person.left(book, wanted) == []
        statement, signer = verify_statement(done.receipt, RECEIPT_OF_TENANT)
        assert (signer, statement["tenant"], statement["by"]) == (key, "shop", "operator")
        assert public_key_from(done.receipt["public_key"]) == key if done.receipt else False
        assert statement["counts"]["faces"] > 0
        assert statement["counts"]["objects"] > 0
        assert statement["counts"]["uploads"] > 0
        assert "backups" in statement["left"]
        assert traces(book, "shop-2") != []
        other = book.services.tenants.get_by_name("shop-2")
        assert book.services.recognition.face_analysis.search_by_picture(
            other, picture(Person(77)), RULES
        ).match


def test_a_kill_at_each_write_leaves_nothing_when_it_is_begun_again(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "before")) as book:
        book.enrol(Person(1), faceid="ann")
        book.see(shot(0, 2))
        book.services.audit.signing.read_public_keys("shop")
    writes = 0
    for of, fault in product(
        ("items.transact", "blobs.delete", "uploads.delete"), (KILLED, DONE_KILLED)
    ):
        for number in count(1):
            folder, calls = Path(shutil.copytree(tmp_path / "before", tmp_path / "killed")), Calls()
            with closing(Book(folder, wrap=calls.wrap)) as book:
                calls.fail(number, fault, of)
                with suppress(Killed):
                    book.services.erasure.of_tenants.begin("shop", "operator")
                    finished(book)
            with closing(Book(folder)) as again:
                if again.services.erasure.of_tenants.find("shop") is None:
                    again.services.erasure.of_tenants.begin("shop", "operator")
                done = finished(again)
                assert traces(again) == [], (of, number, fault)
                assert done.receipt is not None, (of, number, fault)
                assert done.counts["faces"] == 2, (of, number, fault)
            shutil.rmtree(folder)
            if not calls.dead:
                break
            writes += 1
    assert writes > 20


def test_whatever_is_stored_of_a_tenant_is_known_to_be_its(tmp_path: Path) -> None:
    """A new table, item or path belongs to a tenant by how its key begins, or the erasure would
    leave it."""
    for name in makers():
        make = getattr(keys, name)
        if not callable(make):
            continue
        first, *others = inspect.signature(make).parameters.values()
        if first.name not in ("tenant", "name") or name in (
            "camera_name",
            "name_item",
            "erased_item",
        ):
            continue
        made = make(
            "shop",
            *(1 if one.annotation == "int" else "x" for one in others if one.default is one.empty),
        )
        place = made if isinstance(made, str) else made[0]
        by_kind = (
            isinstance(made, tuple)
            and made[0] in keys.KINDS_BY_TENANT
            and made[1].partition("#")[0] == "shop"
        )
        assert by_kind or place == "shop" or place.startswith(("shop#", "shop/")), name
    with closing(Book(tmp_path / "data")) as book:
        for table in keys.TABLES:
            kind = "member" if table.name == keys.TENANTS.name else "shop"
            book.storage.items.transact(
                [Put(table, {table.partition: kind, table.sort: "shop#stray"})]
            )
        book.services.erasure.of_tenants.begin("shop", "operator")
        finished(book)
        assert traces(book) == []


def test_nobody_finds_it_from_the_first_moment_and_nobody_gets_its_name(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data")) as book:
        services = book.services
        credentials = services.tenants.rotate_keys("shop")
        _, secret = services.access.keys.add(book.tenant, "Ann", Role.ADMIN)
        camera = services.cameras.add(book.tenant, "till", "till", CameraSettings())[1]
        capture = book.put(shot(0, 3))
        services.erasure.of_tenants.begin("shop", "operator")
        assert services.tenants.list_all() == []
        assert services.tenants.find_by_api_key(credentials.api_key) is None
        assert services.tenants.find_by_app_id(credentials.app_id) is None
        assert services.access.keys.find_by_api_key(secret) is None
        assert services.cameras.find_by_api_key(camera) is None
        services.sightings.ingest.take_message(
            picture_event(UPLOADED, keys.capture_picture("shop", "door", capture.id))
        )
        services.sweep.handle_message(json.dumps({"tenant": "shop"}), 1, lambda: 600.0)
        services.sweep.request_sweeps(book.clock.now())
        for _ in range(2):
            with pytest.raises(TenantExists, match="no other one gets its name"):
                services.tenants.add("shop", Profile.CLOUD)
            finished(book)
        assert CredentialsFile(book.folder, services.tenants).provide() == []
        assert services.tenants.list_all() == []


def test_what_was_under_way_goes_too(tmp_path: Path) -> None:
    """A camera may use a URL that it has, and a function ends what it began, for a quarter of an
    hour."""
    assert UNDER_WAY.total_seconds() > max(URL_GOOD_S, 900)
    with closing(Book(tmp_path / "data")) as book:
        shop(book)
        services = book.services
        begun = services.erasure.of_tenants.begin("shop", "operator")
        services.erasure.of_tenants.go_on("shop")
        assert services.erasure.of_tenants.go_on("shop").next_step is TenantStep.LATE
        book.storage.uploads.put_if_absent("shop/door/late", b"a picture", "image/jpeg")
        book.storage.items.transact([Put(keys.REVIEWS, {"tenant": "shop", "id": "late"})])
        assert services.erasure.of_tenants.go_on("shop").receipt is None
        book.clock.advance(begun.late_at - book.clock.now())
        finished(book)
        assert traces(book) == []


def test_a_legal_hold_is_in_its_way(tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data")) as book:
        book.enrol(Person(1), faceid="ann")
        book.services.faces.holds.set(book.tenant, "ann", "case 7")
        with pytest.raises(FaceHeld, match="1 face of shop"):
            book.services.erasure.of_tenants.begin("shop", "operator")
        assert book.services.tenants.list_all() != []
