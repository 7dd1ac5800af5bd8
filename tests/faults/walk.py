"""A use case that fails at one of its calls, and what is right afterwards."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.domain.errors import RegularsError
from tests.faults.agreement import Endings, Errors, disagreeing, is_success
from tests.faults.effects import entries, given_back, without_effect
from tests.support.api.ways_in import TRIED
from tests.support.faults.shop import Box, Shop
from tests.support.faults.use_cases import UseCase
from tests.support.storage.failing import Fault, Killed


def templates(box: Box) -> set[bytes]:
    return {template.vector for face in box.faces() for template in face.templates}


@dataclass
class Right:
    """How a use case ends that nothing disturbs.

    `answer`: by place in it; what is new each time is left out.
    """

    calls: list[str]
    places: set[str]
    answer: dict[str, Any]
    state: dict[str, Any]


class Walk:
    """Each point begins in a copy of the shop.

    `tried`: at how many a fault happened; `endings`: how they ended.
    """

    def __init__(self, case: UseCase, shop: Shop, folder: Path) -> None:
        self._case = case
        self._shop = shop
        self._folder = folder
        self._heard = Errors()
        self.tried = 0
        self.endings = Endings(shop.texts())

    def answered(self) -> tuple[dict[str, Any], list[str]]:
        """An answer that nothing disturbs, and the calls that were made for it.

        Its entries say what it did to people and accesses, and a restore from before gives none of
        that back.
        """
        with self._shop.copied(self._folder) as box:
            known = entries(box)
            box.calls.names.clear()
            answer = self._do(box)
            calls = [*box.calls.names]
            assert is_success(answer), answer
            wanted = {f"sweep {job}" for job in self._case.jobs}
            idle = wanted - getattr(box.calls, "writers", wanted)  # calls of AWS name no writer
            assert not idle, f"{idle} write nothing here"
            written = {id_: entry for id_, entry in entries(box).items() if id_ not in known}
            wrong = [*without_effect(written), *given_back(box, self._shop, self._folder, written)]
            assert not wrong, "\n".join(wrong)
            return dict(flat(answer)), calls

    def undisturbed(self, again: dict[str, Any]) -> Right:
        """What is right. `again`: another answer, which shows what is new each time."""
        with self._heard.listening(), self._shop.copied(self._folder) as box:
            known = templates(box)
            box.calls.names.clear()
            answer = self._do(box)
            assert is_success(answer), answer
            calls = list(box.calls.names)
            assert templates(box) <= known or self._case.route in TRIED | {"reembed"}, (
                "it is a way into the book: tests/support/api/ways_in.py has to try it, and "
                "nothing may be left of it"
            )
            state: dict[str, Any] = {}

            def ask() -> list[str]:
                wrong = disagreeing(box)
                state.update(box.state())
                return wrong

            wrong = [*self.endings.wrong(box, ask), *self._heard.told()]
            assert not wrong, "\n".join(wrong)
        places = dict(flat(answer))
        # How long it took may be the same twice, and another time not.
        same = {
            at: value
            for at, value in places.items()
            if again.get(at, self) == value and not at.endswith("Ms")
        }
        return Right(calls, set(places), same, state)

    def disturbed(self, at: int, fault: Fault, right: Right) -> list[str]:
        """What is wrong afterwards."""
        with self._heard.listening(), self._shop.copied(self._folder) as box:
            box.calls.fail(at, fault)
            first = self._do(box)
            self.tried += len(box.calls.names) >= at
            if box.calls.dead:
                with closing(self._shop.opened(box.folder)) as another:
                    wrong = self._judged(another, first, right)
            else:
                wrong = self._judged(box, first, right)
        return [*wrong, *self._heard.told()]

    def _judged(self, box: Box, first: Any, right: Right) -> list[str]:
        """Who was told that it is done does not ask again."""
        answer = first if is_success(first) else self._do(box)

        def ask() -> list[str]:
            return [*disagreeing(box), *self._unlike(box.state(), right.state)]

        return [*self._answered(answer, right), *self.endings.wrong(box, ask)]

    def _answered(self, answer: Any, right: Right) -> list[str]:
        if self._case.or_says and self._case.or_says in json.dumps(answer, default=str):
            return []
        places = dict(flat(answer))
        is_right = places.keys() == right.places and right.answer.items() <= places.items()
        return [] if is_right else [f"answered {answer}"]

    def _unlike(self, state: dict[str, Any], right: dict[str, Any]) -> list[str]:
        unlike = [
            what for what in right if state[what] != right[what] and what != self._case.counts_again
        ]
        return [f"{what} are {state[what]}, not {right[what]}" for what in unlike]

    def _do(self, box: Box) -> Any:
        try:
            return self._case.do(box)
        except RegularsError as error:
            return {"raised": type(error).__name__, "said": str(error)}
        except Killed:
            return {"raised": "Killed"}


def flat(answer: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of an answer, each with its place."""
    entries = (
        answer.items()
        if isinstance(answer, dict)
        else enumerate(answer)
        if isinstance(answer, list)
        else None
    )
    if entries is None:
        yield place, answer
        return
    for key, value in entries:
        yield from flat(value, f"{place}/{key}")
