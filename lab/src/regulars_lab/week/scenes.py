"""Pictures as a camera over a door takes them: people's photos in a wider view, in the light of the
hour."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping, Sequence
from datetime import datetime

from PIL import Image, ImageEnhance, ImageFilter

from regulars.demo.album import Person, open_picture, turn_upright
from regulars_lab.week.timeline import Capture

WIDTH, HEIGHT = 1280, 720
_DATETIME_ORIGINAL, _OFFSET_TIME_ORIGINAL, _EXIF_IFD = 0x9003, 0x9011, 0x8769


class Scenes:
    """Drawer of captures; each week has the same pictures, but for their date."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._photos: Mapping[str, list[Image.Image]] = {
            person.name: [turn_upright(open_picture(photo.read())) for photo in person.photos]
            for person in people
        }

    def jpeg(self, capture: Capture) -> bytes:
        """Draw a capture as JPEG, with its time as EXIF, as cameras write it."""
        rng = random.Random(f"{capture.at:%w %H:%M:%S} {capture.camera}")
        scene = Image.linear_gradient("L").resize((WIDTH, HEIGHT)).convert("RGB")
        scene = ImageEnhance.Brightness(scene).enhance(rng.uniform(0.5, 0.9))
        room = WIDTH // max(len(capture.people), 1)
        for place, name in enumerate(capture.people):
            person = self._figure(name, room, rng)
            left = place * room + rng.randrange(max(room - person.width, 1))
            scene.paste(person, (left, HEIGHT - person.height))
        scene = ImageEnhance.Brightness(scene).enhance(_light(capture.at, rng))
        return _encode_scene(
            scene.filter(ImageFilter.GaussianBlur(rng.uniform(0.0, 0.6))), capture.at
        )

    def _figure(self, name: str, room: int, rng: random.Random) -> Image.Image:
        photo = rng.choice(self._photos[name])
        height = rng.randrange(HEIGHT * 7 // 10, HEIGHT)
        width = photo.width * height // photo.height
        if width > room:
            width, height = room, photo.height * room // photo.width
        return photo.resize((width, height), Image.Resampling.LANCZOS)


def _light(at: datetime, rng: random.Random) -> float:
    return rng.uniform(0.75, 0.9) if at.hour < 9 or at.hour > 17 else rng.uniform(0.9, 1.1)


def _encode_scene(scene: Image.Image, at: datetime) -> bytes:
    exif = Image.Exif()
    ifd = exif.get_ifd(_EXIF_IFD)
    ifd[_DATETIME_ORIGINAL] = f"{at:%Y:%m:%d %H:%M:%S}"
    ifd[_OFFSET_TIME_ORIGINAL] = "+00:00"
    buffer = io.BytesIO()
    scene.save(buffer, "JPEG", quality=85, exif=exif)
    return buffer.getvalue()
