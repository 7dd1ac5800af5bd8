"""A data folder as one file and back: wiped and restored, it is what it was, whatever went on when
it was copied."""

import fcntl
import io
import json
import resource
import shutil
import signal
import sqlite3
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from regulars_client import archive as read_archive

from chalicelib.auth.roles import Role
from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.bootstrap import build
from chalicelib.domain.model import NewFace, Profile
from chalicelib.domain.observations import ObservationFilter
from chalicelib.domain.rules.decision import SearchRequest
from chalicelib.open_storage import DATABASE
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.formats import FORMAT
from chalicelib.storage.ports import Put
from regulars.backup import archive
from regulars.backup.backup import backup, make_copy_error, restore
from regulars.cli import main
from regulars.clients import Connection
from regulars.demo import run
from regulars.errors import DamagedFile, OperatorError, UnusableFolder
from regulars.serve.server import describe_start
from regulars.tenants.credentials import CredentialsFile
from tests.support.api.over_http import Sunmi
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.recount import disagreements, every_face
from tests.support.box.server import Server
from tests.support.fakes import RULES, FakeClock, FakeVision, Person, picture
from tests.support.storage.data_folder import everything, settings


def services_on(data: Path, clock: FakeClock) -> Services:
    vision = FakeVision()
    return build(settings(data), clock=clock, vision=lambda: vision)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A shop in whose folder there is some of all: faces, captures, visits, seals, a snapshot, a
    hook's message."""
    book = Book(tmp_path / "data")
    CredentialsFile(tmp_path / "data", book.services.tenants).rotate_keys("shop")
    book.services.webhooks.hooks.add("shop", "https://hooks.example.com/in")
    book.see(shot(0, 1), shot(40, 1, 2), shot(24 * 60, 1), shot(48 * 60))
    book.put(shot(49 * 60, 3))  # its event is not told yet
    book.services.statistics.sealing.seal_tenant(book.tenant)
    book.enrol(Person(7), faceid="seven")
    book.services.deletion.delete_faces_of_group(book.tenant, "regular", ["seven"])
    for face in book.faces():
        book.services.enrolment.update.change_face(
            book.tenant, face.faceid, FaceChanges(name="Ann Lee")
        )
    book.services.access.members.add(book.tenant, "Maria", Role.OPERATOR)
    assert book.services.index.build("shop")
    yield book
    book.close()


def choose_portrait(book: Book, faceid: str) -> None:
    enrolment, photo = book.services.enrolment, picture(Person(1, quality=66))
    added = enrolment.pictures.add_photo(book.tenant, faceid, photo, RULES, is_vouched_for=True)
    enrolment.update.change_face(book.tenant, faceid, FaceChanges(portrait_id=added.id))


@pytest.mark.parametrize("is_scrubbed", [False, True])
def test_a_wiped_folder_is_restored_as_it_was(
    book: Book, tmp_path: Path, is_scrubbed: bool
) -> None:
    data, clock = tmp_path / "data", book.clock
    choose_portrait(book, book.faceids()[0])
    if is_scrubbed:  # the database's name is a link since
        book.services.storage.scrub()
    before = everything(data)
    faces = every_face(book.services, book.tenant)
    counts = book.group_counts()
    observed = book.observed()
    file = backup(settings(data), tmp_path / "shop.tar")
    book.close()
    shutil.rmtree(data)
    restore(settings(data), file)
    assert everything(data) == before
    with closing(services_on(data, clock)) as again:
        tenant = again.tenants.get_by_name("shop")
        assert disagreements(again, tenant) == []
        assert every_face(again, tenant) == faces
        assert [one.portrait_id == one.portrait.id for one in faces.values()].count(True) == 1
        assert {
            face.faceid for face in again.faces.search_by_name(tenant, "lee", 10).rows
        } == faces.keys()
        assert [one.name for one in again.access.members.list_all(tenant)] == ["Maria"]
        assert {group.name: group.count for group in again.groups.list_all(tenant)} == counts
        assert again.recognition.face_analysis.search_by_picture(
            tenant, picture(Person(1)), RULES
        ).match
        assert not again.recognition.face_analysis.search_by_picture(
            tenant, picture(Person(7)), RULES
        ).match
        span = (int(MONDAY.timestamp()) - 10**7, int(MONDAY.timestamp()) + 10**7)
        found = again.statistics.observations.query(tenant, ObservationFilter(), *span).observations
        assert len(found) == sum(observed.values()) + 1  # the search above
        assert CredentialsFile(data, again.tenants).provide() == []


