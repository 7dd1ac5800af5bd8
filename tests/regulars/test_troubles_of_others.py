"""One shop of a box is busy, full, slow, or erased meanwhile: what is done for all shops is done in
the others, and says of the one that it was not.

An act of all shops lists them by `tenants.list_all()`, or is given to `do_in_each`: each function
that lists them is named here.
"""

import ast
import inspect
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click import Command
from msgspec import Struct
from numpy.typing import NDArray
from prometheus_client import generate_latest

from chalicelib.book.cameras import CameraSettings
from chalicelib.domain.audit_events import AuditEvent, Kind, begin_audit_event
from chalicelib.domain.errors import Busy, ConditionFailed, StorageUnavailable
from chalicelib.domain.events import GroupFull
from chalicelib.domain.model import NewFace, Profile
from chalicelib.domain.pictures import DetectedFace
from chalicelib.domain.webhooks import Event
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Examined
from regulars.backup.command import enter_backup
from regulars.backup.receipts import write_beside
from regulars.doctor.doctor import check_tenants
from regulars.errors import OperatorError
from regulars.person_of_photo import ask_shops
from regulars.privacy import erase_in_shops, retention, write_archives_of_shops
from regulars.serve.metrics import make_registry
from regulars.serve.server import describe_start, warm_up
from regulars.shops import Left
from regulars.today import today
from tests.support.book.book import Book
from tests.support.book.book_with import book_with
from tests.support.book.tenants import KEEPING
from tests.support.fakes import RULES, FakeClock, FakeVision, Person, embedding_of, picture
from tests.support.meanwhile import Around

SHOPS = ("shop", "north", "south")
"""The trouble is the first one's."""

LISTS = "it reads the list of tenants, and no book"
WHOLE = "a restored folder is served once all of its books are done, and goes on where it stopped"
COPY = "a copy is whole: it is one snapshot of all books"
LOOPS = {
    "chalicelib/privacy/erasure/again.py:Again.list_unknown": LISTS,
    "chalicelib/privacy/erasure/again.py:Again.list_unknown_names": LISTS,
    "regulars/backup/backup.py:_take_complete": COPY,
    "regulars/backup/backup.py:_list_blob_keys": COPY,
    "regulars/backup/closings.py:restore_closings": WHOLE,
    "regulars/backup/compare.py:_read_copies": WHOLE,
    "regulars/backup/contents.py:_find_own": LISTS,
    "regulars/backup/new_secrets.py:renew_secrets": WHOLE,
    "regulars/backup/preview.py:find_newest_backup": LISTS,
    "regulars/backup/preview.py:read_restored_books": WHOLE,
    "regulars/backup/receipts.py:_finish_others": WHOLE,
    "regulars/backup/restoring.py:_list_restored": WHOLE,
    "regulars/backup/restoring.py:find_last_act": WHOLE,
    "regulars/backup/restoring.py:find_owed_by_snapshot": WHOLE,
    "regulars/backup/restoring.py:list_books": LISTS,
    "regulars/box.py:_make_copy_a_box": "a copy is served once all of its books have new keys",
    "regulars/doctor/doctor.py:check_book": LISTS,
    "regulars/doctor/reach/asking.py:Reach.tenants": LISTS,
    "regulars/options.py:_find_tenants": LISTS,
    "regulars/options.py:choose_tenant": LISTS,
    "regulars/serve/server.py:list_warnings": LISTS,
    "regulars/serve/server.py:write_console_lines": LISTS,
    "regulars/tenants/command.py:list_all": LISTS,
    "regulars/tenants/credentials.py:CredentialsFile._list_without_keys": LISTS,
    "regulars/tenants/credentials.py:CredentialsFile.add": LISTS,
    "regulars/shops.py:list_shops": LISTS,
}
"""Functions that list the tenants and are not walked below, with the reason."""


def list_loops() -> set[str]:
    """The functions that list all tenants."""
    files = [Path("app.py"), *Path("chalicelib").rglob("*.py"), *Path("regulars").rglob("*.py")]
    return {
        f"{file}:{'.'.join(names)}"
        for file in files
        for names, call in walk_calls(ast.parse(file.read_text()), ())
        if lists_tenants(call)
    }


