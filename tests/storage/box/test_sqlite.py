import gc
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.domain.errors import Busy, ConditionFailed, StorageUnavailable
from chalicelib.storage.box.items import SqliteFile, SqliteItemStore
from chalicelib.storage.box.queue import SqliteQueue
from chalicelib.storage.keys import DIRECTORY, FACES, TABLES
from chalicelib.storage.ports import Delete, Put, Table, Update, absent, equals, exists
from tests.support.fakes import FakeClock
from tests.support.full_disk import no_file_larger_than

pytestmark = pytest.mark.disk

THREADS = 16
COUNTER = ("t", "counter")


def put_counter(items: SqliteItemStore) -> None:
    items.transact([Put(DIRECTORY, {"tenant": "t", "item": "counter", "n": 0})])


def counted(items: SqliteItemStore) -> int:
    counter = items.get(DIRECTORY, COUNTER)
    return counter["n"]


def in_threads(work: Callable[[int], None]) -> None:
    """Runs `work` in 16 threads that begin together; raises what one of them raised."""
    begin = threading.Barrier(THREADS)

    def run(number: int) -> None:
        begin.wait()
        work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(run, range(THREADS)))


def test_sixteen_threads_lose_no_count(sqlite_items: SqliteItemStore) -> None:
    put_counter(sqlite_items)

    def add(number: int) -> None:
        for _ in range(25):
            sqlite_items.transact([Update(DIRECTORY, COUNTER, (exists("counter"),), add={"n": 1})])

    in_threads(add)
    assert counted(sqlite_items) == THREADS * 25


def test_sixteen_threads_that_compare_and_set_lose_no_count(sqlite_items: SqliteItemStore) -> None:
    put_counter(sqlite_items)

    def add(number: int) -> None:
        done = 0
        while done < 5:
            seen = counted(sqlite_items)
            try:
                change = Update(DIRECTORY, COUNTER, (equals("n", seen, "n"),), set={"n": seen + 1})
                sqlite_items.transact([change])
            except ConditionFailed:
                continue
            done += 1

    in_threads(add)
    assert counted(sqlite_items) == THREADS * 5


def test_of_sixteen_that_want_a_key_one_gets_it(sqlite_items: SqliteItemStore) -> None:
    won: list[tuple[int, int]] = []

    def claim(number: int) -> None:
        for key in range(30):
            item = {"tenant": "t", "item": f"{key:02d}", "by": number}
            try:
                sqlite_items.transact([Put(DIRECTORY, item, (absent("key"),))])
            except ConditionFailed:
                continue
            won.append((key, number))

    in_threads(claim)
    assert sorted(key for key, _ in won) == list(range(30))
    assert {
        int(item["item"]): item["by"] for item in sqlite_items.query(DIRECTORY, "t").items
    } == dict(won)


def test_another_process_sees_a_commit_at_once(
    sqlite_path: Path, sqlite_items: SqliteItemStore
) -> None:
    put_counter(sqlite_items)
    with closing(SqliteItemStore(sqlite_path, TABLES)) as other:
        other.transact([Update(DIRECTORY, COUNTER, (equals("n", 0, "n"),), add={"n": 1})])
        assert counted(sqlite_items) == 1
        sqlite_items.transact([Update(DIRECTORY, COUNTER, (equals("n", 1, "n"),), add={"n": 1})])
        assert counted(other) == 2


# --- durability
# --------------------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from chalicelib.storage.box.items import SqliteFile
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.keys import FACES, TABLES
from chalicelib.storage.ports import Put

items = SqliteItemStore(Path(sys.argv[1]), TABLES)
for n in range(1_000_000):
    keys = {"faceid": f"{n:06d}", "enrolment_key": f"k{n:06d}"}
    items.transact([Put(FACES, {"tenant": t, **keys}) for t in ("one", "two")])
    print(n, flush=True)
