"""Import of people over v1: four at a time, the best picture first, each once whatever happens meanwhile.

With it: a rehearsal, which looks at every picture and changes nothing, and the lines while it runs and at its end.
"""

from __future__ import annotations

import hashlib
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Literal

from msgspec import UNSET, Struct
from regulars_client import Regulars, codes
from regulars_client.errors import PictureTooLarge
from regulars_client.pictures import shrink_to_fit
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from chalicelib.book.rules.decision import MIN_QUALITY
from chalicelib.book.words.model import MAX_PICTURES, STRANGER
from chalicelib.book.words.values import format_count, one_line, time_ordered_id, write_rows
from regulars.errors import OperatorError
from regulars.transfer.exports import IN_FLIGHT, RULES_KEPT
from regulars.transfer.journal import BARE, KEPT, LEFT_OUT, REFUSED, Journal, Outcome, Progress
from regulars.transfer.sources import Person, Photo, Source, make_photo_id

_LEAST_ROOM = 1000
"""Room in a group that is made for an import, if it must be limited."""

_OF_THE_PHOTO = (codes.Unusable, PictureTooLarge)
_OF_THE_PERSON = (codes.InvalidInput, codes.AttributeNotFound, codes.FaceExists, codes.FaceKnown)
"""Refusals that are noted. Any other error ends the import: it would meet all the others, too."""

Advance = Callable[[int], object]
"""Moves a progress bar on: by so many photos whose fate is known now."""


class Fate(Struct, frozen=True):
    """The outcome of a photo, with its name, of a person, by the person's key."""

    person: str
    outcome: Outcome


class Ready(Struct, frozen=True):
    """A photo as it is sent. `id`: the one that the service will give it."""

    name: str
    data: bytes

    @property
    def id(self) -> str:
        return make_photo_id(self.data)


