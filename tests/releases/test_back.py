"""A failed update loses nothing: two versions of the code write one folder in turn.

Both are drawn from this code. The older one knows no pages of visits, and the next one writes them
from its own format on.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from regulars_client import archive

from chalicelib.domain.local_time import DAY_MS
from chalicelib.open_storage import open_storage
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.formats import FORMAT, Due, upgrade_format
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Update, exists
from tests.releases.back import (
    HERE,
    TENANT,
    Version,
    add_tenant,
    expected_outcomes,
    go_back_and_forth,
)
from tests.support.examples import rest
from tests.support.fakes import FakeClock

pytestmark = rest

NOW = 1_700_000_000_000
NEXT = 6
FORMATS = "chalicelib/storage/formats.py"
READS_PAGES = ("chalicelib/storage/records/observations.py", 'item.get("paged", (0, 0))', "(0, 0)")
WRITES_NEXT = (
    (FORMATS, f"FORMAT = {FORMAT}", f"FORMAT = {NEXT}"),
    (FORMATS, "KNOWN = (FORMAT,)", f"KNOWN = ({FORMAT}, FORMAT)"),
    ("chalicelib/domain/rules/visits.py", "MOST_IN_HEAD = 32", "MOST_IN_HEAD = 4"),
    ("chalicelib/domain/rules/visits.py", "_MOST_IN_PAGE = 16, 400", "_MOST_IN_PAGE = 2, 400"),
    (
        "chalicelib/book/visits.py",
        "visits = visits_from(stored_visits)",
        f"visits = replace(visits_from(stored_visits), must_fit_one_item=tenant.format < {NEXT})",
    ),
)
"""What the next version changes: of a file, the text now, and then."""


def draw(root: Path, number: int, changes: Iterable[tuple[str, str, str]]) -> Version:
    """Return this code with some changes, in a folder of its own."""
    shutil.copytree(
        HERE / "chalicelib", root / "chalicelib", ignore=shutil.ignore_patterns("__pycache__")
    )
    (root / "app.py").write_bytes((HERE / "app.py").read_bytes())
    for folder in ("regulars", "console", "client"):
        (root / folder).symlink_to(HERE / folder)
    for name, now, then in changes:
        file = root / name
        text = file.read_text()
        assert text.count(now) == 1, now
        file.write_text(text.replace(now, then))
    return Version(root, number)


@pytest.fixture
def older(tmp_path: Path) -> Version:
    return draw(tmp_path / "older", FORMAT, [READS_PAGES])


@pytest.fixture
def newer(tmp_path: Path) -> Version:
    return draw(tmp_path / "newer", NEXT, WRITES_NEXT)


def test_upgrade_back_and_upgrade_lose_no_visit(
    older: Version, newer: Version, tmp_path: Path
) -> None:
    done = [*go_back_and_forth(older, newer, tmp_path / "data")]
    assert done == expected_outcomes(older, newer)


def test_on_the_day_of_an_update_a_new_tenant_and_a_backup_are_as_the_version_before_reads_them(
    older: Version, newer: Version, tmp_path: Path
) -> None:
    data, file = tmp_path / "data", tmp_path / "shop.tar"
    add_tenant(older, data)
    storage = open_storage(Settings(storage=data), FakeClock())
    there = (exists("there"),)
    update = Update(keys.TENANTS, keys.tenant_item(TENANT), there, set={"model": "of before"})
    storage.items.transact([update])
    for words in (("tenants", "add", "new", "--strangers", "forget"), ("backup", file)):
        newer.start(*words, "--data", data).communicate()
    tenants = [*walk_items(storage.items, keys.TENANTS, keys.tenant_item("")[0])]
    storage.close()
    assert {(one["id"], one["format"], one["model"]) for one in tenants} == {
        (TENANT, FORMAT, "of before"),
        ("new", FORMAT, "of before"),
    }
    judged: list[object] = []
    archive.check_file(file, lambda _, number: judged.append(number))
    assert judged == [FORMAT]


@pytest.mark.parametrize(
    ("number", "due", "after"),
    [
        (FORMAT, None, (FORMAT, None)),
        (FORMAT, (FORMAT + 1, NOW - DAY_MS), (FORMAT, None)),
        (FORMAT - 1, None, (FORMAT - 1, (FORMAT, NOW + DAY_MS))),
        (FORMAT - 1, (FORMAT, NOW + 1), (FORMAT - 1, (FORMAT, NOW + 1))),
        (FORMAT - 1, (FORMAT, NOW), (FORMAT, None)),
    ],
    ids=[
        "nothing to do",
        "a newer version was taken back",
        "first sweep",
        "too soon",
        "a day later",
    ],
)
def test_a_format_is_raised_a_day_after_the_first_sweep(
    number: int, due: Due | None, after: tuple[int, Due | None]
) -> None:
    assert upgrade_format(number, due, NOW) == after
