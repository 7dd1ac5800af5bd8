"""Learnt pictures: those that a face takes from its sure sightings by itself. Which of them does it keep?

Of each hour the best one counts, since pictures of one visit are nearly copies. Of these, first the best of each day,
then the second best of each day, and so on (hours and days of UTC, by the time of capture). Better is a higher step of
quality, and of the same step the earlier picture. So a face that knows good pictures of three days learns no more:
further ones would cost, and teach nothing.

What is left out stays left out, whatever comes later. So the kept ones do not depend on the order in which sightings
are processed or faces merged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from chalicelib.core.model import MAX_PICTURES, Learnt, Picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.core.decision import ImpostorCurve
    from chalicelib.core.model import Decision

LEARN_QUALITY = 35.0
"""Of 100: a face learns from no sighting below this."""

ANCHOR_GALLERY = 200
"""A face learns only from what looks like its given pictures, too, by the threshold of a gallery of so many faces.
Without it a face might drift to somebody else, from one learnt picture to the next. Lower thresholds taught nothing
more on Labeled Faces in the Wild, and higher ones too little."""

MAX_LEARNT = 3
"""Most learnt pictures of a face. Four and six found nobody more on Labeled Faces in the Wild, and cost more."""

QUALITY_STEP = 20.0
"""Of 100: a picture of the same step is no better, and pushes out no earlier one."""

SAME_VIEW = 0.75
"""Score from which on a picture of the hour that made a stranger shows no more than the one that it was made from."""

_Choice = tuple[float, datetime, str]
"""The lowest one is chosen first."""


def is_sure(decision: Decision | None, quality: float | None) -> bool:
    """Return whether a face may learn from a sighting of this quality that was matched by this decision.

    None: somebody said that it is this face. One that another sighting vouches for would be learnt from by too low a
    score. A threshold above that of a match would help nobody: it teaches what a face knows already.
    """
    return (decision is None or decision.by is None) and quality is not None and quality >= LEARN_QUALITY


def anchor_threshold(curve: ImpostorCurve) -> float:
    """Return the score with its given pictures that a face asks of what it learns."""
    return curve.identify_threshold(ANCHOR_GALLERY)


def given(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """Return the pictures that were not learnt."""
    return tuple(picture for picture in pictures if picture.learnt is None)


def kept(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """Return the given pictures, in their order, and the learnt ones that are kept, the first choice first.

    Of one photo only one picture is kept: the given one, else that of the first sighting.
    """
    pictures = tuple(pictures)
    own = given(pictures)
    photos: dict[str, tuple[Learnt, Picture]] = {}
    for picture in pictures:
        if picture.learnt is not None and not any(picture.is_same(one) for one in own):
            known = photos.get(picture.id)
            if known is None or picture.learnt.sighting_id < known[0].sighting_id:
                photos[picture.id] = picture.learnt, picture
    room = max(min(MAX_LEARNT, MAX_PICTURES - len(own)), 0)
    return (*own, *_by_choice(photos.values())[:room])


def adds_to(pictures: Iterable[Picture], new: Picture, captured_at: datetime) -> bool:
    """Return whether a picture of this time is more than a copy of those that strangers were made from.

    A copy is of the same hour, of no better step of quality, and the same view.
    """
    hour = _hour(captured_at)
    founding = [one for one in pictures if one.founded_at is not None and _hour(one.founded_at) == hour]
    return all(_step(one) < _step(new) or _is_another_view(new, one) for one in founding)


def with_room(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
    """Return the pictures with room for one that a person gives, if that can be.

    If there is none, the poorest picture that a stranger was made from goes: a face that was joined from several
    strangers may be full of those, and no person gave them.
    """
    own = given(pictures)
    founding = [one for one in reversed(own) if one.founded_at is not None]
    if len(own) < MAX_PICTURES or not founding:
        return pictures
    poorest = min(founding, key=_step)
    return tuple(one for one in pictures if one is not poorest)


def with_a_given_one(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
    """Return the pictures; if none was given, the first counts as given from now on.

    So a face always has a picture that the learnt ones are held against.
    """
    return pictures if given(pictures) else (replace(pictures[0], learnt=None), *pictures[1:])


def anchor(pictures: Sequence[Picture], model: str) -> NDArray[np.float32] | None:
    """Return the mean of the given pictures by this model, a unit vector; None if none has a template of it."""
    from chalicelib.core.templates import compared, vector  # not at the cold starts of routes that compare nothing

    templates = [one for picture in given(pictures) for one in picture.templates if one.model == model]
    return vector(compared(templates)[0]) if templates else None


def without(pictures: Sequence[Picture], rejected: NDArray[np.float32], photo: str, model: str) -> tuple[Picture, ...]:
    """Return the pictures that stay after a sighting of this photo was rejected. `rejected`: its embedding by `model`.

    The photo goes, and with it each learnt picture that is nearer to it than to the given ones.
    """
    from chalicelib.core.templates import vector

    left = [picture for picture in pictures if picture.id != photo]
    own = anchor(left, model)

    def is_nearer(picture: Picture) -> bool:
        found = [vector(one) for one in picture.templates if one.model == model]
        return own is not None and any(float(one @ rejected) > float(one @ own) for one in found)

    return tuple(one for one in left if one.learnt is None or not is_nearer(one))


def _by_choice(learnt: Iterable[tuple[Learnt, Picture]]) -> list[Picture]:
    """Return those that may be kept, the first choice first."""
    hours: dict[datetime, tuple[_Choice, Picture]] = {}
    for how, picture in learnt:
        one = (-_step(picture), how.captured_at, how.sighting_id), picture
        hour = _hour(how.captured_at)
        hours[hour] = min(hours.get(hour, one), one, key=itemgetter(0))
    of_day: Counter[date] = Counter()
    ranked: list[tuple[int, _Choice, Picture]] = []
    for choice, picture in sorted(hours.values(), key=itemgetter(0)):
        day = choice[1].date()
        ranked.append((of_day[day], choice, picture))
        of_day[day] += 1
    return [picture for *_, picture in sorted(ranked, key=itemgetter(0, 1))]


def _is_another_view(new: Picture, known: Picture) -> bool:
    from chalicelib.core.templates import of_model, vector

    (seen,) = new.templates
    own = of_model(known.templates, seen.model)
    return own is not None and float(vector(own) @ vector(seen)) < SAME_VIEW


def _step(picture: Picture) -> float:
    return (picture.estimates.quality or 0.0) // QUALITY_STEP


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
