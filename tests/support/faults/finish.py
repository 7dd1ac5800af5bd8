"""How somebody ends a command that was cut off: by what the product prints."""

from __future__ import annotations

import re
import shlex
import signal
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from tests.support.faults.acts import Act
from tests.support.faults.cut import Cut, Ended, Runner
from tests.support.faults.shop import Shop

_PRINTED = re.compile(r"`regulars ([^`]+)`")
_YES = "to ask for confirmation; pass --yes"
"""What is printed to who asks for a deed where nobody can answer."""
_SERVES = Cut(name="open place.json")
"""A folder is served: its service notes where it is, and has refused nothing."""
_MOST = 10
"""Commands that one has to type, at most."""


class Finish:
    """The runs of an act. `environment`: variables of its commands, beside the data folder's."""

    def __init__(self, act: Act, shop: Shop, runner: Runner) -> None:
        self._act, self._shop, self._runner = act, shop, runner
        self.environment: dict[str, str] = {}

    @property
    def ends(self) -> tuple[int, ...]:
        """Codes of an act that is ended while it goes on."""
        return (-signal.SIGKILL,) if self._act.waits else ()

    def run(self, place: Path, cut: Cut | None = None) -> Ended:
        """Run the act, whole or until the cut."""
        return self._run(self._act.list_words(self._shop, self._act.words), place, cut)

    def run_other(self, place: Path, *words: str) -> Ended:
        """Run another command."""
        return self._run([*words], place)

    def end(self, place: Path, known: str) -> list[str]:
        """Do the act once more, and what it then prints that must be done; say what it refuses.

        `known`: what it prints when nobody cuts it off.
        """
        usual = {_leave_paths_out(words) for words in _list_printed(known)}
        return [
            refusal
            for line in self._act.then or (self._act.words,)
            for refusal in self._follow(self._act.list_words(self._shop, line), place, usual)
        ]

    def _follow(self, words: list[str], place: Path, usual: set[tuple[str, ...]]) -> list[str]:
        """Run a command, and those that it prints beside the usual ones."""
        asked, done = [words], list[list[str]]()
        said = ""
        while asked and len(done) < _MOST:
            words = asked.pop(0)
            done.append(words)
            ended = self._run(words, place)
            said = ended.said
            if _YES in said:
                asked.insert(0, [*words, "--yes"])
                continue
            printed = [one for one in _list_printed(said) if _leave_paths_out(one) not in usual]
            asked += [one for one in printed if one not in done and one not in asked]
            if not self.is_done(ended) and not printed:
                return [f"`{shlex.join(words)}` ends with {ended.code}: {said}"]
        return [f"there is no end: {done} {said}"] if asked else []

    def settle(self, place: Path) -> None:
        """The jobs of the next hours are done, as a service does them, and then the act once
        more."""
        if not self._act.settles:
            return
        with closing(self._shop.opened(place / "data")) as box:
            box.clock.advance(datetime.now(UTC) - box.clock.now())
            box.services.watch.resume_all()  # as a start does
            box.settle()
            box.settle()
        ended = self.run(place)
        assert self.is_done(ended), ended.said

    def is_done(self, ended: Ended) -> bool:
        """Tell whether a run has done it, or says that it was done."""
        says_so = bool(self._act.or_says) and self._act.or_says in ended.said
        return says_so or ended.code in (self._act.code, *self.ends)

    def _run(self, words: list[str], place: Path, cut: Cut | None = None) -> Ended:
        if cut is None and words[0] == "serve" and self._act.command != "serve":
            cut = _SERVES
        return self._runner.run(
            words,
            place,
            cut,
            environment={"REGULARS_DATA": "data", **self.environment},
            reads=place / self._act.reads if self._act.reads else None,
            waits_only=self._act.waits,
        )


def _list_printed(said: str) -> list[list[str]]:
    """List the commands that somebody may type as they are printed: those without a NAME."""
    printed = [shlex.split(line) for line in dict.fromkeys(_PRINTED.findall(said))]
    return [words for words in printed if not any(word.isupper() for word in words)]


def _leave_paths_out(words: list[str]) -> tuple[str, ...]:
    return tuple(word for word in words if "/" not in word)
