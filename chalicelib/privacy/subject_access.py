"""The archive of what is held about one person: one zip file, or several parts if it is large.

- everything.json: what every place holds about the person (privacy/data_map), as it is stored
- index.html: the same for people to read, with nothing but the files beside it
- pictures/0.jpg, 0.160.jpg: the pictures of the face, and small ones
- merged/ID/0.jpg: those of faces that turned out to be this person
- captures/CAMERA/ID.jpg: what cameras sent; the faces of others are hidden
- captures/CAMERA/ID.view1.jpg: further views in that file that show the person alone
- crops/CAMERA/ID-0.jpg: the person's face in a capture

Each part goes into the same folder. The first has everything but some of the captures; later parts
have those. Raw items about the person go in without the fields about other people.
"""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from markupsafe import Markup
from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.captures import Capture, parts_of_sighting
from chalicelib.domain.consent import Consent
from chalicelib.domain.errors import InvalidInput, RegularsError, Unusable
from chalicelib.domain.model import Face, Group, Tenant
from chalicelib.domain.observations import Observation, ObservationKind, keep_own
from chalicelib.domain.person_texts import copy_texts
from chalicelib.domain.pictures import VIEW_RULES
from chalicelib.domain.rules.decision import SAME_PASSAGE
from chalicelib.domain.rules.templates import face_set_of, of_model, parse_vector
from chalicelib.domain.tenant_settings import (
    count_capture_days,
    count_ended_days,
    count_remembered_days,
    count_sighting_days,
)
from chalicelib.domain.webhooks import KEPT_FOR
from chalicelib.privacy.audit_entries import Entry, faces_of, list_absorbed_faces
from chalicelib.privacy.data_map import AS_STORED, DATA_MAP, DataCategory
from chalicelib.privacy.notices import say_other_shops, write_list
from chalicelib.privacy.retention import (
    find_outlook,
    find_unseen_days_of_face,
    is_remembered,
)
from chalicelib.privacy.texts import Language, direction_of, isolate, words_of
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import PageTokens, walk_items
from chalicelib.storage.ports import Item, ItemStore, Table, Vision
from chalicelib.storage.records.captures import capture_from
from chalicelib.storage.records.faces import terms_of
from chalicelib.storage.records.merges import UNDONE_WITHIN, Merge
from chalicelib.storage.records.observations import observation_item, read_visits
from chalicelib.storage.values import (
    milliseconds,
    moment,
    moment_of_text,
    nonce,
    texts_of,
    time_text,
)

if TYPE_CHECKING:
    from chalicelib.services import Services


class Subject(Struct, dict=True):
    """The person of a face, as a filter for stored data.

    `observations`: the face's; `merges`: those that made it of others, and these others; `entries`:
    those of the audit that name it; `since`: what was stored before then under its id is another's
    (domain/observations, `own`); `merged`: the faces that became a part of it, each with the time
    from which its id is another's, if somebody was enrolled with it since.
    """

    items: ItemStore
    tenant: Tenant
    face: Face
    observations: Sequence[Observation]
    merges: Sequence[Merge]
    entries: Sequence[Entry]
    since: datetime | None = None
    merged: Mapping[str, datetime | None] = field(default_factory=dict)

    def list_ids(self, at: datetime | None = None) -> set[str]:
        """Return the ids that were the person's at a time; None: at any."""
        own_ids = (
            {self.faceid} if at is None or self.since is None or at >= self.since else set[str]()
        )
        return own_ids | {
            faceid
            for faceid, until in self.merged.items()
            if at is None or until is None or at < until
        }

    @property
    def faceid(self) -> str:
        return self.face.faceid

    @cached_property
    def sightings(self) -> dict[str, Observation]:
        """The observations by cameras, newest first, by id, which starts with the time."""
        observations = [
            observation
            for observation in self.observations
            if observation.kind is ObservationKind.SIGHTING
        ]
        return {
            observation.id: observation
            for observation in sorted(
                observations, key=lambda observation: observation.id, reverse=True
            )
        }

    def is_named_in(self, value: Any, at: datetime | None = None) -> bool:
        """Tell whether a JSON value, or an item's, of a time names the person anywhere."""
        return not self.list_ids(at).isdisjoint(texts_of(value))

    def keep_own(self, values: Iterable[Any], at: datetime | None = None) -> list[Any]:
        """Keep the values of a list that name the person."""
        return [value for value in values if self.is_named_in(value, at)]


