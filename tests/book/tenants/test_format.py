import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chalicelib.bootstrap import build
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.domain.model import Credentials, Profile
from chalicelib.open_storage import open_storage
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.formats import FORMAT
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Update, exists
from regulars.cli import main
from regulars.tenants.credentials import CredentialsFile, read_credentials
from tests.support.fakes import FakeClock

OTHERS = {
    "none": (None, "the data of tenant shop has no format number, so no release wrote it"),
    "a later one": (6, "the data of tenant shop has format 6, so a newer version wrote it"),
}
in_another_format = pytest.mark.parametrize(("number", "said"), OTHERS.values(), ids=OTHERS)


def services_on(data: Path) -> Services:
    return build(Settings(storage=data), clock=FakeClock())


@pytest.fixture
def made(tmp_path: Path) -> Credentials:
    """The tenant's credentials in a folder that was served once."""
    with closing(services_on(tmp_path)) as services:
        CredentialsFile(tmp_path, services.tenants).provide()
        return read_credentials(tmp_path)["shop"]


def give(data: Path, number: int | None) -> None:
    """Make the folder one of another version's, as far as its tenants say."""
    storage = open_storage(Settings(storage=data), FakeClock())
    change: dict[str, Any] = (
        {"remove": ("format",)} if number is None else {"set": {"format": number}}
    )
    storage.items.transact(
        [Update(keys.TENANTS, keys.tenant_item("shop"), (exists("there"),), **change)]
    )
    storage.close()


def content(data: Path) -> dict[str, Any]:
    """All items, and all files but the database's own."""
    storage = open_storage(Settings(storage=data), FakeClock())
    with closing(storage):
        kinds = ("tenant", "app_id", "appcode", "api_key")
        items = [[*walk_items(storage.items, keys.TENANTS, kind)] for kind in kinds]
        items += [
            [*walk_items(storage.items, keys.DIRECTORY, tenant)] for tenant in ("shop", "new")
        ]
    files = [path for path in sorted(data.rglob("*")) if path.is_file()]
    ours = [
        path
        for path in files
        if not path.name.startswith("regulars.sqlite") and path.suffix != ".lock"
    ]
    return {"items": items, **{str(path): path.read_bytes() for path in ours}}


def test_a_new_tenants_record_has_the_number(made: Credentials, tmp_path: Path) -> None:
    storage = open_storage(Settings(storage=tmp_path), FakeClock())
    with closing(storage):
        records = [*walk_items(storage.items, keys.TENANTS, "tenant")]
    assert [record["format"] for record in records] == [FORMAT]


def test_the_same_number_opens(made: Credentials, tmp_path: Path) -> None:
    with closing(services_on(tmp_path)) as services:
        assert {tenant.name for tenant in services.tenants.list_all()} == {"shop"}
        assert services.tenants.find_by_api_key(made.api_key) == services.tenants.get_by_name(
            "shop"
        )


@in_another_format
def test_every_way_to_a_tenant_refuses_another_and_changes_nothing(
    made: Credentials, tmp_path: Path, number: int | None, said: str
) -> None:
    give(tmp_path, number)
    before = content(tmp_path)
    with closing(services_on(tmp_path)) as services:
        tenants = services.tenants
        for way in (
            tenants.list_all,
            lambda: tenants.get_by_name("shop"),
            lambda: tenants.find_by_api_key(made.api_key),
            lambda: tenants.find_by_appcode(made.appcode),
            lambda: tenants.find_by_app_id(made.app_id),
            lambda: tenants.rotate_keys("shop"),
            lambda: tenants.disable("shop"),
            lambda: tenants.change_settings("shop", {"requests_a_day": 7}),
            lambda: tenants.add("new", Profile.CLOUD),
        ):
            with pytest.raises(StorageUnavailable, match=re.escape(said)):
                way()
    assert content(tmp_path) == before


@in_another_format
def test_serve_refuses_a_folder_of_another_with_one_sentence(
    made: Credentials, tmp_path: Path, number: int | None, said: str
) -> None:
    """In a process of its own: a server keeps this one's streams and signals."""
    give(tmp_path, number)
    before = content(tmp_path)
    command = [sys.executable, "-m", "regulars", "serve", "--port", "0", "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"regulars: {said}")
    assert done.stderr.count("\n") == 1
    assert content(tmp_path) == before


@in_another_format
@pytest.mark.parametrize(
    "command",
    [
        ("tenants", "list"),
        ("tenants", "add", "new", "--strangers", "forget"),
        ("tenants", "rotate", "shop"),
        ("backup", "out.tar"),
    ],
    ids=" ".join,
)
def test_every_command_refuses_a_folder_of_another_with_one_sentence(
    made: Credentials,
    tmp_path: Path,
    command: tuple[str, ...],
    number: int | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    give(tmp_path, number)
    before = content(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    assert main([*command, "--data", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"regulars: {said}")
    assert told.err.count("\n") == 1
    assert content(tmp_path) == before
    assert not (tmp_path.parent / "out.tar").exists()
