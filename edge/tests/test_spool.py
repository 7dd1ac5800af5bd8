import hashlib
import multiprocessing
import os
import random
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from regulars_edge.cli import main
from regulars_edge.clock import Anchor, Clock, parse_moment
from regulars_edge.config import SPOOL_VARIABLE
from regulars_edge.errors import BooksDamaged, SpoolDamaged, SpoolFull, Unreachable
from regulars_edge.logs import Dropped
from regulars_edge.picture import parse_content
from regulars_edge.spool import database, files
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import FileMark, Limits, Origin, Stamp
from regulars_edge.spool.spool import Spool
from rig import pictures
from rig.clock import FakeClock
from rig.spooled import DOOR, STATED_MS, add, content, copies

pytestmark = pytest.mark.disk

DAY_MS = 86_400_000


def ids(spool: Spool, camera: str = "door") -> list[int]:
    return [entry.id for entry in spool.list_next(camera, 100, 10**9)]


def test_of_copies_without_a_row_half_ones_go_and_whole_ones_are_taken_in(tmp_path: Path) -> None:
    with spools.open_spool(tmp_path) as spool:
        add(spool, 1)
    stamp = Stamp(stated_ms=STATED_MS)
    (tmp_path / "pictures" / files.make_name("yard", stamp, "image/jpeg")).write_bytes(
        b"\xff\xd8\xff half"
    )
    (tmp_path / "pictures" / files.make_name("yard", stamp, "image/jpeg")).write_bytes(
        pictures.jpeg(2)
    )
    with spools.open_spool(tmp_path) as spool:
        spool.take_in(threading.Event())
        assert len(copies(tmp_path)) == 2
        assert (len(ids(spool)), len(ids(spool, "yard"))) == (1, 1)


def test_a_copy_of_what_is_done_goes_even_if_a_kill_came_before(tmp_path: Path) -> None:
    with spools.open_spool(tmp_path) as spool:
        taken = add(spool, 1)
        with spool.books.writing() as db:
            db.execute(
                "UPDATE pictures SET state = 1, finished_at_ms = ? WHERE id = ?",
                (spool.clock.wall_ms(), taken.id),
            )
    assert len(copies(tmp_path)) == 1
    with spools.open_spool(tmp_path) as spool:
        assert copies(tmp_path) == []
        assert spool.held_bytes == 0


def test_the_same_picture_at_the_same_time_is_one(tmp_path: Path) -> None:
    with spools.open_spool(tmp_path) as spool:
        first = add(spool, 1)
        again = add(spool, 1, Stamp(stated_ms=STATED_MS + 2_001))
        assert (again.id, again.is_new) == (first.id, False)
        assert len(copies(tmp_path)) == 1
        spool.record_done("door", {first.id: "c1"})
        assert not add(spool, 1).is_new, "also when it is sent"


def test_the_same_picture_at_another_time_is_another_capture(tmp_path: Path) -> None:
    with spools.open_spool(tmp_path) as spool:
        assert add(spool, 1).id != add(spool, 1, Stamp(stated_ms=STATED_MS + 2_002)).id
        assert add(spool, 1, origin=Origin("yard", "test")).is_new