def _one(table: Table, sort: str, subject: Subject) -> Iterator[Item]:
    item = subject.items.get(table, (subject.tenant.name, sort))
    return iter([item] if item else [])


def _read_arrivals(subject: Subject) -> Iterator[Item]:
    """Read the visits, as [first, last, sightings] in place of the packed bytes that say the
    same."""
    item = subject.items.get(keys.ARRIVALS, (subject.tenant.name, subject.faceid))
    if item is not None:
        recent = read_visits(subject.items, subject.tenant.name, subject.faceid).arrivals.recent
        yield {
            **item,
            "recent": [
                [arrival.first_ms, arrival.last_ms, arrival.sightings] for arrival in recent
            ],
        }


def _read_names(subject: Subject) -> Iterator[Item]:
    name_keys = [
        (subject.tenant.name, keys.name_term(term, subject.faceid))
        for term in terms_of(subject.face)
    ]
    return (item for item in subject.items.get_many(keys.NAMES, name_keys) if item)


def _read_face_sets(subject: Subject) -> Iterator[Item]:
    """Read the set that has the face, without the other faces."""
    entry = face_set_of(subject.face)
    item = (
        subject.items.get(keys.DIRECTORY, (subject.tenant.name, keys.face_set_item(entry)))
        if entry
        else None
    )
    if item and (own_faces := subject.keep_own(item["faces"])):
        yield {**item, "faces": own_faces}


def _read_captures(subject: Subject) -> Iterator[Item]:
    """Read the captures that show the person, each with its own sightings only."""
    numbers_by_key: dict[tuple[str, str], set[int]] = {}
    for observation in subject.sightings.values():
        capture, number = parts_of_sighting(observation.id)
        numbers_by_key.setdefault(
            (keys.captures(subject.tenant.name, observation.camera), capture), set()
        ).add(number)
    capture_keys = list(numbers_by_key)
    for capture_key, item in zip(
        capture_keys,
        subject.items.get_many(keys.CAPTURES, capture_keys) if capture_keys else [],
        strict=True,
    ):
        if item is not None:
            own_sightings = [
                sighting
                for sighting in item.get("sightings", ())
                if int(sighting["n"]) in numbers_by_key[capture_key]
            ]
            yield {**item, "sightings": own_sightings}


def _read_audit(subject: Subject) -> Iterator[Item]:
    """Read the entries about the person, without the others that an act was about, too."""
    for entry in subject.entries:
        ids = subject.list_ids(moment_of_text(entry["at"]))
        if ids.isdisjoint(faces_of(entry)):
            continue
        others = {name: value for name, value in entry.items() if name in _OF_SEVERAL}
        own_parts = {
            name: [part for part in value if not ids.isdisjoint(_list_named_faces(part))]
            for name, value in others.items()
        }
        of_kinds = {name: _leave_own(entry[name], ids) for name in _BY_KIND if name in entry}
        common_fields = {
            name: value for name, value in entry.items() if name not in (*_OF_SEVERAL, *_BY_KIND)
        }
        own_fields = {name: value for name, value in {**own_parts, **of_kinds}.items() if value}
        yield {**common_fields, **own_fields}


def _leave_own(
    subjects_by_kind: Mapping[str, Iterable[str]], ids: Set[str]
) -> dict[str, list[str]]:
    """Return those subjects alone that are the person, by kind of data or by effect."""
    own = {
        kind: [subject for subject in subjects if subject in ids]
        for kind, subjects in subjects_by_kind.items()
    }
    return {kind: subjects for kind, subjects in own.items() if subjects}


