"""What the record of processing says of TLS, disk and folder: what is on, and not what should
be."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.settings import Settings
from regulars.cli import main
from regulars.protection import is_encrypted, say_disk, say_transport
from regulars.serve.settings import ServeSettings
from tests.support.book.book import Book

TLS = ServeSettings(tls_cert=Path("chain.pem"), tls_key=Path("key.pem"))
OPEN, NEAR = ServeSettings(host="0.0.0.0"), ServeSettings()


@pytest.mark.parametrize(
    ("serving", "public_url", "says"),
    [
        (TLS, None, "TLS, by the service itself"),
        (
            NEAR,
            "https://box.example",
            "TLS, by a proxy, as `public_url` says; from the proxy to the service plain http, on",
        ),
        (OPEN, "https://box.example", "to the service plain http, NOT ENCRYPTED, at 0.0.0.0"),
        (NEAR, "http://box.example", "no TLS: plain http, which only this machine reaches"),
        (OPEN, None, "NOT ENCRYPTED: plain http at 0.0.0.0, which others may overhear"),
    ],
)
def test_the_way_is_said_as_it_is(
    serving: ServeSettings, public_url: str | None, says: str
) -> None:
    assert says in say_transport(serving, public_url)


def device(system: Path, number: str, *below: str, uuid: str = "") -> None:
    """Make a device as the kernel lists one. `below`: numbers of those that it lies on."""
    (system / number / "dm").mkdir(parents=True)
    (system / number / "slaves").mkdir()
    (system / number / "dm" / "uuid").write_text(uuid)
    for one in below:
        (system / number / "slaves" / one).symlink_to(system / one)


def test_a_disk_is_encrypted_if_one_of_the_devices_below_it_is(tmp_path: Path) -> None:
    its = tmp_path.stat().st_dev
    number, mounts = f"{os.major(its)}:{os.minor(its)}", tmp_path / "mounts"
    mounts.write_text("")
    plain, sealed, nowhere = tmp_path / "plain", tmp_path / "sealed", tmp_path / "nowhere"
    device(plain, "8:1")
    device(plain, number, "8:1", uuid="LVM-abc")
    device(sealed, "8:1", uuid="CRYPT-LUKS2-abc")
    device(sealed, number, "8:1", uuid="LVM-abc")
    found = [is_encrypted(tmp_path, system, mounts) for system in (plain, sealed, nowhere)]
    assert found == [False, True, None]


def test_of_this_machines_disk_something_is_said(tmp_path: Path) -> None:
    assert "encrypt" in say_disk(tmp_path).lower()


def record(data: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["privacy", "record", "--tenant", "shop", "--data", str(data), *options]) == 0
    said, _, _ = capsys.readouterr().out.partition("## What is stored where")
    return said


def test_the_record_of_a_box_that_speaks_http_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    with closing(Book(data)) as book:
        book.services.webhooks.hooks.add("shop", "http://127.0.0.1:1999/told")
    monkeypatch.setenv("REGULARS_HOST", "0.0.0.0")
    said = record(data, capsys)
    for text in (
        "NOT ENCRYPTED: plain http at 0.0.0.0",
        "NOT ENCRYPTED: hooks speak plain http to 127.0.0.1",
        "no witness keeps heads",
    ):
        assert text in said
    assert "TLS" not in said
    monkeypatch.setenv("REGULARS_PUBLIC_URL", "https://box.example")
    assert "TLS, by a proxy" in record(data, capsys)
    data.chmod(0o755)
    assert "NOT CLOSED" in record(data, capsys)
    assert Settings(storage=data).witness is None
