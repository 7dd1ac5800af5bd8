"""What lay at most on a box, a phone or in a backup that somebody else has now?

The service says what it was told last, and what it cannot know. Nothing here asks the lost thing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from chalicelib.auth.made import Ends, Made
from chalicelib.auth.roles import Role
from chalicelib.book.cameras import NUMBERS_EVERY_MS
from chalicelib.domain.captures import Camera
from chalicelib.domain.model import Tenant
from chalicelib.open_storage import DATABASE
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.values import format_count, time_text
from regulars.backup.archive import Manifest, read_manifest
from regulars.backup.preview import read_book
from regulars.backup.restoring import open_records
from regulars.errors import DamagedFile
from regulars.tenants import credentials

_MAY = {
    Role.VIEWER: "reads the book: names, visits, statistics",
    Role.OPERATOR: "reads the book, enrols, edits, searches, deletes, erases",
    Role.ADMIN: "all: also cameras, keys, members, settings, exports",
}


def list_box(services: Services, tenant: Tenant, named: str) -> Iterator[str]:
    """Yield what lay at most on the box of a camera, by the last heartbeats of all its cameras.

    Raises CameraNotFound.
    """
    camera = services.cameras.get_by_any_name(tenant, named)
    box = camera.status.get("box")
    of_box = [
        each
        for each in services.cameras.list_all(tenant)
        if each.id == camera.id or (box and each.status.get("box") == box)
    ]
    name = camera.status.get("box_name", "that no heartbeat has named")
    yield f"{tenant.name}: what lay at most on the box {name}, in UTC"
    for each in of_box:
        yield f"pictures {each.id}: {_describe_waiting(each)}"
    ids = ", ".join(each.id for each in of_box)
    yield f"secret   keys of {ids}: each sends this camera's pictures and counts, and reads nobody"
    yield f"secret   address, user and password of {ids} (edge.toml), and the network's password"
    yield "unknown  what it took since it was heard last, if it had power: up to `max_mib`"
    yield "unknown  whether its disk was encrypted: `regulars-edge check` says so on a box"
    yield "unknown  whether the tenant's key lay there (`tenant_key`): that reads and changes all"
    for each in of_box:
        yield f"renew    POST /v1/cameras/{each.id}/key, and the camera's own password"


def _describe_waiting(camera: Camera) -> str:
    """Describe the pictures that waited beside a camera, by its last heartbeat."""
    heard = max(filter(None, (camera.heartbeat_at, camera.failing_at)), default=None)
    if heard is None or "spooled" not in camera.status:
        since = f"since {time_text(heard)[:16]}" if heard else "since its first day"
        return f"not known {since}: no heartbeat has told how many waited"
    spooled, refused = (int(camera.status.get(name, 0)) for name in ("spooled", "refused"))
    age_s = camera.status.get("oldest_unsent_s")
    oldest = f", the oldest of {time_text(heard - timedelta(seconds=age_s))[:16]}" if age_s else ""
    late = NUMBERS_EVERY_MS // 60_000
    return (
        f"{spooled} waited{oldest}; {refused} were refused and set aside, of any time in "
        f"`kept_days`. Known of {time_text(heard)[:16]}, or up to {late} minutes earlier"
    )


def list_browser(tenant: Tenant, role: Role, found: Iterable[Made]) -> Iterator[str]:
    """Yield the browsers by which somebody is signed in, what each may, and what is pushed there.

    `found`: what the member made that stands, with the sessions.
    """
    made = list(found)
    for each in made:
        if each.kind == "session":
            begun = f"{each.maker.at:%Y-%m-%dT%H:%M}" if each.maker.at else "a time unknown"
            yield f"browser  {each.access}, signed in since {begun}: {role} {_MAY[role]}"
    for each in made:
        if each.kind == "hook" and each.ends is Ends.ALWAYS:
            yield f"pushes   {each.access} ({each.name}): messages about people on its screen"
    yield f"renew    `regulars tenants members end {tenant.name}` ends each, and a passkey on it"


def list_backup(services: Services, tenant: Tenant, file: Path) -> Iterator[str]:
    """Yield what a backup holds of a tenant, for whoever has it. Raises DamagedFile."""
    manifest = read_manifest(file)
    if manifest is None:
        raise DamagedFile(
            f"{file} is no backup that can be read. If it was encrypted, whoever has it needs its "
            "key to read it: name the file as it was before"
        )
    at = time_text(manifest.created_at)[:16]
    yield f"{tenant.name}: what lies in {file.name}, of {at} in UTC"
    yield "open     it is not encrypted: whoever has the file reads all of this"
    if DATABASE in manifest.entries:
        yield from _list_records(services, tenant, file)
    else:
        yield "unknown  how many people: a stage's backup says so once it is restored"
    yield from _list_files(tenant, manifest)
    yield "unknown  what was done with it: the audit knows only what came over this service"
    yield "renew    `regulars restore --new-secrets` of a backup of now"


def _list_records(services: Services, tenant: Tenant, file: Path) -> Iterator[str]:
    """Yield the lines about people and accesses, which the records of a box's backup say."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_records(services.settings, file, Path(scratch) / "records") as past,
    ):
        own = [each for each in past.tenants.list_all() if each.app_id == tenant.app_id]
        if not own:
            yield "people   0: nothing of this shop is in it"
            return
        book = read_book(past, own[0])
        groups = [f"{each.count} in {each.name}" for each in past.groups.list_all(own[0])]
    yield (
        f"people   {len(book.people)} with templates (biometric data), names and visits: "
        f"{', '.join(groups)}"
    )
    yield (
        f"marked   {len(book.consenting)} with a record of consent, {len(book.held)} under legal "
        f"hold, {len(book.restricted)} restricted or withdrawn"
    )
    yield from (f"access   {line}" for _, line in sorted(book.accesses.items()))


def _list_files(tenant: Tenant, manifest: Manifest) -> Iterator[str]:
    """Yield the lines about pictures and secrets, which the list of its files says."""
    faces, cameras = f"blobs/{keys.face_pictures(tenant.name)}", f"captures/{tenant.name}/"
    crops = f"captures/{keys.crops(tenant.name)}"
    of_faces = [
        name
        for name in manifest.entries
        if name.startswith(faces) and name == keys.picture_of_thumbnail(name)
    ]
    of_cameras = [
        name for name in manifest.entries if name.startswith(cameras) and not name.startswith(crops)
    ]
    taken = format_count(len(of_cameras), "camera picture", "camera pictures")
    yield f"pictures {len(of_faces)} of faces, and {taken}, whoever they show"
    if credentials.FILE in manifest.entries:
        yield f"secret   {credentials.FILE}: the shared keys of each shop, in the clear"
    if any(name.startswith("secrets/") for name in manifest.entries):
        yield "secret   what opens hooks' secrets, passwords of mail, and the signing key"