_OF_SEVERAL = ("faces", "deleted", "decided")
_BY_KIND = ("read", "does")


def _list_named_faces(part: Any) -> set[str]:
    """Return the faces that one value of an entry's list names."""
    return faces_of({"decided": [part]} if isinstance(part, dict) else {"faces": [part]})


READERS: Mapping[str, Callable[[Subject], Iterator[Item]]] = {
    "faces": lambda subject: _one(keys.FACES, subject.faceid, subject),
    "names": _read_names,
    "holds": lambda subject: _one(keys.DIRECTORY, keys.hold_item(subject.faceid), subject),
    "face_sets": _read_face_sets,
    "arrivals": _read_arrivals,
    "observations": lambda of: (observation_item(of.tenant.name, one) for one in of.observations),
    "captures": _read_captures,
    "audit": _read_audit,
}
"""Readers of somebody's items in places where their keys are known, by the place's name."""


def read_holdings(subject: Subject) -> dict[str, list[Item]]:
    """Read the records of the person in every place, by its name."""
    return {
        place.name: list(_read_place(place, subject))
        for place in DATA_MAP
        if place.archive == AS_STORED
    }


def _read_place(place: DataCategory, subject: Subject) -> Iterator[Item]:
    if (take_own := place.take_own) is None:
        own_items = READERS[place.name](subject)
    else:
        stored_items = place.walk_items(subject.items, subject.tenant.name)
        own_items = filter(None, (take_own(item, subject) for item in stored_items))
    return (
        {name: value for name, value in item.items() if name not in place.others}
        for item in own_items
    )


_STYLE = Markup("""
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto;
padding: 0 1rem; color: #1d1f21 }
h2 { margin-top: 2rem }
img { max-height: 9rem; margin-block: 0 .4rem; margin-inline: 0 .4rem; border-radius: .3rem }
table { border-collapse: collapse } td, th { text-align: start; vertical-align: top;
padding-block: .25rem; padding-inline: 0 .8rem; border-bottom: 1px solid #d9dbde }
""")

_A_MOMENT = timedelta(minutes=1)
"""An observation of an enrolment so near to the time of the face is that of its own."""


def write_page(
    document: Mapping[str, Any], subject: Subject, captures: Mapping[str, str], language: Language
) -> str:
    """Write the page.

    `captures`: the names of the pictures that are in the archive, by the captures' ids.
    """
    words = words_of("archive", language)
    zone = ZoneInfo(subject.tenant.time_zone)
    observations = sorted(
        subject.observations, key=lambda observation: (observation.at, observation.id), reverse=True
    )
    tables = {
        "record": _write_table([], _list_record_rows(subject, document["group"], language, zone)),
        "estimates": _write_table([], _list_estimates(subject, language)),
        "visits": _write_table(
            [words["first"], words["last"], words["times_seen"]], _list_visits(subject, zone)
        ),
        "seen": _write_table(
            [words[name] for name in ("when", "what", "camera", "group", "score", "picture")],
            (
                _observation_row(observation, captures, language, zone)
                for observation in observations
            ),
        ),
        "places": _write_table(
            [words["holds"], words["records"]],
            _list_places(document["held"], language),
        ),
        "kept": _write_table([], _retention_rows(document["kept"], words)),
    }
    hosts = [hook["host"] or hook["passes_to"] or words["mailbox"] for hook in document["told"]]
    notice = Markup().join(
        Markup("<h3>{}</h3>{}\n").format(heading, write_list(lines))
        for heading, lines in document["notice"].items()
    )
    return _PAGE.format(
        language=language,
        direction=direction_of(language),
        style=_STYLE,
        words=words,
        shop=isolate(document["shop"], language),
        other_shops=say_other_shops(document["other_shops"], language),
        written_at=isolate(_write_time(moment_of_text(document["written_at"]), zone), language),
        zone=isolate(zone.key, language),
        notice=notice,
        pictures=_write_images(document["pictures"]),
        told=", ".join(hosts) or words["nobody"],
        tables=tables,
    )


