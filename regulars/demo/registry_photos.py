"""A labelled folder of real people, made from packages, for a clone without pictures beside it.

They are official portraits of two presidents and an astronaut of the United States. The packages
face_recognition (its source archive) and scikit-image (its wheel) carry them, which pip fetches.
The user's cache keeps them, never the repository.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

from regulars import libraries
from regulars.demo.album import LABELS, encode_jpeg, join_side_by_side, open_picture, turn_upright
from regulars.errors import NoPictures
from regulars.libraries import Package, PackageUnavailable

FOLDER = "registry-3"
"""Raise the number when the content changes, so that an older cached folder is not used."""

_LONG_PX = 1080
"""The longer side of the demo's photos."""
_NONE = "there are no pictures: give a folder (PHOTOS=folder or --photos folder)"
_PACKAGE = Package(
    name="face_recognition",
    version="1.3.0",
    client="pip",
    sha256="5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
)
_MEMBERS = (
    "biden.jpg",
    "obama.jpg",
    "obama3.jpg",
    "obama_partial_face.jpg",
    "obama_partial_face2.jpg",
)
_SCIKIT_IMAGE = {
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
}
_PICTURES = (
    ("people/astronaut_1.jpg", "astronaut", "gender=female", ("astronaut.png",)),
    (
        "people/astronaut_2.jpg",
        "astronaut",
        "gender=female;made=from astronaut_1",
        ("astronaut.png",),
    ),
    ("people/stranger_1.jpg", "stranger", "gender=male", ("biden.jpg",)),
    ("people/stranger_2.jpg", "stranger", "gender=male;made=from stranger_1", ("biden.jpg",)),
    ("people/neighbour_1.jpg", "neighbour", "gender=male", ("obama.jpg",)),
    ("people/neighbour_2.jpg", "neighbour", "gender=male", ("obama3.jpg",)),
    (
        "people/neighbour_partial_1.jpg",
        "neighbour",
        "face cut by the image border",
        ("obama_partial_face.jpg",),
    ),
    (
        "people/neighbour_partial_2.jpg",
        "neighbour",
        "face cut by the image border",
        ("obama_partial_face2.jpg",),
    ),
    ("multi/two_people.jpg", "neighbour|stranger", "side by side", ("obama.jpg", "biden.jpg")),
    (
        "multi/montage_3.jpg",
        "astronaut|stranger|neighbour",
        "side by side",
        ("astronaut.png", "biden.jpg", "obama.jpg"),
    ),
    ("noface/cat.jpg", "", "no human face", ("chelsea.png",)),
    ("noface/coffee.jpg", "", "no human face", ("coffee.png",)),
    ("noface/rocket.jpg", "", "no human face", ("rocket.jpg",)),
)
"""File, people and notes of each picture, and the files that it is made from."""

_ABOUT = Path(__file__).with_suffix(".md")


def provide_folder() -> Path:
    """Return the labelled folder in the user's cache, and make it first if it is not there.

    It has the layout of a demo's folder with a labels.csv: `people`, `multi`, `noface`. Raises
    NoPictures.
    """
    target = _find_cache() / FOLDER
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
            new_folder = Path(temporary) / FOLDER
            print(
                "fetching the demo's photos from the package registry, once: about 20 MB",
                flush=True,
            )
            with ThreadPoolExecutor() as pool:
                try:
                    package_pictures, image_library_pictures = pool.map(
                        lambda fetch: fetch(Path(temporary)),
                        (_fetch_package_photos, _fetch_scikit_image_photos),
                    )
                except PackageUnavailable as error:
                    raise NoPictures(
                        f"{_NONE}, or let pip reach a package registry ({error})"
                    ) from error
            _write(new_folder, {**package_pictures, **image_library_pictures})
            try:
                new_folder.rename(target)
            except OSError:
                if not target.is_dir():  # else another process was first
                    raise
    return target


def _find_cache() -> Path:
    try:
        return Path.home() / ".cache" / "regulars" / "photos"
    except RuntimeError:  # no home folder, as in a bare container
        return Path("photos").absolute()


def _fetch_package_photos(scratch: Path) -> dict[str, bytes]:
    return libraries.read_members(
        libraries.fetch_archive(_PACKAGE, scratch),
        "face_recognition-1.3.0/tests/test_images",
        _MEMBERS,
    )


def _fetch_scikit_image_photos(scratch: Path) -> dict[str, bytes]:
    wheel = libraries.fetch_wheel("scikit-image>=0.25,<0.27", scratch)
    with zipfile.ZipFile(wheel) as opened_wheel:
        contents = {name: opened_wheel.read(f"skimage/data/{name}") for name in _SCIKIT_IMAGE}
    for name, data in contents.items():
        if hashlib.sha256(data).hexdigest() != _SCIKIT_IMAGE[name]:
            raise NoPictures(
                f"{_NONE}: {wheel.name} holds another {name} than this version of Regulars knows"
            )
    return contents


def _write(target: Path, contents: Mapping[str, bytes]) -> None:
    labels = ["file,identity,faces,notes"]
    for name, people, notes, sources in _PICTURES:
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(
            _draw_picture([contents[source] for source in sources], varied="made=" in notes)
        )
        labels.append(f"{name},{people},{len(sources) if people else 0},{notes}")
    (target / LABELS).write_text("\n".join([*labels, ""]), encoding="utf-8")
    shutil.copyfile(_ABOUT, target / "SOURCES.md")


def _draw_picture(sources: list[bytes], *, varied: bool) -> bytes:
    if len(sources) > 1:
        return join_side_by_side(sources)
    return (
        _vary_picture(sources[0])
        if varied
        else encode_jpeg(turn_upright(open_picture(sources[0])), side_px=_LONG_PX)
    )


def _vary_picture(data: bytes) -> bytes:
    """Make a picture as if of another day: mirrored, tilted, darker, compressed again."""
    picture = ImageOps.mirror(turn_upright(open_picture(data)))
    tilted = picture.rotate(8, resample=Image.Resampling.BICUBIC, fillcolor=(90, 90, 90))
    return encode_jpeg(ImageEnhance.Brightness(tilted).enhance(0.7), side_px=_LONG_PX, quality=70)
