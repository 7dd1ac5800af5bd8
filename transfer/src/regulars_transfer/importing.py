"""Import of people over v1: four at a time, the best picture first, each once whatever happens
meanwhile (presence).

With it: a rehearsal, which looks at every picture and changes nothing, and the lines while it runs
and at its end.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from msgspec import Struct, field
from regulars_client import Regulars, codes, models
from regulars_client.errors import OperatorError, PictureTooLarge
from regulars_client.logs import one_line
from regulars_client.pictures import shrink_to_fit
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from regulars_transfer.exports import IN_FLIGHT, RULES_KEPT
from regulars_transfer.judging import (
    find_wrong_field,
    require_legal_group,
    require_room,
    require_room_for_groups,
)
from regulars_transfer.presence import Presence, choose_face_ids, find_known_person, find_person
from regulars_transfer.sources import Person, Photo, Source, make_photo_id
from regulars_transfer.texts import format_count, write_rows

MAX_PICTURES = 100
"""Most pictures of one face."""

_LEAST_ROOM = 1000
"""Room in a group that is made for an import, if it must be limited."""

_OF_THE_PHOTO = (codes.Unusable, PictureTooLarge)
_OF_THE_PERSON = (
    codes.InvalidInput,
    codes.AttributeNotFound,
    codes.FaceExists,
    codes.FaceKnown,
    codes.FaceErased,
    codes.ConsentOlder,
)
"""Refusals that are reported. Any other error ends the import: it would meet all the others,
too."""

Advance = Callable[[int], object]
"""Moves a progress bar on: by so many photos whose fate is known now."""


KEPT = "kept"
PRESENT = "in already"
REFUSED = "refused"
LEFT_OUT = "left out"
BARE = "without a picture"


class ImportOutcome(Struct, frozen=True):
    """The fate of a photo.

    `name`: its file; `why`: the reason of a refusal, in the service's words; or who else a person
    looks like.
    """

    name: str
    state: str
    why: str = ""


class Fate(Struct, frozen=True):
    """The outcome of a photo, with its name, of a person, by the person's key."""

    person: str
    outcome: ImportOutcome


class Ready(Struct, frozen=True):
    """A photo as it is sent. `id`: the one that the service will give it."""

    name: str
    data: bytes

    @property
    def id(self) -> str:
        return make_photo_id(self.data)


