"""By what is a face found? Templates in one form, the pictures that a face keeps of those that it
learns, and users.

The canonical form, in which templates are both stored and compared, is little-endian float16 of the
unit embedding: half the bytes of float32, and rounding moves a cosine by less than 5e-4 (2^-11 a
component, Cauchy-Schwarz), far below the spread of scores. Scores are computed over this form
everywhere.

A face learns pictures from its sure sightings by itself. Of each hour the best one counts, since
pictures of one visit are nearly copies. Of these, first the best of each day, then the second best
of each day, and so on (hours and days of UTC, by the time of capture: nobody reads a figure of
them, and pictures that were chosen stay if the shop's zone changes). Better is a higher step of
quality, and of the same step the earlier picture. So a face that knows good pictures of three days
learns no more: further ones would cost, and teach nothing. What is left out stays left out,
whatever comes later. So the kept ones do not depend on the order in which sightings are processed
or faces merged.

Users are people who have several faces in one collection, and are searched for by the mean of
these. In the gallery a user is one entry. Its id and its group hold a ".", which those of faces
never do. An entry of the journal names the user of a face that leaves or changes, since the user
changes with it.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Container, Iterable, Sequence, Set
from datetime import date, datetime
from itertools import count
from operator import itemgetter
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.errors import FaceNotFound
from chalicelib.domain.model import (
    MAX_COMPARED,
    MAX_PICTURES,
    Edit,
    Face,
    JournalEntry,
    Learnt,
    Picture,
    Template,
)
from chalicelib.domain.names import LONGEST_NAME, normalise_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from chalicelib.domain.model import Decision

_FLOAT16 = "<f2"


def make_template(model: str, embedding: NDArray[np.float32]) -> Template:
    """Make the template of a unit embedding, shape (dimensions,)."""
    return Template(model, embedding.astype(_FLOAT16).tobytes())


def parse_vector(template: Template) -> NDArray[np.float32]:
    """Read the (dimensions,) float32 of a canonical template."""
    read: NDArray[np.float32] = vectors_of([template.vector])[0]
    return read


def vectors_of(vectors: Sequence[bytes]) -> NDArray[np.float32]:
    """Read the (n, dimensions) float32 of canonical templates' bytes, one or more."""
    import numpy as np  # here, so that importing a service that compares does not load it

    return (
        np.frombuffer(b"".join(vectors), dtype=_FLOAT16)
        .astype(np.float32)
        .reshape(len(vectors), -1)
    )


def reduce_templates(templates: Sequence[Template]) -> tuple[Template, ...]:
    """Reduce a face's templates to the ones that a gallery compares: for each model the mean over
    the photos."""
    import numpy as np

    by_model: dict[str, list[Template]] = {}
    for template in templates:
        by_model.setdefault(template.model, []).append(template)
    return tuple(
        own_templates[0]
        if len(own_templates) == 1
        else make_template(
            model, fuse_embeddings(np.stack([parse_vector(template) for template in own_templates]))
        )
        for model, own_templates in by_model.items()
    )


def of_model(templates: Sequence[Template], model: str) -> Template | None:
    """Return the one of the `compared` ones that is of this model; None if there is none."""
    own_templates = [template for template in templates if template.model == model]
    return reduce_templates(own_templates)[0] if own_templates else None


