"""A face of a picture in CompreFace's form: its box, what plugins add, and how long each took."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import telemetry
from chalicelib.api.http import Failure
from chalicelib.domain.errors import Unusable
from chalicelib.domain.rules.decision import FAR
from chalicelib.domain.rules.recognised import (
    MOST_FACES,
    DescribedFace,
    PictureOptions,
    SeenPicture,
)
from regulars_dialects.compreface.operation import NO_FACE, SEVERAL_FACES, CompreFaceContext
from regulars_dialects.compreface.requests import RULES, Options, Photo

Body = dict[str, Any]

_LEAST, _CLEAR = 0.75, 0.95
"""Scores of our detector: of what it calls a face at least, and of a clear one."""

_SPREAD = 0.2
"""By how much the probability is below 1 for a face that is only just found."""
_ACROSS, _DOWN = 0.22, 0.10
"""Parts of a box's sides that their boxes are wider at each side, and higher above and below."""

_YEARS = 5
"""CompreFace says an age as a span of so many years."""
_ENDINGS = ("tif", "tiff", "jpg", "jpeg", "png", "bmp", "ico", "gif", "webp")
_MODELS = ("age", "gender")


class LookedAt(Struct, frozen=True):
    """A picture's faces that pass the options, largest first, and the milliseconds by name that all
    took together."""

    seen: SeenPicture
    options: Options
    times: dict[str, float]
    detected: bool = True

    def describe_face(self, number: int, **members: Any) -> Body:
        """Return a face with its box, and with the details that the options ask for and the picture
        has.

        `number`: the face's index among those of the picture. `members`: further members of the
        answer.
        """
        face, plugins = self.seen.described.faces[number], self.options.plugins
        estimates, pose = face.estimates, face.estimates.pose
        body: Body = {"box": self._describe_box(face), **members}
        if "age" in plugins and estimates.age is not None:
            low = max(round(estimates.age) - _YEARS, 0)
            body["age"] = {"probability": 1.0, "high": round(estimates.age) + _YEARS, "low": low}
        if "gender" in plugins and estimates.genders:
            gender, probability = estimates.genders[0]
            body["gender"] = {"probability": round(float(probability), 5), "value": str(gender)}
        if "pose" in plugins and pose is not None:
            body["pose"] = {
                name: round(float(getattr(pose, name)), 5) for name in ("pitch", "roll", "yaw")
            }
        if "landmarks" in plugins:
            body["landmarks"] = [[round(x), round(y)] for x, y in face.detected.landmarks]
        if "calculator" in plugins:
            body["embedding"] = [float(value) for value in self.seen.embeddings[number]]
        if self.options.status:
            count = len(self.seen.described.faces)
            body["execution_time"] = {name: round(ms / count, 1) for name, ms in self.times.items()}
        return body

    def describe_versions(self, context: CompreFaceContext) -> Body:
        """Return the member `plugins_versions`, if it was asked for."""
        if not self.options.status:
            return {}
        pack = context.services.tenant_vision.choose_vision(context.tenant.model).pack
        version_by_plugin = {
            name: context.tenant.model if name == "calculator" else pack for name in self.times
        }
        return {"plugins_versions": version_by_plugin}

    def _describe_box(self, face: DescribedFace) -> Body:
        """Return a face's box in whole pixels, as wide and high as theirs; the whole picture if
        none was looked for."""
        width, height = self.seen.described.width, self.seen.described.height
        if not self.detected:
            return {"probability": 1.0, "x_max": width, "y_max": height, "x_min": 0, "y_min": 0}
        box = face.detected.box
        return {
            "probability": round(compute_probability(face.detected.score), 5),
            "x_max": min(round(box.x + box.width * (1 + _ACROSS)), width),
            "y_max": min(round(box.y + box.height * (1 + _DOWN)), height),
            "x_min": max(round(box.x - box.width * _ACROSS), 0),
            "y_min": max(round(box.y - box.height * _DOWN), 0),
        }


def compute_probability(score: float) -> float:
    """Return how sure the detector is, on their scale: clear faces have 0.99, and programs send 0.8
    to 0.95."""
    return 1 - _SPREAD * ((_CLEAR - min(max(score, _LEAST), _CLEAR)) / (_CLEAR - _LEAST)) ** 2


