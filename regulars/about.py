"""The command line of `regulars about`: all that is held about one person, in one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from regulars.errors import OperatorError
from regulars.options import PATH, services_of, storage_options

if TYPE_CHECKING:
    from chalicelib.core.model import Tenant
    from chalicelib.services import Services
    from chalicelib.services.subject_access.subject_access import Language


@click.command(short_help="Write all that is held about one person.")
@click.option("--tenant", metavar="NAME", required=True, help="In whose book.")
@click.option("--face", metavar="ID", help="The person's face.")
@click.option("--photo", type=PATH, metavar="FILE", help="A photo of the person alone, in place of --face.")
@click.option("--out", type=PATH, metavar="FILE", required=True, help="The zip file to write; it must not exist.")
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", help="Of the page in it that people read.")
@storage_options
def about(
    *,
    tenant: str,
    face: str | None,
    photo: Path | None,
    out: Path,
    language: Language,
    data: Path | None,
    stage: str | None,
) -> int:
    """Write all that is held about one person into a zip file: a page to read, data for programs, pictures.

    Other people in the pictures are made unrecognisable. A photo is compared and not kept, and no visit is counted.
    The exit code is 1 if nobody in the book looks like it. The service may run meanwhile.

    \b
    Examples:
      regulars about --tenant shop-12 --face 42 --out answer.zip
      regulars about --tenant shop-12 --photo letter.jpg --out answer.zip --language zh
      regulars about --tenant shop-12 --face 42 --out answer.zip --stage prod
    """
    if (face is None) == (photo is None):
        raise click.UsageError("say who it is: --face ID, or --photo FILE")
    with services_of(data, stage) as services:
        book = services.tenants.named(tenant)
        found = face_of_photo(services, book, photo) if photo else services.faces.get(book, face or "").faceid
        if found is None:
            print(
                f"nobody in the book of {tenant} looks like the photo; nothing was written, and the photo is not kept"
            )
            return 1
        services.audit.reads.exported(tenant, found)
        write(services, book, found, out, language)
    print(f"{out}  face {found}, {out.stat().st_size:,} bytes; it is about this person: hand it to nobody else")
    return 0


def face_of_photo(services: Services, tenant: Tenant, photo: Path) -> str | None:
    """Return the face that a photo's only face is; None if it is nobody's. Raises OperatorError, Unusable."""
    from chalicelib.services.captures.captures import RULES

    faces = services.recognition.looking.identify(tenant, photo.read_bytes(), RULES).faces
    if len(faces) != 1:
        raise OperatorError(f"{photo} shows {len(faces)} faces: send a photo of one person alone")
    [seen] = faces
    if seen.reason:
        raise OperatorError(f"the face in {photo} cannot be compared: {seen.reason}")
    return seen.match.face.faceid if seen.match else None


def write(services: Services, tenant: Tenant, faceid: str, out: Path, language: Language) -> None:
    """Write the archive into a new file that only its owner may read; leave none if that fails."""
    descriptor = os.open(out, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            services.archives.write(tenant, faceid, file, language)
    except BaseException:
        out.unlink()
        raise
