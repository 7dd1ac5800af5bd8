"""`regulars call`: every operation of v1 with its options, and what it prints."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest
import yaml

from chalicelib.api.v1.routes import OPERATIONS
from regulars.cli import commands, main
from regulars.openapi import PATH
from tests.support.audit.shop import Shop
from tests.support.box.server import Server
from tests.support.web.answering import Service, answer

Captured = pytest.CaptureFixture[str]
DOCUMENT = yaml.safe_load(PATH.read_text())
OWN = {"tenant", "data", "config", "stage", "service", "key-file", "json", "field", "body"}
"""Options that each operation has beside its own."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "data")
    with closing(made.services):
        made.enrol(1, "anna")
        yield made


def run(shop: Shop, capsys: Captured, *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["call", *words, "--tenant", "shop", "--data", str(shop.folder)]) == code
    said = capsys.readouterr()
    return said.err if code else said.out


def list_operations() -> dict[str, tuple[str, str]]:
    """Method and path by the command's name, as the document in docs/ names operations."""
    return {
        re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", one["operationId"]): (method, path)
        for path, methods in DOCUMENT["paths"].items()
        for method, one in methods.items()
        if one.get("security") != [] and not path.startswith("/v1/session")
    }


def find_properties(schema: dict) -> set[str]:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return {*schema.get("properties", {})}


def test_each_operation_that_takes_a_key_is_a_command_with_all_that_may_be_sent() -> None:
    call = commands.commands["call"]
    assert isinstance(call, click.Group)
    context = click.Context(call)
    assert sorted(call.list_commands(context)) == sorted(list_operations())
    for name, (method, path) in list_operations().items():
        command = call.get_command(context, name)
        described = DOCUMENT["paths"][path][method]
        expected = {
            one["name"] for one in described.get("parameters", ()) if one.get("in") == "query"
        }
        if "requestBody" in described:
            expected |= find_properties(
                described["requestBody"]["content"]["application/json"]["schema"]
            )
        options = [one for one in command.params if isinstance(one, click.Option)]
        words = [one.opts[0].removeprefix("--") for one in options]
        assert len(words) == len({*words}), f"{name} has an option twice"
        assert {*words} - OWN == {one.replace("_", "-") for one in expected}, name
        arguments = [one for one in command.params if isinstance(one, click.Argument)]
        assert len(arguments) == path.count("{"), name
        assert command.get_help(click.Context(command)).count(described["summary"][:20])


def test_the_audit_has_the_operation_by_the_operator(shop: Shop, capsys: Captured) -> None:
    run(shop, capsys, "change-hold", "anna", "--held", "--reason", "case 7")
    entry = shop.last()
    assert (entry["what"], entry["by"]) == ("PUT /v1/faces/{id}/hold", "operator")
    assert entry["reason"] == "case 7"
    listed = run(shop, capsys, "list-entries", "--face", "anna", "--by", "operator", "--json")
    assert [one["what"] for one in json.loads(listed)["entries"]] == ["PUT /v1/faces/{id}/hold"]
    assert re.match(r"HELD +FACE .*\ntrue +anna +", run(shop, capsys, "list-holds"))
    run(shop, capsys, "change-hold", "anna", "--no-held", "--reason", "closed")
    assert run(shop, capsys, "list-holds") == ""


def test_an_answer_is_a_table_json_or_one_member(shop: Shop, capsys: Captured) -> None:
    key = json.loads(run(shop, capsys, "add-key", "--name", "Ann's phone", "--json"))
    assert key["api_key"].startswith("rk_")
    assert (key["role"], key["expires_at"]) == ("viewer", None)
    table = run(shop, capsys, "list-keys").splitlines()
    assert table[0].split()[:4] == ["ID", "NAME", "ROLE", "PICTURES"]
    assert [line.split()[0] for line in table[1:]] == ["first", key["id"]]
    assert run(shop, capsys, "get-notice", "--language", "zh", "--field", "html").startswith(
        '<!doctype html><html lang="zh"'
    )
    assert "and no 'htm'" in run(shop, capsys, "get-notice", "--field", "htm", code=1)
    csv = run(shop, capsys, "get-statistics", "--format", "csv", "--by", "day")
    assert "," in csv.splitlines()[0]


def test_a_link_that_is_told_once_is_told_whole(shop: Shop, capsys: Captured) -> None:
    invited = run(shop, capsys, "add-member", "--name", "Ann", "--role", "viewer")
    assert re.search(r"^url +http\S{100,}[^.\s]$", invited, re.MULTILINE)


def test_null_a_list_and_a_file_are_sent(shop: Shop, capsys: Captured, tmp_path: Path) -> None:
    run(shop, capsys, "change-settings", "--min-age", "13", "--attributes-off", "age")
    read = ["get-settings", "--json"]
    before = json.loads(run(shop, capsys, *read))
    assert (before["min_age"], before["attributes_off"]) == (13, ["age"])
    (body := tmp_path / "body.json").write_text(json.dumps({"attributes_off": []}))
    run(shop, capsys, "change-settings", "--min-age", "none", "--body", str(body))
    after = json.loads(run(shop, capsys, *read))
    assert (after["min_age"], after["attributes_off"]) == (None, [])
    body.write_text("[1, 2]")
    assert "--body" in run(shop, capsys, "change-settings", "--body", str(body), code=2)


