"""What is imported, and what a box holds then."""

from pathlib import Path
from typing import Any

import msgspec

from tests.support.box.box import Box


def people(folder: Path, **photos: list[bytes]) -> Path:
    """A folder for each person."""
    for name, pictures in photos.items():
        for number, data in enumerate(pictures):
            file = folder / name / f"{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    return folder


def state(box: Box) -> Any:
    """All that an import may change, without what each run makes anew: times and ids."""
    with box.client() as client:
        groups = sorted(
            (
                group.name,
                group.capacity,
                group.description,
                group.attributes,
                group.learns,
                group.count,
                group.hidden,
            )
            for group in client.list_groups()
        )
        faces = []
        for face in client.list_faces(order="id"):
            said = msgspec.to_builtins(face)
            for name in ("id", "enrolled_at", "portrait", "revision"):
                del said[name]
            pictures = [(one.id, one.quality) for one in client.list_pictures(face.id).pictures]
            faces.append((face.name, pictures, said))
        return groups, sorted(faces, key=repr)
