"""Checks of a camera's count by a person: a film of a minute without people, the person's answer
how many came in and went out, and the proof that the count has by these answers.

A film shows squares in which something moved, and boxes around those whom the box has found. So
people who look at it see also who moved and was not found, and no face. But one who knows who came
in a quiet minute knows whose box it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from chalicelib.domain.captures import Camera
from chalicelib.domain.counts import (
    MAX_AHEAD,
    MAX_CROSSINGS,
    MINUTE_MS,
    Void,
    Why,
    require_line,
)
from chalicelib.domain.errors import InvalidInput
from chalicelib.storage.values import milliseconds, time_text

ASKED_FOR = timedelta(days=1)
"""Time after the request in which a box may send the film."""
FILM_KEPT = timedelta(days=7)
"""Time that a film waits for its answer. So its minute is still stored as a minute."""
ANSWERS_KEPT = timedelta(days=365)
MOST_ANSWERS = 200
"""Of a camera; more make the oldest go."""
NEEDED_ANSWERS = 10
"""From so many answers on a count has its proof."""
MOST_WRONG = 5
"""So many of the minutes that were most wrong are named."""
GRID = 48, 27
"""Squares of a film, across and down."""
MOST_LOOKS = 400
MOST_BODIES = 40
"""In one look."""
_MOVED_BYTES = GRID[0] * GRID[1] // 8
_WALKED_BYTES = GRID[0] * GRID[1]
_THOUSANDTHS = range(1_001)
"""Of the picture's width or height."""
_LINE_DIGITS = 4
_LEAST_RIGHT = 0.9

Way = Literal["in", "out"]
Line = tuple[tuple[float, float], tuple[float, float]]


class Look(NamedTuple):
    """A look of a box at a picture. `moved`: a bit for each square of the grid, row by row."""

    ms: int
    """Since the minute began."""
    moved: bytes
    bodies: tuple[tuple[int, ...], ...]
    """Left, top, width, height in thousandths of the picture, and 1 for somebody who is surely a
    person, else 0."""


class Film(Struct, frozen=True):
    """A minute of a camera without people.

    `crossings`: when the box counted somebody, in ms, and `in` or `out`. `walked`: how often feet
    stood in each square in the last hour, 0 to 255.
    """

    at: datetime
    seconds: int
    line: Line
    looks: tuple[Look, ...]
    crossings: tuple[tuple[int, Way], ...]
    walked: bytes


class WaitingFilm(NamedTuple):
    """A film that was not answered yet."""

    at: datetime
    line: Line
    seconds: int
    came_at: datetime


class CheckAnswer(NamedTuple):
    """The numbers of a person who watched a film, beside what was counted in its minute.

    `by`: who said so, as the audit names them. `counted`: those who came in and went out; None:
    nobody knew. The same for `seen`.
    """

    at: datetime
    line: Line
    counted: tuple[int, int] | None
    seen: tuple[int, int]
    by: str
    answered_at: datetime
    why: Why | None = None
    """Why nobody knew, as the box said then."""

    @property
    def error(self) -> int:
        """Return how many were counted too often or not at all."""
        counted = self.seen if self.counted is None else self.counted
        return sum(abs(one - other) for one, other in zip(counted, self.seen, strict=True))


class LeftOut(NamedTuple):
    """A minute whose film was shown, but that has no answer: nobody answered, or the answer was
    deleted."""

    at: datetime
    line: Line
    left_at: datetime


class WrongMinute(NamedTuple):
    """A minute that was counted wrongly. Both pairs: how many came in, and how many went out."""

    at: datetime
    counted: tuple[int, int]
    seen: tuple[int, int]


class Proof(NamedTuple):
    """The accuracy of a camera's count, as people checked it.

    `answers`: of minutes that had a number; `unknown`: of those that had none, so that nobody was
    told a wrong one. The shares are None before there are enough answers, or if nobody was seen nor
    counted.
    """

    answers: int
    unknown: int
    right_in: float | None
    right_out: float | None
    of: int
    """So many crossings people saw."""
    wrong: tuple[WrongMinute, ...]
    """Those that were most wrong, if a share is too low."""
    left_out: int = 0
    """Films that nobody answered, and answers that were deleted."""


def find_request(camera: Camera, now: datetime) -> datetime | None:
    """Return when a film was requested that the camera's box may still send; None if there is none,
    or the camera is disabled."""
    asked_at = camera.film_asked_at
    if asked_at is None or not camera.enabled:
        return None
    return asked_at if now - asked_at < ASKED_FOR else None


def is_at_line(camera: Camera, line: Line) -> bool:
    """Return whether a camera counts at a line now. Without a line in its settings, its box has one
    of its own: it may be any."""
    set_line: Any = camera.edge.get("count")
    return set_line is None or line_of(set_line) == line


