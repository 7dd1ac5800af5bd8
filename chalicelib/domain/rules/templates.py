"""Templates (embeddings as they are stored), the pictures that a face keeps, and face sets.

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

A face set is several faces of a group, searched for by their mean. In the gallery it is one entry.
Its id and its group hold a ".", which those of faces never do. An entry of the journal names the
set of a face that leaves or changes, since the set changes with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from datetime import date, datetime
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
    """Return the part of a face's templates that a search compares: for each model the mean over
    its photos.

    A template is the embedding of one photo by one model. A single one of a model stays as it is.
    """
    import numpy as np

    templates_by_model: dict[str, list[Template]] = {}
    for template in templates:
        templates_by_model.setdefault(template.model, []).append(template)
    reduced = []
    for model, own_templates in templates_by_model.items():
        if len(own_templates) == 1:
            reduced.append(own_templates[0])
            continue
        vectors = np.stack([parse_vector(template) for template in own_templates])
        reduced.append(make_template(model, fuse_embeddings(vectors)))
    return tuple(reduced)


def of_model(templates: Sequence[Template], model: str) -> Template | None:
    """Return the template of the model by which a face is compared; None if it has none.

    Of several it is the mean.
    """
    own_templates = [template for template in templates if template.model == model]
    return reduce_templates(own_templates)[0] if own_templates else None


def fuse_embeddings(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of one person's unit embeddings, (n, dimensions), as a unit vector.

    The pictures share the person, and their differences cancel out. So a search finds the mean of
    three photos more often than the best of the three.
    """
    import numpy as np

    mean = embeddings.mean(axis=0)
    # Opposite embeddings may have the mean 0: do not divide by that.
    length = max(float(np.linalg.norm(mean)), float(np.finfo(np.float32).tiny))
    return np.asarray(mean / length, dtype=np.float32)


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
    """Return whether a face may learn from a sighting: it is surely the face's, and good enough.

    `decision` is that by which a search found the face; None: a person said so. `quality` is the
    picture's, 0..100; None: not measured.
    """
    # `by`: another sighting of the same visit told whose this is, since its score was too low.
    is_vouched_for = decision is not None and decision.by is not None
    if is_vouched_for or quality is None:
        return False
    # Any match is sure: a higher threshold would only teach a face what it knows already.
    return quality >= LEARN_QUALITY