"""


def test_every_commit_survives_the_kill_of_its_process(sqlite_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(sqlite_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        told = [int(next(writer.stdout)) for _ in range(50)]
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout if line.endswith("\n")]
    with closing(SqliteItemStore(sqlite_path, TABLES)) as items:
        found = {
            tenant: [item["faceid"] for item in items.query(FACES, tenant).items[: len(told) + 2]]
            for tenant in ("one", "two")
        }
        indexed = [item["faceid"] for item in items.query(FACES, "one", index="by_enrolment").items]
        assert found["one"] == found["two"] == indexed
        assert [f"{n:06d}" for n in told] == found["one"][: len(told)]
        items.transact([Put(FACES, {"tenant": "one", "faceid": "after"})])


def test_what_was_deleted_is_in_no_file_once_the_store_is_wiped(
    sqlite_path: Path, sqlite_items: SqliteItemStore
) -> None:
    sqlite_items.transact([Put(DIRECTORY, {"tenant": "t", "item": "i", "secret": "biometric"})])
    sqlite_items.transact([Delete(DIRECTORY, ("t", "i"))])
    sqlite_items.file.wipe()
    files = [
        path
        for path in sqlite_path.parent.glob("regulars.sqlite*")
        if b"biometric" in path.read_bytes()
    ]
    assert files == []


def test_a_file_is_not_wiped_while_somebody_still_reads_what_was_deleted(sqlite_path: Path) -> None:
    with closing(SqliteItemStore(sqlite_path, TABLES, busy_s=0.05)) as items:
        items.transact([Put(DIRECTORY, {"tenant": "t", "item": "i", "secret": "biometric"})])
        with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM items").fetchone()
            items.transact([Delete(DIRECTORY, ("t", "i"))])
            for leave_nothing in (items.file.wipe, items.file.scrub):
                with pytest.raises(Busy, match="reads"):
                    leave_nothing()
            before = sqlite_path.with_name(f"{sqlite_path.name}-wal").stat().st_size
            with pytest.raises(Busy):
                items.file.scrub()
            assert sqlite_path.with_name(f"{sqlite_path.name}-wal").stat().st_size == before, (
                "the log does not grow"
            )
            put_counter(items)
        items.file.scrub()
        assert [
            path for path in sqlite_path.parent.iterdir() if b"biometric" in path.read_bytes()
        ] == []


def test_commits_wait_for_the_disk_but_for_what_becomes_of_a_message(
    sqlite_items: SqliteItemStore,
) -> None:
    """A capture commits once, and is received and deleted besides; all who write wait while one
    waits for the disk."""
    queue = SqliteQueue(sqlite_items.file, "q", FakeClock())

    def pragma(name: str) -> object:
        with sqlite_items.file.reading() as connection:
            return connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert pragma("journal_mode") == "wal"
    queue.send("capture")
    assert pragma("synchronous") == (full := 2)
    (message,) = queue.receive(1, 30)
    assert pragma("synchronous") == (normal := 1)
    put_counter(sqlite_items)
    assert pragma("synchronous") == full
    queue.delete(message.receipt)
    assert pragma("synchronous") == normal


# --- failures
# --------------------------------------------------------------------------------------------------


@contextmanager
def held_by_another(path: Path) -> Iterator[None]:
    """A write transaction of another process, as far as SQLite can tell."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_database_held_by_another_process_is_busy(sqlite_path: Path) -> None:
    with closing(SqliteItemStore(sqlite_path, TABLES, busy_s=0.05)) as items:
        put_counter(items)
        change = Update(DIRECTORY, COUNTER, (exists("counter"),), add={"n": 1})
        with held_by_another(sqlite_path):
            assert counted(items) == 0
            with pytest.raises(Busy):
                items.transact([change])
        items.transact([change])
        assert counted(items) == 1


def test_a_full_disk_undoes_the_transaction_and_leaves_the_store_usable(
    sqlite_path: Path, sqlite_items: SqliteItemStore
) -> None:
    put_counter(sqlite_items)
    big = [
        Put(DIRECTORY, {"tenant": "t", "item": f"big{n}", "v": "x" * 300_000}) for n in range(10)
    ]
    change = Update(DIRECTORY, COUNTER, (exists("counter"),), add={"n": 1})
    with no_file_larger_than(1_000_000):
        for _ in range(2):
            with pytest.raises(StorageUnavailable):
                sqlite_items.transact([change, *big])
            assert counted(sqlite_items) == 0
        sqlite_items.transact([change])
    sqlite_items.transact([change, *big])
    assert counted(sqlite_items) == 2
    assert len(sqlite_items.query(DIRECTORY, "t", low="big", limit=3).items) == 3