class Import(Struct):
    """One import into one group.

    `if_known`: what happens to people whom the tenant knows already; `if_erased`: to those whom a
    receipt of the tenant names, or of whom it has the very picture. `people_in`: keys of those who
    are in the book, as far as it came.
    """

    service: Regulars
    group: str | None
    if_known: Literal["enrol", "refuse"] = "enrol"
    is_vouched_for: bool = False
    if_erased: Literal["enrol", "refuse"] = "refuse"
    people_in: set[str] = field(default_factory=set)

    def run(self, source: Source, advance: Advance, *, with_rules: bool) -> list[Fate]:
        """Import all people of the source. Return the fate of each photo.

        The settings (`with_rules`) and the groups come first. Raises the first error that concerns
        more than one person or photo; what was done until then stays, and the next run finds it.
        Raises OperatorError before anything is done if the service cannot refuse people who were
        erased, or has no such setting.
        """
        if with_rules:
            if unknown := sorted(source.rules.keys() - set(RULES_KEPT)):
                raise OperatorError(
                    f"{source.about}, has the setting {unknown[0]!r}: leave out --rules, it is "
                    "none here"
                )
            self.service.change_settings(**source.rules)
        require_groups(self.service, source, self.group)
        restricted_ids = frozenset(
            restriction.face for restriction in self.service.list_restrictions()
        )
        return process_people(
            source.people, lambda person: self._import_person(person, restricted_ids), advance
        )

    def _import_person(self, person: Person, restricted_ids: Set[str]) -> list[Fate]:
        """Send those of a person's photos that the book has not, the best first.

        Photos over MAX_PICTURES are left out. If the service refuses the person, all photos that
        are left are refused. `restricted_ids`: faces of people who are in the book, and not to be
        used: nobody of them comes in anew.
        """
        photos, unreadable = _read_photos(person)
        face_ids = choose_face_ids(person, self._name_group(person), [*photos])
        if restricted := sorted(restricted_ids & set(face_ids.values())):
            why = (
                f"this person is face {restricted[0]!r}, which is restricted: it is kept, and "
                "used for nothing"
            )
            outcomes = [ImportOutcome(photo.name, REFUSED, why) for photo in photos.values()]
        else:
            presence = find_person(self.service, person, face_ids) or Presence()
            outcomes = self._send_photos(person, photos, face_ids, presence)
            self.people_in |= {person.key} if presence.photo_ids else set()
        return [Fate(person.key, outcome) for outcome in (*unreadable, *outcomes)]

    def _send_photos(
        self,
        person: Person,
        photos: Mapping[str, Ready],
        face_ids: Mapping[str, str],
        presence: Presence,
    ) -> list[ImportOutcome]:
        """Send the photos that the person's face lacks, and keep in `presence` which it has
        then."""
        outcomes = [
            ImportOutcome(photo.name, PRESENT)
            for id_, photo in photos.items()
            if id_ in presence.photo_ids
        ]
        missing = [photo for id_, photo in photos.items() if id_ not in presence.photo_ids]
        has_room = presence.given_count < MAX_PICTURES
        refusal = ""
        for photo in self._order_by_quality(person, missing) if has_room else missing:
            if refusal:
                outcomes.append(ImportOutcome(photo.name, REFUSED, refusal))
                continue
            if presence.given_count >= MAX_PICTURES:
                outcomes.append(
                    ImportOutcome(photo.name, LEFT_OUT, f"a face has up to {MAX_PICTURES} pictures")
                )
                continue
            try:
                outcomes.append(self._send(person, photo, face_ids, presence))
            except _OF_THE_PHOTO as error:
                outcomes.append(ImportOutcome(photo.name, REFUSED, str(error)))
            except _OF_THE_PERSON as error:
                refusal = str(error)
                outcomes.append(ImportOutcome(photo.name, REFUSED, refusal))
        return outcomes

    def _order_by_quality(self, person: Person, photos: Sequence[Ready]) -> list[Ready]:
        """Order the photos: those of one face first, the better the earlier.

        One alone needs no look.
        """
        if person.is_vouched_for or len(photos) < 2:
            return [*photos]
        worth = {photo.id: self._measure_worth(photo) for photo in photos}
        return sorted(photos, key=lambda photo: worth[photo.id], reverse=True)

    def _measure_worth(self, photo: Ready) -> tuple[bool, float]:
        try:
            faces = self.service.detect(picture=photo.data).faces
        except codes.Unusable:
            return False, -1.0
        return len(faces) == 1, max((face.quality or 0.0 for face in faces), default=-1.0)

    def _send(
        self, person: Person, photo: Ready, face_ids: Mapping[str, str], presence: Presence
    ) -> ImportOutcome:
        """Enrol the person by this photo or, if the person has a face, add it to that.

        Return what became of it.
        """
        if photo.id in presence.photo_ids:  # the face was found by the photo before
            return ImportOutcome(photo.name, PRESENT)
        if presence.photo_ids:
            vouched = self.is_vouched_for or person.is_vouched_for
            self.service.add_picture(presence.faceid, picture=photo.data, trust=vouched)
            _add_photo(presence, presence.faceid, photo)
            return ImportOutcome(photo.name, KEPT)
        faceid, looks_like = face_ids[photo.id], ""
        try:
            self._enrol(person, photo, faceid, "refuse")
        except (codes.FaceExists, codes.FaceKnown) as error:
            known_id = str(error.details.get("face", faceid))
            if self._join_known(person, photo, face_ids, known_id, presence):
                return ImportOutcome(photo.name, PRESENT)
            if self.if_known == "refuse" or isinstance(error, codes.FaceExists):
                raise
            looks_like = self._name_likeness(known_id)
            self._enrol(person, photo, faceid, "enrol")
        _add_photo(presence, faceid, photo)
        return ImportOutcome(photo.name, KEPT, looks_like)

    def _join_known(
        self,
        person: Person,
        photo: Ready,
        face_ids: Mapping[str, str],
        known_id: str,
        presence: Presence,
    ) -> bool:
        """Go on with the face that the service knows the photo by, if that is the person; tell
        whether it is."""
        group = self._name_group(person)
        found = find_known_person(
            self.service,
            person,
            group=group,
            photo_id=photo.id,
            face_ids=face_ids,
            known_id=known_id,
        )
        if found is not None:
            presence.faceid = found.faceid
            presence.photo_ids = found.photo_ids
            presence.given_count = found.given_count
        return found is not None

    def _name_likeness(self, known_id: str) -> str:
        face = self.service.get_face(known_id)
        return "" if face.group == "stranger" else f"looks like {face.name or f'face {face.id}'}"

    def _enrol(
        self, person: Person, photo: Ready, faceid: str, if_known: Literal["enrol", "refuse"]
    ) -> None:
        self.service.enrol_face(
            group=self._name_group(person),
            picture=photo.data,
            id=faceid,
            name=person.name,
            if_known=if_known,
            if_erased=self.if_erased,
            **person.other_fields,
        )

    def _name_group(self, person: Person) -> str:
        return person.group or self.group or ""


