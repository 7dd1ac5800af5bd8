import re
import shlex
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import fields

from chalicelib import bootstrap
from chalicelib.book.vision.packs import packs
from chalicelib.domain.tenant_settings import FORGET, KEEP, TenantSettings
from chalicelib.settings import Settings
from regulars.cli import main
from regulars.tenants.credentials import find_machine_zone
from tests.support.book.book import Book, shot


def tenants(data: Path, *command: str) -> int:
    return main(["tenants", *command, "--data", str(data)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def listed(data: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """Time zone, requests a day and strict rules by tenant."""
    capsys.readouterr()
    assert tenants(data, "list") == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[5:] == ["TIME", "ZONE", "REQUESTS", "A", "DAY", "ONLY", "NAME"]
    return {row.split()[0]: row.split()[5:] for row in rows}


def test_a_list_of_tenants_says_what_people_call_them(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        tenants(data, "add", "shop-12", "--strangers", "forget", "--set", "display_name=Café Nord")
        == 0
    )
    assert listed(data, capsys)["shop-12"][-2:] == ["Café", "Nord"]


def test_a_tenant_begins_without_limits_in_the_machines_zone_and_each_setting_is_changed_by_itself(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tenants(data, "add", "shop", "--strangers", "forget") == 0
    assert (
        tenants(
            data,
            "add",
            "other",
            "--strangers",
            "forget",
            "--set",
            "requests_a_day=500",
            "--set",
            "time_zone=Europe/Berlin",
        )
        == 0
    )
    assert tenants(data, "add", "strict", "--strangers", "forget", "--set", "refuse_md5=yes") == 0
    others = {
        "other": ["Europe/Berlin", "500"],
        "strict": [find_machine_zone(), "any", "HMAC-SHA256"],
    }
    for options, shown in (
        ((), [find_machine_zone(), "any"]),
        (("--set", "requests_a_day=500"), [find_machine_zone(), "500"]),
        (("--set", "time_zone=America/New_York"), ["America/New_York", "500"]),
        (("--set", "requests_a_day=none"), ["America/New_York", "any"]),
        (("--set", "requests_a_day=1", "--set", "time_zone=UTC"), ["UTC", "1"]),
        (("--set", "refuse_md5=yes"), ["UTC", "1", "HMAC-SHA256"]),
        (
            ("--set", "refuse_md5=no", "--set", "numeric_faceids_only=yes"),
            ["UTC", "1", "numeric", "faceids"],
        ),
    ):
        assert not options or tenants(data, "set", "shop", *options) == 0
        assert listed(data, capsys) == {**others, "shop": shown}


def test_who_made_a_tenant_is_told_how_its_people_sign_in(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tenants(data, "add", "shop", "--strangers", "forget") == 0
    command = capsys.readouterr().err.splitlines()[-1].partition(": regulars ")[2]
    assert main([*shlex.split(command), "--url", "https://box.example"]) == 0
    assert capsys.readouterr().out.startswith("https://box.example/console#code=")


def test_a_tenant_has_its_signing_key_at_once_so_that_its_first_backup_holds_it(data: Path) -> None:
    assert tenants(data, "add", "shop", "--strangers", "forget") == 0
    with closing(bootstrap.build(Settings(storage=data))) as services:
        assert services.audit.signing.read_key_time_ms("shop")
        assert services.audit.verifying.verify_tenant("shop").findings == []


def test_a_new_data_folder_is_kept_out_of_the_checkout_that_it_lies_in(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert tenants(tmp_path / "data", "add", "shop", "--strangers", "forget") == 0
    assert main(["backup", str(tmp_path / ".git/kept.tar"), "--data", str(tmp_path / "data")]) == 0
    assert (
        main(
            [
                "restore",
                str(tmp_path / ".git/kept.tar"),
                "--data",
                str(tmp_path / "again"),
            ]
        )
        == 0
    )
    seen = subprocess.run(
        ["git", "status", "--porcelain"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert seen.stdout == ""


@pytest.mark.parametrize(
    "options",
    [
        ("--set", "requests_a_day=0"),
        ("--set", "requests_a_day=-1"),
        ("--set", "requests_a_day=1.5"),
        ("--set", "requests_a_day=x"),
        ("--set", "requests_a_day=" + "9" * 5000),
        ("--set", "faces=0"),
        ("--set", "time_zone=Mars"),
        ("--set", "time_zone=localtime"),
        ("--set", "requests_a_day=5", "--set", "time_zone=Mars"),
        ("--set", "requests_a_day=5", "--set", "attributes_off="),
        ("--set", "requests_a_day=5", "--set", "attributes_off=age,,gender"),
        ("--set", "requests_a_day=5", "--set", "picture_buckets="),
        ("--set", "requests_a_day=5", "--set", "picture_buckets=s3://photos"),
        ("--set", "requests_a_day=5", "--set", "picture_buckets=photos/../other"),
        (),
    ],
)
def test_what_cannot_be_set_changes_nothing(
    data: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    assert tenants(data, "add", "shop", "--strangers", "forget") == 0
    assert tenants(data, "set", "shop", *options) == 2
    assert listed(data, capsys)["shop"] == [find_machine_zone(), "any"]


def shown(data: Path, capsys: pytest.CaptureFixture[str], *command: str) -> dict[str, str]:
    """What a command says of a tenant, line by line."""
    capsys.readouterr()
    assert tenants(data, *command) == 0
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())


def test_all_that_is_set_of_a_tenant_is_shown(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tenants(data, "add", "shop", "--strangers", "forget") == 0
    at_first = shown(data, capsys, "list", "shop")
    new = packs.read_pack().manifest.embedding.model
    beginning = {
        **dict.fromkeys(("attributes_off", "least_liveness", "min_age", "picture_buckets"), "none"),
        "capture_mb_a_day": "10000",
        "enrol_quality": "20",
        "review_margin": "0.03",
        "learns": "yes",
        "learnt_days": "any",
        "capture_days": "30 (the service's)",
        "faces": "1000000",
        "groups": "1000",
        "model": new,
    }
    assert beginning.items() <= at_first.items()
    options = {
        "attributes_off": "age,gender",
        "least_liveness": "0.25",
        "min_age": "12.5",
        "enrol_quality": "33.5",
        "review_margin": "0",
        "learnt_days": "90",
        "picture_buckets": "archive/staff,photos",
        "faces": "200000",
        "groups": "2000",
        "requests_a_day": "7",
        "capture_mb_a_day": "500",
        "time_zone": "UTC",
    }
    options |= {"refuse_md5": "yes", "learns": "no"}
    valued = (text for name, value in options.items() for text in ("--set", f"{name}={value}"))
    said = shown(data, capsys, "set", "shop", *valued)
    assert said == at_first | options
    assert shown(data, capsys, "list", "shop") == said
    for name, value, now in (
        ("attributes_off", "none", "none"),
        ("picture_buckets", "none", "none"),
        ("faces", "none", "1000000"),
        ("contact", "at the till", "at the till"),
        ("contact", "none", "none"),
    ):
        assert shown(data, capsys, "set", "shop", "--set", f"{name}={value}")[name] == now
    assert shown(data, capsys, "list", "shop")["contact"] == "none"


def test_every_option_of_a_tenant_is_shown_by_its_name(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tenants(data, "add", "shop", "--strangers", "forget") == 0
    names = {field.name for field in fields(TenantSettings)}
    assert names <= shown(data, capsys, "list", "shop").keys()


def test_a_tenant_that_is_not_there_is_not_shown(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tenants(data, "add", "shop", "--strangers", "forget") == 0
    assert tenants(data, "list", "shap") == 1
    assert "there is no tenant 'shap'" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--profile", "camera")], ids=str)
def test_what_becomes_of_strangers_is_said_by_somebody(
    data: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    """Of each profile. To keep some needs a basis and a name."""
    assert tenants(data, "add", "shop", *options) == 2
    assert "choose what to do with unknown visitors" in capsys.readouterr().err
    assert (
        tenants(data, "add", "shop", *options, "--strangers", "keep", "--set", "basis=consent") == 2
    )
    assert "strangers_decided_by is needed" in capsys.readouterr().err
    assert tenants(data, "list") == 0
    assert "shop" not in capsys.readouterr().out
    assert tenants(data, "add", "shop", *options, "--strangers", "undecided") == 0
    assert "until somebody chooses: `regulars tenants set shop" in capsys.readouterr().err
    assert tenants(data, "set", "shop", "--strangers", "keep") == 2
    choice = (
        "--strangers",
        "keep",
        "--set",
        "basis=consent",
        "--set",
        "strangers_decided_by=Eva Lee",
    )
    assert tenants(data, "set", "shop", *choice) == 0
    assert tenants(data, "list", "shop") == 0
    assert re.search(r"strangers +keep\nstrangers_decided_by +Eva Lee\n", capsys.readouterr().out)


def test_strangers_go_by_a_command_only_if_somebody_agrees_to_their_number(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Book(data)) as book:
        book.see(shot(0, 1), shot(5, 2))
    assert tenants(data, "set", "shop", "--strangers", "forget") == 1
    assert "no terminal to ask for confirmation" in capsys.readouterr().err
    with closing(Book(data)) as book:
        assert (book.tenant.strangers, len(book.faces())) == (KEEP, 2)
    assert tenants(data, "set", "shop", "--strangers", "forget", "--yes") == 0
    with closing(Book(data)) as book:
        book.sweep()
        assert (book.tenant.strangers, book.faces()) == (FORGET, [])