class Import(Struct):
    """One import into one group. `if_known`: what happens to people whom the tenant knows already; `if_erased`: to
    those whom a receipt of the tenant names, or of whom it has the very picture."""

    service: Regulars
    journal: Journal
    group: str | None
    if_known: Literal["enrol", "refuse"] = "enrol"
    is_vouched_for: bool = False
    if_erased: Literal["enrol", "refuse"] = "refuse"

    def run(self, source: Source, advance: Advance, *, with_rules: bool) -> list[Fate]:
        """Import all people of the source. Return the fate of each photo, in this run or one before.

        The settings (`with_rules`) and the groups come first. Raises the first error that concerns more than one person
        or photo; what was done until then is in the journal. Raises OperatorError before anything is done if the
        service cannot refuse people who were erased, or has no such setting.
        """
        if self.if_erased == "refuse":
            require_refusals(self.service)
        if with_rules:
            if unknown := sorted(source.rules.keys() - set(RULES_KEPT)):
                raise OperatorError(
                    f"{source.about}, has the setting {unknown[0]!r}: leave out --rules, it is none here"
                )
            self.service.change_settings(**source.rules)
        require_groups(self.service, source, self.group)
        return process_people(source.people, self._import_person, advance)

    def _import_person(self, person: Person) -> list[Fate]:
        """Send a person's photos, the best first, and note each outcome in the journal, by which a next run goes on.

        Photos over MAX_PICTURES are left out. If the service refuses the person, all photos that are left are noted as
        refused. If the person was erased, nothing is noted.
        """
        progress = self.journal.read_progress(person.key)
        photos, unreadable = _read_photos(person)
        if photos.keys() - progress.order:
            order = self._order_by_quality(
                person, [photo for photo in photos.values() if photo.id not in progress.order]
            )
            faceid = progress.faceid or person.id or time_ordered_id(datetime.now(UTC))
            self.journal.note_order(person.key, faceid, [*progress.order, *order])
        erasure_text = ""
        for photo in (photos[id_] for id_ in progress.order if id_ in photos and id_ not in progress.outcomes):
            if progress.kept == MAX_PICTURES:
                self._note_outcome(person, photo, LEFT_OUT, f"a face has up to {MAX_PICTURES} pictures")
                continue
            try:
                self._note_outcome(person, photo, KEPT, self._send(person, photo, progress))
            except codes.FaceErased as error:  # not noted: the next run may be told to enrol
                erasure_text = str(error)
                break
            except _OF_THE_PHOTO as error:
                self._note_outcome(person, photo, REFUSED, str(error))
            except _OF_THE_PERSON as error:
                for other_photo in photos.values():
                    if other_photo.id not in progress.outcomes:
                        self._note_outcome(person, other_photo, REFUSED, str(error))
        known_outcomes = (
            progress.outcomes.get(id_) or Outcome(photo.name, REFUSED, erasure_text) for id_, photo in photos.items()
        )
        return [Fate(person.key, outcome) for outcome in (*unreadable, *known_outcomes)]

    def _note_outcome(self, person: Person, photo: Ready, state: str, why: str = "") -> None:
        self.journal.note_outcome(person.key, photo.id, Outcome(photo.name, state, why))

    def _order_by_quality(self, person: Person, photos: Sequence[Ready]) -> list[str]:
        """Order the photos: those of one face first, the better the earlier. One alone needs no look."""
        ids = [photo.id for photo in photos]
        if person.is_vouched_for or len(photos) < 2:
            return ids
        worth = {photo.id: self._measure_worth(photo) for photo in photos}
        return sorted(dict.fromkeys(ids), key=lambda id_: worth[id_], reverse=True)

    def _measure_worth(self, photo: Ready) -> tuple[bool, float]:
        try:
            faces = self.service.detect(picture=photo.data).faces
        except codes.Unusable:
            return False, -1.0
        return len(faces) == 1, max((face.quality or 0.0 for face in faces), default=-1.0)

    def _send(self, person: Person, photo: Ready, progress: Progress) -> str:
        """Enrol the person by this photo or, if an earlier one did, add it to the person's face.

        Return who else the person looks like; "": nobody.
        """
        if progress.kept:
            vouched = self.is_vouched_for or person.is_vouched_for
            self.service.add_picture(progress.faceid, picture=photo.data, trust=vouched)
            return ""
        try:
            self._enrol(person, photo, progress.faceid, "refuse")
        except (codes.FaceExists, codes.FaceKnown) as error:
            # A run that was killed may have enrolled it, so long ago that the service forgot the request.
            if self._has(progress.faceid, photo):
                return ""
            if self.if_known == "refuse" or isinstance(error, codes.FaceExists):
                raise
            known_face = self.service.get_face(error.details["face"])
            self._enrol(person, photo, progress.faceid, "enrol")
            return "" if known_face.group == STRANGER else f"looks like {known_face.name or f'face {known_face.id}'}"
        return ""

    def _enrol(self, person: Person, photo: Ready, faceid: str, if_known: Literal["enrol", "refuse"]) -> None:
        """Enrol the photo as the face of this id.

        The idempotency key is computed from all that is sent. So a run that was killed and is repeated gets the answer
        of the first request.
        """
        group = person.group or self.group or ""
        request_parts = [
            faceid,
            photo.id,
            group,
            person.name,
            if_known,
            self.if_erased,
            dict(sorted(person.other_fields.items())),
        ]
        enrol = partial(
            self.service.enrol_face,
            group=group,
            picture=photo.data,
            id=faceid,
            name=person.name,
            if_known=if_known,
            if_erased="refuse" if self.if_erased == "refuse" else UNSET,
            **person.other_fields,
        )
        try:
            enrol(idempotency_key=hashlib.sha256(repr(request_parts).encode()).hexdigest())
        except codes.FaceNotFound:
            enrol()  # an import of the same day did it, and the face was deleted since

    def _has(self, faceid: str, photo: Ready) -> bool:
        try:
            return any(picture.id == photo.id for picture in self.service.list_pictures(faceid).pictures)
        except codes.FaceNotFound:
            return False


def read_photo(photo: Photo) -> Ready:
    """Read a photo, shrunk if need be. Raises OSError, PictureTooLarge."""
    return Ready(photo.name, shrink_to_fit(photo.read()))


def _read_photos(person: Person) -> tuple[dict[str, Ready], list[Outcome]]:
    """Read the person's photos, by id; and say which of them no service would read."""
    photos: dict[str, Ready] = {}
    unreadable = [] if person.photos else [Outcome("", BARE, "no picture of this person was kept")]
    for photo in person.photos:
        try:
            ready = read_photo(photo)
        except (OSError, PictureTooLarge) as error:
            unreadable.append(Outcome(photo.name, REFUSED, str(error)))
        else:
            photos[ready.id] = ready
    return photos, unreadable