def _add_photo(presence: Presence, faceid: str, photo: Ready) -> None:
    presence.faceid, presence.photo_ids = faceid, presence.photo_ids | {photo.id}
    presence.given_count += 1


def read_photo(photo: Photo) -> Ready:
    """Read a photo, shrunk if need be. Raises OSError, PictureTooLarge."""
    return Ready(photo.name, shrink_to_fit(photo.read()))


def _read_photos(person: Person) -> tuple[dict[str, Ready], list[ImportOutcome]]:
    """Read the person's photos, by id; and say which of them no service would read."""
    photos: dict[str, Ready] = {}
    unreadable = (
        [] if person.photos else [ImportOutcome("", BARE, "no picture of this person was kept")]
    )
    for photo in person.photos:
        try:
            ready = read_photo(photo)
        except (OSError, PictureTooLarge) as error:
            unreadable.append(ImportOutcome(photo.name, REFUSED, str(error)))
        else:
            photos[ready.id] = ready
    return photos, unreadable


def require_groups(service: Regulars, source: Source, group: str | None) -> None:
    """Make the groups that are not there yet.

    A group of an export gets the fields that it has in the export, also if it is there already
    without a face. A group of another source gets the attributes of its people. `group`: that of
    people without a group of their own.
    """
    exported_by_name = {each["name"]: each for each in source.groups}
    attribute_counts = count_attributes(source, group)
    group_by_name = {each.name: each for each in service.list_groups()}
    for name, exported in exported_by_name.items():
        if name not in group_by_name:
            _add_exported_group(service, exported)
        elif not group_by_name[name].count:
            _complete_group(service, group_by_name[name], exported)
    for name, counts in attribute_counts.items():
        if name not in group_by_name and name not in exported_by_name:
            _add_group(service, name, sorted(counts.keys() - {""}), counts[""])


def count_attributes(source: Source, group: str | None) -> dict[str, Counter[str]]:
    """Count for each group's name and each attribute the people who have the attribute; "": all
    people of the group.

    `group`: the group of people without a group of their own.
    """
    attribute_counts: dict[str, Counter[str]] = {}
    for person in source.people:
        counts = attribute_counts.setdefault(person.group or group or "", Counter())
        counts.update(["", *person.other_fields.get("attributes", ())])
    return attribute_counts