def walk_calls(node: ast.AST, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], ast.Call]]:
    for child in ast.iter_child_nodes(node):
        inner = names
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inner = (*names, child.name)
        if isinstance(child, ast.Call):
            yield names, child
        yield from walk_calls(child, inner)


def lists_tenants(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id == "_list_tenants"
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "list_all":
        return False
    return ast.unparse(call.func.value).split(".")[-1] in ("tenants", "_tenants")


def names_shop(value: Any) -> bool:
    """Tell whether a call's argument is about the shop that has the trouble."""
    if isinstance(value, str):
        return value == SHOPS[0]
    if isinstance(value, dict):
        return any(map(names_shop, value.values()))
    if isinstance(value, list | tuple):
        return any(map(names_shop, value))
    return hasattr(value, "table") and (
        names_shop(getattr(value, "key", None)) or names_shop(getattr(value, "item", None))
    )


class Hurrying(FakeClock):
    """Goes on by a minute each time that somebody looks."""

    def now(self) -> datetime:
        self.advance(timedelta(minutes=1))
        return super().now()


class Troubled(Around):
    """Storage in which something happens at each call about one shop's book."""

    def __init__(self, book: Book, trouble: Callable[[str], object]) -> None:
        super().__init__(book.services.items)
        self._trouble = trouble
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        method = super().__getattr__(name)
        if name not in ("get", "get_many", "get_each", "query", "transact"):
            return method

        def call(*arguments: Any, **named: Any) -> Any:
            is_of_list = bool(arguments) and arguments[0] is keys.TENANTS
            if not is_of_list and names_shop(arguments):
                self.calls += 1
                self._trouble(name)
            return method(*arguments, **named)

        return call


Trouble = Callable[[Book], Callable[[str], object]]


def be_busy(_book: Book) -> Callable[[str], object]:
    def refuse(_name: str) -> None:
        raise Busy("storage is busy: try again in a moment")

    return refuse


def be_full(_book: Book) -> Callable[[str], object]:
    def refuse(name: str) -> None:
        if name == "transact":
            raise StorageUnavailable("the disk is full")

    return refuse


def be_changed(_book: Book) -> Callable[[str], object]:
    def refuse(name: str) -> None:
        if name == "transact":
            raise ConditionFailed(frozenset({"not-changed-meanwhile"}))

    return refuse


def be_slow(book: Book) -> Callable[[str], object]:
    return lambda _: book.clock.advance(timedelta(minutes=1))


def be_erased(book: Book) -> Callable[[str], object]:
    def erase(_name: str) -> None:
        if book.services.tenants.find(SHOPS[0]) is not None:
            of_tenants = book.services.erasure.of_tenants
            of_tenants.begin(SHOPS[0], "operator", under_way=timedelta())
            of_tenants.go_on(SHOPS[0])

    return erase


def be_at_fault(_book: Book) -> Callable[[str], object]:
    def fail(_name: str) -> None:
        raise KeyError("a fault of ours")

    return fail


TROUBLES = (be_busy, be_full, be_changed, be_slow, be_erased, be_at_fault)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Book]:
    """Three shops. Ann is in each book; a camera of each has fallen silent; an event waits for a
    hook."""
    with closing(Book(tmp_path / "data")) as book:
        services = book.services
        for shop in SHOPS[1:]:
            services.tenants.add(shop, Profile.CAMERA, KEEPING)
        for shop in SHOPS:
            tenant, ann = services.tenants.get_by_name(shop), NewFace(faceid=f"ann-{shop}")
            photo = picture(Person(1))
            services.enrolment.enrol_largest_face(tenant, "regular", photo, RULES, ann)
            services.webhooks.hooks.add(shop, "http://127.0.0.1:9999/")
            services.cameras.add(tenant, "gate", "gate", CameraSettings(silent_after_s=600))
            full = Event("full-1", GroupFull(capacity=7), book.clock.now(), "regular")
            services.items.transact(services.webhooks.outbox.make_delivery_puts(shop, [full]))
        book.clock.advance(timedelta(hours=1))
        yield book