def require_refusals(service: Regulars) -> None:
    """Check that the service can refuse people who were erased. Raises OperatorError if its version cannot."""
    if "if_erased" not in service.get_document()["components"]["schemas"]["NewFace"]["properties"]:
        raise OperatorError(
            "this service is of an older version, which cannot refuse people who were erased: update it first, or let "
            "them in by --if-erased enrol"
        )


def require_groups(service: Regulars, source: Source, group: str | None) -> None:
    """Make the groups that are not there yet.

    A group of an export gets the fields that it has in the export, also if it is there already without a face. A group
    of another source gets the attributes of its people. `group`: that of people without a group of their own.
    """
    exported_by_name = {each["name"]: each for each in source.groups}
    attribute_counts: dict[str, Counter[str]] = {}
    for person in source.people:
        counts = attribute_counts.setdefault(person.group or group or "", Counter())
        counts.update(["", *person.other_fields.get("attributes", ())])
    group_by_name = {each.name: each for each in service.list_groups()}
    for name, exported in exported_by_name.items():
        if name not in group_by_name:
            later_members = {member: exported[member] for member in ("learns", "staff") if member in exported}
            new_group = service.add_group(
                **{member: exported[member] for member in exported if member not in later_members}
            )
            if later_members != {"learns": True, "staff": False}:
                service.change_group(new_group.id, **later_members)
        elif not group_by_name[name].count and any(
            getattr(group_by_name[name], member) != exported[member] for member in exported
        ):
            service.change_group(
                group_by_name[name].id, **{member: exported[member] for member in exported if member != "name"}
            )
    for name, counts in attribute_counts.items():
        if name not in group_by_name and name not in exported_by_name:
            _add_group(service, name, sorted(counts.keys() - {""}), counts[""])


def _add_group(service: Regulars, name: str, attributes: list[str], people: int) -> None:
    try:
        service.add_group(name=name, attributes=attributes)
    except codes.IllegalCapacity:  # a tenant of cameras wants a number
        service.add_group(name=name, attributes=attributes, capacity=max(2 * people, _LEAST_ROOM))


def process_people(people: Iterable[Person], look: Callable[[Person], list[Fate]], advance: Advance) -> list[Fate]:
    """Call `look` with each person, IN_FLIGHT of them at a time, and return all fates, by person and picture.

    The first error ends it, when those that were begun are done. `advance`: hears how many pictures are done.
    """
    people_left, fates = iter(people), []
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        try:
            running = {pool.submit(look, person) for person in islice(people_left, IN_FLIGHT)}
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    fates += future.result()
                    advance(len(future.result()))
                running |= {pool.submit(look, person) for person in islice(people_left, len(finished))}
        except KeyboardInterrupt:
            print("stopping: people who are being looked after are finished first", file=sys.stderr)
            raise
    return sorted(fates, key=lambda fate: (fate.person, fate.outcome.name))


def rehearse_import(service: Regulars, people: Sequence[Person], advance: Advance) -> list[Fate]:
    """Return what would become of each photo. Who is known, or alike, shows only when they are enrolled."""
    min_quality = service.get_settings().enrol_quality or MIN_QUALITY

    def look(person: Person) -> list[Fate]:
        flaws = ((photo.name, _find_flaw(service, photo, min_quality)) for photo in person.photos)
        return [Fate(person.key, Outcome(name, REFUSED if why else KEPT, why)) for name, why in flaws]

    return process_people(people, look, advance)


def _find_flaw(service: Regulars, photo: Photo, min_quality: float) -> str:
    """Say why the photo would be refused, or nothing."""
    try:
        faces = service.detect(picture=read_photo(photo).data).faces
    except (OSError, PictureTooLarge, codes.Unusable) as error:
        return str(error)
    if not faces:
        return "no face was found in the picture"
    best = max(faces, key=lambda face: face.quality)
    return f"{best.flaw}: {math.floor(best.quality)} of {min_quality:g}" if best.quality < min_quality else ""


