"""The archive of all that is held about a person: one zip file, or several parts if it is large.

everything.json                what every place holds about the person (places), as it is stored
index.html                     the same for people to read
pictures/0.jpg, 0.160.jpg      the pictures of the face, and small ones
merged/ID/0.jpg                those of faces that turned out to be this person
captures/CAMERA/ID.jpg         what cameras sent; the faces of others are hidden
crops/CAMERA/ID-0.jpg          the person's face in a capture

Each part goes into the same folder. The first has everything but some of the captures; later parts have those.
"""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import IO, Any, Literal
from urllib.parse import urlsplit

from chalicelib.core import keys
from chalicelib.core.captures import Capture, parts_of_sighting
from chalicelib.core.errors import InvalidInput, Unusable
from chalicelib.core.items import every
from chalicelib.core.merges import UNDONE_WITHIN
from chalicelib.core.model import Face, Group, Tenant
from chalicelib.core.observations import Observation, own
from chalicelib.core.page_tokens import PageTokens
from chalicelib.core.places import PLACES
from chalicelib.core.records.captures import capture_from, capture_key
from chalicelib.core.records.webhooks import KEPT_FOR
from chalicelib.core.retention import captures_kept, face_kept, sightings_kept
from chalicelib.core.values import milliseconds, nonce, time_text
from chalicelib.services.captures.captures import RULES
from chalicelib.services.rooms import UseCase
from chalicelib.services.subject_access import page
from chalicelib.services.subject_access.places import Subject, holdings

Language = Literal["en", "zh"]


FORMAT = "everything-1"
DATA, PAGE = "everything.json", "index.html"

PART_BYTES = 24_000_000
PART_S = 10.0


@dataclass(frozen=True)
class Part:
    """One part of an archive, which waits at a URL. `next_part`: the token of the next part; None: this is the last."""

    url: str
    size: int
    next_part: str | None


