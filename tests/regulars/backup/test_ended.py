"""What ended since a backup is not back after its restore: accesses, withdrawals, marks."""

import json
import re
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.bootstrap import build
from chalicelib.domain.effects import ENDING, Effect
from chalicelib.domain.model import Profile
from chalicelib.privacy.signing import canonical_json
from chalicelib.privacy.standing import is_document, parse_document
from chalicelib.settings import Settings
from chalicelib.witness import BackupFolders
from regulars.backup import backup, receipts
from regulars.backup.beside import write_beside_backups
from regulars.backup.owed import Owed, Questions, Step
from regulars.backup.receipts import require_erasures_done
from regulars.backup.restoring import end_restore
from regulars.cli import main
from regulars.tenants.credentials import read_credentials
from tests.support.book import person
from tests.support.book.book import Book
from tests.support.book.ended_shop import (
    PEOPLE,
    Shop,
    end_everything,
    end_shop,
    make_shop,
    opens,
    require_nothing_back,
)
from tests.support.fakes import UNHURRIED, FakeClock, FakeVision, Person

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def ended(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the shop in which all of it was ended, `data`."""
    folder = tmp_path_factory.mktemp("ended")
    end_shop(shop, folder / "data")
    return folder


def test_by_what_lies_beside_a_later_backup_nothing_is_back(
    shop: Shop, ended: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert (
        main(["backup", str(shop.backup.with_name("tuesday.tar")), "--data", str(ended / "data")])
        == 0
    )
    try:
        capsys.readouterr()
        assert main(["restore", str(shop.backup), "--data", str(tmp_path / "again")]) == 0
        said = capsys.readouterr().out
    finally:
        for file in shop.backup.parent.rglob("stands-*.json"):
            file.unlink()
    require_nothing_back(tmp_path / "again", shop)
    with closing(Book(tmp_path / "again")) as book:
        assert book.services.tenants.read_stored("other").disabled
        assert "other" not in opens(book.services, shop)
    assert "shop: strangers is keep in the backup, and was forget last" in said
    assert "shop: controller was changed since" in said
    assert re.search(r"shop: keys, members, .* are as on 20\d\d-\d\d-\d\dT", said)


def test_what_ends_is_written_outside_before_the_caller_gets_an_answer(
    shop: Shop, tmp_path: Path
) -> None:
    shutil.copytree(shop.data, tmp_path / "data")
    seen: set[str] = set()
    with closing(Book(tmp_path / "data")) as book:
        book.clock.advance(timedelta(days=20_000))
        end_everything(shop, book)
        for entry in book.services.audit.chain.walk_entries("shop"):
            seen |= set(entry.get("does", ()))
        again = tmp_path / "again"  # the box is gone at once: no schedule has run since
        try:
            assert main(["restore", str(shop.backup), "--data", str(again)]) == 0
        finally:
            for file in shop.backup.parent.rglob("stands-*.json"):
                file.unlink()
    require_nothing_back(again, shop)
    assert seen >= ENDING - {Effect.TAKES_SIGN_IN}, "each kind of ending is tried here"


def test_what_cannot_be_written_outside_is_logged_and_done_by_the_schedule(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    with closing(Book(tmp_path / "data")) as book:
        key, _ = book.services.access.keys.add(book.tenant, "thief")
        book.services.ports.backups.add(backups)
        (backups / "receipts").write_text("in the way")
        book.services.access.keys.delete(book.tenant, key.id)
        assert key.id not in {one.id for one in book.services.access.keys.list_all(book.tenant)}
        assert f"shop: what ended is not noted at {backups} yet" in caplog.text
        (backups / "receipts").unlink()
        assert list(write_beside_backups(book.services)) == []
    [document] = backups.rglob("stands-*.json")
    assert f"key {key.id}" not in json.loads(document.read_text())["statement"]["accesses"]


def test_a_document_that_was_read_earlier_replaces_none_that_was_read_later(
    tmp_path: Path,
) -> None:
    """Two calls end something at once: the last document has both."""
    backups = tmp_path / "backups"
    backups.mkdir()
    with closing(Book(tmp_path / "data")) as book:
        ring, tenant = book.services.access.keys, book.tenant
        keys = [ring.add(tenant, f"key {number}")[0].id for number in range(12)]
        book.services.ports.backups.add(backups)
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(partial(ring.delete, tenant), keys))
    [document] = backups.rglob("stands-*.json")
    stands = json.loads(document.read_text())["statement"]["accesses"]
    assert [key for key in keys if f"key {key}" in stands] == []


def test_without_a_document_each_access_that_is_back_is_named(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    alone, again = Path(shutil.copy(shop.backup, tmp_path)), tmp_path / "again"
    assert main(["restore", str(alone), "--data", str(again)]) == 0
    said = capsys.readouterr().out
    named = {
        f"shop: {kind} {shop.ids[name]}"
        for kind, name in (("key", "deleted"), ("hook", "hook"), ("member", "leaver"))
    }
    assert [
        one
        for one in (*named, "shop: camera gone", "shop: key first", "other: key first")
        if one not in said
    ] == []
    assert "shop: record of consent of ann, consenting, as on" in said
    with closing(Book(again)) as book:
        back = opens(book.services, shop)
    assert back.isdisjoint(
        {"session", "code", *(name for name in shop.secrets if name.startswith("link "))}
    )
    assert {"deleted", "renewed", "rotated"} <= back, "they are as they were, which is said of each"


def test_new_secrets_end_every_key_of_a_box(shop: Shop, tmp_path: Path, capsys: Captured) -> None:
    alone, again = Path(shutil.copy(shop.backup, tmp_path)), tmp_path / "again"
    asked = ["restore", str(alone), "--data", str(again), "--new-secrets"]
    assert main(asked) == 0
    printed = [
        json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")
    ]
    of_shop = next(one for one in printed if one["tenant"] == "shop")
    signing = "secrets/signed-paths"
    with tarfile.open(shop.backup) as file:
        member = file.extractfile(next(name for name in file.getnames() if name.endswith(signing)))
        assert member is not None
        assert (again / signing).read_bytes() != member.read(), "who has it made links to pictures"
    with closing(Book(again)) as book:
        assert opens(book.services, shop) == set()
        assert book.services.cameras.find_by_api_key(of_shop["cameras"]["renewed"])
        for id_ in (shop.ids["kept"], shop.ids["deleted"]):
            assert book.services.access.keys.find_by_api_key(of_shop["keys"][id_])
        assert of_shop["hooks"].keys() == {shop.ids["hook"], shop.ids["changed hook"]}
        assert book.services.audit.signing.sign_statement("shop", {"heads": 0}), (
            "old documents stay believed"
        )
    assert read_credentials(again)["shop"].api_key == of_shop["api_key"]
    entries = ["call", "list-entries", "--what", "regulars restore", "--json"]
    assert main([*entries, "--tenant", "shop", "--data", str(again)]) == 0
    assert "signing key" in capsys.readouterr().out
    assert main(["audit", "verify", "--tenant", "shop", "--data", str(again)]) == 0


def test_a_document_names_nobody_and_holds_no_secret(ended: Path, shop: Shop) -> None:
    with closing(Book(ended / "data")) as book:
        _, document = book.services.access.standing.make_document(book.tenant)
        text = canonical_json(document).decode()
        names = [
            *PEOPLE[:1],
            *PEOPLE[2:4],
            "leaver",
            "screen",
            "Somebody else",
            "partner.example",
            "case 7",
            "a letter",
        ]
        digests = [one.digest for one in book.services.access.keys.list_all(book.tenant)]
    assert [one for one in (*names, *shop.secrets.values(), *digests) if one in text] == []
    assert len(text) < 6_000, "bounded by what there is, not by what has ended"


def test_the_witness_gets_a_document_when_something_else_stands_and_none_otherwise(
    tmp_path: Path,
) -> None:
    witness = tmp_path / "witness"
    witness.mkdir()

    def told() -> list[str]:
        return [path.name for path in sorted(witness.rglob("*.json")) if is_document(path.name)]

    clock = FakeClock()
    settings = Settings(storage=tmp_path / "data", **UNHURRIED, witness=str(witness))
    with closing(build(settings, clock=clock, vision=FakeVision)) as services:
        services.tenants.add("shop", Profile.CLOUD)
        tenant = services.tenants.get_by_name("shop")

        def hour() -> int:
            clock.advance(timedelta(hours=1))
            services.sweep.sweep_tenant(tenant, clock.now())
            return len(told())

        assert hour() == 1
        assert hour() == 1
        key, _ = services.access.keys.add(tenant, "thief")
        assert hour() == 2
        clock.advance(timedelta(minutes=1))
        services.access.keys.delete(tenant, key.id)
        assert len(told()) == 3, "at once"
        assert hour() == 3
        first = replace(services.access.standing.read(tenant).point, number=1)
        documents, damaged = receipts.read_standing_documents(
            [str(witness)], {tenant.app_id: first}
        )
        assert (len(documents), damaged) == (2, {}), "those of before a backup are not read"
        assert receipts.read_receipts([str(witness)], [tenant.app_id]) == []
        require_erasures_done(services, tmp_path / "data")


def test_a_shop_that_was_erased_is_not_served_again_though_no_backup_was_made_since(
    shop: Shop, tmp_path: Path, capsys: Captured
) -> None:
    data, backups, again = tmp_path / "data", tmp_path / "backups", tmp_path / "again"
    backups.mkdir()
    with closing(Book(data)) as book:
        book.services.tenants.add("other", Profile.CLOUD)
    assert main(["backup", str(backups / "monday.tar"), "--data", str(data)]) == 0
    erase = [
        "tenants",
        "erase",
        "other",
        "--yes",
        "other",
        "--data",
        str(data),
        "--receipt",
        str(tmp_path / "it.json"),
    ]
    assert main(erase) == 0
    assert main(["restore", str(backups / "monday.tar"), "--data", str(again)]) == 0
    assert "other: the whole tenant is erased again" in capsys.readouterr().out
    with closing(Book(again)) as book:
        assert [one.name for one in book.services.tenants.list_all()] == ["shop"]


def test_a_service_notes_beside_its_backups_what_ended_since(
    tmp_path: Path, capsys: Captured
) -> None:
    data, backups, again = tmp_path / "data", tmp_path / "backups", tmp_path / "again"
    backups.mkdir()
    with closing(Book(data)) as book:
        key, secret = book.services.access.keys.add(book.tenant, "thief")
        book.services.audit.signing.read_public_keys("shop")
    assert main(["backup", str(backups / "monday.tar"), "--data", str(data)]) == 0
    with closing(Book(data)) as book:
        book.clock.advance(timedelta(days=20_000))
        book.services.access.keys.delete(book.tenant, key.id)
        assert list(write_beside_backups(book.services)) == []
    assert main(["restore", str(backups / "monday.tar"), "--data", str(again)]) == 0
    assert f"shop: key {key.id} is deleted" in capsys.readouterr().out
    with closing(Book(again)) as book:
        assert book.services.access.keys.find_by_api_key(secret) is None
        assert not (again / BackupFolders.FILE).exists(), (
            "a restored folder writes beside no backup of the former one"
        )
    (backups / "receipts").rename(tmp_path / "moved")
    (backups / "receipts").write_text("in the way")
    with closing(Book(data)) as book:
        [complaint] = write_beside_backups(book.services)
    assert "cannot be written beside the backups" in complaint


def test_what_stands_in_a_trial_of_an_older_backup_ends_nothing(
    tmp_path: Path, capsys: Captured
) -> None:
    data, backups, trial = tmp_path / "data", tmp_path / "backups", tmp_path / "trial"
    backups.mkdir()
    with closing(Book(data)) as book:
        book.services.audit.signing.read_public_keys("shop")
    assert main(["backup", str(tmp_path / "sunday.tar"), "--data", str(data)]) == 0
    shutil.rmtree(tmp_path / "receipts")
    with closing(Book(data)) as book:
        _, secret = book.services.access.keys.add(book.tenant, "since then")
    assert main(["backup", str(backups / "monday.tar"), "--data", str(data)]) == 0
    assert main(["restore", str(tmp_path / "sunday.tar"), "--data", str(trial)]) == 0
    assert main(["backup", str(backups / "of-the-trial.tar"), "--data", str(trial)]) == 0
    assert len(list(backups.rglob("stands-*.json"))) == 2, "each life has its own"
    again = tmp_path / "again"
    assert main(["restore", str(backups / "monday.tar"), "--data", str(again)]) == 0
    with closing(Book(again)) as book:
        assert book.services.access.keys.find_by_api_key(secret)


def test_what_ended_in_a_restored_book_ends_by_a_further_restore_of_the_same_backup(
    tmp_path: Path,
) -> None:
    data, backups, once = tmp_path / "data", tmp_path / "backups", tmp_path / "once"
    backups.mkdir()
    with closing(Book(data)) as book:
        key, secret = book.services.access.keys.add(book.tenant, "thief")
        book.services.audit.signing.read_public_keys("shop")
    assert main(["backup", str(backups / "monday.tar"), "--data", str(data)]) == 0
    assert main(["restore", str(backups / "monday.tar"), "--data", str(once)]) == 0
    with closing(Book(once)) as book:
        book.services.access.keys.delete(book.tenant, key.id)
    assert main(["backup", str(backups / "tuesday.tar"), "--data", str(once)]) == 0
    again = tmp_path / "again"
    assert main(["restore", str(backups / "monday.tar"), "--data", str(again)]) == 0
    with closing(Book(again)) as book:
        assert book.services.access.keys.find_by_api_key(secret) is None


def test_settings_stay_as_in_the_backup_if_that_is_answered(
    shop: Shop, ended: Path, tmp_path: Path
) -> None:
    manifest = backup.restore(Settings(storage=tmp_path / "again"), shop.backup)
    with closing(Book(ended / "data")) as book:
        name, document = book.services.access.standing.make_document(book.tenant)
    asked: list[str] = []

    def refuse(question: str) -> bool:
        asked.append(question)
        return False

    made = parse_document(canonical_json(document))
    assert made
    place = tmp_path / "beside" / name
    place.parent.mkdir(parents=True)
    place.write_bytes(canonical_json(document))
    # the time of the folder is a clock's of tests, and the backup's the machine's
    begin = min(manifest.created_at, made.standing.at - timedelta(hours=1))
    owed = Owed(
        str(shop.backup),
        begin,
        (Step.ACCESSES, Step.SETTINGS, Step.LIFE),
        (str(tmp_path / "beside"),),
    )
    with closing(Book(tmp_path / "again")) as book:
        services, tenant = book.services, book.tenant
        said = list(end_restore(services, owed, Questions(ask_settings=refuse)))
        assert asked == ["shop: set these as they were last?"]
        assert "shop: strangers is keep in the backup, and was forget last" in said
        assert services.tenants.read_stored("shop").strangers == "keep"
        ann = services.faces.get(tenant, "ann", restricted=True)
        assert ann.withdrawn_at == made.standing.at, "a record given since the document counts"
        assert not services.access.keys.find_by_api_key(shop.secrets["deleted"]), (
            "accesses are not asked about"
        )
        assert tenant.life != services.tenants.read_stored("shop").life


def test_an_erasure_of_a_clock_that_was_ahead_is_done_again_without_waiting_for_that_time(
    tmp_path: Path, capsys: Captured
) -> None:
    data, backups, again = tmp_path / "data", tmp_path / "backups", tmp_path / "again"
    backups.mkdir()
    with closing(Book(data)) as book:
        book.enrol(Person(1), faceid="ann")
        book.services.audit.signing.read_public_keys("shop")
    assert main(["backup", str(backups / "monday.tar"), "--data", str(data)]) == 0
    with closing(Book(data)) as book:
        book.clock.advance(timedelta(days=20_000))
        book.services.deletion.delete_faces(book.tenant, ["ann"], by="first", erase=True)
        person.worked_off(book)
    assert main(["restore", str(backups / "monday.tar"), "--data", str(again)]) == 0
    assert "shop: erased again by receipt" in capsys.readouterr().out
    with closing(Book(again)) as book:
        assert list(book.services.faces.lists.list_every_id(book.tenant)) == []
