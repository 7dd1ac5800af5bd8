"""A shop in which somebody left all the traces that there are, and what of them is found
afterwards."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

from regulars_dialects.users import Users

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.book.idempotency import RequestId
from chalicelib.domain.model import Decision, Face
from chalicelib.privacy.erasure_progress import SETTLED
from chalicelib.privacy.subject_access import Subject, read_holdings
from chalicelib.storage import keys
from tests.support.book.book import Book, Shot, shot
from tests.support.book.written import changed_texts
from tests.support.fakes import RULES, Person, picture

EVA, FINN, GUS, ANN = 11, 12, 13, 14
DAY, HOUR = 24 * 60, 60
NAME, NOTE = "Zacharias", "Plays the theremin"


def live(book: Book) -> tuple[Face, dict[str, bytes]]:
    """Have Eva come for days, alone and beside Finn, be named, mistaken, merged, looked at and told
    of.

    Returns her face, and what must be nowhere once she is erased, by what it is.
    """
    services, tenant = book.services, book.tenant
    services.webhooks.hooks.add("shop", None)
    alone = [shot(day * DAY, EVA) for day in range(3)]
    beside = [shot(day * DAY + 120, FINN, EVA) for day in range(3)]
    captures = book.see(*alone, *beside)
    eva = next(one.faceid for one in captures[0].sightings)
    finn = next(one.faceid for one in captures[3].sightings if one.faceid != eva)
    twice = book.see(shot(DAY + 5 * HOUR, GUS))[0].sightings[0].faceid
    assert eva
    assert finn
    assert twice
    services.enrolment.pictures.add_photo(tenant, eva, picture(Person(EVA, side_px=55.0)), RULES)
    services.merges.merging.merge(tenant, eva, twice)
    mistaken = book.see(Shot(shot(2 * DAY + 200).at, (Person(EVA, side_px=91.0),)))[0]
    services.sightings.rejection.reject(tenant, eva, f"{mistaken.id}-0")
    services.enrolment.update.change_face(
        tenant, eva, changes(NAME, NOTE), request=RequestId("v1#first#1", "d")
    )
    services.merges.duplicates.suggest_pair(
        tenant, *faces(book, eva, finn), Decision(0.4, 0.5, 9, 0.02)
    )
    for capture in (captures[0], captures[3]):
        services.captures.pictures.get_thumbnail_url(tenant, "door", capture.id)
        for number in range(len(capture.sightings)):
            services.captures.pictures.get_crop_url(tenant, "door", capture.id, number)
    services.sweep.sweep_tenant(tenant, book.clock.now())
    means = join_user(book, eva, finn)
    face = services.faces.get(tenant, eva)
    return face, {**needles(book, face, twice, [captures[0].id, captures[3].id]), **means}


def join_user(book: Book, eva: str, finn: str) -> dict[str, bytes]:
    """Make Eva a user, and put her beside Finn if both are in one group.

    Return the means that hold her.
    """
    users, tenant = Users(book.services), book.tenant
    group = book.services.groups.get(tenant, book.services.faces.get(tenant, eva).group_id)
    users.create(tenant, group, "guest-1")
    users.associate_faces(tenant, group, "guest-1", [eva], 0.0)
    alone = users.get(tenant, group, "guest-1").templates[0].vector
    users.associate_faces(tenant, group, "guest-1", [finn], 0.0)
    both = users.get(tenant, group, "guest-1").templates[0].vector
    means = {"mean of her": alone, "mean of both": both}
    return {
        **means,
        **{f"{name} in base64": base64.b64encode(data) for name, data in means.items()},
    }


def changes(name: str, note: str) -> Any:
    """Make the changes by which she has a name, and the note in all other texts that there are of a
    person."""
    return FaceChanges(**changed_texts(name, note))


def faces(book: Book, *faceids: str) -> list[Face]:
    return [book.services.faces.get(book.tenant, faceid) for faceid in faceids]


def needles(book: Book, face: Face, absorbed: str, captures: Iterable[str]) -> dict[str, bytes]:
    blobs = book.storage.blobs
    pictures = {f"picture {n}": blobs.get(key) for n, key in enumerate(face.picture_keys)}
    small = {
        f"thumbnail {n}": blobs.get(keys.thumbnail(key)) for n, key in enumerate(face.picture_keys)
    }
    shown = {
        f"capture {id_}": book.storage.uploads.get(keys.capture_picture("shop", "door", id_))
        for id_ in captures
    }
    templates = {f"template {n}": one.vector for n, one in enumerate(face.templates)}
    found = {
        name: data for name, data in {**pictures, **small, **shown, **templates}.items() if data
    }
    hashes = {
        f"hash of {name} in base64": base64.b64encode(hashlib.sha256(data).digest())
        for name, data in shown.items()
        if data
    }
    texts = {
        "faceid": face.faceid,
        "absorbed": absorbed,
        "name": NAME,
        "name's term": NAME.lower(),
        "note": "theremin",
    }
    in_base64 = {f"{name} in base64": base64.b64encode(data) for name, data in templates.items()}
    return {**found, **in_base64, **hashes, **{name: text.encode() for name, text in texts.items()}}


def left(book: Book, wanted: dict[str, bytes]) -> list[str]:
    """What is found where: in every file of the box, its database and log as they are on disk."""
    files = [
        path for path in book.folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")
    ]
    named = [
        f"{name}: {path.name}"
        for name, data in wanted.items()
        for path in files
        if data.decode("latin-1") in str(path)
    ]
    held = {path: path.read_bytes() for path in files}
    return [
        *named,
        *(
            f"{name} in {path.name}"
            for path, data in held.items()
            for name, one in wanted.items()
            if one in data
        ),
    ]


def held(book: Book, face: Face) -> dict[str, int]:
    """How many items each place of the list holds about the person."""
    observations = list(book.services.merges.mover.list_observations(book.tenant, face.faceid))
    merges = book.services.merges.records.list_below("shop", face.faceid)
    entries = book.services.audit.erasing.read_entries("shop", {face.faceid})
    subject = Subject(book.storage.items, book.tenant, face, observations, merges, entries)
    return {name: len(items) for name, items in read_holdings(subject).items() if items}


def worked_off(book: Book) -> None:
    """Let the messages of the index queue be done, as time passes."""
    for _ in range(20):
        for message in book.storage.index_queue.receive(10, 1):
            book.services.sweep.handle_message(message.body, 1, lambda: 600.0)
            book.storage.index_queue.delete(message.receipt)
        book.clock.advance(SETTLED / 4)