class Acting(Struct, frozen=True):
    """What an act of all shops is given: services in which one shop has trouble."""

    services: Services
    book: Book
    letter: Path

    def list_messages(self, queue: Any) -> set[str]:
        """The shops of the messages that wait in a queue."""
        return {json.loads(message.body)["tenant"] for message in queue.receive(10, 60)}

    def list_events(self, kind: str) -> set[str]:
        """The shops that have an event of a kind."""
        items = self.book.services.items
        return {shop for shop in SHOPS if kind in repr([*walk_items(items, keys.OUTBOX, shop)])}


def request_sweeps(acting: Acting) -> set[str]:
    acting.services.sweep.request_sweeps(acting.book.clock.now())
    return acting.list_messages(acting.book.storage.index_queue)


def watch(acting: Acting) -> set[str]:
    acting.services.watch.run()
    return acting.list_events("camera.silent")


def resume_all(acting: Acting) -> set[str]:
    acting.services.watch.resume_all()
    return acting.list_messages(acting.book.storage.deliveries_queue)


def measure(acting: Acting) -> set[str]:
    text = generate_latest(make_registry(acting.services)).decode()
    return {shop for shop in SHOPS if f'regulars_faces{{tenant="{shop}"}} 1.0' in text}


def start(acting: Acting) -> set[str]:
    lines = [*describe_start(acting.letter.parent, acting.services, None)]
    print(*lines)
    found = re.search("tenants: ., faces: (.)", "".join(lines))
    return {*SHOPS[3 - int(found[1]) :]} if found else set()


def examine(acting: Acting) -> set[str]:
    findings = [*check_tenants(acting.services, acting.services.tenants.list_all())]
    print(*findings)
    return {shop for shop in SHOPS if f"gate of tenant {shop}" in str(findings)}


class Loaded(FakeVision):
    """Vision that has no picture to look at."""

    def load(self) -> None: ...

    def detect(self, image: NDArray[np.uint8]) -> list[DetectedFace]:
        return []

    def examine(self, *_image: Any, **_wanted: Any) -> Examined:
        return Examined(embedding_of(1)[None], [], [])


class Finder(Struct, frozen=True):
    """A search that reads something of a shop first."""

    items: Any
    searched: set[str]

    def search(self, tenant: str, _request: object) -> None:
        self.items.get(keys.DIRECTORY, (tenant, keys.SWEPT_ITEM))
        self.searched.add(tenant)


def search_first(acting: Acting) -> set[str]:
    finder, vision = Finder(acting.services.items, set()), Loaded()
    ports = SimpleNamespace(vision=lambda: vision, search=finder)
    visions = SimpleNamespace(choose_vision=lambda _: vision)
    warm_up(SimpleNamespace(tenants=acting.services.tenants, tenant_vision=visions, ports=ports))
    return finder.searched


def run_command(
    command: Command, done: str, *arguments: Any, **named: Any
) -> Callable[[Acting], set[str]]:
    """Run a command; `done`: the words behind the name of a shop in which it was done."""

    def run(acting: Acting) -> set[str]:
        out = io.StringIO()
        with redirect_stdout(out):
            try:
                inspect.unwrap(command.callback or print)(acting.services, *arguments, **named)
            except OperatorError as error:
                print(error)
        print(out.getvalue())
        return {shop for shop in SHOPS if re.search(f"{shop}{done}", out.getvalue())}

    return run


def erase(acting: Acting) -> set[str]:
    hurried = book_with(acting.services, clock=Hurrying(acting.book.clock.now()))
    shops = hurried.tenants.list_all()
    try:
        erase_in_shops(hurried, shops, acting.letter, acting.letter.with_name("r.json"), bool)
    except OperatorError as error:
        print(error)
    return {shop for shop in SHOPS if acting.letter.with_name(f"r-{shop}.json").is_file()}


def tell(acting: Acting) -> set[str]:
    shops, out = acting.services.tenants.list_all(), acting.letter.with_name("answer.zip")
    asked = ask_shops(acting.services, shops, acting.letter)
    write_archives_of_shops(acting.services, asked, shops, out, "en")
    return {shop for shop in SHOPS if out.with_stem(f"answer-{shop}").is_file()}