def test_what_is_no_database_is_refused_as_unavailable(sqlite_path: Path) -> None:
    sqlite_path.write_bytes(b"this is no database, whatever its name says. " * 100)
    with pytest.raises(StorageUnavailable):
        SqliteItemStore(sqlite_path, TABLES)


def test_a_file_that_is_damaged_later_is_unavailable(sqlite_path: Path) -> None:
    with closing(SqliteItemStore(sqlite_path, TABLES)) as items:
        put_counter(items)
    sqlite_path.write_bytes(b"\xff" * sqlite_path.stat().st_size)
    with pytest.raises(StorageUnavailable):
        SqliteItemStore(sqlite_path, TABLES)


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable):
        SqliteItemStore(tmp_path / "file" / "items.sqlite", TABLES)


def test_another_layout_is_refused(sqlite_path: Path) -> None:
    with closing(sqlite3.connect(sqlite_path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageUnavailable, match="layout 99"):
        SqliteItemStore(sqlite_path, TABLES)


def test_a_table_that_the_store_was_not_given_is_unavailable(sqlite_items: SqliteItemStore) -> None:
    unknown = Table("unknown", "p", "s")
    with pytest.raises(StorageUnavailable):
        sqlite_items.get(unknown, ("p", "s"))
    with pytest.raises(StorageUnavailable):
        sqlite_items.transact([Put(unknown, {"p": "p", "s": "s"})])


# --- connections
# --------------------------------------------------------------------------------------------------


def open_files(path: Path) -> int:
    """How many descriptors of the database file itself this process holds."""
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - it changes meanwhile
    return sum(
        1 for link in links if link.is_symlink() and os.path.realpath(link) == str(path.resolve())
    )


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc to count open files in")
def test_a_thread_takes_its_connection_with_it(
    sqlite_path: Path, sqlite_items: SqliteItemStore
) -> None:
    put_counter(sqlite_items)
    for _ in range(5):
        thread = threading.Thread(target=counted, args=(sqlite_items,))
        thread.start()
        thread.join()
    gc.collect()
    # SQLite keeps one descriptor for the next connection while another one holds the file's locks.
    assert open_files(sqlite_path) <= 2


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc to count open files in")
def test_closing_closes_the_connections_of_all_threads(sqlite_path: Path) -> None:
    items = SqliteItemStore(sqlite_path, TABLES)
    put_counter(items)
    read, closed = threading.Barrier(2), threading.Event()

    def hold() -> None:
        counted(items)
        read.wait()
        closed.wait()
        with pytest.raises(StorageUnavailable):
            counted(items)

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        read.wait()
        items.close()
        assert open_files(sqlite_path) == 0
        closed.set()
        held.result()
    items.close()


def test_a_store_that_nobody_closed_warns_of_nothing(sqlite_path: Path) -> None:
    put_counter(SqliteItemStore(sqlite_path, TABLES))
    gc.collect()
    # pytest turns a ResourceWarning into a failure.


def test_the_file_is_its_owners_only(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "data" / "regulars.sqlite"
    with (
        closing(SqliteItemStore(path, TABLES)) as items,
        closing(SqliteQueue(path, "index", clock)) as queue,
    ):
        put_counter(items)
        queue.send("x")
        modes = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    assert set(modes.values()) == {"0o600"}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_items_and_queues_share_a_file_and_keep_apart(
    sqlite_path: Path, sqlite_items: SqliteItemStore, clock: FakeClock
) -> None:
    with (
        closing(SqliteQueue(sqlite_path, "one", clock)) as one,
        closing(SqliteQueue(sqlite_path, "two", clock)) as two,
    ):
        put_counter(sqlite_items)
        one.send("for one")
        assert two.receive(10, 0) == []
        message = one.receive(10, 30)[0]
        two.delete(message.receipt)
        clock.advance(timedelta(seconds=30))
        assert [again.body for again in one.receive(10, 0)] == ["for one"]
        assert counted(sqlite_items) == 0


def test_a_file_that_was_moved_away_is_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "a folder?#%41" / "db.sqlite"
    file = SqliteFile(path)
    path.rename(tmp_path / "elsewhere.sqlite")
    with ThreadPoolExecutor(1) as other_thread, pytest.raises(StorageUnavailable):
        other_thread.submit(read, file).result()
    assert not path.exists()
    file.close()


def read(file: SqliteFile) -> None:
    with file.reading():
        pass
