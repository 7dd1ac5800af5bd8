"""The command line says in one line what was wrong, and what it may do without a server."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from chalicelib.settings import AwsStorage, SettingError, Settings
from chalicelib.vision.packs import packs
from regulars.cli import main, parser
from regulars.options import settings_of

AWS = {
    "REGULARS_TABLE_PREFIX": "regulars-",
    "REGULARS_BUCKET": "b",
    "REGULARS_INDEX_QUEUE_URL": "q",
    "REGULARS_INDEX_DEAD_LETTER_URL": "d",
    "REGULARS_CAPTURES_BUCKET": "c",
    "REGULARS_CAPTURES_QUEUE_URL": "cq",
    "REGULARS_CAPTURES_DEAD_LETTER_URL": "cd",
    "REGULARS_DELIVERIES_QUEUE_URL": "dq",
    "REGULARS_DELIVERIES_DEAD_LETTER_URL": "dd",
    "REGULARS_KMS_KEY": "k",
}


@pytest.mark.parametrize(
    "command",
    [[], ["serve"], ["tenants"], ["tenants", "add"], ["tenants", "set"], ["models"], ["models", "pull"], ["demo"]],
)
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert f"usage: regulars {' '.join(command)}".rstrip() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (["tenants", "list", "--data", "nowhere"], 1, "there is no data folder nowhere"),
        (["tenants", "add", "Bad Name", "--data", "here"], 2, "a tenant's name is"),
        (["tenants", "set", "nobody", "--data", "here"], 2, "say what to set"),
        (["tenants", "set", "nobody", "--requests-a-day", "5", "--data", "here"], 1, "there is no tenant 'nobody'"),
        (["tenants", "rotate", "nobody", "--data", "here"], 1, "there is no tenant nobody"),
        (["tenants", "disable", "nobody", "--data", "here"], 1, "there is no tenant 'nobody'"),
        (["demo", "--photos", "nowhere"], 1, "there is no folder nowhere"),
        (["serve", "--data", "file"], 1, "file is a file: name a folder with --data"),
        (
            ["serve", "--data", "file/x"],
            1,
            "the data folder file/x cannot be made (Not a directory): name one with --data",
        ),
        (["serve", "--data", "/proc/x"], 1, "the data folder /proc/x cannot be made (No such file or directory)"),
        (["serve", "--data", "/proc"], 1, "the data folder /proc cannot be written"),
        (["tenants", "add", "shop", "--data", "file"], 1, "file is a file"),
        (["tenants", "list", "--data", "file"], 1, "there is no data folder file"),
    ],
)
def test_a_mistake_is_one_line_on_stderr(
    command: list[str],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "file").touch()
    assert main(command) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("regulars: ")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("command", [["serve"], ["tenants", "list"], ["tenants", "rotate", "camera"]])
def test_a_folder_that_may_not_be_written_is_named(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o500)
    assert main([*command, "--data", str(tmp_path)]) == 1
    assert f"{tmp_path} may not be written" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["x", "-1", "65536"])
def test_a_port_that_is_none_is_misuse(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--port", port])
    assert ended.value.code == 2
    assert "a port is a number from 0 to 65535" in capsys.readouterr().err


def test_tenants_of_the_cloud_are_reached_where_no_folder_is_named() -> None:
    listing = parser().parse_args(["tenants", "list"])
    assert isinstance(settings_of(listing, AWS, here=False).storage, AwsStorage)
    assert settings_of(listing, {}, here=False).storage == Path("regulars-data")
    named = parser().parse_args(["tenants", "list", "--data", "d"])
    assert settings_of(named, AWS, here=False).storage == Path("d")


def test_a_server_always_serves_a_folder() -> None:
    serve = parser().parse_args(["serve"])
    assert settings_of(serve, AWS, here=True).storage == Path("regulars-data")
    assert settings_of(serve, {"REGULARS_DATA": "elsewhere"}, here=True).storage == Path("elsewhere")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("https://box.example", "https://box.example"),
        ("http://10.0.0.2:8000/", "http://10.0.0.2:8000"),
        ("https://box.example/visits/", "https://box.example/visits"),
        ("http://[fd00::1]:8000", "http://[fd00::1]:8000"),
        ("", None),
    ],
)
def test_the_public_url_is_read_without_its_last_slash(given: str, read: str | None) -> None:
    assert Settings.from_environment({"REGULARS_DATA": "d", "REGULARS_PUBLIC_URL": given}).public_url == read


@pytest.mark.parametrize(
    "given",
    ["box.example", "ftp://box", "https://", "http://box:port", "http://box:0", "https://box?x", "https://me@box"],
)
def test_a_public_url_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(SettingError, match="REGULARS_PUBLIC_URL is as https://box"):
        Settings.from_environment({"REGULARS_DATA": "d", "REGULARS_PUBLIC_URL": given})


@pytest.mark.parametrize("name", [name for name in AWS if name != "REGULARS_TABLE_PREFIX"])
def test_a_resource_of_aws_that_is_not_named_is_told(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name}: it is missing"):
        Settings.from_environment({key: value for key, value in AWS.items() if key != name})


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    assert "face-pack-1" in capsys.readouterr().out


def test_models_at_hand_pass_the_verification(capsys: pytest.CaptureFixture[str], models: None) -> None:
    at_hand = packs.find(None)
    states = [status.state for status in packs.verify(at_hand)]
    assert main(["models", "verify"]) == 0
    said = capsys.readouterr().out
    assert f"{at_hand.manifest.name}\n" in said
    assert f"{states.count(packs.State.OK)} of {len(states)} files are whole" in said


ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("regulars/**/*.py"), *ROOT.glob("chalicelib/**/*.py"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]


def named(tool: str) -> set[str]:
    """What stands after the tool's name in the messages and pages that we give to people."""
    pattern = rf"[`\"/]{tool} ([a-z][a-z-]*(?: [a-z][a-z-]*)?[^`\"\n]*)"
    return {found for page in PAGES for found in re.findall(pattern, page.read_text())}


def test_every_command_that_we_tell_people_exists(capsys: pytest.CaptureFixture[str]) -> None:
    commands = named("regulars")
    assert any(command.startswith("tenants rotate") for command in commands)
    for command in commands:
        words = re.match(r"\S+(?: (?:add|list|set|rotate|disable|enable|verify|pull)\b)?", command)
        assert words is not None
        with pytest.raises(SystemExit) as ended:
            main([*words[0].split(), "--help"])
        assert ended.value.code == 0, command
        shown = capsys.readouterr().out
        assert all(option in shown for option in re.findall(r"--[a-z-]+", command)), command


def test_every_target_that_we_tell_people_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = {target.split()[0] for target in named("make")} - {"a"}  # "make a tenant" is no target
    assert {"demo", "crash"} <= told <= targets