class Archives(UseCase):
    """The deployment's: a tenant's own is at most that."""

    """Returns, by headings, who holds this and what for, what happens with faces, and a person's rights."""
    part_bytes: int = PART_BYTES
    """A part that is made for a request takes no more captures after so many bytes, or PART_S."""

    def part(self, tenant: Tenant, faceid: str, language: Language, part: str | None = None) -> Part:
        """Store a part of the archive for some hours, and return the URL that gives it for one or two.

        Raises FaceNotFound, InvalidInput if `part` is damaged or another face's.
        """
        pages = PageTokens(f"everything of {faceid} of {tenant.name}")
        after = None if part is None else pages.place(part, _place)
        file, until = io.BytesIO(), time.monotonic() + PART_S
        left = self.write(
            tenant,
            faceid,
            file,
            language,
            after=after,
            is_full=lambda: file.tell() > self.part_bytes or time.monotonic() > until,
        )
        key = keys.archive(tenant.name, faceid, nonce())
        self.book.storage.blobs.put_if_absent(key, file.getvalue(), "application/zip")
        return Part(self.book.storage.blobs.signed_get(key), file.tell(), None if left is None else pages.token(left))

    def write(
        self,
        tenant: Tenant,
        faceid: str,
        file: IO[bytes],
        language: Language,
        *,
        after: str | None = None,
        is_full: Callable[[], bool] = lambda: False,
    ) -> str | None:
        """Write an archive, or the part of it behind the sighting `after`. Return where the next part begins, if any.

        Raises FaceNotFound.
        """
        face = self.book.faces.get(tenant, faceid, restricted=True)
        found, since = own(face, [*self.book.merges.mover.observed(tenant, faceid)])
        subject = Subject(
            self.book.items, tenant, face, found, self.book.audit.erasing.entries(tenant.name, {faceid}), since
        )
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            captures = self._captures(subject)
            if after is None:
                self._begin(subject, archive, captures, language)
            for observation in subject.sightings.values():
                if after is not None and observation.id >= after:
                    continue
                self._capture(subject, archive, observation, captures)
                if is_full():
                    return observation.id
        return None

    def _begin(
        self, subject: Subject, archive: zipfile.ZipFile, captures: dict[str, Capture], language: Language
    ) -> None:
        files = list(self._pictures(subject))
        for name, key in files:
            if (data := self.book.storage.blobs.get(key)) is not None:
                archive.writestr(name, data)
        document = self._document(subject, [name for name, _ in files], language)
        text = json.dumps(document, ensure_ascii=False, indent=1, default=_plain)
        archive.writestr(DATA, text, zipfile.ZIP_DEFLATED)
        names = {id_: capture_name(capture) for id_, capture in captures.items()}
        shown = page.html(document, subject, names, language)
        archive.writestr(PAGE, shown, zipfile.ZIP_DEFLATED)

    def _document(self, subject: Subject, pictures: list[str], language: Language) -> dict[str, Any]:
        tenant, now = subject.tenant, self.book.clock.now()
        group = self.book.groups.of_id(tenant, subject.face.own_group_id)
        return {
            "format": FORMAT,
            "written_at": time_text(now),
            "times": "milliseconds since 1970, UTC, unless they are texts; bytes are base64, templates float16",
            "tenant": tenant.name,
            "notice": self.book.account.notice(tenant, language),
            "time_zone": tenant.time_zone,
            "face": subject.faceid,
            "group": group.name if group else "",
            "model": tenant.model,
            "pictures": pictures,
            "places": {place.name: place.holds for place in PLACES if place.is_ours},
            "held": holdings(subject),
            "kept": self._kept(tenant, group, subject.face),
            "told": self._told(tenant),
        }

    def _kept(self, tenant: Tenant, group: Group | None, face: Face) -> dict[str, int | None]:
        """Return for how many days what is kept; None: until somebody deletes the face."""
        return {
            "capture_pictures": captures_kept(tenant, self.book.settings.capture_days),
            "captures": sightings_kept(tenant),
            "learnt_pictures": tenant.learnt_days,
            "audit": tenant.audit_days,
            "merges": UNDONE_WITHIN.days,
            "events": KEPT_FOR.days,
            "unseen": face_kept(tenant, group, face) if group else None,
            "observations": tenant.observation_days,
        }

    def _told(self, tenant: Tenant) -> list[dict[str, Any]]:
        """Return the hooks, which were told of visits, unless their filters say no."""
        low, high = keys.HOOK_IDS
        hooks = every(self.book.items, keys.HOOKS, tenant.name, low=low, high=high)
        filters = ("kinds", "groups", "cameras", "enabled", "created_at")
        return [
            {"host": urlsplit(hook["url"]).hostname if hook["url"] else None, **{name: hook[name] for name in filters}}
            for hook in hooks
        ]

    def _pictures(self, subject: Subject) -> Iterator[tuple[str, str]]:
        """Yield the name and the key of each picture of the face, and of the faces that are this person, too."""
        merged = [one.kept.face for one in subject.merges if one.is_active and one.kept is not None]
        for folder, face in (("pictures", subject.face), *((f"merged/{one.faceid}", one) for one in merged)):
            for number, picture in enumerate(face.pictures):
                if picture.key:
                    yield f"{folder}/{number}.jpg", picture.key
                if picture.key and picture.sides is not None:
                    yield f"{folder}/{number}.160.jpg", keys.thumbnail(picture.key)

    def _captures(self, subject: Subject) -> dict[str, Capture]:
        """Read the captures whose picture may still be there, by id."""
        name = subject.tenant.name
        ids = {(one.camera, parts_of_sighting(one.id)[0]): None for one in subject.sightings.values()}
        wanted = [capture_key(name, camera, capture) for camera, capture in ids]
        items = self.book.items.get_many(keys.CAPTURES, wanted) if wanted else []
        since = milliseconds(self.book.clock.now() - timedelta(days=self.book.settings.capture_days + 1))
        return {item["capture"]: capture_from(item) for item in items if item and item["offered_at"] >= since}

    def _capture(
        self, subject: Subject, archive: zipfile.ZipFile, observation: Observation, captures: dict[str, Capture]
    ) -> None:
        """Add a sighting's picture, in which nobody else can be recognised; and its crop, if nobody else is near."""
        id_, number = parts_of_sighting(observation.id)
        capture = captures.get(id_)
        if capture is None or capture_name(capture) in archive.NameToInfo:
            return
        tenant, name = subject.tenant, capture_name(capture)
        picture = self.book.storage.uploads.get(keys.capture_picture(tenant.name, capture.camera_id, id_))
        if picture is None:
            return
        others = [one.box for one in capture.sightings if f"{id_}-{one.number}" not in subject.sightings]
        if others:
            vision = self.book.tenant_vision.of(tenant.model)
            with suppress(Unusable, InvalidInput):  # it cannot be read, so nobody else can be hidden in it
                archive.writestr(name, vision.hidden(vision.read(picture, RULES), others))
            return
        archive.writestr(name, picture)
        crop = self.book.storage.uploads.get(keys.crop(tenant.name, capture.camera_id, id_, number))
        if crop is not None:
            archive.writestr(f"crops/{capture.camera_id}/{observation.id}.jpg", crop)


def capture_name(capture: Capture) -> str:
    """Make the name of a capture's picture in an archive."""
    return f"captures/{capture.camera_id}/{capture.id}.{'png' if 'png' in capture.content_type else 'jpg'}"


def _place(text: str) -> str:
    """Read a sighting's id. Raises ValueError."""
    parts_of_sighting(text)
    return text


def _plain(value: Any) -> Any:
    """Return what JSON does not know in a form that it knows."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"an archive holds a {type(value).__name__}")
