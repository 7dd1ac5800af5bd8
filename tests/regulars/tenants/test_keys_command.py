import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chalicelib import bootstrap
from chalicelib.services import Services
from chalicelib.settings import Settings
from regulars import folder
from regulars.cli import main


@pytest.fixture
def data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    folder = str(tmp_path / "data")
    assert main(["tenants", "add", "shop-12", "--strangers", "forget", "--data", folder]) == 0
    capsys.readouterr()
    return folder


@contextmanager
def opened(data: str) -> Iterator[Services]:
    services = bootstrap.build(Settings(storage=Path(data)))
    try:
        yield services
    finally:
        services.close()


def said(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert main([*command]) == 0
    return capsys.readouterr().out


def test_the_console_is_opened_by_a_link_that_is_good_once(
    data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = said(
        capsys, "console", "--tenant", "shop-12", "--url", "https://box.example/", "--data", data
    ).strip()
    matched = re.fullmatch(r"https://box\.example/console#code=([A-Za-z0-9_-]{43})", link)
    assert matched
    with opened(data) as services:
        _, session = services.access.sessions.begin_by_code(matched[1])
        assert (session.tenant.name, session.key.id) == ("shop-12", "first")
    assert said(capsys, "console", "--data", data).startswith("http://127.0.0.1:8000/console#code=")
    monkeypatch.setenv("REGULARS_PORT", "8100")
    assert said(capsys, "console", "--data", data).startswith("http://127.0.0.1:8100/console#code=")
    with folder.hold_folder(Path(data)) as note:
        note("https://box.local:8443")
        assert said(capsys, "console", "--data", data).startswith(
            "https://box.local:8443/console#code="
        )
    assert said(capsys, "console", "--data", data).startswith("http://127.0.0.1:8100/console#code=")
    assert main(["tenants", "add", "shop-13", "--strangers", "forget", "--data", data]) == 0
    assert main(["console", "--data", data]) == 1
    assert "name the tenant with --tenant" in capsys.readouterr().err


def test_three_keys_are_made_for_compreface_and_those_of_clients_may_come_along(
    data: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "6b135f5b-a365-4522-B1F1-4c9ac2dd0728"
    (file := tmp_path / "key").write_text(f"{own}\n")
    command = ("tenants", "keys", "add", "shop-12", "Double Take", "--data", data)
    out = said(
        capsys, *command, "--for", "compreface", "--group", "family", "--recognition", str(file)
    )
    made = dict(line.split(": ") for line in out.splitlines())
    assert made["recognition"] == own.lower()
    with opened(data) as services:
        group = services.groups.get_by_name(services.tenants.get_by_name("shop-12"), "family")
        for service, secret in made.items():
            known = services.access.keys.find_by_service_key(secret)
            assert (known[1].service, known[1].group) == (
                service,
                group.id if service == "recognition" else "",
            )
    listed = said(capsys, "call", "list-keys", "--tenant", "shop-12", "--data", data)
    assert "Double Take, recognition" in listed
    for options in (("--group", "x"), ("--for", "compreface")):
        assert main([*command, *options]) == 2
    for given in ("no-uuid", own, f"{own} {own}"):
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        assert (
            main([*command, "--for", "compreface", "--group", "family", "--recognition", "-"]) != 0
        )
        assert given not in capsys.readouterr().err
    with opened(data) as services:
        assert len(services.access.keys.list_all(services.tenants.get_by_name("shop-12"))) == 4
