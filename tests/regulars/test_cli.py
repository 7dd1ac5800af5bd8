import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib import bootstrap
from chalicelib.open_storage import DATABASE
from chalicelib.settings import AwsStorage, SettingError, Settings
from regulars.cli import commands, main
from regulars.options import choose_settings

Captured = pytest.CaptureFixture[str]

_RESOURCES = ["BUCKET", "CAPTURES_BUCKET", "SECRETS_KEY"]
_QUEUES = [f"{name}_QUEUE_URL" for name in ("INDEX", "CAPTURES", "DELIVERIES")]
AWS = {
    "REGULARS_TABLE_PREFIX": "regulars-",
    **{f"REGULARS_{name}": name.lower() for name in (*_RESOURCES, *_QUEUES)},
}


COMMANDS = (
    "", "serve", "tenants", "tenants add", "tenants set", "models", "reembed", "demo",
    "today", "redrive", "call", "folder", "retention", "privacy",
    "deploy", "backup", "restore", "import", "export", "about", "mqtt", "doctor",
    "config", "console", "audit", "erase", "receipt", "tenants keys", "report",
    "consent", "consent withdraw",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--help", "-h"):
        assert main([*command.split(), option]) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"Usage: regulars {command}".rstrip())
        assert f"\n  {'Examples' if command else 'Start here'}:\n    regulars" in said
        # an editor that fills lines makes two examples one
        lines = said.splitlines()[1:] if command else []
        assert [line for line in lines if line.count(f"regulars {command} ") > 1] == []


def test_each_command_stands_in_one_section_of_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--help"])
    below = capsys.readouterr().out.partition("\nOptions:\n")[2]
    listed = re.findall(r"^  ([a-z][a-z-]*)  ", below, re.MULTILINE)
    assert sorted(listed) == sorted(commands.commands)


@pytest.mark.parametrize(
    "group",
    [
        [],
        ["tenants"],
        ["tenants", "keys"],
        ["receipt"],
    ],
)
def test_no_command_is_told_in_half_a_sentence(
    group: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*group, "--help"]) == 0
    shown = capsys.readouterr().out
    listed = shown.partition("\nOptions:\n")[2].partition("\n\n")[2].splitlines()
    assert listed
    assert [line for line in listed if line.endswith("...")] == []


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (["tenants", "list", "--data", "nowhere"], 1, "there is no data folder nowhere"),
        (["tenants", "list", "--data", "empty"], 1, "there is no data folder empty"),
        (["today", "--data", "empty"], 1, "there is no data folder empty"),
        (["redrive", "--data", "empty"], 1, "there is no data folder empty"),
        (
            ["backup", "nowhere/x.tar", "--data", "here"],
            1,
            "regulars: nowhere/x.tar: No such file or directory",
        ),
        (
            ["backup", "here", "--data", "here"],
            1,
            "here is in the data folder and would be lost with it",
        ),
        (["tenants", "key", "nobody", "--data", "here"], 1, "here/credentials.json does not exist"),
        (
            ["tenants", "add", "Bad Name", "--strangers", "forget", "--data", "here"],
            2,
            "a tenant's name is",
        ),
        (
            ["tenants", "set", "nobody", "--set", "faces=5", "--data", "here"],
            1,
            "there is no tenant 'nobody'",
        ),
        (["tenants", "rotate", "nobody", "--data", "here"], 1, "there is no tenant 'nobody'"),
        (
            ["tenants", "set", "nobody", "--disable", "--data", "here"],
            1,
            "there is no tenant 'nobody'",
        ),
        (["demo", "--photos", "nowhere"], 1, "there is no folder nowhere"),
        (["serve", "--data", "file"], 1, "file is a file: pass a folder with --data"),
        (
            ["serve", "--data", "people"],
            1,
            "people holds Ann Lee and no data of a service: pass an empty or new folder",
        ),
        (
            ["tenants", "add", "shop", "--strangers", "forget", "--data", "people"],
            1,
            "holds Ann Lee and no data of a service",
        ),
        (
            ["serve", "--data", "file/x"],
            1,
            "the data folder file/x cannot be made (Not a directory): name one with",
        ),
        (
            ["serve", "--data", "/proc/x"],
            1,
            "the data folder /proc/x cannot be made (No such file or directory)",
        ),
        (
            ["tenants", "add", "shop", "--strangers", "forget", "--data", "file"],
            1,
            "file is a file",
        ),
        (["tenants", "list", "--data", "file"], 1, "there is no data folder file"),
        ([], 2, "Missing command; see `regulars --help`"),
        (["tenants"], 2, "Missing command; see `regulars tenants --help`"),
        (["deploy"], 2, "Missing option '--stage'; see `regulars deploy --help`"),
        (["today", "--data", "nowhere"], 1, "there is no data folder nowhere"),
        (["today", "--tenant", "nobody", "--data", "here"], 1, "there is no tenant 'nobody'"),
        (["restore"], 2, "FILE, the backup, is required without --finish or --preview"),
        (["serv"], 2, "No such command 'serv'"),
        *(
            (
                [*command, url],
                2,
                f"it is as https://box.example or http://10.0.0.2:8000, not {url!r}",
            )
            for command in (
                ["doctor", "--url"],
                ["console", "--url"],
            )
            for url in ("http://[::1", "ftp://box", "http://box:80a")
        ),
        (["serve", "--prt", "1"], 2, "No such option '--prt'"),
        (["serve", "here"], 2, "unexpected extra argument"),
        (
            ["tenants", "add", "shop", "--profile", "box"],
            2,
            "'box' is not one of 'camera', 'cloud'",
        ),
        (
            ["tenants", "set", "shop", "--set", "enrol_quality=good"],
            2,
            "enrol_quality must be a number, 20 to 100, or none: 20, the least with which faces "
            "can be compared; not 'good'",
        ),
        (
            ["tenants", "set", "shop", "--set", "enrol-quality=30"],
            2,
            "is not NAME=VALUE, where NAME is one of display_name, language, ",
        ),
        *(
            (["serve", "--port", port], 2, "must be a port number from 0 to 65535")
            for port in ("x", "-1", "65536", "")
        ),
    ],
)
def test_a_mistake_is_one_line_on_stderr(
    command: list[str],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)
    bootstrap.build(Settings(storage=tmp_path / "here")).close()
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "people/Ann Lee").mkdir(parents=True)
    assert main(command) == code
    assert list((tmp_path / "empty").iterdir()) == []
    assert [path.name for path in (tmp_path / "people").iterdir()] == ["Ann Lee"]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("regulars: ")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "tenants list", "backup x.tar", "today", "doctor"])