def test_a_list_is_read_to_its_end_and_one_page_if_that_is_asked_for(
    shop: Shop, capsys: Captured
) -> None:
    for number in range(2, 5):
        shop.enrol(number, f"face-{number}")
    listed = run(shop, capsys, "list-faces", "--limit", "2", "--json")
    token = json.loads(listed)["next_token"]
    assert len(json.loads(listed)["faces"]) == 2
    rest = json.loads(run(shop, capsys, "list-faces", "--token", token, "--json"))
    assert len(rest["faces"]) == 2
    assert len(json.loads(run(shop, capsys, "list-faces", "--json"))["faces"]) == 4


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["get-face", "nobody"], 1, "there is no face 'nobody'"),
        (["change-settings", "--min-age", "old"], 2, "it is of type number, not 'old'"),
        (["change-settings", "--strangers", "all"], 2, "'all' is not one of"),
        (["change-settings", "--time-zone", "Mars"], 2, "not 'Mars'"),
        (["list-entries", "--what", "get /v1/faces"], 2, "not 'get /v1/faces'"),
        (["add-key"], 2, "name"),
        (["delete-key", "first"], 1, "is the last admin's key"),
        (["list-facs"], 2, "No such command 'list-facs'"),
        (["list-keys", "--key-file", "key"], 2, "--key-file goes with --service"),
        (["list-keys", "--service", "http://127.0.0.1:1"], 2, "and no --tenant or storage"),
    ],
)
def test_a_mistake_is_said_and_changes_nothing(
    shop: Shop, capsys: Captured, words: list[str], code: int, says: str
) -> None:
    before = run(shop, capsys, "get-settings")
    assert says in run(shop, capsys, *words, code=code)
    assert run(shop, capsys, "get-settings") == before


def test_letters_that_terminals_obey_are_not_printed(shop: Shop, capsys: Captured) -> None:
    reason = "Zo\u00eb\u009b31m \u202egolb"
    run(shop, capsys, "change-hold", "anna", "--held", "--reason", reason)
    listed = run(shop, capsys, "list-entries", "--face", "anna", "--json")
    assert all(map(str.isprintable, listed.splitlines()))
    assert reason in {one["details"].get("reason") for one in json.loads(listed)["entries"]}
    assert all(map(str.isprintable, run(shop, capsys, "list-holds").splitlines()))
    member = ["get-hold", "anna", "--field", "reason"]
    assert run(shop, capsys, *member) == f"{reason}\n"
    terminal, shown = pty.openpty()
    command = [sys.executable, "-m", "regulars", "call", *member, "--data", str(shop.folder)]
    subprocess.run(command, stdout=shown, check=True, timeout=180)
    os.close(shown)
    assert os.read(terminal, 1000).decode().strip() == "Zo\u00eb 31m  golb"
    os.close(terminal)


def test_an_operation_has_no_role_only_if_it_is_a_sign_in_or_the_document() -> None:
    """They are no commands."""
    keyless = {one.path for one in OPERATIONS if one.role is None}
    assert keyless <= {"/v1/openapi.json", "/v1/claims", "/v1/session", "/v1/session/challenge"}


def test_a_service_is_called_with_a_key(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Server(tmp_path / "data")
    try:
        words = ["call", "list-keys", "--service", running.url]
        assert main(words) == 1
        assert "no API key: set REGULARS_API_KEY" in capsys.readouterr().err
        (key := tmp_path / "key").write_text(running.credentials("shop").api_key)
        assert main([*words, "--key-file", str(key)]) == 1
        assert "others may read" in capsys.readouterr().err
        key.chmod(0o600)
        assert main([*words, "--key-file", str(key)]) == 0
        assert capsys.readouterr().out.splitlines()[1].startswith("first")
        monkeypatch.setenv("REGULARS_API_KEY", running.credentials("shop").api_key)
        face = ["call", "get-face", "no/body", "--service", running.url]
        assert main(face) == 1
        assert "HTTP 404: there is no face 'no/body'" in capsys.readouterr().err
    finally:
        running.stop()


@pytest.mark.parametrize(
    "text", [b"rk_se\nzyx", b"rk_se\x00zyx", b"rk_se\xffzyx", "rk_se€zyx".encode()]
)
def test_what_is_no_key_is_refused_and_not_shown(
    tmp_path: Path, capsys: Captured, text: bytes
) -> None:
    (key := tmp_path / "key").write_bytes(text)
    key.chmod(0o600)
    service = Service(answer({"keys": []}))
    with service.running() as url:
        assert main(["call", "list-keys", "--service", url, "--key-file", str(key)]) == 1
    said = capsys.readouterr()
    assert str(key) in said.err
    assert "zyx" not in said.out + said.err
    assert service.heads == []


def test_a_write_that_a_service_redirects_is_not_done(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", "rk_x")
    service = Service(answer("", "Location: https://box.example/", status="308 Moved"))
    with service.running() as url:
        assert main(["call", "delete-face", "anna", "--service", url]) == 1
    assert "HTTP 308" in capsys.readouterr().err


def test_an_answer_of_another_program_is_printed_as_it_is(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGULARS_API_KEY", "rk_x")
    service = Service(answer([1, 2]))
    with service.running() as url:
        assert main(["call", "list-keys", "--service", url]) == 0
    assert capsys.readouterr().out == "[1, 2]\n"


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("regulars call list-h", {"list-holds", "list-hooks"}),
        ("regulars call change-key first --ro", {"--role"}),
        ("regulars call list-captures --state p", {"parked"}),
        ("regulars tenants set shop --set min", {"min_age="}),
    ],
)
def test_a_shell_completes_operations_options_and_settings(
    words: str, completed: set[str], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("_REGULARS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    with pytest.raises(SystemExit):
        main([])
    assert {line.partition(",")[2] for line in capsys.readouterr().out.splitlines()} == completed
