"""A copied data folder does not go on as the first one; a moved one does, and is asked about as
seldom as can be."""

import json
import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.bootstrap import build
from chalicelib.domain.audit_events import AuditEvent, Kind, begin_audit_event, begin_in_tenant
from chalicelib.domain.model import NewFace, Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.services import Services
from chalicelib.settings import Settings
from regulars.backup.receipts import require_erasures_done
from regulars.cli import MISUSED, main
from regulars.errors import CopiedFolder
from regulars.place import (
    FILE,
    Place,
    describe_doubt,
    find_place,
    is_same,
    note_place,
    require_place,
)
from regulars.tenants.credentials import CredentialsFile, read_credentials
from tests.support.fakes import RULES, UNHURRIED, FakeClock, FakeVision, Person, picture


def begin_to_serve(data: Path) -> None:
    require_place(data)
    note_place(data)


HERE = Place(inode=7, born_ns=5, machine="m", path="/srv/shop")


@pytest.mark.parametrize(
    ("case", "changes", "same"),
    [
        ("the same start again", {}, True),
        ("a folder that was renamed", {"path": "/srv/other"}, True),
        (
            "a volume on another node, or a disk in another machine",
            {"machine": "n", "path": "/data"},
            True,
        ),
        ("a network disk that numbers files anew", {"inode": 8}, True),
        (
            "a disk whose system no longer says when files were made",
            {"born_ns": None, "machine": ""},
            True,
        ),
        ("that, with files numbered anew", {"born_ns": None, "inode": 8, "machine": ""}, False),
        ("files put back at their place", {"inode": 8, "born_ns": 6}, True),
        ("a copy beside it", {"inode": 8, "born_ns": 6, "path": "/srv/branch"}, False),
        ("a copy on another machine", {"inode": 8, "born_ns": 6, "machine": "n"}, False),
        ("a copy that has the same number by chance", {"born_ns": 6, "machine": "n"}, False),
        ("a copied volume in another container", {"inode": 8, "born_ns": 6, "machine": ""}, False),
    ],
)
def test_what_is_the_same_place(case: str, changes: dict[str, object], same: bool) -> None:
    assert is_same(HERE, replace(HERE, **changes)) is same, case


def test_a_copied_volume_in_containers_is_asked_about_also_at_the_same_path() -> None:
    assert not is_same(replace(HERE, machine=""), replace(HERE, machine="", inode=8, born_ns=6))


def test_files_that_are_copied_are_told_from_those_that_are_moved(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    begin_to_serve(data)
    noted = (data / FILE).read_bytes()
    for _ in range(2):
        begin_to_serve(data)
        assert (data / FILE).read_bytes() == noted
    copy = Path(shutil.copytree(data, tmp_path / "copy"))
    with pytest.raises(
        CopiedFolder,
        match=rf"copied from {data}.*folder moved --data {copy}.*folder copied --data {copy}",
    ):
        require_place(copy)
    moved = data.rename(tmp_path / "moved")
    begin_to_serve(moved)
    assert find_place(moved).path == str(moved)
    assert describe_doubt(copy), "it is still asked about"
    note_place(copy)
    require_place(copy)
    begin_to_serve(moved)


@pytest.mark.parametrize("torn", [b"", b"{", b'{"inode": 1}', b"\xff", b"[" * 9000])
def test_a_mark_that_was_not_written_whole_stops_nothing(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / FILE).write_bytes(torn)
    begin_to_serve(tmp_path)
    assert json.loads((tmp_path / FILE).read_bytes())["path"] == str(tmp_path)


# --- a copy goes on
# --------------------------------------------------------------------------------------------------


def open_box(data: Path, witness: Path) -> Services:
    settings = Settings(storage=data, **UNHURRIED, witness=str(witness))
    return build(settings, clock=FakeClock(), vision=FakeVision, vision_of=lambda _: FakeVision())


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    (tmp_path / "witness").mkdir()
    return tmp_path / "witness"


@pytest.fixture
def first(tmp_path: Path, witness: Path) -> Path:
    """A box with two shops, a person, a camera, hooks, a mailbox, a further key and somebody who is
    signed in."""
    data = tmp_path / "first"
    act = AuditEvent("regulars tenants add", "operator", Kind.CHANGE)
    with closing(open_box(data, witness)) as services, begin_audit_event(act):
        keys_file = CredentialsFile(data, services.tenants)
        for name in ("shop", "second"):
            with begin_in_tenant(name):
                keys_file.add(name, Profile.CAMERA, TenantSettings())
                tenant = services.tenants.get_by_name(name)
                services.enrolment.enrol_largest_face(
                    tenant, "regular", picture(Person(1)), RULES, NewFace(faceid="7", name="Ann")
                )
                services.cameras.add(tenant, "door", "Door")
                services.webhooks.hooks.add(name, "https://8.8.8.8/", name="office")
                services.webhooks.hooks.add(name, None, name="home")
        note_place(data)
    return data


@pytest.fixture
def copy(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "branch"))