@pytest.mark.parametrize("stands", ["both", "neither"])
def test_a_copy_of_one_of_two_databases_is_told_with_what_to_do(
    command: str,
    stands: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(bootstrap.build(Settings(storage=tmp_path / "data"))) as services:
        shutil.copyfile(tmp_path / "data" / DATABASE, tmp_path / "old")
        services.storage.scrub()
    if stands == "both":
        shutil.copyfile(tmp_path / "old", tmp_path / "data" / DATABASE)
    else:
        (tmp_path / "data" / f"{DATABASE}.b").unlink()
    assert main([*command.split(), "--data", "data"]) == 1
    said = "".join(capsys.readouterr())
    if stands == "both":
        assert "regulars.sqlite.b (generation 2 of " in said.partition(" and regulars.sqlite (")[0]
    else:
        assert "it holds no database, and generation 2 is missing" in said


@pytest.mark.parametrize(
    "left", [(), ("..gitignore.17", "serve.lock"), ("lost+found", "regulars.toml")]
)
def test_what_a_first_start_left_behind_or_a_disk_begins_with_is_no_strangers(
    tmp_path: Path, left: tuple[str, ...]
) -> None:
    for name in left:
        (tmp_path / name).touch()
    assert main(["tenants", "add", "shop", "--strangers", "forget", "--data", str(tmp_path)]) == 0
    assert (tmp_path / ".gitignore").read_text() == "*\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o500)
    for command in (["serve"], ["tenants", "list"], ["tenants", "rotate", "camera"]):
        assert main([*command, "--data", str(tmp_path)]) == 1
        assert f"{tmp_path} is not writable" in capsys.readouterr().err


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_command_with_130(tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    os.mkfifo(backup)
    command = [
        sys.executable,
        "-m",
        "regulars",
        "restore",
        str(backup),
        "--data",
        str(tmp_path / "data"),
    ]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as restoring,
        backup.open("wb"),
    ):
        restoring.send_signal(signal.SIGINT)  # it reads, and waits for more
        _, said = restoring.communicate(timeout=180)
    assert (restoring.returncode, said.strip()) == (130, "")


def test_help_imports_nothing_that_is_slow() -> None:
    program = """
import sys
from regulars.cli import main
assert main(["--help"]) == main(["tenants", "set", "--help"]) == 0
slow = {"numpy", "onnxruntime", "boto3", "botocore", "PIL", "sqlite3", "rich", "chalice", "uvicorn"}
slow |= {"infra"}
print(slow & set(sys.modules), file=sys.stderr)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=180
    )
    assert (ran.returncode, ran.stderr) == (0, "set()\n")


def test_tenants_of_the_cloud_are_reached_where_no_folder_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REGULARS_DATA", raising=False)
    assert choose_settings().storage == Path("regulars-data")
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    assert isinstance(choose_settings().storage, AwsStorage)
    assert choose_settings(data=Path("d")).storage == Path("d")


def test_a_server_always_serves_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGULARS_DATA", "elsewhere")
    assert choose_settings(here=True).storage == Path("elsewhere")
    monkeypatch.delenv("REGULARS_DATA")
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    assert choose_settings(here=True).storage == Path("regulars-data")


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
    assert (
        Settings.from_environment({"REGULARS_DATA": "d", "REGULARS_PUBLIC_URL": given}).public_url
        == read
    )


@pytest.mark.parametrize(
    ("environ", "memory_mb"),
    [
        ({}, 1024),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}, 1008),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}, 170),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "10240"}, 6656),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}, 0),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008", "REGULARS_SEARCH_MEMORY_MB": "0"}, 0),
    ],
)
def test_galleries_take_a_share_of_a_functions_memory(
    environ: dict[str, str], memory_mb: int
) -> None:
    assert (
        Settings.from_environment({"REGULARS_DATA": "d", **environ}).search_memory_mb == memory_mb
    )


def test_the_disk_of_galleries_is_given_in_mib_or_depends_on_what_is_free() -> None:
    given = Settings.from_environment({"REGULARS_DATA": "d", "REGULARS_SEARCH_DISK_MB": "700"})
    assert (
        given.search_disk_mb,
        Settings.from_environment({"REGULARS_DATA": "d"}).search_disk_mb,
    ) == (700, None)
    with pytest.raises(SettingError, match="REGULARS_SEARCH_DISK_MB is a number from 1 to"):
        Settings.from_environment({"REGULARS_DATA": "d", "REGULARS_SEARCH_DISK_MB": "0"})


@pytest.mark.parametrize(
    "given",
    [
        "box.example",
        "ftp://box",
        "https://",
        "http://box:port",
        "http://box:0",
        "https://box?x",
        "https://me@box",
    ],
)
def test_a_public_url_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(SettingError, match="REGULARS_PUBLIC_URL is as https://box"):
        Settings.from_environment({"REGULARS_DATA": "d", "REGULARS_PUBLIC_URL": given})


@pytest.mark.parametrize("name", [name for name in AWS if name != "REGULARS_TABLE_PREFIX"])
def test_a_resource_of_aws_that_is_not_named_is_told(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name}: it is missing"):
        Settings.from_environment({key: value for key, value in AWS.items() if key != name})


ROOT = Path(__file__).parents[2]
_OURS = ("regulars/**/*.py", "chalicelib/**/*.py", "docs/**/*.md", "README.md")
PAGES = [page for pattern in _OURS for page in ROOT.glob(pattern)]

OF_THE_LAB = ("calibrate", "evaluate", "models add")
"""What the lab adds is tried with its wheel (tests/infra/test_wheels.py)."""
_ACTIONS = "add|list|set|rotate|renew-signing|verify|record|withdraw|erase|redo|breach|head|export"


def named(tool: str) -> set[str]:
    """What stands after the tool's name in the messages, examples and pages that we give to
    people."""
    pattern = rf"(?:[`\"/]|\n +){tool} ([a-z][a-z-]*(?: [a-z][a-z-]*)?[^`\"\n]*)"
    return {found for page in PAGES for found in re.findall(pattern, page.read_text())}


def test_every_command_that_we_tell_people_exists(capsys: pytest.CaptureFixture[str]) -> None:
    commands = {
        told for told in named("regulars") if not told.startswith((*OF_THE_LAB, "call OPERATION"))
    }
    assert any(command.startswith("tenants rotate") for command in commands)
    for command in commands:
        words = re.match(rf"call \S+|\S+(?: keys)?(?: (?:{_ACTIONS})\b)?", command)
        assert main([*words[0].split(), "--help"]) == 0, command
        shown = capsys.readouterr().out
        assert all(option in shown for option in re.findall(r"--[a-z-]+", command)), command


def test_every_target_that_we_tell_people_exists() -> None:
    rules = "".join((ROOT / file).read_text() for file in ("Makefile", "lab/Makefile"))
    targets = set(re.findall(r"^([a-z-]+):", rules, re.MULTILINE))
    told = {target.split()[0] for target in named("make")} - {"a"}  # "make a tenant" is no target
    assert {"demo", "bench"} <= told <= targets