def test_the_boot_clock_decides_what_is_the_same_time_while_the_wall_clock_steps(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    with spools.open_spool(tmp_path, clock=clock) as spool:
        first = add(spool, 1, Stamp(clock.moment()))
        clock.wall_error_ms = 3_600_000
        assert add(spool, 1, Stamp(clock.moment())).id == first.id
        clock.wall_error_ms = -10_000
        clock.pass_(10_000)
        assert add(spool, 1, Stamp(clock.moment())).is_new


def test_no_frame_of_another_boot_is_the_same_whatever_its_wall_clock_says_but_a_file_is(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    with spools.open_spool(tmp_path, clock=clock) as spool:
        frame = add(spool, 1, Stamp(clock.moment()))
        file = add(spool, 2, Stamp(clock.moment(), by="file"))
    clock.boot_again("boot-2", off_ms=60_000)
    clock.wall_error_ms -= 60_000  # a machine without a battery goes on where it was switched off
    with spools.open_spool(tmp_path, clock=clock) as spool:
        again = add(spool, 1, Stamp(clock.moment()))
        assert (again.is_new, again.id != frame.id) == (True, True)
        assert add(spool, 2, Stamp(clock.moment(), by="file")).id == file.id


def test_a_file_is_known_by_its_path_size_and_time(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xc3\xa9.jpg")  # no UTF-8: cameras write what they like
    mark = FileMark(tmp_path / name, len(pictures.jpeg(1)), 1_700_000_000_000_000_000)
    with spools.open_spool(tmp_path) as spool:
        taken = add(spool, 1, mark=mark)
        assert spool.find_picture("door", mark) == taken.id
        assert spool.find_picture("yard", mark) is None
        assert spool.find_picture("door", FileMark(mark.path, mark.size + 1, mark.mtime_ns)) is None


def test_pictures_leave_in_the_order_in_which_they_came_each_camera_for_itself(
    tmp_path: Path,
) -> None:
    with spools.open_spool(tmp_path) as spool:
        door = [add(spool, number).id for number in (3, 1, 2)]
        add(spool, 4, origin=Origin("yard", "test"))
        assert ids(spool) == door
        assert [entry.id for entry in spool.list_next("door", 2, 10**9)] == [door[0], door[2]], (
            "who is there now, too"
        )
        assert [entry.id for entry in spool.list_next("door", 1, 10**9)] == door[:1]
        assert [entry.id for entry in spool.list_next("door", 9, 10**9, skip={door[0]})] == door[1:]
        assert [entry.id for entry in spool.list_next("door", 9, 1)] == door[:1], "one at least"
        assert spool.list_cameras() == ["door", "yard"]


def test_after_an_outage_the_newest_leave_by_turns_with_the_oldest_and_all_leave(
    tmp_path: Path,
) -> None:
    with spools.open_spool(tmp_path) as spool:
        waiting = [add(spool, number).id for number in range(20)]
        left = []
        for new in range(20, 23):
            waiting.append(add(spool, new).id)
            some = spool.list_next("door", 4, 10**9)
            assert waiting[-1] in [entry.id for entry in some], "what just came goes at once"
            spool.record_done("door", {entry.id: f"r-{entry.id}" for entry in some})
            left += [entry.id for entry in some]
        while some := spool.list_next("door", 4, 10**9):
            spool.record_done("door", {entry.id: f"r-{entry.id}" for entry in some})
            left += [entry.id for entry in some]
        assert sorted(left) == waiting


def test_an_id_of_the_service_belongs_to_one_picture(tmp_path: Path) -> None:
    with spools.open_spool(tmp_path) as spool:
        first, second = add(spool, 1), add(spool, 2)
        spool.record_done("door", {first.id: "c1"})
        with pytest.raises(Unreachable, match="ids of other pictures"):
            spool.record_done("door", {second.id: "c1"})
        assert ids(spool) == [second.id]


def test_what_is_sent_frees_its_room(tmp_path: Path) -> None:
    size = len(pictures.jpeg(1))
    with spools.open_spool(tmp_path, Limits(max_bytes=2 * size, min_free_bytes=0)) as spool:
        first = add(spool, 1)
        add(spool, 2)
        with pytest.raises(SpoolFull, match="it was not taken"):
            add(spool, 3)
        spool.record_done("door", {first.id: "c1"})
        add(spool, 3)
        assert spool.count_totals()["door"].turned_away == 1


def test_refused_pictures_make_room_and_unsent_ones_never_do(tmp_path: Path) -> None:
    size = len(pictures.jpeg(1))
    with spools.open_spool(tmp_path, Limits(max_bytes=2 * size, min_free_bytes=0)) as spool:
        first, second = add(spool, 1), add(spool, 2)
        spool.refuse_picture(first.id, "not wanted")
        third = add(spool, 3)
        with pytest.raises(SpoolFull):
            add(spool, 4)
        assert ids(spool) == [second.id, third.id]
        assert spool.count_totals()["door"].refused == 1, "the reason stays"


def test_the_oldest_unsent_picture_makes_room_if_that_was_chosen(tmp_path: Path) -> None:
    size = len(pictures.jpeg(1))
    limits = Limits(max_bytes=2 * size, min_free_bytes=0, drops_oldest=True)
    with spools.open_spool(tmp_path, limits) as spool:
        add(spool, 1, origin=Origin("yard", "test"))
        kept = [add(spool, 2).id, add(spool, 3).id]
        assert spool.dropped == [(Dropped.SPOOL_FULL, "yard")], "whose picture went, not whose came"
        assert ids(spool) == kept
        assert len(copies(tmp_path)) == 2
        assert (spool.count_totals()["yard"].turned_away, spool.count_totals()["yard"].refused) == (
            1,
            1,
        )
        assert spool.retry_refused() == 0


def test_nothing_is_dropped_if_that_would_not_make_room_enough(tmp_path: Path) -> None:
    limits = Limits(min_free_bytes=shutil.disk_usage(tmp_path).free * 2, drops_oldest=True)
    with spools.open_spool(tmp_path) as spool:
        kept = add(spool, 1).id
    with spools.open_spool(tmp_path, limits) as spool:
        with pytest.raises(SpoolFull):
            add(spool, 2)
        assert ids(spool) == [kept]


def test_what_was_refused_long_ago_is_there_when_somebody_asks_for_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with spools.open_spool(tmp_path / "spool") as spool:
        spool.refuse_picture(add(spool, 1).id, "not wanted")
        with spool.books.writing() as db:
            db.execute("UPDATE pictures SET finished_at_ms = finished_at_ms - ?", (60 * DAY_MS,))
    monkeypatch.setenv(SPOOL_VARIABLE, str(tmp_path / "spool"))
    assert main(["status", "--retry-refused"]) == 0
    assert capsys.readouterr().out == "1 pictures will be offered once more\n"


def test_what_cannot_be_sent_for_days_is_set_aside_with_the_reason(
    tmp_path: Path, clock: FakeClock
) -> None:
    with spools.open_spool(tmp_path, Limits(unsent_days=3), clock) as spool:
        old = add(spool, 1)
        clock.pass_(2 * DAY_MS)
        young = add(spool, 2)
        clock.pass_(DAY_MS + 1)
        spool.sweep()
        assert spool.dropped == [(Dropped.TOO_OLD, "door")]
        assert ids(spool) == [young.id]
        with spool.books.reading() as db:
            (reason,) = db.execute("SELECT reason FROM pictures WHERE id = ?", (old.id,)).fetchone()
        assert reason == "not sent within 3 days"
        assert spool.retry_refused() == 1
        spool.sweep()
        assert ids(spool) == [old.id, young.id], "who asks for it once more gets the days once more"


def test_rows_of_what_is_done_are_forgotten_after_their_days_and_still_counted(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    with spools.open_spool(tmp_path, Limits(kept_days=30), clock) as spool:
        taken, refused = add(spool, 1), add(spool, 2)
        spool.record_done("door", {taken.id: "c1"})
        spool.refuse_picture(refused.id, "no")
        clock.pass_(31 * DAY_MS)
        add(spool, 3)
        spool.sweep()
        totals = spool.count_totals()["door"]
        assert (totals.sent, totals.refused, totals.unsent) == (1, 0, 1)
        assert len(copies(tmp_path)) == 1


def test_rows_of_what_is_done_leave_within_hours_but_those_of_files_that_could_come_again(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    with spools.open_spool(tmp_path, clock=clock) as spool:
        mark = FileMark(tmp_path / "a.jpg", len(pictures.jpeg(99)), 1)
        of_file = add(spool, 99, mark=mark)
        done = [of_file, *(add(spool, number) for number in range(5))]
        spool.record_done("door", {one.id: f"c{one.id}" for one in done})
        left = add(spool, 6)
        spool.sweep()
        assert spool.books.read_rows("SELECT count(*) FROM pictures") == [(7,)]
        clock.pass_(2 * 3_600_000)
        spool.sweep()
        assert spool.books.read_rows("SELECT id FROM pictures ORDER BY id") == [
            (of_file.id,),
            (left.id,),
        ]
        assert spool.find_picture("door", mark) is not None
        spool.record_done("door", {left.id: "left"})
        clock.pass_(2 * 3_600_000)
        spool.sweep()
        assert spool.count_totals()["door"].sent == 7, "still counted"


def test_what_is_held_is_known_again_after_a_start(tmp_path: Path) -> None:
    with spools.open_spool(tmp_path) as spool:
        taken = [add(spool, number) for number in range(6)]
        spool.record_done("door", {taken[0].id: "c"})
        spool.refuse_picture(taken[1].id, "no")
        held = spool.held_bytes
        assert held == 5 * len(pictures.jpeg(1))
    with spools.open_spool(tmp_path) as spool:
        assert spool.held_bytes == held


def written(folder: Path, kind: str) -> float:
    """Take and send 100 pictures of 100 KB, one after the other as a camera gives them; bytes
    written per byte."""

    def so_far() -> int:
        rows = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
        return int(rows["write_bytes"])

    clock, size, count = Clock(), 102_400, 100
    with spools.open_spool(folder, Limits(min_free_bytes=0), clock) as spool:
        spool.remember_anchor(Anchor(clock.wall_ms() - clock.boot_ms(), 1, clock.boot_ms()))
        before = so_far()
        for number in range(count):
            data = pictures.jpeg(number) + bytes(size - len(pictures.jpeg(number)))
            found = parse_content(data)
            assert found is not None
            mark = (
                FileMark(Path(f"/srv/ftp/entrance/2026/11/{number:06}.jpg"), size, number)
                if kind == "file"
                else None
            )
            spool.add_picture(DOOR, data, found, Stamp(parse_moment(clock)), mark)
            ids = {
                one.id: hashlib.md5(b"%d" % one.id).hexdigest()
                for one in spool.list_next("door", 50, 10**9)
            }
            spool.record_done("door", ids)
        return (so_far() - before) / (size * count)


@pytest.mark.parametrize("kind", ["frame", "file"])
def test_the_card_is_written_little_more_than_the_pictures(tmp_path: Path, kind: str) -> None:
    share = written(tmp_path, kind)
    if share == 0:
        pytest.skip("this disk does not count what is written")
    assert 1 < share <= 1.2


def test_a_spool_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    with spools.open_spool(tmp_path):
        pass
    with sqlite3.connect(tmp_path / database.FILE) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(SpoolDamaged, match="version 9"), spools.open_spool(tmp_path):
        pass


def test_pictures_of_an_earlier_versions_spool_are_taken_in_again(tmp_path: Path) -> None:
    with spools.open_spool(tmp_path) as spool:
        add(spool, 1)
    with closing(sqlite3.connect(tmp_path / database.FILE)) as books:
        books.execute("PRAGMA user_version = 1")
    with spools.open_spool(tmp_path) as spool:
        spool.take_in(threading.Event())
        (entry,) = spool.list_next("door", 10, 10**9)
        assert (entry.content, entry.captured_at_ms) == (content(1)[1], STATED_MS + 1)


def damage(folder: Path, how: str) -> None:
    for name in ("-wal", "-shm"):
        (folder / f"{database.FILE}{name}").unlink(missing_ok=True)
    books = folder / database.FILE
    if how == "is gone":
        books.unlink()
    elif how == "is something else":
        books.write_bytes(b"no database at all, but long enough to be looked at" * 20)
    else:
        with books.open("r+b") as stream:
            for page in range(1, books.stat().st_size // 1024):
                stream.seek(page * 1024)
                stream.write(b"\xa5" * 1024)


@pytest.mark.parametrize("how", ["is gone", "is something else", "has damaged pages"])
def test_damaged_books_are_set_aside_and_the_pictures_are_taken_in_again(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture, clock: FakeClock
) -> None:
    yard = Origin("50 % / yard_é", "test")
    with spools.open_spool(tmp_path, clock=clock) as spool:
        for number in range(30):
            add(spool, number, origin=yard if number % 2 else DOOR)
        clock.pass_(1_000)
        add(spool, 100, Stamp(clock.moment()))
        (tmp_path / "pictures" / "0_0___door.jpg").write_bytes(b"\xff\xd8\xff half")
        (tmp_path / "pictures" / "1_1___door.jpg").mkdir()  # as a sector that cannot be read
    damage(tmp_path, how)
    taken_at = clock.true_ms
    clock.boot_again("boot-2", off_ms=3_600_000)
    for number in range(2):
        with spools.open_spool(tmp_path, clock=clock) as spool:
            assert len(list(tmp_path.glob("damaged-*"))) == (how != "is gone")
            spool.take_in(threading.Event())
            spool.remember_anchor(Anchor(clock.true_ms - clock.boot_ms(), 1, 0))
            (*stated, stamped) = spool.list_next("door", 100, 10**9)
            assert [one.captured_at_ms for one in stated] == [
                1_700_000_000_000 + at for at in range(0, 30, 2)
            ]
            assert abs(stamped.captured_at_ms - taken_at) <= 1
            assert len(ids(spool, yard.camera)) == 15
            assert len(copies(tmp_path)) == 31, number
            assert spool.held_bytes == 31 * len(pictures.jpeg(1))
    assert "31 pictures" in caplog.text
    assert "1 cannot be" in caplog.text


def test_books_that_know_the_time_of_a_copy_that_cannot_be_read_stay_whatever_fails_then(
    tmp_path: Path,
) -> None:
    """It is taken in when it can be read, and the service may have heard that time."""
    with spools.open_spool(tmp_path) as spool:
        for number in range(30):
            add(spool, number)
    damage(tmp_path, "is something else")
    (tmp_path / "pictures" / "1_1___door.jpg").mkdir()  # as a sector that cannot be read
    with spools.open_spool(tmp_path) as spool:
        ((pages,),) = spool.books.read_rows("PRAGMA page_count")
        spool.books.read_rows(f"PRAGMA max_page_count={pages + 4}")
        with pytest.raises(SpoolFull):
            spool.take_in(threading.Event())
        spool.books.read_rows(f"PRAGMA max_page_count={100 * pages}")
        spool.take_in(threading.Event())
        assert spool.count_unsent() == 30
        assert len(list(tmp_path.glob("damaged-*"))) == 1


def take_in(folder: Path) -> None:
    with spools.open_spool(folder) as spool:
        spool.take_in(threading.Event())


def test_kills_while_pictures_are_taken_in_again_lose_none_and_double_none(tmp_path: Path) -> None:
    with spools.open_spool(tmp_path) as spool:
        taken = [add(spool, number).id for number in range(200)]
        spool.record_done("door", {taken[0]: "c0"})
    damage(tmp_path, "has damaged pages")
    rng, ended = random.Random(9), []
    while 0 not in ended:
        process = multiprocessing.get_context("fork").Process(target=take_in, args=(tmp_path,))
        process.start()
        process.join(rng.uniform(0, 0.02) if len(ended) < 8 else None)
        process.kill()
        process.join()
        ended.append(process.exitcode)
    assert ended.count(-9) > 1, ended
    with spools.open_spool(tmp_path) as spool:
        assert spool.strays == []
        assert len(spool.list_next("door", 300, 10**9)) == len(copies(tmp_path)) == 199
        assert spool.held_bytes == 199 * len(pictures.jpeg(1))
    assert list(tmp_path.glob("damaged-*")) == []


def damage_index(folder: Path, name: str) -> None:
    with database.open_books(folder) as db:
        (root,) = db.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)
        ).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    db.close()
    with (folder / database.FILE).open("r+b") as stream:
        stream.seek((root - 1) * size)
        stream.write(b"\xa5" * size)


FRAME, HEAD = 24 + 512, 32
"""Bytes of a page of the journal with its head, and of the journal's own head."""


def test_pictures_are_taken_in_again_however_much_of_the_journal_a_bad_card_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = tmp_path / "whole"
    with spools.open_spool(whole):
        pass
    with spools.open_spool(whole) as spool:
        for number in range(12):
            add(spool, number)
        for path in (whole / database.FILE, whole / f"{database.FILE}-wal"):
            shutil.copy(path, tmp_path)
        (tmp_path / "pictures").mkdir()
        shutil.copytree(whole / "pictures", tmp_path / "pictures", dirs_exist_ok=True)
    journal = (tmp_path / f"{database.FILE}-wal").read_bytes()
    frames = (len(journal) - HEAD) // FRAME
    assert frames > 20
    rotten = journal[: len(journal) // 3] + b"\xa5" * 2_000 + journal[len(journal) // 3 + 2_000 :]
    left = [journal[: HEAD + number * FRAME] for number in range(frames + 1)]
    for number, journal in enumerate([b"", rotten, *left]):
        box = tmp_path / f"box-{number}"
        shutil.copytree(tmp_path / "pictures", box / "pictures")
        shutil.copy(tmp_path / database.FILE, box)
        (box / f"{database.FILE}-wal").write_bytes(journal)
        with spools.open_spool(box) as spool:
            spool.take_in(threading.Event())
            assert len(ids(spool)) == 12, number
            assert spool.held_bytes == sum(path.stat().st_size for path in copies(box))
        assert list(box.glob("damaged-*")) == []
    assert "12 pictures" in caplog.text


def test_books_that_turn_out_damaged_while_they_are_used_are_set_aside_for_the_next_start(
    tmp_path: Path,
) -> None:
    with spools.open_spool(tmp_path) as spool:
        for number in range(100):
            add(spool, number)
    damage_index(tmp_path, "by_content")
    with pytest.raises(BooksDamaged), spools.open_spool(tmp_path) as spool:
        add(spool, 100)
    with spools.open_spool(tmp_path) as spool:
        spool.take_in(threading.Event())
        assert len(spool.list_next("door", 200, 10**9)) == 100
    assert list(tmp_path.glob("damaged-*")) == [], "what was taken in does not take room twice"


def test_a_time_that_the_service_has_heard_stays_when_the_books_are_damaged(
    tmp_path: Path, clock: FakeClock
) -> None:
    """With another time, the same picture would be another capture."""
    with spools.open_spool(tmp_path, clock=clock) as spool:
        for number in range(60):
            clock.pass_(3_000)
            add(spool, number, Stamp(clock.moment()))
        spool.remember_anchor(Anchor(12_345, 1, 0))
        heard = [entry.captured_at_ms for entry in spool.list_next("door", 10, 10**9)]
    damage_index(tmp_path, "finished")
    with spools.open_spool(tmp_path, clock=clock) as spool:
        assert ids(spool) == []
        spool.take_in(threading.Event())
        spool.remember_anchor(Anchor(99_999, 1, 0))
        assert [entry.captured_at_ms for entry in spool.list_next("door", 10, 10**9)] == heard


def test_books_of_which_a_part_cannot_be_read_are_damaged_and_those_on_a_read_only_disk_are_not(
    tmp_path: Path,
) -> None:
    with spools.open_spool(tmp_path) as spool:
        for code, kind in (("SQLITE_IOERR_READ", BooksDamaged), ("SQLITE_READONLY", SpoolDamaged)):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = getattr(sqlite3, code)
            with pytest.raises(SpoolDamaged) as caught, spool.books.reading():
                raise error
            assert type(caught.value) is kind


def test_a_new_spool_keeps_its_pictures_out_of_git(tmp_path: Path) -> None:
    with files.hold_spool(tmp_path / "spool"):
        assert (tmp_path / "spool" / ".gitignore").read_text() == "*\n"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").touch()
    with files.hold_spool(tmp_path / "mine"):
        assert not (tmp_path / "mine" / ".gitignore").exists()
