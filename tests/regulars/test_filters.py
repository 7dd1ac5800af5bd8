"""A command that is asked of a face, camera or caller that there is not says so: nothing found
would be a result."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest

from regulars.cli import commands, main
from tests.support.audit.shop import Shop

NAMES = {
    "--face": "777777777777777777",
    "--camera": "nowhere",
    "--key": "thief",
}
"""Options that name something of a tenant, and what there is not."""
OTHERS = {
    ("console", "--key"),
    ("erase", "--key"),
    ("receipt verify", "--key"),
    ("audit verify", "--key"),
}
"""Of these the key is a file, or the fingerprint of who signed."""
MORE = {
    "audit breach": ["--since", "2026-03-02T07:23"],
    "about": ["--out", "archive.zip"],
    "erase": ["--yes"],
}


def list_commands(
    group: click.Group, names: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from list_commands(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


def list_filters() -> list[tuple[str, str]]:
    return [
        (name, option)
        for name, command in list_commands(commands)
        for parameter in command.params
        for option in parameter.opts
        if option in NAMES
        and (name, option) not in OTHERS
        and any(one.name == "tenant" for one in command.params)
    ]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Shop(tmp_path_factory.mktemp("shop") / "data")
    with closing(made.services):
        made.enrol(1, "anna")
        made.closed()
        yield made


@pytest.mark.parametrize(("command", "option"), list_filters())
def test_what_there_is_not_is_refused(
    shop: Shop,
    command: str,
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [*command.split(), option, NAMES[option], *MORE.get(command, ())]
    code = main([*arguments, "--tenant", "shop", "--data", str(shop.folder)])
    said = capsys.readouterr()
    assert code != 0, said.out
    assert NAMES[option] in said.err


def test_a_caller_is_taken_by_its_name_as_by_its_id(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = shop.services.access.keys.list_all(shop.tenant)
    for named in (keys[0].id, keys[0].name, f"key {keys[0].id}"):
        options = [
            "--key",
            named,
            "--since",
            "2026-03-02T07:23",
            "--tenant",
            "shop",
            "--data",
            str(shop.folder),
        ]
        assert main(["audit", "breach", *options]) == 0
        assert f"what key {keys[0].id} read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("audit breach --key first --since 2999-01-01", "--since must not be in the future"),
        ("call list-entries --what", "not 'get /v1/faces'"),
    ],
)
def test_a_time_or_an_act_that_nothing_can_be_of_is_refused(
    shop: Shop, line: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    what = ["get /v1/faces"] if line.endswith("--what") else []
    options = [*what, "--tenant", "shop", "--data", str(shop.folder)]
    assert main([*line.split(), *options]) == 2
    assert says in capsys.readouterr().err
