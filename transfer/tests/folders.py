"""Folders of pictures, and the people whom a source finds in them."""

from pathlib import Path

from regulars_transfer.sources import Source


def pictures(folder: Path, *names: str) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return folder


def people(source: Source) -> dict[str, list[str]]:
    return {person.name: [photo.name for photo in person.photos] for person in source.people}