def compute_least_score(threshold: float) -> float:
    """Return the detector's score at which `compute_probability` reaches a threshold; none does
    above the best one."""
    if threshold <= 1 - _SPREAD:
        return 0.0
    return _CLEAR - (_CLEAR - _LEAST) * math.sqrt((1 - threshold) / _SPREAD)


def look_at_picture(
    context: CompreFaceContext,
    photo: Photo,
    *,
    embeds: bool,
    live: bool = False,
    cropped: bool = False,
) -> LookedAt:
    """Look at a picture for the faces that the options ask for.

    Faces below the asked probability are left out, and of the others all but the `limit` largest.
    Raises Failure if none is left. Details that the tenant has switched off (`attributes_off`) are
    neither computed nor shown.

    `embeds`: whether embeddings are needed. `live`: whether liveness is measured. `cropped`:
    whether the whole picture is one face; then no face is looked for or left out, and there is no
    pose.
    """
    options, plugins = context.options, context.options.plugins
    needs_embeddings = embeds or "calculator" in plugins
    models = [
        model
        for model in _MODELS
        if model in plugins and model not in context.tenant.attributes_off
    ]
    picture_options = PictureOptions(
        models,
        max_faces=MOST_FACES,
        embeds=needs_embeddings,
        poses=bool({"pose", *models} & plugins),
        checks_liveness=live,
        is_cropped=cropped,
    )
    with translate_unusable(photo), telemetry.collect_stages() as stages:
        picture = context.services.recognition.face_analysis.describe_picture(
            context.tenant, photo.data, RULES, picture_options
        )
    shown_options = replace(options, plugins=plugins - context.tenant.attributes_off)
    times = _name_times(stages, models, needs_embeddings, plugins)
    if cropped:
        return LookedAt(
            picture,
            replace(shown_options, plugins=shown_options.plugins - {"pose"}),
            times,
            detected=False,
        )
    sure = picture.leave_out(
        lambda face: compute_probability(face.detected.score) < options.threshold
    )
    largest_ids = {id(face) for face in sure.described.faces[: options.limit or MOST_FACES]}
    shown = sure.leave_out(lambda face: id(face) not in largest_ids)
    if not shown.described.faces:
        raise Failure(28, NO_FACE)
    return LookedAt(shown, shown_options, times)


def keep_only_face(looked_at: LookedAt) -> LookedAt:
    """Return the picture with its only face, or the only one that is no passer-by far behind.

    Raises Failure.
    """
    described_picture = looked_at.seen.described
    far_px = FAR * max(described_picture.width, described_picture.height)
    boxes = [(each, each.detected.box) for each in described_picture.faces]
    near_faces = [each for each, box in boxes if min(box.width, box.height) >= far_px] or [
        *described_picture.faces[:1]
    ]
    if len(near_faces) > 1:
        raise Failure(31, SEVERAL_FACES)
    return replace(looked_at, seen=looked_at.seen.leave_out(lambda face: face is not near_faces[0]))


@contextmanager
def translate_unusable(photo: Photo) -> Iterator[None]:
    """Tell a file of another kind from a broken picture."""
    try:
        yield
    except Unusable as error:
        ending = photo.name.rpartition(".")[2].lower()
        if error.breaks == "format" or (
            error.breaks == "picture" and photo.name and ending not in _ENDINGS
        ):
            raise Failure(21, f"File [{photo.name}] has an unavailable extension") from error
        raise


def _name_times(
    stages: dict[str, float], models: Sequence[str], embeds: bool, plugins: frozenset[str]
) -> dict[str, float]:
    """Return the milliseconds of what ran.

    Models run beside each other: each counts what all took together.
    """
    examine_ms = stages.get("examine", 0.0) + stages.get("attributes", 0.0)
    names = {
        "detector": stages.get("detect", 0.0),
        **({"calculator": stages.get("embed", examine_ms)} if embeds else {}),
        **dict.fromkeys(models, examine_ms),
        **({"pose": examine_ms} if "pose" in plugins else {}),
    }
    return {name: round(ms, 1) for name, ms in names.items()}
