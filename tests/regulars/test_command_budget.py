"""The command line stays as small as it was said to be: a new command or option says what goes."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from regulars.cli import commands

BUDGET = tomllib.loads((Path(__file__).parents[2] / "infra" / "budget.toml").read_text())[
    "commands"
]
"""For all distributions together that add commands to `regulars`. It only falls."""
MADE = {"call"}
"""Groups whose commands are made from v1's document: each counts as one command, with the options
that every one of them has."""


def list_commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
    """Yield each command that can be run, and how many options it has, without --help."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        below = command.list_commands(context)
        if " ".join(path) in MADE:
            kinds = [command.get_command(context, name) for name in below]
            shared = set.intersection(*({*list_options(kind)} for kind in kinds if kind))
            yield " ".join(path), len(shared)
            return
        for name in below:
            inner = command.get_command(context, name)
            assert inner is not None
            yield from list_commands(inner, (*path, name))
        return
    yield " ".join(path), len([*list_options(command)])


def list_options(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield parameter.opts[0]


def test_the_command_line_is_within_its_budget() -> None:
    counted = dict(list_commands(commands))
    assert len(counted) <= BUDGET["commands"], sorted(counted)
    assert sum(counted.values()) <= BUDGET["options"], sorted(
        counted.items(), key=lambda one: -one[1]
    )


@pytest.mark.parametrize(("most", "counted"), [(1, [("one", 2), ("a two", 1)])])
def test_repeated_options_count_for_each_command(most: int, counted: list[tuple[str, int]]) -> None:
    """The walk finds what stands in groups, and --help is none."""
    group, inner = click.Group("root"), click.Group("a")
    options = [click.Option([f"--{name}"]) for name in ("data", "yes")]
    group.add_command(click.Command("one", params=[*options]))
    inner.add_command(click.Command("two", params=options[:most]))
    group.add_command(inner)
    assert sorted(list_commands(group)) == sorted(counted)
