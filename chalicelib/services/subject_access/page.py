"""The page of an archive that people read. It needs nothing but the files beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from chalicelib.core.captures import parts_of_sighting
from chalicelib.core.consent import Consent
from chalicelib.core.observations import Observation, ObservationKind
from chalicelib.core.places import PLACES
from chalicelib.core.values import moment
from chalicelib.core.words import words_of
from chalicelib.services.subject_access.places import Subject, visits_of

if TYPE_CHECKING:
    from chalicelib.services.subject_access.subject_access import Language

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1d1f21 }
h2 { margin-top: 2rem } img { max-height: 9rem; margin: 0 .4rem .4rem 0; border-radius: .3rem }
table { border-collapse: collapse } td, th { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0;
border-bottom: 1px solid #d9dbde }
"""

_A_MOMENT = timedelta(minutes=1)
_ESTIMATES = ("age", "gender", "emotion", "beauty", "liveness", "quality")


def html(document: Mapping[str, Any], subject: Subject, captures: Mapping[str, str], language: Language) -> str:
    """Write the page. `captures`: the names of the pictures that are in the archive, by the captures' ids."""
    said = words_of("archive", language)
    zone = ZoneInfo(subject.tenant.time_zone)
    body = [
        f"<h1>{said['title']}</h1><p>{said['by']} {escape(document['tenant'])}, {said['at']} "
        f"{escape(document['written_at'])}. {said['times']} {escape(zone.key)}. {said['machine']}</p>",
        *(f"<h3>{escape(heading)}</h3>{_list(lines)}" for heading, lines in document["notice"].items()),
        f"<h2>{said['who']}</h2>{_table([], _record(subject, document['group'], said, zone))}",
        f"<h2>{said['pictures']}</h2>{_images(document['pictures'])}<p>{said['template']}</p>",
        f"<h3>{said['estimates']}</h3>{_table([], _estimates(subject))}",
        f"<h2>{said['visits']}</h2>{_table([said['first'], said['last'], said['times_seen']], _visits(subject, zone))}",
        f"<h2>{said['seen']}</h2><p>{said['others']}</p>",
        _table(
            [said[name] for name in ("when", "what", "camera", "group", "score", "picture")],
            (_seen(one, captures, said, zone) for one in _newest(subject.observations)),
        ),
        f"<h2>{said['places']}</h2>",
        _table([said["place"], said["holds"], said["records"]], _places(document["held"], language)),
        f"<h2>{said['kept']}</h2>{_table([], _kept(document['kept'], said))}",
        f"<h2>{said['told']}</h2>{_told(document['told'], said)}",
    ]
    return (
        f'<!doctype html>\n<html lang="{language}"><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{said["title"]}</title><style>{_STYLE}</style>\n'
        + "\n".join(body)
        + "\n</html>\n"
    )


def _record(subject: Subject, group: str, said: Mapping[str, str], zone: ZoneInfo) -> list[list[str]]:
    face = subject.face
    origin = _origin(subject)
    rows = {
        "face": face.faceid,
        "name": face.name,
        "note": face.note,
        "group": group,
        "enrolled": _time(face.enrolled_at, zone),
        "origin": said[origin] if origin else "",
        "age": "" if face.age is None else str(face.age),
        "gender": str(face.gender or ""),
        "attributes": ", ".join(face.attributes.values()),
        "labels": ", ".join(filter(None, face.labels)),
        "consent": _consent(face.consent, zone),
        "evidence": face.consent.evidence if face.consent else "",
        "hold": f"{_time(face.hold.at, zone)}: {face.hold.reason}" if face.hold else "",
        "restricted": f"{_time(face.restriction.at, zone)}: {face.restriction.reason}" if face.restriction else "",
        "arrive_count": str(face.arrive_count),
    }
    return [[said[name], escape(value)] for name, value in rows.items() if value]


def _origin(subject: Subject) -> ObservationKind | None:
    """Tell what made the face: an enrolment of that moment, else what is known first. None: nothing is known any more.

    A capture of before an enrolment may come after it, from a camera that was offline.
    """
    enrolled_at = subject.face.enrolled_at
    enrolments = (one.at for one in subject.observations if one.kind is ObservationKind.ENROLMENT)
    if any(abs(at - enrolled_at) < _A_MOMENT for at in enrolments):
        return ObservationKind.ENROLMENT
    return min(((one.at, one.kind) for one in subject.observations), default=(None, None))[1]


def _consent(consent: Consent | None, zone: ZoneInfo) -> str:
    if consent is None:
        return ""
    until = f" to {_time(consent.expires_at, zone)}" if consent.expires_at else ""
    return f"{consent.basis}, {_time(consent.given_at, zone)}{until}"


def _estimates(subject: Subject) -> list[list[str]]:
    found = {name: getattr(subject.face.estimates, name) for name in _ESTIMATES}
    return [[name, escape(str(value))] for name, value in found.items() if value is not None]


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _images(files: Iterable[str]) -> str:
    return "".join(
        f'<img src="{escape(name)}" alt="{escape(name)}">' for name in files if not name.endswith(".160.jpg")
    )


def _visits(subject: Subject, zone: ZoneInfo) -> list[list[str]]:
    return [
        [_time(moment(one.first_ms), zone), _time(moment(one.last_ms), zone), str(one.sightings)]
        for one in reversed(visits_of(subject).arrivals.recent)
    ]


def _newest(observations: Iterable[Observation]) -> list[Observation]:
    return sorted(observations, key=lambda one: (one.at, one.id), reverse=True)


def _seen(one: Observation, captures: Mapping[str, str], said: Mapping[str, str], zone: ZoneInfo) -> list[str]:
    decision = one.decision
    score = "" if decision is None or decision.score is None else f"{decision.score:.3f} ≥ {decision.threshold:.3f}"
    picture = captures.get(parts_of_sighting(one.id)[0]) if one.camera else None
    link = f'<a href="{escape(picture)}"><img src="{escape(picture)}" alt="" loading="lazy"></a>' if picture else ""
    return [_time(one.at, zone), said[one.kind], escape(one.camera), escape(one.group_name), score, link]


def _places(held: Mapping[str, Any], language: Language) -> list[list[str]]:
    return [
        [
            escape(place.name),
            words_of("places", language)[place.name] if language == "zh" else place.holds,
            str(len(held[place.name])) if place.name in held else "",
        ]
        for place in PLACES
        if place.is_ours
    ]


def _kept(kept: Mapping[str, int | None], said: Mapping[str, str]) -> list[list[str]]:
    return [[said[name], said["until"] if days is None else f"{days} {said['days']}"] for name, days in kept.items()]


def _told(told: Iterable[Mapping[str, Any]], said: Mapping[str, str]) -> str:
    hosts = [escape(one["host"] or said["mailbox"]) for one in told]
    return f"<p>{', '.join(hosts) or said['nobody']}</p>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table of cells that are HTML already."""
    heads = "".join(f"<th>{cell}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{heads}</tr>{lines}</table>" if heads else f"<table>{lines}</table>"


def _time(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