def test_serve_asks_what_a_copy_is_and_ends_so_that_it_is_not_started_again(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["serve", "--data", str(copy), "--port", "0"]) == MISUSED
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "this folder was moved or copied from" in said
    assert describe_doubt(copy)
    monkeypatch.setenv("REGULARS_PORT", "0")
    assert main(["doctor", "--data", str(copy)]) == 1
    assert "failed   folder   this folder was moved or copied" in capsys.readouterr().out
    assert main(["folder", "moved", "--data", str(copy)]) == 0
    assert not describe_doubt(copy)


def test_a_copy_that_goes_on_has_nothing_of_the_first_but_its_people(
    first: Path, copy: Path, witness: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["folder", "copied", "--data", str(copy)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["tenant"] for line in lines] == ["second", "shop"]
    require_place(copy)
    old, new = read_credentials(first), read_credentials(copy)
    with closing(open_box(first, witness)) as one, closing(open_box(copy, witness)) as other:
        for name in ("shop", "second"):
            mine, theirs = one.tenants.read_stored(name), other.tenants.read_stored(name)
            assert mine.book_id != theirs.book_id
            assert mine.life != theirs.life
            assert theirs.app_id == new[name].app_id
            for services, valid, void in (
                (one, old[name], new[name]),
                (other, new[name], old[name]),
            ):
                assert services.tenants.find_by_api_key(valid.api_key)
                assert services.tenants.find_by_appcode(valid.appcode)
                assert services.tenants.find_by_app_id(valid.app_id)[1] == valid.app_key
                assert services.tenants.find_by_access_key(valid.access_key_id)
                assert services.tenants.find_by_api_key(void.api_key) is None
                assert services.tenants.find_by_appcode(void.appcode) is None
                assert services.tenants.find_by_app_id(void.app_id) is None
                assert services.tenants.find_by_access_key(void.access_key_id) is None
            hooks = other.webhooks.hooks.list_all(name)
            assert {hook.name: hook.enabled for hook in hooks} == {"office": False, "home": True}
            assert all(hook.enabled for hook in one.webhooks.hooks.list_all(name))
            assert one.audit.signing.read_public_keys(name) != other.audit.signing.read_public_keys(
                name
            )
            assert [face.name for face in other.faces.by_id(theirs, ["7"]).values()] == ["Ann"]
        assert main(["audit", "verify", "--tenant", name, "--data", str(copy)]) == 0, (
            "the new key has its entry"
        )
    assert (first / "secrets/signed-paths").read_bytes() != (
        copy / "secrets/signed-paths"
    ).read_bytes()


def test_what_the_copy_erases_does_not_stop_the_first_at_one_witness(
    first: Path, copy: Path, witness: Path
) -> None:
    assert main(["folder", "copied", "--data", str(copy)]) == 0
    with closing(open_box(copy, witness)) as branch:
        tenant = branch.tenants.get_by_name("shop")
        [id_] = branch.deletion.delete_faces(tenant, ["7"], by="operator", erase=True).erasures
        branch.clock.advance(timedelta(days=1))  # type: ignore[attr-defined] # the test's clock
        branch.erasure.steps.go_on(tenant, id_)
        assert [*witness.rglob("receipts/*/*.json")]
        require_erasures_done(branch, copy)
    with closing(open_box(first, witness)) as services:
        require_erasures_done(services, first)
        assert services.faces.find(services.tenants.get_by_name("shop"), "7")