_PAGE = Markup("""<!doctype html>
<html lang="{language}" dir="{direction}"><meta charset="utf-8">\
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{words[title]}</title>\
<style>{style}</style>
<h1>{words[title]}</h1><p>{words[by]} {shop}, {words[at]} {written_at}.
{words[times]} {zone}. {words[machine]}</p><p>{other_shops}</p>
{notice}<h2>{words[who]}</h2>{tables[record]}
<h2>{words[pictures]}</h2>{pictures}<p>{words[template]}</p>
<h3>{words[estimates]}</h3>{tables[estimates]}
<h2>{words[visits]}</h2>{tables[visits]}
<h2>{words[seen]}</h2><p>{words[others]}</p>
{tables[seen]}
<h2>{words[places]}</h2>
{tables[places]}
<h2>{words[kept]}</h2>{tables[kept]}
<h2>{words[told]}</h2><p>{told}</p>
</html>
""")


def _list_record_rows(
    subject: Subject, group: str, language: Language, zone: ZoneInfo
) -> list[list[str]]:
    """List heading and value of each field that the face has."""
    face, words = subject.face, words_of("archive", language)
    origin = _find_origin(subject)
    rows = {
        "face": face.faceid,
        "name": face.name,
        **copy_texts(face),
        "group": _translate(group, language),
        "enrolled": _write_time(face.enrolled_at, zone),
        "origin": words[origin] if origin else "",
        "age": "" if face.age is None else str(face.age),
        "gender": _translate(face.gender or "", language),
        "attributes": ", ".join(face.attributes.values()),
        "labels": ", ".join(filter(None, face.labels)),
        "consent": _describe_consent(face.consent, language, zone),
        "evidence": face.consent.evidence if face.consent else "",
        "hold": f"{_write_time(face.hold.at, zone)}: {face.hold.reason}" if face.hold else "",
        **_describe_restriction(face, zone),
        "arrive_count": str(face.arrive_count),
    }
    return [[words[name], value] for name, value in rows.items() if value]


def _describe_restriction(face: Face, zone: ZoneInfo) -> dict[str, str]:
    """Return since when and why the face is not used, and the wish to be remembered."""
    restriction, wish = face.restriction, face.remembered
    if restriction is None:
        return {}
    since = _write_time(restriction.at, zone)
    return {
        "ended since": f"{since}: {restriction.ended}" if restriction.ended else "",
        "remembered": f"{_write_time(wish.at, zone)}: {wish.basis}, {wish.evidence}"
        if wish
        else "",
        "restricted": f"{since}: {restriction.reason}" if restriction.reason else "",
    }


def _find_origin(subject: Subject) -> ObservationKind | None:
    """Tell the face's origin: an enrolment of that moment, else what is known first.

    None: nothing is known any more.

    A capture from before an enrolment may come after it, from a camera that was offline.
    """
    enrolled_at = subject.face.enrolled_at
    enrolments = (
        observation.at
        for observation in subject.observations
        if observation.kind is ObservationKind.ENROLMENT
    )
    if any(abs(at - enrolled_at) < _A_MOMENT for at in enrolments):
        return ObservationKind.ENROLMENT
    return min(
        ((observation.at, observation.kind) for observation in subject.observations),
        default=(None, None),
    )[1]


def _translate(value: object, language: Language) -> str:
    """Write a value in words, if it is one of those that the service chooses among."""
    return words_of("values", language).get(str(value), str(value))


def _describe_consent(consent: Consent | None, language: Language, zone: ZoneInfo) -> str:
    if consent is None:
        return ""
    end = f" - {_write_time(consent.expires_at, zone)}" if consent.expires_at else ""
    return f"{_translate(consent.basis, language)}, {_write_time(consent.given_at, zone)}{end}"