def note_beside(acting: Acting) -> set[str]:
    folder = acting.letter.with_name("backups")
    folder.mkdir()
    try:
        write_beside(acting.services, folder)
    except StorageUnavailable as error:
        print(error)
    books = {tenant.name: tenant.app_id for tenant in acting.book.services.tenants.list_all()}
    return {shop for shop, book in books.items() if [*folder.rglob(f"*{book}*")]}


def back_up(acting: Acting) -> set[str]:
    with begin_audit_event(AuditEvent("regulars backup", "operator", Kind.EXPORT)):
        enter_backup(acting.services)
    chain = acting.book.services.audit.chain
    return {
        shop
        for shop in SHOPS
        if "regulars backup" in repr([one.leaf.content for one in chain.list_waiting(shop)])
    }


class Act(Struct, frozen=True):
    """An act of all shops: it returns those in which it was done. `places`: the functions that list
    them."""

    do: Callable[[Acting], set[str]]
    places: tuple[str, ...] = ()


ACTS = {
    "sweep": Act(request_sweeps, ("chalicelib/sweep.py:Sweep.request_sweeps",)),
    "watch": Act(watch, ("chalicelib/sweep.py:Watch.run",)),
    "resume": Act(resume_all, ("chalicelib/sweep.py:Watch.resume_all",)),
    "metrics": Act(measure, ("regulars/serve/metrics.py:Stored._read_metrics",)),
    "start": Act(start, ("regulars/serve/server.py:describe_start",)),
    "doctor": Act(examine),
    "erase": Act(erase, ("chalicelib/privacy/erasure/steps.py:ErasureSteps._wipe_others",)),
    "about": Act(tell),
    "beside": Act(note_beside, ("regulars/backup/receipts.py:write_beside",)),
    "backup": Act(back_up, ("regulars/backup/command.py:enter_backup",)),
    "retention": Act(
        run_command(retention, ": expired data deleted", (), everything=True, confirm=bool)
    ),
    "today": Act(run_command(today, "", None)),
    "warm up": Act(search_first, ("regulars/serve/server.py:warm_up",)),
}


def test_each_act_of_all_shops_is_walked_or_said() -> None:
    walked = {place for act in ACTS.values() for place in act.places}
    assert list_loops() == {*LOOPS, *walked}


@pytest.mark.parametrize(("name", "trouble"), [*product(ACTS, TROUBLES)])
def test_the_trouble_of_one_shop_is_its_own(
    street: Book,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    name: str,
    trouble: Trouble,
) -> None:
    troubled = Troubled(street, trouble(street))
    services = book_with(street.services, items=troubled)
    letter = tmp_path / "letter.jpg"
    letter.write_bytes(picture(Person(1, side_px=98.0)))
    done = ACTS[name].do(Acting(services, street, letter))
    assert {*SHOPS[1:]} <= done
    assert troubled.calls, "else the walk could not fail"
    said = [*capsys.readouterr(), caplog.text]
    is_erased = street.services.tenants.find(SHOPS[0]) is None
    # What is changed by others all the time, others do.
    is_done = SHOPS[0] in done or is_erased or trouble is be_changed
    assert is_done or re.search(rf"\b{SHOPS[0]}\b", " ".join(said))
    if name in ("retention", "today", "erase") and not is_done:
        assert f"1 shop left: {SHOPS[0]}" in said[0], "as an OperatorError: the exit code is 1"


def test_what_is_said_of_a_shop_stands_on_stderr_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = Left([])
    with left.try_in("shop", "not read"):
        raise OperatorError("the camera said\n\x1b[2Jnorth: all is well")
    told = capsys.readouterr()
    assert told.out == "", "where programs read rows"
    assert told.err == "shop: not read: the camera said  [2Jnorth: all is well\n"


def test_a_shop_that_was_not_looked_at_is_named_whatever_comes_of_the_only_other(
    street: Book,
) -> None:
    services = book_with(street.services, items=Troubled(street, be_busy(street)))

    def erase_other(_question: str) -> bool:
        of_tenants = street.services.erasure.of_tenants
        of_tenants.begin("north", "operator", under_way=timedelta())
        of_tenants.go_on("north")
        return True

    with pytest.raises(OperatorError, match="1 shop left: shop"):
        inspect.unwrap(retention.callback or print)(
            services, SHOPS[:2], everything=True, confirm=erase_other
        )
