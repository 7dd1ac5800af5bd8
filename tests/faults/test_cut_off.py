"""Every command, cut off at one of its writes and then ended as the product says, leaves what it
leaves if nobody cuts it off.

A write is a committed transaction, a change of the files, or a request that changes something
(tests/support/faults/runner.py). In the gate some cuts of each command are tried; `make faults`
tries all, by three signals.
"""

import itertools
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from regulars_edge.cli import COMMANDS

from tests.faults.conftest import Points
from tests.support.box.box import serving
from tests.support.examples import parametrize
from tests.support.faults.acts import ACTS, NOT_WALKED, OF_THE_BOX, Act, list_commands
from tests.support.faults.cut import SIGNALS, Cut, Reader, Runner, Stored
from tests.support.faults.finish import Finish
from tests.support.faults.shop import Shop

CUTS, GATE = 2, 20
"""How many cuts of a command are tried, what draws them, and how many commands the gate tries.

Each commit draws other commands, but the cuts of one stay the same: not all have been tried so far,
and the gate is no place to meet the first that is wrong."""


MOST_SAID = 500
"""Characters of a difference."""


def test_every_command_has_a_row_or_a_reason() -> None:
    """Add a row to tests/support/faults/acts.py for a new command: how it is called where it has
    something to do."""
    walked, known = {act.command for act in ACTS}, set(list_commands())
    assert sorted(known - walked - set(NOT_WALKED)) == [], "has no row: add one"
    assert sorted((walked | set(NOT_WALKED)) - known) == [], "is no command: take its row away"
    assert sorted(walked & set(NOT_WALKED)) == [], "has a row, and a reason for none"
    assert len({str(act) for act in ACTS}) == len(ACTS), "two rows have the same name"


def test_every_command_of_the_box_says_where_it_is_cut_off() -> None:
    assert {*OF_THE_BOX} == {*COMMANDS}


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


class Walk:
    """A command in copies of a folder. `right`: what lies there if nobody cuts it off."""

    def __init__(self, act: Act, shop: Shop, runner: Runner, folder: Path) -> None:
        self._act, self._folder, self._numbers = act, folder, itertools.count()
        self._finish = Finish(act, shop, runner)
        self._ground = folder / "ground"
        shutil.copytree(shop.folder, self._ground / "data")
        act.prepare(self._ground, shop, partial(self._finish.run_other, self._ground))
        self._reader = Reader(self._ground)
        with self._place() as place:
            self.whole = self._finish.run(place)
            assert self._finish.is_done(self.whole), self.whole.said
            for line in act.then[1:]:
                self._finish.run_other(place, *shlex.split(line))
            self._finish.settle(place)
        self.right = self._read(place)

    def cut(self, cut: Cut) -> list[str]:
        """Cut it off, end it as the product says, and say what is not right then."""
        with self._place() as place:
            ended = self._finish.run(place, cut)
            assert not ended.is_late, f"goes on after {cut}"
            said = self._finish.end(place, self.whole.said)
            self._finish.settle(place)
        return [*said, *self._read(place).list_unlike(self.right, self._act.leaves)]

    @contextmanager
    def _place(self) -> Iterator[Path]:
        place = self._folder / f"place-{next(self._numbers)}"
        shutil.copytree(self._ground, place)
        if not self._act.served:
            yield place
            return
        with serving(place / "data") as box:
            self._finish.environment = {"REGULARS_URL": box.url, "REGULARS_API_KEY": box.key}
            yield place

    def _read(self, place: Path) -> Stored:
        stored = self._reader.read(place)
        shutil.rmtree(place)
        return stored


@parametrize("act", ACTS, gate=GATE, ids=str)
def test_cut_off_and_ended_as_it_says_it_is_as_if_nobody_had_cut_it_off(
    act: Act, shops: dict[str, Shop], runner: Runner, tmp_path: Path, points: Points
) -> None:
    walk = Walk(act, shops[act.shop], runner, tmp_path)
    writes = [*walk.whole.writes, "its end"]
    every = [Cut(at, one) for at in range(2, len(writes) + 1) for one in SIGNALS]
    chosen = points.chosen(every, act, CUTS) if walk.whole.writes else []
    wrong = [
        f"{cut.signal} before write {cut.at}, {writes[cut.at - 1]}: {what[:MOST_SAID]}"
        for cut in chosen
        for what in walk.cut(cut)
    ]
    points.told(len(every), len(chosen), 0, len(chosen))
    assert not wrong, "\n".join(wrong)