def fuse_embeddings(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the unit mean, (dimensions,) float32, of one person's unit embeddings (n, dimensions).

    The pictures share the person, and their differences cancel out: a search finds the mean of
    three photos more often than the best of the three.
    """
    import numpy as np

    mean = embeddings.mean(axis=0)
    norm = max(float(np.linalg.norm(mean)), float(np.finfo(np.float32).tiny))
    return np.asarray(mean / norm, dtype=np.float32)


LEARN_QUALITY = 35.0
"""Of 100: a face learns from no sighting below this."""

MAX_LEARNT = 3
"""Most learnt pictures of a face. Four and six found nobody more on Labeled Faces in the Wild, and
cost more."""

QUALITY_STEP = 20.0
"""Of 100: a picture of the same step is no better, and pushes out no earlier one."""

SAME_VIEW = 0.75
"""Score from which on a picture of the hour that made a stranger shows no more than the one that it
was made from."""

_Choice = tuple[float, datetime, str]
"""The lowest one is chosen first."""


def is_sure(decision: Decision | None, quality: float | None) -> bool:
    """Return whether a face may learn from a sighting of this quality that was matched by this
    decision.

    None: somebody said that it is this face. One that another sighting vouches for would be learnt
    from by too low a score. A threshold above that of a match would help nobody: it teaches what a
    face knows already.
    """
    return (
        (decision is None or decision.by is None)
        and quality is not None
        and quality >= LEARN_QUALITY
    )


def list_given_pictures(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """Return the pictures that were not learnt."""
    return tuple(picture for picture in pictures if picture.learnt is None)


def choose_pictures_to_keep(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """Return the given pictures, in their order, and the learnt ones that are kept, the first
    choice first.

    Of one photo only one picture is kept: the given one, else that of the first sighting. Learnt
    ones have the room that MAX_LEARNT, MAX_COMPARED and MAX_PICTURES leave beside the given ones.
    One of them shows the person in a mask, if there is such a picture and room for two.
    """
    pictures = tuple(pictures)
    given_pictures = list_given_pictures(pictures)
    learnt_by_photo: dict[str, tuple[Learnt, Picture]] = {}
    for picture in pictures:
        if picture.learnt is not None and not any(
            picture.is_same(given) for given in given_pictures
        ):
            known_learnt = learnt_by_photo.get(picture.id)
            if known_learnt is None or picture.learnt.sighting_id < known_learnt[0].sighting_id:
                learnt_by_photo[picture.id] = picture.learnt, picture
    compared_count = sum(not picture.spare for picture in given_pictures)
    room = max(
        min(MAX_LEARNT, MAX_COMPARED - compared_count, MAX_PICTURES - len(given_pictures)), 0
    )
    bare, masked = (
        _rank_learnt(
            one for one in learnt_by_photo.values() if bool(one[1].estimates.masked) is has
        )
        for has in (False, True)
    )
    beside_masked = max(room - 1, 1)
    looks = [*bare[:beside_masked], *masked[:1], *bare[beside_masked:]]
    return (*given_pictures, *looks[:room])


def shows_more_than(
    pictures: Iterable[Picture], new_picture: Picture, captured_at: datetime
) -> bool:
    """Return whether a picture of this time is more than a copy of those that strangers were made
    from.

    A copy is of the same hour, of no better step of quality, and the same view.
    """
    hour = _cut_to_hour(captured_at)
    founding_pictures = [
        picture
        for picture in pictures
        if picture.founded_at is not None and _cut_to_hour(picture.founded_at) == hour
    ]
    return all(
        _measure_quality_step(picture) < _measure_quality_step(new_picture)
        or _is_another_view(new_picture, picture)
        for picture in founding_pictures
    )


def ensure_given_picture(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
    """Return the pictures; if none was given, the first counts as given from now on.

    So a face always has a picture that the learnt ones are held against.
    """
    return (
        pictures
        if list_given_pictures(pictures)
        else (replace(pictures[0], learnt=None), *pictures[1:])
    )


def mean_of_given(pictures: Sequence[Picture], model: str) -> NDArray[np.float32] | None:
    """Return the unit mean of the given pictures that are compared; None: none has a template of
    the model."""
    compared = (picture for picture in list_given_pictures(pictures) if not picture.spare)
    templates = [
        template
        for picture in compared
        for template in picture.templates
        if template.model == model
    ]
    return parse_vector(reduce_templates(templates)[0]) if templates else None


def remove_rejected_pictures(
    pictures: Sequence[Picture],
    rejected_vector: NDArray[np.float32],
    photo_ids: Set[str],
    model: str,
) -> tuple[Picture, ...]:
    """Return the pictures that a face keeps when one of its sightings turns out to be somebody
    else.

    The sighting's photo goes, and with it each learnt picture that is nearer to it than to the
    given ones. `rejected_vector`: the sighting's embedding by `model`; `photo_ids`: the ids by
    which a face may have its photo.
    """

    other_pictures = [picture for picture in pictures if picture.id not in photo_ids]
    mean = mean_of_given(other_pictures, model)

    def is_nearer_to_rejected(picture: Picture) -> bool:
        vectors = [
            parse_vector(template) for template in picture.templates if template.model == model
        ]
        return mean is not None and any(
            float(own_vector @ rejected_vector) > float(own_vector @ mean) for own_vector in vectors
        )

    return tuple(
        picture
        for picture in other_pictures
        if picture.learnt is None or not is_nearer_to_rejected(picture)
    )


def _rank_learnt(learnt: Iterable[tuple[Learnt, Picture]]) -> list[Picture]:
    """Return the best learnt picture of each hour: first the best of each day, then the second best
    of each day."""
    best_of_hour: dict[datetime, tuple[_Choice, Picture]] = {}
    for learnt_from, picture in learnt:
        choice_and_picture = (
            (-_measure_quality_step(picture), learnt_from.captured_at, learnt_from.sighting_id),
            picture,
        )
        hour = _cut_to_hour(learnt_from.captured_at)
        best_of_hour[hour] = min(
            best_of_hour.get(hour, choice_and_picture), choice_and_picture, key=itemgetter(0)
        )
    count_of_day: Counter[date] = Counter()
    ranked: list[tuple[int, _Choice, Picture]] = []
    for choice, picture in sorted(best_of_hour.values(), key=itemgetter(0)):
        day = choice[1].date()
        ranked.append((count_of_day[day], choice, picture))
        count_of_day[day] += 1
    return [picture for *_, picture in sorted(ranked, key=itemgetter(0, 1))]


def _is_another_view(new_picture: Picture, picture: Picture) -> bool:
    (template,) = new_picture.templates
    other_template = of_model(picture.templates, template.model)
    return (
        other_template is not None
        and float(parse_vector(other_template) @ parse_vector(template)) < SAME_VIEW
    )


def _measure_quality_step(picture: Picture) -> float:
    return (picture.estimates.quality or 0.0) // QUALITY_STEP


def _cut_to_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


MAX_FACES = 100
"""Most faces of one user."""


class User(Struct, frozen=True):
    """A user of a group.

    `templates`: for each model the mean over its faces; none without faces.
    """

    group_id: str
    id: str
    faceids: tuple[str, ...] = ()
    templates: tuple[Template, ...] = ()
    name: str = ""
    """Of a subject: what its caller calls it. Its faces may be several people's, so it has no
    mean."""
    created_at: datetime | None = None
    """Of a subject."""

    @property
    def entry(self) -> str:
        return entry_of(self.group_id, self.id)


def subject_id(name: str) -> str:
    """Return the id of the first subject of a group whose name folds to the same as this one.

    So the subjects of one name are found by one read, whatever the case. Whether a name is theirs:
    domain/names.
    """
    folded = normalise_name(normalise_name(name, LONGEST_NAME).casefold(), LONGEST_NAME)
    return str(uuid.uuid5(uuid.NAMESPACE_OID, folded))


def free_subject_id(name: str, used_ids: Container[str]) -> str:
    """Return the id of a new subject of this name: of those that fold to the same, all but the
    first are numbered."""
    first_id = subject_id(name)
    return next(
        id_
        for number in count()
        if (id_ := f"{first_id}-{number}" if number else first_id) not in used_ids
    )


def entry_of(group_id: str, id_: str) -> str:
    """Return the id that a user has in the gallery."""
    return f"{group_id}.{id_}"


def id_of(entry: str) -> str:
    """Return the user's id of its entry in the gallery."""
    return entry.partition(".")[2]


def gallery_group(group_id: str) -> str:
    """Return the group in which the gallery has a group's users."""
    return f"{group_id}.users"


def is_users(id_: str) -> bool:
    """Return whether this is the id of a user in the gallery, or of a group of them, and not of a
    face or its group."""
    return "." in id_


def user_of(face: Face) -> str:
    """Return the entry of a face's user; "" if it has none."""
    return entry_of(face.group_id, face.user) if face.user else ""


def mean_of(faces: Iterable[Sequence[Template]]) -> tuple[Template, ...]:
    """Return the templates of a user with these faces' templates, as those of a face with these
    pictures."""
    return reduce_templates(
        [template for templates in faces for template in reduce_templates(templates)]
    )


def make_change_entries(before: Face, after: Face) -> tuple[JournalEntry, ...]:
    """Return the journal's entry of a changed face: REPLACE if its templates changed, MOVE if only
    its group did."""
    if after.templates != before.templates:
        templates = reduce_templates(after.templates)
        return (
            JournalEntry(
                Edit.REPLACE, after.faceid, after.group_id, templates, user=user_of(before)
            ),
        )
    if after.group_id != before.group_id:
        return (JournalEntry(Edit.MOVE, after.faceid, after.group_id, user=user_of(before)),)
    return ()


def make_delete_entry(face: Face) -> JournalEntry:
    """Return the journal's entry of a face that is deleted."""
    return JournalEntry(Edit.DELETE, face.faceid, face.group_id, user=user_of(face))


def template_of(face: Face, model: str) -> Template:
    """Return the template by which a face is compared.

    Raises FaceNotFound if it has none of this model.
    """
    own_template = of_model(face.templates, model)
    if own_template is None:
        raise FaceNotFound(f"face {face.faceid!r} has no template of the model {model!r} yet")
    return own_template