def require_film(film: Film, now: datetime) -> None:
    """Raise InvalidInput unless a film is one of a minute that a box may have seen."""
    at = film.at
    if milliseconds(at) % MINUTE_MS:
        raise InvalidInput(f"a film begins at a minute's second 0, not at {time_text(at)}")
    if not now - FILM_KEPT <= at <= now + MAX_AHEAD:
        raise InvalidInput(
            f"the film of {time_text(at)} is more than {FILM_KEPT.days} days old, or ahead of the "
            f"service's clock, which shows {time_text(now)}: send a newer one, or set the box's "
            "clock"
        )
    require_line(film.line)
    if len(film.walked) != _WALKED_BYTES:
        raise InvalidInput(f"walked has {_WALKED_BYTES} bytes, not {len(film.walked)}")
    for look in film.looks:
        _require_look(look)


def _require_look(look: Look) -> None:
    if len(look.moved) != _MOVED_BYTES:
        raise InvalidInput(f"moved has {_MOVED_BYTES} bytes, not {len(look.moved)}")
    for *place, sure in look.bodies:
        if sure not in (0, 1):
            raise InvalidInput(f"the fifth number of a body is 1 or 0, not {sure}")
        if not all(number in _THOUSANDTHS for number in place):
            raise InvalidInput(
                f"the first four numbers of a body are {_THOUSANDTHS[0]} to {_THOUSANDTHS[-1]}, "
                f"not {place}"
            )


def require_seen(seen: tuple[int, int]) -> None:
    """Raise InvalidInput unless this many people can have come in and gone out in a minute."""
    if not all(0 <= number <= MAX_CROSSINGS for number in seen):
        raise InvalidInput(f"in and out are 0 to {MAX_CROSSINGS:,}, not {seen[0]} and {seen[1]}")


def line_of(points: Sequence[Sequence[float]]) -> Line:
    """Return a line in the form in which two lines are compared."""
    (x1, y1), (x2, y2) = (
        [round(float(share), _LINE_DIGITS) for share in point] for point in points
    )
    return (x1, y1), (x2, y2)


def add_answer(answers: Sequence[CheckAnswer], answer: CheckAnswer) -> list[CheckAnswer]:
    """Return the answers with one more, by the time of their minutes.

    They are the MOST_ANSWERS that were answered last.
    """
    others = [other for other in answers if other.at != answer.at]
    by_time = sorted([*others, answer], key=lambda one: (one.answered_at, one.at))
    return sorted(by_time[-MOST_ANSWERS:])


def add_left_out(left_out: Sequence[LeftOut], one: LeftOut) -> tuple[LeftOut, ...]:
    """Return the minutes that were left out with one more, by the time when they were: the newest
    MOST_ANSWERS."""
    return (*left_out, one)[-MOST_ANSWERS:]


def forget_void(
    answers: Iterable[CheckAnswer], voids: Iterable[Void], camera: str
) -> list[CheckAnswer]:
    """Return the answers, with the counts of minutes that are void now removed."""
    spans = [(void.first_ms, void.end_ms) for void in voids if void.camera == camera]
    return [
        answer._replace(counted=None)
        if any(first_ms <= milliseconds(answer.at) < end_ms for first_ms, end_ms in spans)
        else answer
        for answer in answers
    ]


def measure_proof(answers: Iterable[CheckAnswer], line: Line) -> Proof:
    """Return the proof of a count at a line. Answers for another line do not count.

    A share is 1 less the errors of a direction, per person who was seen to go there. `counted 9,
    then 11, seen 10 each`: 0.9. It is 0 if some were counted where nobody was seen.
    """
    of_line = [answer for answer in answers if answer.line == line]
    known = [answer for answer in of_line if answer.counted is not None]
    seen = sum(sum(answer.seen) for answer in known)
    unknown = len(of_line) - len(known)
    if len(known) < NEEDED_ANSWERS:
        return Proof(len(known), unknown, None, None, seen, ())
    right_in, right_out = (_measure_direction(known, direction) for direction in (0, 1))
    is_good = all(share is None or share >= _LEAST_RIGHT for share in (right_in, right_out))
    wrong = () if is_good else _list_wrong(known)
    return Proof(len(known), unknown, right_in, right_out, seen, wrong)


def _measure_direction(answers: Iterable[CheckAnswer], direction: int) -> float | None:
    pairs = [
        (answer.counted[direction], answer.seen[direction])
        for answer in answers
        if answer.counted is not None
    ]
    seen = sum(number for _, number in pairs)
    error = sum(abs(counted - number) for counted, number in pairs)
    if not seen:
        return 0.0 if error else None
    return max(seen - error, 0) * 10_000 // seen / 10_000  # cut, as 89.99 % is not 90


def _list_wrong(answers: Iterable[CheckAnswer]) -> tuple[WrongMinute, ...]:
    """Return the minutes that were most wrong, the worst first; of equal ones, the newest."""
    wrong = sorted(
        (answer for answer in answers if answer.error),
        key=lambda answer: (answer.error, answer.at),
        reverse=True,
    )
    return tuple(
        WrongMinute(answer.at, answer.counted, answer.seen)
        for answer in wrong[:MOST_WRONG]
        if answer.counted is not None
    )
