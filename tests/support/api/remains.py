"""What people leave who live in a shop, and where it is found: in each file, whatever wrote it."""

import base64
from datetime import timedelta
from pathlib import Path

from tests.support.api.ways_in import Somebody
from tests.support.book.book import MINUTE, MONDAY, Shot
from tests.support.book.written import changed_texts
from tests.support.fakes import Person, photo, picture
from tests.support.faults.shop import Box


def live(box: Box, one: Somebody, beside: Somebody) -> None:
    """Be seen alone and beside another, searched for in three dialects, looked at, mistaken, and
    told of."""
    at = MONDAY + timedelta(days=6) + one.seed % 1_000 * 3 * MINUTE
    alone = box.see(Shot(at, (Person(one.seed),)))[0]
    both = box.see(
        Shot(at + MINUTE, (Person(one.seed, side_px=99.0), Person(beside.seed, side_px=80.0)))
    )[0]
    wrong = box.see(Shot(at + 2 * MINUTE, (Person(one.seed, side_px=91.0),)))[0]
    for capture in (alone, both):
        box.services.captures.pictures.get_thumbnail_url(box.tenant, "door", capture.id)
        box.services.captures.pictures.get_crop_url(box.tenant, "door", capture.id, 0)
    sent = photo(one.seed, side_px=141.0)
    box.v1.done("POST", "/v1/identify", {"picture": sent, "record": True})
    box.camera.call("getFaceByPicture", {}, picture(Person(one.seed, side_px=142.0)))
    box.market.search(one.group, picture(Person(one.seed, side_px=143.0)))
    box.v1.done("PATCH", f"/v1/faces/{one.faceid}", changed_texts(one.name, one.note))
    box.services.sightings.rejection.reject(box.tenant, one.faceid, f"{wrong.id}-0")
    one.also = box.services.captures.get(box.tenant, "door", wrong.id).sightings[0].faceid or ""
    box.v1.done("GET", f"/v1/faces/{one.faceid}/everything")


def needles(box: Box, one: Somebody) -> dict[str, bytes]:
    face = box.services.faces.get(box.tenant, one.faceid)
    templates = {f"template {n}": one.vector for n, one in enumerate(face.templates)}
    encoded = {f"{name} in base64": base64.b64encode(data) for name, data in templates.items()}
    texts = {"name": one.name.lower(), "Name": one.name, "note": one.note, "id": one.faceid}
    shown = {
        "a picture": f'"seed": {one.seed}',
        f"its own picture{' of a camera' * (one.way_in in SEEN)}": f'"seed": {one.seed}, '
        '"side_px": 140.0',
    }
    return {
        **templates,
        **encoded,
        **{name: text.encode() for name, text in {**texts, **shown}.items()},
    }


SEEN = {"camera", "capture", "upload", "frigate"}
"""Ways in whose picture is a capture's."""
STAYS = {"id", "a picture", "its own picture of a camera"}
"""What a plain deletion leaves: the id with observations and entries of the audit, and captures'
pictures."""


def found(kept: dict[str, bytes], everybody: list[Somebody]) -> list[str]:
    """Return what stands in which of these files, or in its name."""
    return [
        f"{one.way_in}, {one.way_out}: {what} in {path}"
        for one in everybody
        for what, needle in one.wanted.items()
        if one.way_out != "deleted" or what not in STAYS
        for path, data in kept.items()
        if needle in data or needle in path.encode()
    ]


def kept_in(folder: Path) -> dict[str, bytes]:
    files = [
        path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")
    ]
    return {str(path.relative_to(folder.parent)): path.read_bytes() for path in files}