def _list_estimates(subject: Subject, language: Language) -> list[list[str]]:
    """List what was estimated of the face, as people say it: "about 22", "a woman"."""
    estimates, words = subject.face.estimates, words_of("archive", language)
    said = {
        "age": None if estimates.age is None else words["about"].format(round(estimates.age)),
        "gender": words.get(f"a {estimates.gender}"),
        "emotion": estimates.emotion and _translate(estimates.emotion, language),
        "beauty": _write_share(estimates.beauty, 1, words),
        "liveness": _write_share(estimates.liveness, 100, words),
        "quality": _write_share(estimates.quality, 1, words),
    }
    return [[_translate(name, language), text] for name, text in said.items() if text]


def _write_share(value: float | None, unit: float, words: Mapping[str, str]) -> str | None:
    """Say a number of 0 to 100, once multiplied by `unit`, as "81 of 100"."""
    return None if value is None else words["of_100"].format(round(value * unit))


def _write_images(files: Iterable[str]) -> Markup:
    large = (name for name in files if not name.endswith(".160.jpg"))
    return Markup().join(Markup('<img src="{0}" alt="{0}">').format(name) for name in large)


def _list_visits(subject: Subject, zone: ZoneInfo) -> list[list[str]]:
    return [
        [
            _write_time(moment(arrival.first_ms), zone),
            _write_time(moment(arrival.last_ms), zone),
            str(arrival.sightings),
        ]
        for arrival in reversed(
            read_visits(subject.items, subject.tenant.name, subject.faceid).arrivals.recent
        )
    ]


def _observation_row(
    observation: Observation, captures: Mapping[str, str], language: Language, zone: ZoneInfo
) -> list[str]:
    """Return the cells of an observation's row.

    `captures`: the names of pictures in the archive, by id.
    """
    decision = observation.decision
    score = (
        ""
        if decision is None or decision.score is None
        else f"{decision.score:.3f} ≥ {decision.threshold:.3f}"
    )
    picture = captures.get(parts_of_sighting(observation.id)[0]) if observation.camera else None
    link = (
        Markup('<a href="{0}"><img src="{0}" alt="" loading="lazy"></a>').format(picture)
        if picture
        else ""
    )
    return [
        _write_time(observation.at, zone),
        words_of("archive", language)[observation.kind],
        observation.camera,
        _translate(observation.group_name, language),
        score,
        link,
    ]


def _list_places(holdings: Mapping[str, Any], language: Language) -> list[list[str]]:
    words = words_of("places", language)
    return [
        [
            words.get(place.name, place.holds),
            str(len(holdings[place.name])) if place.name in holdings else "",
        ]
        for place in DATA_MAP
        if place.is_ours
    ]


def _retention_rows(
    days_by_name: Mapping[str, int | None], words: Mapping[str, str]
) -> list[list[str]]:
    return [
        [words[name], words["until"] if days is None else f"{days} {words['days']}"]
        for name, days in days_by_name.items()
    ]


def _write_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Markup:
    """Write a table. A cell is a text, or HTML already."""
    heads = Markup().join(Markup("<th>{}</th>").format(cell) for cell in head)
    lines = [
        Markup().join(Markup("<td dir=auto>{}</td>").format(cell) for cell in row) for row in rows
    ]
    rows_of_all = ([heads] if heads else []) + lines
    return Markup("<table>{}</table>").format(
        Markup().join(Markup("<tr>{}</tr>").format(row) for row in rows_of_all)
    )


def _write_time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _list_days_of_face(tenant: Tenant, group: Group | None, face: Face) -> dict[str, int | None]:
    """Return for how many days the face itself is kept: since its consent ended, or since it was
    seen."""
    if face.restriction is None or not face.restriction.ended:
        return {"unseen": find_unseen_days_of_face(tenant, group, face) if group else None}
    if find_outlook(tenant, face) is None:  # somebody keeps it
        return {"ended": None}
    days = {"ended": count_ended_days(tenant)}
    if is_remembered(tenant, face):
        days["template kept"] = count_remembered_days(tenant)
    return {**days}


FORMAT = "everything-1"
DATA, PAGE = "everything.json", "index.html"

PART_S = 10.0
"""How long one call writes at an export, in s; the next goes on."""


