"""A restore knows by numbers what ended since its backup: no renewal of keys and no clock hides it,
and a document that cannot be relied on stops it before anything is copied."""

import json
import random
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.bootstrap import build
from chalicelib.open_storage import open_storage
from chalicelib.privacy.signing import canonical_json, new_key, sign_statement
from chalicelib.privacy.standing import Document, Point, Standing, choose_documents
from chalicelib.settings import Settings
from chalicelib.storage.ports import Clock, Storage
from regulars.backup.beside import write_beside_backups
from regulars.backup.receipts import write_beside
from regulars.cli import main
from tests.support.book.book import MONDAY, Book
from tests.support.book.ended_shop import (
    Shop,
    end_everything,
    make_shop,
    opens,
    require_nothing_back,
)
from tests.support.fakes import UNHURRIED, FakeClock, FakeVision, Person

Captured = pytest.CaptureFixture[str]
VARIABLE = "REGULARS_VAULT_KEY_FILE"


class Box:
    """A shop of which all ends after its backup, and whose keys are renewed on the way.

    `place`: has the folder `data`, backups and keys of the vault; `is_sealed`: by such a key.
    """

    def __init__(
        self, place: Path, monkeypatch: pytest.MonkeyPatch, *, is_sealed: bool = False
    ) -> None:
        self.place, self.data, self._patch = place, place / "data", monkeypatch
        self.is_sealed = is_sealed
        self.seal("first")
        self.shop: Shop = make_shop(place, self.open)
        self.backups = place / "backups"

    def seal(self, name: str) -> None:
        """Have another key of the vault from now on, if there is one at all."""
        key = self.place / name
        key.write_text(f"{name} of many characters " * 3)
        key.chmod(0o600)
        if self.is_sealed:
            self._patch.setenv(VARIABLE, str(key))
            self._key: Path | None = key
        else:
            self._key = None

    def open(self, data: Path) -> Book:
        def keep(settings: Settings, clock: Clock) -> Storage:
            return open_storage(replace(settings, vault_key_file=self._key), clock)

        return Book(data, kept=keep)

    def act(self) -> None:
        with closing(self.open(self.data)) as book:
            book.enrol(Person(50), faceid="since")

    def end(self) -> None:
        with closing(self.open(self.data)) as book:
            end_everything(self.shop, book)

    def renew(self) -> None:
        self.run("restore", "--finish", "--new-secrets", "--yes", "--data", str(self.data))

    def renew_signing(self) -> None:
        self.run("tenants", "renew-signing", "shop", "--data", str(self.data))

    def back_up(self) -> None:
        self.run("backup", str(self.backups), "--data", str(self.data))
        for file in self.backups.glob("regulars-*.tar"):
            file.unlink()

    def lose_key(self) -> None:
        self.seal("second")
        self.renew()

    def move(self) -> None:
        """Restore the backup with other secrets: that folder is the shop's from now on."""
        new = self.place / "new"
        self.run("restore", str(self.shop.backup), "--new-secrets", "--yes", "--data", str(new))
        self.data = new

    def run(self, *words: str) -> None:
        assert main([*words]) == 0, words


Act = Callable[[Box], None]
ENDED: dict[str, tuple[Act, ...]] = {
    "no renewal": (Box.end, Box.back_up),
    "renewed before": (Box.renew, Box.end, Box.back_up),
    "renewed before, an act between": (Box.act, Box.renew, Box.end, Box.back_up),
    "renewed after": (Box.end, Box.renew, Box.back_up),
    "renewed after a document": (Box.end, Box.back_up, Box.renew, Box.back_up),
    "renewed before and after": (Box.renew, Box.back_up, Box.end, Box.renew, Box.back_up),
    "signing key alone": (Box.renew_signing, Box.end, Box.back_up),
    "moved with other secrets": (Box.back_up, Box.move, Box.end, Box.back_up),
    "vault key lost before": (Box.lose_key, Box.end, Box.back_up),
    "vault key lost after": (Box.end, Box.lose_key, Box.back_up),
}


def restore(box: Box, again: Path, *words: str) -> int:
    return main(["restore", str(box.shop.backup), "--yes", "--data", str(again), *words])