def test_the_restored_folder_is_its_owners_only(book: Book, tmp_path: Path) -> None:
    file = backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    restore(settings(tmp_path / "again"), file)
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in [file, *(tmp_path / "again").rglob("*")]} == {0}


def test_a_capture_whose_event_was_not_told_is_resolved_after_the_restore(
    book: Book, tmp_path: Path
) -> None:
    file = backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    restore(settings(tmp_path / "again"), file)
    with closing(services_on(tmp_path / "again", book.clock)) as again:
        tenant = again.tenants.get_by_name("shop")
        before = len(every_face(again, tenant))
        assert "captures that wait" not in "".join(describe_start(tmp_path, again, None))
        assert (
            again.captures.redrive.send_all_lost(tenant, after=timedelta(0)) == 1
        )  # as the server does when it starts
        assert list(describe_start(tmp_path, again, None))[-1] == (
            "captures that wait from before: 1; they are resolved now, oldest first"
        )
        [message] = again.ports.storage.captures_queue.receive(10, 60)
        again.sightings.ingest.take_message(message.body)
        assert len(every_face(again, tenant)) == before + 1


def test_backups_of_a_busy_service_are_each_one_moment_of_it(tmp_path: Path) -> None:
    data, clock = tmp_path / "data", FakeClock()
    with closing(services_on(data, clock)) as services:
        services.tenants.add("shop", Profile.CLOUD)
        tenant, stop = services.tenants.get_by_name("shop"), threading.Event()
        kept = [_enrolled(services, f"kept-{number}", 100 + number) for number in range(5)]

        def come_and_go(worker: int) -> None:
            number = 0
            while not stop.is_set():
                number += 1
                faceid = _enrolled(services, f"{worker}-{number}", 1000 * worker + number)
                services.index.build("shop")
                services.deletion.delete_faces_of_group(tenant, "regular", [faceid])

        threads = [threading.Thread(target=come_and_go, args=(worker,)) for worker in (1, 2, 3)]
        for thread in threads:
            thread.start()
        try:
            files = [backup(settings(data), tmp_path / f"{number}.tar") for number in range(6)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    seqs = []
    for file in files:
        again = tmp_path / file.stem
        restore(settings(again), file)
        with closing(services_on(again, clock)) as restored:
            tenant = restored.tenants.get_by_name("shop")
            assert disagreements(restored, tenant) == []
            faces = every_face(restored, tenant)
            assert set(kept) <= set(faces)
            assert restored.recognition.face_analysis.search_by_picture(
                tenant, picture(Person(100)), RULES
            ).match
            nobody = SearchRequest(
                "fake", FakeVision().embed(FakeVision().read_picture(picture(Person(1)), RULES), [])
            )
            seqs.append(restored.ports.search.search("shop", nobody).seq)
    assert seqs == sorted(seqs)
    assert seqs[0] < seqs[-1]
    assert not list(data.glob(".backup*"))


def _enrolled(services: Services, faceid: str, seed: int) -> str:
    tenant = services.tenants.get_by_name("shop")
    services.enrolment.enrol_largest_face(
        tenant, "regular", picture(Person(seed)), RULES, NewFace(faceid=faceid)
    )
    return faceid


def test_keys_that_are_rotated_meanwhile_are_in_the_file_as_they_are_in_the_store(
    book: Book, tmp_path: Path
) -> None:
    data, stop = tmp_path / "data", threading.Event()
    known = CredentialsFile(data, book.services.tenants)

    def rotate() -> None:
        while not stop.is_set():
            known.rotate_keys("shop")

    thread = threading.Thread(target=rotate)
    thread.start()
    try:
        files = [backup(settings(data), tmp_path / f"{number}.tar") for number in range(5)]
    finally:
        stop.set()
        thread.join()
    for file in files:
        restore(settings(tmp_path / file.stem), file)
        with closing(services_on(tmp_path / file.stem, book.clock)) as again:
            assert CredentialsFile(tmp_path / file.stem, again.tenants).provide() == []


def test_a_folder_gets_a_file_that_is_named_by_the_time(book: Book, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    file = backup(settings(tmp_path / "data"), tmp_path / "backups")
    assert file.parent == tmp_path / "backups"
    assert file.name.startswith("regulars-2")
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_two_boxes_back_up_into_one_folder_at_the_same_second(book: Book, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    now = datetime.now(UTC)
    others = {f"regulars-{now + timedelta(seconds=s):%Y%m%dT%H%M%SZ}.tar" for s in range(3)}
    for name in others:
        (tmp_path / "backups" / name).write_text("of another box")
    file = backup(settings(tmp_path / "data"), tmp_path / "backups")
    assert file.name not in others
    assert [*archive.check_file(file).books] == [book.tenant.app_id]
    manifest = archive.read_manifest(file)
    assert manifest
    assert [*manifest.books] == [book.tenant.app_id]


def test_a_backup_is_never_written_over_another_file(book: Book, tmp_path: Path) -> None:
    (tmp_path / "shop.tar").write_text("precious")
    with pytest.raises(FileExistsError, match="nothing is written over"):
        backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    assert (tmp_path / "shop.tar").read_text() == "precious"


def test_nothing_is_restored_over_what_is_there(book: Book, tmp_path: Path) -> None:
    file = backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    with pytest.raises(UnusableFolder, match="move it away"):
        restore(settings(tmp_path / "data"), file)


@pytest.mark.parametrize("keep", [100, 5_000, -1_024, -12_000])
def test_a_file_that_was_cut_off_makes_no_folder(book: Book, tmp_path: Path, keep: int) -> None:
    file = backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    cut = tmp_path / "cut.tar"
    whole = file.read_bytes()
    # A tar ends in blocks of nothing, so a thousand bytes less are none that say anything.
    cut.write_bytes(whole[:keep] if keep > 0 else whole[: whole.rindex(b'"entries"') + 10])
    with pytest.raises(DamagedFile):
        restore(settings(tmp_path / "again"), cut)
    assert not (tmp_path / "again").exists()


def test_a_byte_that_changed_anywhere_in_what_it_holds_is_found(book: Book, tmp_path: Path) -> None:
    file = backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    with tarfile.open(file) as tar:
        places = [
            member.offset_data for member in tar if member.size and member.name != archive.MANIFEST
        ]
    for place in places[:: max(len(places) // 8, 1)]:
        data = bytearray(file.read_bytes())
        data[place] ^= 1
        (tmp_path / "changed.tar").write_bytes(data)
        with pytest.raises(DamagedFile, match="is not what was written"):
            restore(settings(tmp_path / "again"), tmp_path / "changed.tar")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../outside",
            "/tmp/outside",
            "blobs/../../outside",
            "a/" * 1_500 + "deep",
            "a/" * 16 + "b",
            "a\nb\x1b[2J",
            "",
        ),
        *(
            "evil.sh",
            ".git/config",
            f"{DATABASE}-wal",
            f"{DATABASE}/x",
            "secrets",
            "blobs.py",
            "items/regulars.jsonl",
        ),
    ],
)
def test_a_file_of_a_name_that_no_backup_has_is_refused_and_the_next_restore_does_well(
    book: Book, tmp_path: Path, name: str
) -> None:
    file = backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    with archive.write_archive(tmp_path / "evil.tar") as writer:
        writer.add(DATABASE, tmp_path / "data" / DATABASE)
        writer.add_stream(name, io.BytesIO(b"x"), 1)
        writer.finish(book.clock.now(), FORMAT)
    with pytest.raises(DamagedFile, match="no backup of ours"):
        restore(settings(tmp_path / "again"), tmp_path / "evil.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "evil.tar", "shop.tar"]
    restore(settings(tmp_path / "again"), file)


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_a_header_that_would_take_minutes_to_read_is_refused_by_its_size(
    tmp_path: Path, kind: bytes
) -> None:
    header = tarfile.TarInfo("header")
    header.type, header.size = kind, 2_000_000
    (tmp_path / "evil.tar").write_bytes(header.tobuf() + b"1" * header.size)
    with pytest.raises(DamagedFile, match="a header of 2,000,000 bytes"):
        restore(settings(tmp_path / "again"), tmp_path / "evil.tar")


def test_a_picture_that_is_missing_makes_no_backup(book: Book, tmp_path: Path) -> None:
    face = book.faces()[0]
    (tmp_path / "data" / "blobs" / face.picture_key).unlink()
    with pytest.raises(OperatorError, match="is not there, 1 in all"):
        backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    assert not (tmp_path / "shop.tar").exists()


def test_a_delta_without_its_base_makes_no_backup(book: Book, tmp_path: Path) -> None:
    items, blobs = book.storage.items, book.storage.blobs
    pointer = items.get(keys.DIRECTORY, ("shop", keys.index_item("fake")))
    base = pointer["snapshots"][-1]
    delta = keys.delta(base, pointer["seq"], "n")
    blobs.put_if_absent(delta, b"changes", "application/octet-stream")
    items.transact(
        [Put(keys.DIRECTORY, {**pointer, "snapshots": [delta], "built": [pointer["built_at"]]})]
    )
    assert backup(settings(tmp_path / "data"), tmp_path / "shop.tar").exists()
    blobs.delete(base)
    with pytest.raises(OperatorError, match="is not there, 1 in all"):
        backup(settings(tmp_path / "data"), tmp_path / "again.tar")


def test_a_folder_that_cannot_be_read_makes_no_backup(book: Book, tmp_path: Path) -> None:
    captures = tmp_path / "data" / "captures"
    captures.rename(tmp_path / "elsewhere")
    captures.write_text("no folder")
    with pytest.raises(NotADirectoryError):
        backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    assert not (tmp_path / "shop.tar").exists()


def test_a_database_that_cannot_be_copied_is_named(book: Book, tmp_path: Path) -> None:
    smallest = 50_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # as a full disk: a write fails in its middle
    resource.setrlimit(resource.RLIMIT_FSIZE, (smallest, before[1]))
    try:
        with pytest.raises(OperatorError, match=r"regulars\.sqlite cannot be copied"):
            backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not (tmp_path / "data" / ".backup").exists()


def test_a_disk_without_room_for_a_copy_is_told_and_another_failure_is_none(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "full.sqlite")) as small:
        small.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as full:
            small.execute("CREATE TABLE more (one)")
        with pytest.raises(sqlite3.OperationalError) as other:
            small.execute("SELECT * FROM nothing")
    assert "needs room for two more copies" in str(make_copy_error(Path("a.sqlite"), full.value))
    assert "needs room" not in str(make_copy_error(Path("a.sqlite"), other.value))


@pytest.mark.parametrize("place", [0, 4_096])
def test_a_damaged_database_is_told_as_damaged(tmp_path: Path, place: int) -> None:
    data = tmp_path / "data"
    with closing(Book(data)):
        pass
    with (data / DATABASE).open("r+b") as file:
        file.seek(place)
        file.write(b"\xff" * 4_096)
    with pytest.raises(DamagedFile, match=r"regulars\.sqlite is damaged") as found:
        backup(settings(data), tmp_path / "shop.tar")
    assert "room" not in str(found.value)


def test_what_a_killed_backup_left_is_removed_by_the_next_one(book: Book, tmp_path: Path) -> None:
    left, held = (tmp_path / f".{name}.tar.7.partial" for name in ("left", "held"))
    left.write_text("templates")
    with held.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    assert (left.exists(), held.exists()) == (False, True)


def test_all_pictures_of_a_face_and_of_what_was_merged_into_it_come_along(
    book: Book, tmp_path: Path
) -> None:
    survivor, other = (face.faceid for face in book.faces()[:2])
    for faceid, seeds in ((survivor, range(100, 103)), (other, range(103, 105))):
        for seed in seeds:
            photo = picture(Person(seed))
            book.services.enrolment.pictures.add_photo(
                book.tenant, faceid, photo, RULES, is_vouched_for=True
            )
    merge = book.services.merges.merging.merge(book.tenant, survivor, other)
    before = {face.faceid: face.pictures for face in book.faces()}
    backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    restore(settings(tmp_path / "again"), tmp_path / "shop.tar")
    with closing(Book(tmp_path / "again")) as restored:
        assert {face.faceid: face.pictures for face in restored.faces()} == before
        assert restored.disagreements() == []
        restored.services.merges.merging.undo(restored.tenant, merge.id)
        assert restored.disagreements() == []
        assert len(restored.services.faces.get(restored.tenant, other).pictures) == 3


def test_a_picture_of_a_merged_face_that_is_missing_makes_no_backup(
    book: Book, tmp_path: Path
) -> None:
    survivor, other = book.faces()[:2]
    book.services.merges.merging.merge(book.tenant, survivor.faceid, other.faceid)
    (tmp_path / "data" / "blobs" / other.picture_key).unlink()
    with pytest.raises(OperatorError, match="is not there, 1 in all"):
        backup(settings(tmp_path / "data"), tmp_path / "shop.tar")


@pytest.mark.parametrize("number", [None, 5, 6])
def test_a_backup_of_another_format_is_refused_before_anything_is_made(
    number: int | None, book: Book, tmp_path: Path
) -> None:
    ours = backup(settings(tmp_path / "data"), tmp_path / "shop.tar")
    others = tmp_path / "other.tar"
    with tarfile.open(ours) as tar, tarfile.open(others, "w") as other:
        for member in tar:
            content = tar.extractfile(member)
            data = content.read()
            if member.name == archive.MANIFEST:
                data = json.dumps({**json.loads(data), "format": number}).encode()
                member.size = len(data)
            other.addfile(member, io.BytesIO(data))
    with pytest.raises(
        OperatorError, match=rf"other\.tar has (no format number|format {number}), "
    ):
        restore(settings(tmp_path / "again"), others)
    assert not (tmp_path / "again").exists()


def test_a_folder_without_a_service_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="--data"):
        backup(settings(tmp_path), tmp_path / "shop.tar")


def test_a_box_that_was_wiped_answers_as_before(photos: Path, tmp_path: Path) -> None:
    """With the real models, over HTTP, backed up while it serves."""
    data, file = tmp_path / "data", tmp_path / "box.tar"
    portrait = run.find_pictures(photos).people[-1].photos[-1].read()
    server = Server(data)
    try:
        with Connection(server.url) as connection:
            client = Sunmi(connection, server.credentials("shop"))
            assert client.create_group("vip", 10).code == 0
            assert client.add_face("vip", "me", portrait).code == 0
            before = client.search(portrait)
        assert main(["backup", str(file), "--data", str(data)]) == 0
    finally:
        server.kill()
    shutil.rmtree(data)
    assert main(["restore", str(file), "--data", str(data)]) == 0
    server = Server(data)
    try:
        with Connection(server.url) as connection:
            after = Sunmi(connection, server.credentials("shop")).search(portrait)
    finally:
        server.stop()
    assert (after.code, after.data["faceid"]) == (before.code, before.data["faceid"]) == (0, "me")
    assert after.reply.headers["x-regulars-score"] == before.reply.headers["x-regulars-score"]


def test_a_backup_without_all_receipts_is_told_as_one(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its file is whole: where it lies is said, too."""
    backups = tmp_path / "backups"
    backups.mkdir()
    (backups / "receipts").write_text("a file where the folder of receipts should be")
    assert main(["backup", str(backups), "--data", str(tmp_path / "data")]) == 1
    told = capsys.readouterr()
    assert str(next(backups.glob("regulars-2*"))) in told.out
    assert "the backup is complete, but the receipts beside it are not" in told.err


def test_an_archive_of_another_version_is_not_called_damaged() -> None:
    with pytest.raises(OperatorError, match=r"another version wrote old\.tar, and this one cannot"):
        read_archive._check_manifest(
            Path("old.tar"), {"format": 1, "files": []}, {}, lambda *_: None
        )