class Part(Struct, frozen=True):
    """One part of an archive, which waits at a URL.

    `next_part`: the token of the next part; None: this is the last.
    """

    url: str
    size: int
    next_part: str | None


class Archives(Service["Services"]):
    part_bytes: int = 24_000_000
    """A part that is made for a request takes no more captures after so many bytes, or PART_S."""

    def store_part(
        self,
        tenant: Tenant,
        faceid: str,
        language: Language,
        part: str | None = None,
        *,
        shops: Sequence[str] = (),
    ) -> Part:
        """Store a part of the archive for some hours, and return the URL that gives it for one or
        two.

        `shops`: names of the controller's other shops. Raises FaceNotFound, InvalidInput if `part`
        is damaged or another face's.
        """
        pages = PageTokens(f"everything of {faceid} of {tenant.name}")
        after = pages.parse_position(part, _require_sighting_id)
        file, ends_at = io.BytesIO(), time.monotonic() + PART_S
        next_sighting_id = self.write(
            tenant,
            faceid,
            file,
            language,
            shops=shops,
            after=after,
            is_full=lambda: file.tell() > self.part_bytes or time.monotonic() > ends_at,
        )
        key = keys.archive(tenant.name, faceid, nonce())
        self.services.storage.blobs.put_if_absent(key, file.getvalue(), "application/zip")
        return Part(
            self.services.storage.blobs.signed_get(key),
            file.tell(),
            None if next_sighting_id is None else pages.make_token(next_sighting_id),
        )

    def forget(self, tenant: Tenant, faceid: str) -> None:
        """Delete the archives of a face that wait at URLs, since they show another; any that cannot
        be deleted now expire within hours."""
        with suppress(RegularsError):
            for blob in self.services.storage.blobs.walk(keys.face_folder(tenant.name, faceid)):
                if keys.is_archive(blob.key):
                    self.services.storage.blobs.delete(blob.key)

    def write(
        self,
        tenant: Tenant,
        faceid: str,
        file: IO[bytes],
        language: Language,
        *,
        shops: Sequence[str] = (),
        after: str | None = None,
        is_full: Callable[[], bool] = lambda: False,
    ) -> str | None:
        """Write an archive, or the part of it behind the sighting `after`.

        Return the place of the next part, if any.

        `shops`: as `store_part` takes them. Raises FaceNotFound.
        """
        subject = self._read_subject(
            tenant, self.services.faces.get(tenant, faceid, restricted=True)
        )
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            captures = self._read_captures(subject)
            if after is None:
                self._begin(subject, archive, captures, language, shops=shops)
            for observation in subject.sightings.values():
                if after is not None and observation.id >= after:
                    continue
                self._add_capture(subject, archive, observation, captures)
                if is_full():
                    return observation.id
        return None

    def _read_subject(self, tenant: Tenant, face: Face) -> Subject:
        """Read the person of a face, with the faces that were merged into it and what the audit
        says of them."""
        observations, since = keep_own(
            face, [*self.services.merges.mover.list_observations(tenant, face.faceid)]
        )
        entries = self.services.audit.erasing.read_entries(tenant.name, {face.faceid})
        merges = self.services.merges.records.list_below(tenant.name, face.faceid)
        subject = Subject(self.services.items, tenant, face, observations, merges, entries, since)
        absorbed_faces = list_absorbed_faces(
            [entry for entry in entries if subject.list_ids(moment_of_text(entry["at"]))],
            {face.faceid},
        )
        merged_faceids = {
            *absorbed_faces,
            *(merge.other for merge in subject.merges if merge.is_same_person),
        } - {face.faceid}
        if not merged_faceids:
            return subject
        enrolled_since = self.services.erasure.traces.read_later_enrolments(tenant, merged_faceids)
        all_faceids = self.services.audit.erasing.with_absorbed(
            tenant.name, merged_faceids, enrolled_since
        )
        enrolled_since = self.services.erasure.traces.read_later_enrolments(
            tenant, {*all_faceids} - {face.faceid}
        )
        entries = self.services.audit.erasing.read_entries(tenant.name, {face.faceid, *all_faceids})
        return replace(
            subject,
            entries=entries,
            merged={
                faceid: enrolled_since.get(faceid)
                for faceid in all_faceids
                if faceid != face.faceid
            },
        )

    def _begin(
        self,
        subject: Subject,
        archive: zipfile.ZipFile,
        captures: dict[str, Capture],
        language: Language,
        *,
        shops: Sequence[str],
    ) -> None:
        """Write the first files of a person's archive: the pictures, DATA (for programs), and PAGE
        (to be read).

        `captures`: the captures that show the person, by id; the page names their files.
        `language`: the language of both texts.
        """
        files = list(self._list_pictures(subject))
        for name, key in files:
            if (data := self.services.storage.blobs.get(key)) is not None:
                archive.writestr(name, data)
        document = self._make_document(subject, [name for name, _ in files], language, shops)
        text = json.dumps(document, ensure_ascii=False, indent=1, default=_make_plain)
        archive.writestr(DATA, text, zipfile.ZIP_DEFLATED)
        names = {id_: capture_name(capture) for id_, capture in captures.items()}
        page = write_page(document, subject, names, language)
        archive.writestr(PAGE, page, zipfile.ZIP_DEFLATED)

    def _make_document(
        self, subject: Subject, pictures: list[str], language: Language, shops: Sequence[str]
    ) -> dict[str, Any]:
        """Make the archive's document, of values that JSON has or `_make_plain` converts."""
        tenant, now = subject.tenant, self.services.clock.now()
        group = self.services.groups.find_by_id(tenant, subject.face.own_group_id)
        return {
            "format": FORMAT,
            "written_at": time_text(now),
            "times": "milliseconds since 1970, UTC, unless they are texts; bytes are base64, "
            "templates float16",
            "tenant": tenant.name,
            "shop": tenant.shown_name,
            "other_shops": [*shops],
            "notice": self.services.notices.write_notice(tenant, language).sections,
            "time_zone": tenant.time_zone,
            "face": subject.faceid,
            "group": group.name if group else "",
            "model": tenant.model,
            "pictures": pictures,
            "places": {place.name: place.holds for place in DATA_MAP if place.is_ours},
            "held": read_holdings(subject),
            "kept": self._list_retention(tenant, group, subject.face),
            "told": self._list_hooks(tenant),
        }

    def _list_retention(
        self, tenant: Tenant, group: Group | None, face: Face
    ) -> dict[str, int | None]:
        """Return for how many days what is kept; None: until somebody deletes the face."""
        return {
            "capture_pictures": count_capture_days(tenant, self.services.settings.capture_days),
            "captures": count_sighting_days(tenant),
            "learnt_pictures": tenant.learnt_days,
            "audit": tenant.audit_days,
            "merges": UNDONE_WITHIN.days,
            "events": KEPT_FOR.days,
            **_list_days_of_face(tenant, group, face),
            "observations": tenant.observation_days,
        }

    def _list_hooks(self, tenant: Tenant) -> list[dict[str, Any]]:
        """Return the hooks, which were told of visits, unless their filters say no.

        A mailbox has no host, but a name, and what its program passes on goes to those that
        `passes_to` names.
        """
        filters = ("kinds", "groups", "cameras", "enabled", "created_at")
        hooks = walk_items(self.services.items, keys.HOOKS, tenant.name, between=keys.HOOK_IDS)
        return [
            {
                "host": urlsplit(hook["url"]).hostname if hook["url"] else None,
                "name": hook.get("name"),
                "passes_to": hook.get("passes_to", ""),
                **{name: hook[name] for name in filters},
            }
            for hook in hooks
        ]

    def _list_pictures(self, subject: Subject) -> Iterator[tuple[str, str]]:
        """Yield the name and the key of each picture of the face, and of the faces that are this
        person, too."""
        merged = [
            merge.backup.face
            for merge in subject.merges
            if merge.is_active and merge.backup is not None
        ]
        for folder, face in (
            ("pictures", subject.face),
            *((f"merged/{face.faceid}", face) for face in merged),
        ):
            for number, picture in enumerate(face.pictures):
                if picture.key:
                    yield f"{folder}/{number}.jpg", picture.key
                if picture.key and picture.sides is not None:
                    yield f"{folder}/{number}.160.jpg", keys.thumbnail(picture.key)

    def _read_captures(self, subject: Subject) -> dict[str, Capture]:
        """Read the captures whose picture may still be there, by id."""
        name = subject.tenant.name
        ids = {
            (observation.camera, parts_of_sighting(observation.id)[0]): None
            for observation in subject.sightings.values()
        }
        capture_keys = [keys.capture(name, camera, capture) for camera, capture in ids]
        items = self.services.items.get_many(keys.CAPTURES, capture_keys) if capture_keys else []
        since = milliseconds(
            self.services.clock.now() - timedelta(days=self.services.settings.capture_days + 1)
        )
        return {
            item["capture"]: capture_from(item)
            for item in items
            if item and item["offered_at"] >= since
        }

    def _add_capture(
        self,
        subject: Subject,
        archive: zipfile.ZipFile,
        observation: Observation,
        captures: dict[str, Capture],
    ) -> None:
        """Add the picture of a sighting to the archive, unless the archive has it already.

        If somebody else is in the picture, they are made unrecognisable, and there is neither crop
        nor further view. A picture in which that cannot be done is left out. So that no view goes
        with the picture, one with views is drawn anew; any other is added as it is. Views that show
        the person alone are added beside it, and the sighting's crop.
        """
        id_, number = parts_of_sighting(observation.id)
        capture = captures.get(id_)
        if capture is None or capture_name(capture) in archive.NameToInfo:
            return
        tenant, name = subject.tenant, capture_name(capture)
        picture = self.services.storage.uploads.get(
            keys.capture_picture(tenant.name, capture.camera_id, id_)
        )
        if picture is None:
            return
        other_boxes = [
            sighting.box
            for sighting in capture.sightings
            if f"{id_}-{sighting.number}" not in subject.sightings
        ]
        vision = self.services.tenant_vision.choose_vision(tenant.model)
        views = vision.split_views(picture)
        if other_boxes or views:
            # it cannot be read, so nobody else can be hidden in it
            with suppress(Unusable, InvalidInput):
                archive.writestr(
                    name,
                    vision.hide_faces(vision.read_picture(picture, capture.rules), other_boxes),
                )
        else:
            archive.writestr(name, picture)
        if other_boxes or name not in archive.NameToInfo:
            return
        for view_number, view in enumerate(views, 1):
            if _shows_alone(vision, view, subject.face):
                archive.writestr(f"captures/{capture.camera_id}/{id_}.view{view_number}.jpg", view)
        crop = self.services.storage.uploads.get(
            keys.crop(tenant.name, capture.camera_id, id_, number)
        )
        if crop is not None:
            archive.writestr(f"crops/{capture.camera_id}/{observation.id}.jpg", crop)


def _shows_alone(vision: Vision, view: bytes, face: Face) -> bool:
    """Return whether a further view of a capture shows this person and nobody else."""
    template = of_model(face.templates, vision.model)
    if template is None:
        return False
    try:
        image = vision.read_picture(view, VIEW_RULES)
    except Unusable:
        return False
    faces = vision.detect(image)
    if len(faces) != 1:
        return False
    (vector,) = vision.embed(image, faces)
    return float(vector @ parse_vector(template)) >= SAME_PASSAGE


def capture_name(capture: Capture) -> str:
    """Make the name of a capture's picture in an archive."""
    kind = "png" if "png" in capture.content_type else "jpg"
    return f"captures/{capture.camera_id}/{capture.id}.{kind}"


def _require_sighting_id(text: str) -> str:
    """Read a sighting's id. Raises ValueError."""
    parts_of_sighting(text)
    return text


def _make_plain(value: Any) -> Any:
    """Return a value that JSON does not know in a form that it knows."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"an archive holds a {type(value).__name__}")