@pytest.mark.parametrize("acts", ENDED.values(), ids=ENDED)
def test_what_ended_is_not_back_however_keys_were_renewed(
    acts: tuple[Act, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    box = Box(tmp_path, monkeypatch, is_sealed=Box.lose_key in acts)
    for act in acts:
        act(box)
    again, keys = tmp_path / "again", list[str]()
    box.seal("first")  # that of the backup
    capsys.readouterr()
    assert main(["restore", "--preview", str(box.shop.backup), "--data", str(again)]) in (0, 2)
    foretold = capsys.readouterr().err
    if code := restore(box, again):
        said = capsys.readouterr().err
        assert (code, said) == (2, foretold)
        assert not again.exists()
        assert "stands-" in said, "it names the file"
        keys = re.findall(r"--key [0-9a-f]{64}", said)
        assert len(keys) == (1 if Box.renew_signing in acts else 2), "one of each shop, the newest"
        assert restore(box, again, *" ".join(keys).split()) == 0
    assert bool(keys) is (acts[0] is not Box.end or len(acts) > 2)
    said = capsys.readouterr().out
    assert "shop: nothing is known of it since then" not in said
    require_nothing_back(again, box.shop, box.open)
    with closing(box.open(again)) as book:
        assert book.services.tenants.read_stored("other").disabled


def restore_as_told(box: Box, again: Path, capsys: Captured) -> None:
    """Restore the first backup, and again with the keys that are printed if it is refused."""
    capsys.readouterr()
    if restore(box, again) != 0:
        assert not again.exists()
        keys = re.findall(r"--key [0-9a-f]{64}", capsys.readouterr().err)
        assert keys, "it says what would let it"
        assert restore(box, again, *" ".join(keys).split()) == 0


@pytest.mark.parametrize("seed", range(10))
def test_in_whatever_order_a_box_was_used_renewed_and_copied_nothing_is_back(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """Random histories, of which every one ends all that ends; clocks are ahead and back, and the
    folder is copied over the copy of the night before, with links and without."""
    dice, box, copied = random.Random(seed), Box(tmp_path, monkeypatch), tmp_path / "copied"

    def copy() -> None:
        links = dice.random() < 0.5
        shutil.copytree(box.data, copied, symlinks=links, dirs_exist_ok=True)

    def end() -> None:
        with closing(box.open(box.data)) as book:
            book.clock.advance(timedelta(days=dice.choice([-400, -1, 0, 1, 400])))
            end_everything(box.shop, book)

    def scrub() -> None:
        with closing(box.open(box.data)) as book:
            book.services.ports.storage.scrub()

    def use() -> None:
        with closing(box.open(box.data)) as book:
            book.clock.advance(timedelta(days=dice.choice([-30, 0, 30])))
            book.services.access.keys.add(book.tenant, f"key {dice.random()}")

    others = [use, scrub, copy, box.renew, box.renew_signing, box.back_up]
    steps: list[Callable[[], object]] = [dice.choice(others) for _ in range(dice.randrange(2, 7))]
    steps.insert(dice.randrange(len(steps) + 1), end)
    for step in (*steps, box.back_up, copy):
        step()
    restore_as_told(box, tmp_path / "again", capsys)
    require_nothing_back(tmp_path / "again", box.shop)
    with closing(Book(copied)) as copy_of_now, closing(Book(box.data)) as now:
        assert opens(copy_of_now.services, box.shop) == opens(now.services, box.shop)
        assert "deleted" not in opens(now.services, box.shop)
        ended = copy_of_now.services.restrictions.list_all(copy_of_now.tenant)
        assert {one.faceid for one in ended} == {"ann", "bert"}


# --- documents that cannot be relied on, and those that tell nothing
# --------------------------------------------------------------------------


Forge = Callable[[Book, dict[str, Any]], bytes]


def sign_as_stranger(_: Book, statement: dict[str, Any]) -> bytes:
    return canonical_json(sign_statement(statement, new_key()[0]))


def sign_as_shop(book: Book, statement: dict[str, Any]) -> bytes:
    return canonical_json(book.services.audit.signing.sign_statement("shop", statement))


def change(book: Book, statement: dict[str, Any]) -> bytes:
    signed = book.services.audit.signing.sign_statement("shop", statement)
    return canonical_json({**signed, "statement": {**statement, "number": 98}})


FORGED: dict[str, Forge] = {
    "no JSON": lambda *_: b"no JSON",
    "empty": lambda *_: b"",
    "another statement": lambda book, said: sign_as_shop(book, {**said, "kind": "an erasure"}),
    "without a field": lambda book, said: sign_as_shop(
        book, {name: value for name, value in said.items() if name != "line"}
    ),
    "changed": change,
    "of another signer": sign_as_stranger,
    "of another face key": lambda book, said: sign_as_shop(book, {**said, "key": "0" * 64}),
}


def read_statement(box: Box) -> dict[str, Any]:
    """What the shop's document of now says."""
    with closing(box.open(box.data)) as book:
        return dict(book.services.access.standing.make_document(book.tenant)[1]["statement"])


def put_beside(box: Box, name: str, content: bytes) -> Path:
    [file] = (box.backups / "receipts" / read_statement(box)["app_id"]).glob("stands-*.json")
    file = file.with_name(f"stands-{name}.json")
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_document_that_cannot_be_relied_on_stops_a_restore_before_it_copies(
    forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    box, again = Box(tmp_path, monkeypatch), tmp_path / "again"
    statement = read_statement(box)
    with closing(Book(box.data)) as book:
        forged = forge(book, {**statement, "number": 99, "accesses": {}})
    file = put_beside(box, "forged", forged)
    before = {path: path.read_bytes() for path in box.backups.rglob("*") if path.is_file()}
    for words in ((), ("--preview",)):
        capsys.readouterr()
        assert restore(box, again, *words) == 2
        said = capsys.readouterr().err
        assert f"{file}: " in said
        assert "move it out of its folder" in said
        assert not again.exists()
    assert {path: path.read_bytes() for path in before} == before
    file.rename(tmp_path / "moved.json")
    assert restore(box, again) == 0
    with closing(Book(again)) as book:
        assert {"deleted", "kept", "camera gone"} <= opens(book.services, box.shop)


def test_with_a_key_that_is_named_the_backups_own_tells_nothing_since_it_may_be_a_thiefs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    box, again = Box(tmp_path, monkeypatch), tmp_path / "again"
    with closing(Book(box.data)) as book:
        thiefs = {**read_statement(box), "number": 1_000, "accesses": {}}
        stolen = sign_as_shop(book, thiefs)
    file = put_beside(box, "stolen", stolen)
    box.renew_signing()
    box.back_up()
    assert restore(box, again) == 2
    [key] = re.findall(r"--key [0-9a-f]{64}", capsys.readouterr().err)
    assert restore(box, again, *key.split()) == 0
    said = capsys.readouterr().out
    assert (
        f"left out, since it is signed with the backup's key, and --key names a newer one: {file}"
        in said
    )
    with closing(Book(again)) as book:
        assert {"deleted", "kept", "camera gone"} <= opens(book.services, box.shop)


def test_documents_of_a_trial_of_an_older_backup_are_named_and_end_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    box, again, trial = Box(tmp_path, monkeypatch), tmp_path / "again", tmp_path / "trial"
    box.act()
    monday = box.shop.backup
    box.run("backup", str(box.backups / "tuesday.tar"), "--data", str(box.data))
    box.run("restore", str(monday), "--yes", "--data", str(trial))
    with closing(Book(trial)) as book:
        end_everything(box.shop, book)
        write_beside(book.services, box.backups)
        life = book.tenant.life
    box.shop.backup = box.backups / "tuesday.tar"
    capsys.readouterr()
    assert restore(box, again) == 0
    said = capsys.readouterr().out
    assert re.search(
        rf"restored from an older backup, such as a trial: .*stands-{life}\.json", said
    )
    with closing(Book(again)) as book:
        assert {"deleted", "kept", "camera gone"} <= opens(book.services, box.shop)
        assert "since" in book.faceids()


def test_the_number_says_which_document_is_the_newest_and_no_clock_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """The witness keeps each of three, of which the clock was a month ahead, back, and right."""
    box, again, witness = Box(tmp_path, monkeypatch), tmp_path / "again", tmp_path / "witness"
    witness.mkdir()
    monkeypatch.setenv("REGULARS_WITNESS", str(witness))
    ids = box.shop.ids
    clock = FakeClock()
    settings = Settings(storage=box.data, **UNHURRIED, witness=str(witness))
    with closing(build(settings, clock=clock, vision=FakeVision)) as services:
        tenant = services.tenants.get_by_name("shop")
        services.faces.holds.set(tenant, "carl", "case 7")
        services.tenants.change_settings("shop", {"strangers": "forget", "capture_days": 3})
        clock.advance(timedelta(days=30))
        services.access.keys.delete(tenant, ids["deleted"])  # what ends is told at once
        services.faces.holds.lift(tenant, "carl", "it is closed")
        services.faces.holds.set(tenant, "bert", "case 8")
        clock.advance(timedelta(days=-60))
        services.tenants.change_settings("shop", {"strangers": "keep", "capture_days": 4})
        services.access.keys.delete(tenant, ids["renewed"])
        clock.advance(timedelta(days=30))
        services.access.keys.delete(tenant, ids["kept"])
    told = sorted(witness.rglob("stands-*-*.json"))
    times = [json.loads(file.read_text())["statement"]["at"] for file in told]
    assert times != sorted(times), "by their times they are in another order"
    for name in box.backups.rglob("stands-*.json"):
        name.unlink()
    assert restore(box, again) == 0
    with closing(Book(again)) as book:
        assert opens(book.services, box.shop).isdisjoint({"deleted", "renewed", "kept"})
        assert [face.faceid for face in book.services.faces.holds.list_all("shop")] == ["bert"]
        stored = book.services.tenants.read_stored("shop")
        assert (stored.strangers, stored.capture_days) == ("keep", 4)


def test_a_folder_that_a_snapshot_brought_back_writes_over_no_later_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    box, snapshot = Box(tmp_path, monkeypatch), tmp_path / "snapshot"
    shutil.copytree(box.data, snapshot)
    box.end()
    box.back_up()
    told = {path: path.read_bytes() for path in box.backups.rglob("stands-*.json")}
    with closing(Book(snapshot)) as book:
        [complaint] = write_beside_backups(book.services)
        assert "is later than this data folder" in complaint
    assert {path: path.read_bytes() for path in told} == told
    box.run("restore", "--finish", "--yes", "--data", str(snapshot))
    require_nothing_back(snapshot, box.shop)
    with closing(Book(snapshot)) as book:
        assert list(write_beside_backups(book.services)) == []


# --- the order of documents, by hand
# --------------------------------------------------------------------------

OWN, OTHER, KEY = "a" * 64, "b" * 64, "c" * 64
BACKUP = Point("now", 5, {"before": 3}, OWN)


def make_document(name: str, point: Point, key: str = KEY) -> Document:
    return Document(name, "7", key, Standing({}, {}, {}, False, point, MONDAY))


@pytest.mark.parametrize(
    ("point", "is_later", "reason"),
    [
        (Point("now", 6, {"before": 3}, OWN), True, ""),
        (Point("now", 5, {"before": 3}, OWN), False, ""),
        (Point("now", 4, {"before": 3}, OWN), False, ""),
        (Point("next", 6, {"before": 3, "now": 5}, OWN), True, ""),
        (Point("next", 9, {"before": 3, "now": 4}, OWN), False, "an older backup"),
        (Point("far", 9, {"before": 3, "now": 8, "next": 9}, OWN), True, ""),
        (Point("far", 9, {"before": 3, "now": 4, "next": 9}, OWN), False, "an older backup"),
        (Point("before", 3, {}, OWN), False, ""),
        (Point("before", 4, {}, OWN), False, "its book went on"),
        (Point("sister", 9, {"before": 3}, OWN), False, "another copy"),
    ],
)
def test_which_documents_tell_of_the_time_since_a_backup(
    point: Point, is_later: bool, reason: str
) -> None:
    chosen = choose_documents(BACKUP, KEY, (), [make_document("one", point)])
    assert bool(chosen.later) is is_later
    assert [*chosen.aside] == (["one"] if reason else [])
    assert reason in chosen.aside.get("one", "")
    assert not chosen.refused


def test_documents_by_other_keys_are_refused_or_followed() -> None:
    old = make_document("old", Point("now", 6, {"before": 3}, OWN))
    renewed = make_document("renewed", Point("next", 8, {"before": 3, "now": 6}, OTHER))
    newest = make_document("newest", Point("last", 9, {"before": 3, "now": 6, "next": 8}, "d" * 64))
    unread = make_document("unread", Point("now", 7, {"before": 3}, OWN), key="e" * 64)
    chosen = choose_documents(BACKUP, KEY, (), [old, renewed, newest])
    assert [*chosen.refused] == ["renewed", "newest"]
    assert chosen.asked == ["d" * 64], "the one by which the book went on"
    chosen = choose_documents(BACKUP, KEY, ("d" * 64,), [old, renewed, newest])
    assert (chosen.later, chosen.refused) == ([newest.standing], {})
    assert chosen.aside.keys() == {"old", "renewed"}
    chosen = choose_documents(BACKUP, KEY, (OTHER,), [old, renewed, newest])
    assert [*chosen.refused] == ["newest"], "a key that is not the newest hides nothing"
    chosen = choose_documents(BACKUP, KEY, (OTHER,), [old])
    assert chosen.later == [old.standing], "a key that is named for receipts alone hides nothing"
    forged = make_document("forged", Point("now", 99, {"before": 3, "next": 99}, OWN))
    chosen = choose_documents(BACKUP, KEY, (), [forged, renewed])
    assert [*chosen.refused] == ["renewed"], "a thief of the backup's key hides no later one"
    chosen = choose_documents(BACKUP, KEY, (), [old, unread])
    assert (chosen.asked, [*chosen.refused]) == ([], ["unread"])