HEADER = ("person", "picture", "reason", "pictures in")
_LISTED = 20
"""Refused people who are listed; the others are counted."""
_EVERY_S = 60.0
"""How often progress is printed where no bar can be drawn, in s."""


@contextmanager
def show_progress(total: int | None, clock: Callable[[], float] = monotonic) -> Iterator[Callable[[int], object]]:
    """Show progress on stderr: a bar if that is a terminal, else a line a minute. Yield the function that moves it on.

    `total`: the number of pictures; None: faces are counted, and nobody knows how many there are.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console, noun = Console(stderr=True), "pictures" if total is not None else "faces"
    done_count, printed_at = 0, clock()

    def advance(count: int) -> None:
        nonlocal done_count, printed_at
        progress.advance(task, count)
        done_count += count
        if not console.is_terminal and clock() - printed_at >= _EVERY_S:
            printed_at = clock()
            print(f"{done_count:,}{'' if total is None else f' of {total:,}'} {noun}", file=sys.stderr, flush=True)

    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(noun, total=total)
        yield advance


def print_outcome(source: Source, fates: Sequence[Fate], file: Path, *, dry_run: bool) -> int:
    """Print each person of whom no picture was taken, and how often each reason was given. Return the exit code.

    All refused pictures are in `file` then. If none was, there is no such file.
    """
    counts = Counter(fate.outcome.state for fate in fates)
    pictures_kept = Counter(fate.person for fate in fates if fate.outcome.state == KEPT)
    names = {person.key: person.name or person.key for person in source.people}
    refused = [fate for fate in fates if fate.outcome.state == REFUSED]
    file.unlink(missing_ok=True)
    if refused:
        _write(
            file,
            [
                (names[fate.person], fate.outcome.name, fate.outcome.why, str(pictures_kept[fate.person]))
                for fate in refused
            ],
        )
        of_people_without = [fate for fate in refused if not pictures_kept[fate.person]]
        _print_examples(
            f"people of whom no picture is in: {len({fate.person for fate in of_people_without}):,}",
            of_people_without,
            names,
        )
        _print_examples(
            "refused pictures of the others:", [fate for fate in refused if pictures_kept[fate.person]], names
        )
        print("how often each reason was given:")
        for why, count in Counter(_shorten_reason(fate.outcome.why) for fate in refused).most_common():
            print(f"  {count:>6,}  {why}")
        print(f"all that was refused, as a table: {file}")
    pictureless = [fate for fate in fates if fate.outcome.state == BARE]
    _print_examples(f"people who came without a picture: {len(pictureless):,}", pictureless, names)
    look_alikes = [fate for fate in fates if fate.outcome.state == KEPT and fate.outcome.why]
    _print_examples(
        f"people who look like somebody in the book (merge them if they are one): {len(look_alikes):,}",
        look_alikes,
        names,
    )
    verb = "would be added" if dry_run else "added"
    people, pictures = (
        format_count(len(pictures_kept), "person", "people"),
        format_count(counts[KEPT], "picture", "pictures"),
    )
    added = f"{people} with {pictures}"
    not_needed = f", {counts[LEFT_OUT]:,} not needed" if counts[LEFT_OUT] else ""
    print(f"{source.about}: {added} {verb}, {len(refused):,} refused{not_needed}")
    return 1 if refused else 0


def _print_examples(title: str, refused: Sequence[Fate], names: Mapping[str, str]) -> None:
    if refused:
        print(title)
    for fate in refused[:_LISTED]:
        print(f"  {one_line(names[fate.person])}: {one_line(fate.outcome.name)}: {one_line(fate.outcome.why)}")
    if len(refused) > _LISTED:
        print(f"  and {len(refused) - _LISTED:,} more")


def _shorten_reason(why: str) -> str:
    """Return a reason without its numbers, names, ids and advice, which differ from picture to picture."""
    return re.sub(r"'[^']*'|\b\w*\d[\w.]*", "…", one_line(why).partition(": ")[0].partition("; ")[0])


def _write(file: Path, lines: Iterable[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8-sig", newline="") as stream:  # the mark tells a spreadsheet that it is UTF-8
        write_rows([HEADER, *lines], stream)