def _add_exported_group(service: Regulars, exported: Mapping[str, Any]) -> None:
    later_fields = {name: exported[name] for name in ("learns", "staff") if name in exported}
    new_group = service.add_group(
        **{name: exported[name] for name in exported if name not in later_fields}
    )
    if later_fields != {"learns": True, "staff": False}:
        service.change_group(new_group.id, **later_fields)


def _complete_group(service: Regulars, group: models.Group, exported: Mapping[str, Any]) -> None:
    """Give a group the fields that it has in the export, if it has others."""
    if any(getattr(group, name) != exported[name] for name in exported):
        service.change_group(
            group.id, **{name: exported[name] for name in exported if name != "name"}
        )


def _add_group(service: Regulars, name: str, attributes: list[str], people: int) -> None:
    try:
        service.add_group(name=name, attributes=attributes)
    except codes.IllegalCapacity:  # a tenant of cameras wants a number
        service.add_group(name=name, attributes=attributes, capacity=choose_capacity(people))


def choose_capacity(people: int) -> int:
    """Return the room of a group that is made for so many people, where groups need a limit."""
    return max(2 * people, _LEAST_ROOM)


def process_people(
    people: Iterable[Person], look: Callable[[Person], list[Fate]], advance: Advance
) -> list[Fate]:
    """Call `look` with each person, IN_FLIGHT of them at a time, and return all fates, by person
    and picture.

    The first error ends it, when those that were begun are done. `advance`: hears how many pictures
    are done.
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
                running |= {
                    pool.submit(look, person) for person in islice(people_left, len(finished))
                }
        except KeyboardInterrupt:
            print("stopping: people who are being looked after are finished first", file=sys.stderr)
            raise
    return sorted(fates, key=lambda fate: (fate.person, fate.outcome.name))


class Rehearsal(Import):
    """An import that writes nothing: the same people in the same order, judged by the rules of an
    enrolment.

    What it cannot know is said (UNKNOWN_BEFORE). `first_photos`: by the person's key, the photo
    that would enrol; `attributes`: by the name of each group, as they would be.
    """

    first_photos: dict[str, Ready] = field(default_factory=dict)
    attributes: dict[str, Sequence[str]] = field(default_factory=dict)
    asks_consent: bool = False

    def rehearse(self, source: Source, advance: Advance) -> list[Fate]:
        """Return what would become of each photo. Settings and groups stay as they are.

        Raises OperatorError for a group that cannot be made: the import would end there.
        """
        self.asks_consent = self.service.get_settings().consent_required
        self._judge_groups(source)
        restricted_ids = frozenset(
            restriction.face for restriction in self.service.list_restrictions()
        )
        return process_people(
            source.people, lambda person: self._import_person(person, restricted_ids), advance
        )

    def require_room(self, source: Source, fates: Sequence[Fate]) -> None:
        """Raise OperatorError if a group has no room for all who would come: the import would end
        there."""
        newcomers = _list_newcomers(fates)
        names = Counter(
            self._name_group(person) for person in source.people if person.key in newcomers
        )
        require_room(self.service.list_groups(), self.service.get_usage(), names)

    def _judge_groups(self, source: Source) -> None:
        """Raise OperatorError if a group cannot be made."""
        groups = [*self.service.list_groups()]
        exported = {each["name"]: each.get("attributes", ()) for each in source.groups}
        counted = count_attributes(source, self.group)
        wanted = {name: sorted(counts.keys() - {""}) for name, counts in counted.items()} | exported
        # a group of an export is completed if nobody is in it
        present = {
            group.name: group.attributes
            for group in groups
            if group.count or group.name not in exported
        }
        self.attributes = wanted | present
        new_names = wanted.keys() - {group.name for group in groups}
        for name in new_names:
            require_legal_group(name, wanted[name])
        capacity_by_name = {
            **{name: choose_capacity(counts[""]) for name, counts in counted.items()},
            **{each["name"]: each.get("capacity") or 0 for each in source.groups},
        }
        capacities = [capacity_by_name[name] for name in new_names]
        require_room_for_groups(groups, self.service.get_usage(), capacities)

    def _send(
        self, person: Person, photo: Ready, face_ids: Mapping[str, str], presence: Presence
    ) -> ImportOutcome:
        """Judge a photo as the import would, in place of sending it.

        Raises ConsentMissing, InvalidInput.
        """
        if photo.id in presence.photo_ids:
            return ImportOutcome(photo.name, PRESENT)
        is_further = bool(presence.photo_ids)
        if not is_further and self.asks_consent and not person.other_fields.get("consent"):
            raise codes.ConsentMissing("nobody is enrolled without a record of consent")
        group = self._name_group(person)
        wrong = "" if is_further else find_wrong_field(person, group, self.attributes[group])
        if wrong:
            raise codes.InvalidInput(wrong)
        why = self.service.detect(
            picture=photo.data, enrols="further" if is_further else "first"
        ).refused
        if not why and is_further and not (self.is_vouched_for or person.is_vouched_for):
            why = self._find_unlikeness(person, photo, presence.faceid)
        if why:
            return ImportOutcome(photo.name, REFUSED, why)
        self.first_photos.setdefault(person.key, photo)
        _add_photo(presence, presence.faceid or face_ids[photo.id], photo)
        return ImportOutcome(photo.name, KEPT)

    def _find_unlikeness(self, person: Person, photo: Ready, faceid: str) -> str:
        """Say if a photo is unlike the one that would enrol the person, or the person's face in the
        book."""
        first = self.first_photos.get(person.key)
        verified = (
            self.service.verify(picture=photo.data, face=faceid)
            if first is None
            else self.service.verify(picture=photo.data, other=first.data)
        )
        return "" if verified.match else "it does not look like the person's other pictures"


UNKNOWN_BEFORE = (
    "only the import finds who is in the book already, was erased or withdrew, whom two of these "
    "people look like, and a picture that is like the person's first one and unlike the others"
)


HEADER = ("person", "picture", "reason", "pictures in")
_LISTED = 20
"""Refused people who are listed; the others are counted."""
_EVERY_S = 60.0
"""How often progress is printed where no bar can be drawn, in s."""


@contextmanager
def show_progress(
    total: int | None, clock: Callable[[], float] = monotonic
) -> Iterator[Callable[[int], object]]:
    """Show progress on stderr: a bar if that is a terminal, else a line a minute.

    Yield the function that moves it on.

    `total`: the number of pictures; None: faces are counted, and nobody knows how many there are.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console, noun = Console(stderr=True), "pictures" if total is not None else "faces"
    done_count, printed_at = 0, clock()

    def advance(count: int) -> None:
        nonlocal done_count, printed_at
        progress.advance(task, count)
        done_count += count
        if not console.is_terminal and clock() - printed_at >= _EVERY_S:
            printed_at = clock()
            print(
                f"{done_count:,}{'' if total is None else f' of {total:,}'} {noun}",
                file=sys.stderr,
                flush=True,
            )

    with Bar(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(noun, total=total)
        yield advance


def print_outcome(source: Source, fates: Sequence[Fate], file: Path, *, dry_run: bool) -> int:
    """Print each person without an accepted picture, and how often each reason was given.

    Return the exit code.

    All refused pictures are in `file` then. If none was, there is no such file.
    """
    names = {person.key: person.name or person.key for person in source.people}
    refused, pictureless, taken = (
        [fate for fate in fates if fate.outcome.state == state] for state in (REFUSED, BARE, KEPT)
    )
    look_alikes = [fate for fate in taken if fate.outcome.why]
    file.unlink(missing_ok=True)
    if refused:
        _print_refused(refused, fates, names, file)
    _print_examples(f"people who came without a picture: {len(pictureless):,}", pictureless, names)
    _print_examples(
        "people who look like somebody in the book (merge them if they are one): "
        f"{len(look_alikes):,}",
        look_alikes,
        names,
    )
    if dry_run:
        print(UNKNOWN_BEFORE)
    passed_over = f"; {source.passed_over}" if source.passed_over else ""
    summary = _sum_up(fates, verb="would be added" if dry_run else "added")
    print(f"{source.about}: {summary}{passed_over}")
    return 1 if refused else 0


def _print_refused(
    refused: Sequence[Fate], fates: Sequence[Fate], names: Mapping[str, str], file: Path
) -> None:
    """Print of whom no picture is in, and why pictures were refused; write all that were into
    `file`."""
    pictures_in = Counter(fate.person for fate in fates if fate.outcome.state in (KEPT, PRESENT))
    _write(
        file,
        [
            (names[fate.person], fate.outcome.name, fate.outcome.why, str(pictures_in[fate.person]))
            for fate in refused
        ],
    )
    of_people_without = [fate for fate in refused if not pictures_in[fate.person]]
    people_without = {fate.person for fate in of_people_without}
    _print_examples(
        f"people of whom no picture is in: {len(people_without):,}", of_people_without, names
    )
    of_others = [fate for fate in refused if pictures_in[fate.person]]
    _print_examples("refused pictures of the others:", of_others, names)
    print("how often each reason was given:")
    for why, count in Counter(_shorten_reason(fate.outcome.why) for fate in refused).most_common():
        print(f"  {count:>6,}  {why}")
    print(f"all that was refused, as a table: {file}")


def _list_newcomers(fates: Sequence[Fate]) -> set[str]:
    """Return the keys of people who had no face before."""
    present, added = (
        {fate.person for fate in fates if fate.outcome.state == state} for state in (PRESENT, KEPT)
    )
    return added - present


def _sum_up(fates: Sequence[Fate], *, verb: str) -> str:
    """Say how many people and pictures were added, were in the book already, were refused, and were
    not needed."""
    counts = Counter(fate.outcome.state for fate in fates)
    people_present = {fate.person for fate in fates if fate.outcome.state == PRESENT}
    added = [fate for fate in fates if fate.outcome.state == KEPT]
    new_people = _list_newcomers(fates)
    more_count = sum(fate.person in people_present for fate in added)
    people = format_count(len(new_people), "person", "people")
    pictures = format_count(len(added) - more_count, "picture", "pictures")
    parts = [f"{people} with {pictures} {verb}"]
    if people_present:
        present = format_count(len(people_present), "person was", "people were")
        with_pictures = format_count(counts[PRESENT], "picture", "pictures")
        parts.append(f"{present} in already, with {with_pictures}")
    if more_count:
        parts.append(f"{format_count(more_count, 'more picture', 'more pictures')} of these {verb}")
    parts.append(f"{counts[REFUSED]:,} refused")
    if counts[LEFT_OUT]:
        parts.append(f"{counts[LEFT_OUT]:,} not needed")
    return ", ".join(parts)


def _print_examples(title: str, refused: Sequence[Fate], names: Mapping[str, str]) -> None:
    if refused:
        print(title)
    for fate in refused[:_LISTED]:
        print(
            f"  {one_line(names[fate.person])}: {one_line(fate.outcome.name)}: "
            f"{one_line(fate.outcome.why)}"
        )
    if len(refused) > _LISTED:
        print(f"  and {len(refused) - _LISTED:,} more")


def _shorten_reason(why: str) -> str:
    """Return a reason without its numbers, names, ids and advice, which differ from picture to
    picture."""
    return re.sub(
        r"'[^']*'|\b\w*\d[\w.]*", "…", one_line(why).partition(": ")[0].partition("; ")[0]
    )


def _write(file: Path, lines: Iterable[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        write_rows([HEADER, *lines], stream)