def list_given_pictures(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """Return the pictures that were not learnt."""
    return tuple(picture for picture in pictures if picture.learnt is None)


def choose_pictures_to_keep(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """Return the pictures that a face keeps: all given ones, and the best of those that it learnt.

    Given are those of people, and the one that made a stranger; they keep their order. The face
    learnt the others from sightings. MAX_LEARNT (3) of these are kept, or fewer if the given ones
    leave less room. One of them shows the person in a mask, if there is one and room for two.
    """
    pictures = tuple(pictures)
    given_pictures = list_given_pictures(pictures)
    # Of one photo only one picture is kept: the given one, else that of the first sighting.
    learnt_by_photo: dict[str, tuple[Learnt, Picture]] = {}
    for picture in pictures:
        learnt = picture.learnt
        if learnt is None or any(picture.is_same(given) for given in given_pictures):
            continue
        known = learnt_by_photo.get(picture.id)
        if known is None or learnt.sighting_id < known[0].sighting_id:
            learnt_by_photo[picture.id] = learnt, picture

    room_for_compared = MAX_COMPARED - sum(not picture.spare for picture in given_pictures)
    room_for_any = MAX_PICTURES - len(given_pictures)
    room = max(min(MAX_LEARNT, room_for_compared, room_for_any), 0)
    all_learnt = learnt_by_photo.values()
    bare = _rank_learnt(each for each in all_learnt if not each[1].estimates.masked)
    masked = _rank_learnt(each for each in all_learnt if each[1].estimates.masked)
    # The best masked one takes the last place; if there is one place only, a bare one has it.
    before_masked = max(room - 1, 1)
    ranked = [*bare[:before_masked], *masked[:1], *bare[before_masked:]]
    return (*given_pictures, *ranked[:room])


def shows_more_than(
    pictures: Iterable[Picture], new_picture: Picture, captured_at: datetime
) -> bool:
    """Return whether a picture is more than a copy of one that the face was made from.

    A copy is of the same hour, of no better quality (in steps of 20), and shows the same view.
    `pictures` are the face's. Those with `founded_at` made it, several if faces were merged.
    `captured_at` is the new picture's time.
    """
    hour = _cut_to_hour(captured_at)
    for picture in pictures:
        if picture.founded_at is None or _cut_to_hour(picture.founded_at) != hour:
            continue
        is_better = _measure_quality_step(picture) < _measure_quality_step(new_picture)
        if not is_better and not _is_another_view(new_picture, picture):
            return False
    return True


def ensure_given_picture(pictures: tuple[Picture, ...]) -> tuple[Picture, ...]:
    """Return the pictures, the first as given by a person if all were learnt from sightings.

    So a face always has a picture that the learnt ones are held against.
    """
    if list_given_pictures(pictures):
        return pictures
    first_picture, *others = pictures
    return (replace(first_picture, learnt=None), *others)


def mean_of_given(pictures: Sequence[Picture], model: str) -> NDArray[np.float32] | None:
    """Return the mean of a face's given pictures (not learnt ones), as a unit vector.

    Spare pictures, which no search compares, are left out. None: no picture has a template of
    `model`.
    """
    templates = [
        template
        for picture in list_given_pictures(pictures)
        if not picture.spare
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
    """Return the pictures that a face keeps when one of its sightings turns out to be another
    person's.

    The sighting's photo goes; `photo_ids` are the ids that it may have in a face. So does each
    picture that the face learnt and that is more like the sighting than like the mean of the given
    pictures. `rejected_vector` is the sighting's embedding by `model`.
    """
    other_pictures = [picture for picture in pictures if picture.id not in photo_ids]
    mean = mean_of_given(other_pictures, model)
    if mean is None:  # there is nothing to hold learnt pictures against
        return tuple(other_pictures)

    def is_nearer_to_rejected(picture: Picture) -> bool:
        for template in picture.templates:
            if template.model == model:
                vector = parse_vector(template)
                if float(vector @ rejected_vector) > float(vector @ mean):
                    return True
        return False

    return tuple(
        picture
        for picture in other_pictures
        if picture.learnt is None or not is_nearer_to_rejected(picture)
    )


def _rank_learnt(learnt: Iterable[tuple[Learnt, Picture]]) -> list[Picture]:
    """Return the best learnt picture of each hour, the best ones of each day first.

    `learnt` has each picture with the sighting that it was learnt from. Pictures of one visit are
    nearly copies, so one an hour is enough. Better is a higher step of quality, then the earlier
    one. Then come the second best of each day, and so on. Of Monday 9 and 10 o'clock and Tuesday 9,
    Monday's worse hour comes last.
    """
    best_of_hour: dict[datetime, tuple[_Choice, Picture]] = {}
    for sighting, picture in learnt:
        choice = (
            -_measure_quality_step(picture),
            sighting.captured_at,
            sighting.sighting_id,
        )
        hour = _cut_to_hour(sighting.captured_at)
        known = best_of_hour.get(hour)
        if known is None or choice < known[0]:
            best_of_hour[hour] = choice, picture

    count_of_day: Counter[date] = Counter()
    ranked: list[tuple[int, _Choice, Picture]] = []
    for choice, picture in sorted(best_of_hour.values(), key=itemgetter(0)):
        _, captured_at, _ = choice
        day = captured_at.date()
        place_in_day = count_of_day[day]  # 0: the best of its day
        ranked.append((place_in_day, choice, picture))
        count_of_day[day] += 1
    return [picture for _, _, picture in sorted(ranked, key=itemgetter(0, 1))]


def _is_another_view(new_picture: Picture, picture: Picture) -> bool:
    """Return whether a face looks different enough on two pictures to be learnt from both."""
    (template,) = new_picture.templates
    other_template = of_model(picture.templates, template.model)
    if other_template is None:
        return False
    return float(parse_vector(other_template) @ parse_vector(template)) < SAME_VIEW


def _measure_quality_step(picture: Picture) -> float:
    return (picture.estimates.quality or 0.0) // QUALITY_STEP


def _cut_to_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


class FaceSet(Struct, frozen=True):
    """Several faces of a group that a dialect keeps together as one person. The book reads its
    record; the dialect writes it (domain/face_sets).

    `templates`: for each model the mean over its faces, by which searches find it as an entry of
    its own; none if it has no faces, or if its faces are searched one by one. `name`: of a set that
    is surely one person, since a caller named it.
    """

    group_id: str
    id: str
    faceids: tuple[str, ...] = ()
    templates: tuple[Template, ...] = ()
    name: str = ""

    @property
    def entry(self) -> str:
        return entry_of(self.group_id, self.id)


def entry_of(group_id: str, id_: str) -> str:
    """Return the id that a face set has in the gallery."""
    return f"{group_id}.{id_}"


def gallery_group(group_id: str) -> str:
    """Return the group in which the gallery has a group's face sets."""
    return f"{group_id}.sets"


def is_face_set(id_: str) -> bool:
    """Return whether this is the id of a face set in the gallery, or of a group of them, and not of
    a face or its group."""
    return "." in id_


def face_set_of(face: Face) -> str:
    """Return the entry of a face's set; "" if it has none."""
    return entry_of(face.group_id, face.face_set) if face.face_set else ""


def make_change_entries(before: Face, after: Face) -> tuple[JournalEntry, ...]:
    """Return the journal's entries of a changed face; none if searches are not affected.

    The journal lists the changes of the gallery, the faces that are searched. REPLACE notes that
    the face's templates changed, and MOVE that only its group did. The entry names the face set
    that the face was in before, since the set's mean is then computed anew.
    """
    set_before = face_set_of(before)
    if after.templates != before.templates:
        templates = reduce_templates(after.templates)
        replaced = JournalEntry(
            Edit.REPLACE, after.faceid, after.group_id, templates, face_set=set_before
        )
        return (replaced,)
    if after.group_id != before.group_id:
        return (JournalEntry(Edit.MOVE, after.faceid, after.group_id, face_set=set_before),)
    return ()


def make_delete_entry(face: Face) -> JournalEntry:
    """Return the journal's entry of a face that is deleted."""
    return JournalEntry(Edit.DELETE, face.faceid, face.group_id, face_set=face_set_of(face))


def template_of(face: Face, model: str) -> Template:
    """Return the template by which a face is compared.

    Raises FaceNotFound if it has none of this model.
    """
    own_template = of_model(face.templates, model)
    if own_template is None:
        raise FaceNotFound(f"face {face.faceid!r} has no template of the model {model!r} yet")
    return own_template
