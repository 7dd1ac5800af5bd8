"""Checks of a camera's count by people, and how right they prove it.

Somebody asks for a film, and the camera's box sends one without people with a later heartbeat. A
person looks at it and says how many came in and went out. The answer stays beside what was counted,
and the film goes. A camera has one film at a time, and all its answers are one item.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from chalicelib.book.idempotency import RequestId
from chalicelib.domain import audit_events
from chalicelib.domain.captures import Camera, say_disabled
from chalicelib.domain.checks import (
    ANSWERS_KEPT,
    FILM_KEPT,
    CheckAnswer,
    Film,
    LeftOut,
    Proof,
    WaitingFilm,
    Way,
    add_answer,
    add_left_out,
    find_request,
    forget_void,
    is_at_line,
    line_of,
    measure_proof,
    require_film,
    require_seen,
)
from chalicelib.domain.counts import (
    MINUTE_MS,
    SETTLED_AFTER,
    WHYS,
    Count,
    forget_counts,
    list_void_minutes,
)
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import CameraDisabled, CheckNotFound, Conflict, NotAllowed
from chalicelib.domain.jobs import Job
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import Tenant
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    next_version,
    retry_if_changed,
    walk_items,
    write,
    write_unless_changed,
)
from chalicelib.storage.ports import Action, Delete, Item, Put, Update, equals, exists
from chalicelib.storage.records.checks import (
    StoredChecks,
    checks_from,
    checks_item,
    film_from,
    film_item,
)
from chalicelib.storage.values import milliseconds, time_text

if TYPE_CHECKING:
    from chalicelib.book.book import Book

_BUSY = "the checks of this camera are changed by others all the time: send it again in a moment"
_SAME, _ASKED = "checks-same", "asked-as-read"
"""Names of the conditions that the checks, and the request for a film, are as they were read."""


class CameraChecks(NamedTuple):
    """The checks of a camera. `asked_at`: of a request that waits for its film; None: none does.

    `unanswered_at`: of one that no film came for in its day. `is_told`: the box has told what it
    counted in the minute of the film that waits, so that somebody may answer.
    """

    asked_at: datetime | None
    unanswered_at: datetime | None
    waiting: WaitingFilm | None
    is_told: bool
    answers: Sequence[CheckAnswer]
    proof: Proof | None
    """None: nobody has checked its count."""


class Checks(Service["Book"]):
    def read(self, tenant: Tenant, camera_id: str) -> CameraChecks:
        """Return the films that wait for an answer, and the answers of people.

        Raises CameraNotFound.
        """
        camera = self.services.cameras.get(tenant, camera_id)
        item = self._find_item(tenant.name, camera.id)
        own = self._select_own(camera, item)
        asked_at, waiting = find_request(camera, self.services.clock.now()), own.waiting
        unanswered_at = camera.film_asked_at if asked_at is None else None
        count = waiting and self._find_count(tenant, camera.id, waiting.at)
        proof = self._measure(tenant, camera, own)
        return CameraChecks(asked_at, unanswered_at, waiting, count is not None, own.answers, proof)

    def find_proof(self, tenant: Tenant, camera: Camera) -> Proof | None:
        """Return the measured accuracy of a camera's count at its current line; None if it was
        never checked."""
        if camera.checked_at is None:
            return None
        item = self._find_item(tenant.name, camera.id)
        return self._measure(tenant, camera, self._select_own(camera, item))

    def ask(self, tenant: Tenant, camera_id: str) -> CameraChecks:
        """Have the camera's box asked for a film at its next heartbeat.

        Raises CameraNotFound, and Conflict if a film waits already: nobody chooses between two. Or
        if the camera is switched off, so that its box may send none.
        """
        camera = self.services.cameras.get(tenant, camera_id)
        waiting = self._select_own(camera, self._find_item(tenant.name, camera.id)).waiting
        if waiting is not None:
            raise Conflict(
                f"the film of {time_text(waiting.at)} waits: answer it, or delete it first"
            )
        if not camera.enabled:
            raise Conflict("this camera is switched off: switch it on first")
        audit_events.add_details(of=camera.id)
        now, if_there = self.services.clock.now(), (exists("camera-there"),)
        change = {"film_asked_at": milliseconds(now)}
        key = tenant.name, camera.id
        write(
            self.services.items, [Update(keys.CAMERAS, key, if_there, set=change, repeatable=True)]
        )
        return self.read(tenant, camera_id)

    @retry_if_changed(_BUSY)
    def store_film(
        self, tenant: Tenant, camera_id: str, film: Film, request: RequestId | None = None
    ) -> None:
        """Keep the film that was asked for, in place of one that waits: that one is left out.

        A film of the same minute is stored once. One of another line than the camera's is passed
        over: its box is asked on. Raises InvalidInput, CameraNotFound, CameraDisabled, Conflict,
        Busy, AnsweredAlready.
        """
        now = self.services.clock.now()
        require_film(film, now)
        camera = self.services.cameras.get(tenant, camera_id)
        if not camera.enabled:
            raise CameraDisabled(say_disabled(camera))
        item = self._find_item(tenant.name, camera.id)
        own = self._select_own(camera, item)
        seen_before = [one for one in (own.waiting, *own.answers, *own.left_out) if one is not None]
        is_known = film.at in {one.at for one in seen_before}
        if is_known or not is_at_line(camera, line_of(film.line)):
            self.services.requests.write_with_answer(tenant.name, [], request)
            return
        asked_at = find_request(camera, now)
        if asked_at is None:
            raise Conflict(
                "nobody asks for a film of this camera: send one when counting.film_wanted of a "
                "heartbeat's answer says so"
            )
        waiting = WaitingFilm(film.at, line_of(film.line), film.seconds, now)
        former = checks_from(item).waiting
        checks = own
        if former is not None and former.came_at >= camera.created_at:
            checks = _leave_out(own, former, now)
        checks_put = _make_put(tenant.name, camera.id, replace(checks, waiting=waiting), item)
        film_put = Put(keys.DIRECTORY, film_item(tenant.name, camera.id, film))
        if_asked = (equals("film_asked_at", milliseconds(asked_at), _ASKED),)
        camera_key = tenant.name, camera.id
        note = {} if former is None else {"checked_at": milliseconds(now)}  # one is left out
        request_end = Update(
            keys.CAMERAS, camera_key, if_asked, set=note, remove=("film_asked_at",)
        )
        actions: list[Action] = [checks_put, film_put, request_end]
        self.services.requests.write_with_answer(tenant.name, actions, request)

    def read_film(self, tenant: Tenant, camera_id: str) -> Film:
        """Return the film that waits. Raises CameraNotFound, CheckNotFound."""
        camera = self.services.cameras.get(tenant, camera_id)
        own = self._select_own(camera, self._find_item(tenant.name, camera.id))
        film = self._find_film(tenant.name, camera.id)
        if film is None or own.waiting is None or own.waiting.at != film.at:
            raise CheckNotFound("no film of this camera waits: ask for one, and wait for its box")
        audit_events.report_picture(f"film {camera.id} {time_text(film.at)}")
        return film

    @retry_if_changed(_BUSY)
    def answer(
        self,
        tenant: Tenant,
        camera_id: str,
        at: datetime,
        seen: tuple[int, int],
        by: str,
        *,
        request: RequestId | None = None,
    ) -> Sequence[tuple[int, Way]] | None:
        """Note how many people came in and went out in a film, and delete the film.

        Return when its box counted somebody in it, which nobody may know before; None: it was said
        already. `by`: who says so. The answer stands beside what is stored of that minute now.
        Raises InvalidInput, CameraNotFound, CheckNotFound, Conflict if the box has not told that
        minute yet, Busy, AnsweredAlready.
        """
        require_seen(seen)
        camera = self.services.cameras.get(tenant, camera_id)
        item = self._find_item(tenant.name, camera.id)
        own = self._select_own(camera, item)
        waiting = own.waiting
        if waiting is None or waiting.at != at:
            if any(answer.at == at and answer.seen == seen for answer in own.answers):
                self.services.requests.write_with_answer(tenant.name, [], request)
                return None
            raise _make_not_found_error(at)
        count = self._find_count(tenant, camera.id, at)
        if count is None:
            raise Conflict(
                "the box has not told yet what it counted in this minute: answer again in ten "
                "minutes"
            )
        film = self._find_film(tenant.name, camera.id)
        now = self.services.clock.now()
        counted = None if count.numbers is None else count.numbers[:2]
        why = next((why for why in WHYS if why in count.doubts.minutes), None)
        answer = CheckAnswer(at, waiting.line, counted, seen, by, now, why)
        audit_events.add_details(of=camera.id, minute=time_text(at))
        checks = replace(own, waiting=None, answers=tuple(add_answer(own.answers, answer)))
        actions = [
            *_make_end_actions(tenant.name, camera.id, checks, item),
            _note_check(tenant.name, camera.id, now),
        ]
        crossings = () if film is None else film.crossings
        told = {"crossings": [[*crossing] for crossing in crossings]}
        self.services.requests.write_with_answer(tenant.name, actions, request, told)
        return crossings

    @retry_if_changed(_BUSY)
    def delete(
        self,
        tenant: Tenant,
        camera_id: str,
        at: datetime,
        *,
        with_answers: bool = True,
        request: RequestId | None = None,
    ) -> None:
        """Delete a waiting film, or a wrong answer. The proof has their number.

        `with_answers`: whether the caller may delete an answer, which has told what was counted.
        Raises CameraNotFound, CheckNotFound, NotAllowed, Busy, AnsweredAlready.
        """
        camera = self.services.cameras.get(tenant, camera_id)
        item = self._find_item(tenant.name, camera.id)
        own, now = self._select_own(camera, item), self.services.clock.now()
        answer = next((answer for answer in own.answers if answer.at == at), None)
        audit_events.add_details(of=camera.id, minute=time_text(at))
        actions: list[Action]
        if own.waiting is not None and own.waiting.at == at:
            checks = _leave_out(own, own.waiting, now)
            actions = _make_end_actions(tenant.name, camera.id, checks, item)
        elif answer is None:
            raise _make_not_found_error(at)
        elif not with_answers:
            raise NotAllowed("an admin takes an answer back: ask somebody who is one")
        else:
            checks = _leave_out(own, answer, now)
            actions = [_make_put(tenant.name, camera.id, checks, item)]
        actions.append(_note_check(tenant.name, camera.id, now))
        self.services.requests.write_with_answer(tenant.name, actions, request)

    def list_jobs(self) -> tuple[Job, ...]:
        return (Job("checks", lambda context: self.delete_old(context.tenant), nightly=True),)

    def delete_old(self, tenant: Tenant) -> None:
        """Delete films that stayed unanswered for a week, and answers that are a year old."""
        now = self.services.clock.now()
        for item in walk_items(
            self.services.items, keys.DIRECTORY, tenant.name, between=keys.CHECKS
        ):
            stored, camera_id = checks_from(item), keys.camera_of_checks(item["item"])
            left = replace(
                stored,
                answers=tuple(
                    one for one in stored.answers if now - one.answered_at < ANSWERS_KEPT
                ),
                left_out=tuple(one for one in stored.left_out if now - one.left_at < ANSWERS_KEPT),
            )
            if stored.waiting is not None and now - stored.waiting.came_at >= FILM_KEPT:
                left = _leave_out(left, stored.waiting, now)
                actions = _make_end_actions(tenant.name, camera_id, left, item)
                write_unless_changed(self.services.items, actions)
            elif left != stored:
                put = _make_put(tenant.name, camera_id, left, item)
                write_unless_changed(self.services.items, [put])

    def _find_count(self, tenant: Tenant, camera_id: str, at: datetime) -> Count | None:
        """Return the count of a minute, without numbers if it is void; None: the box has not told
        it yet. After two days none tells it any more: then nobody knows."""
        counts = self.services.counts
        day, in_day_ms = divmod(milliseconds(at), DAY_MS)
        told, _ = counts.read_day_with_check(tenant.name, day, camera_id)
        void_minutes = list_void_minutes(counts.voids.list_all(tenant.name), day, camera_id)
        is_late = self.services.clock.now() - at > SETTLED_AFTER
        otherwise = Count() if is_late else None
        return forget_counts(told, void_minutes).get(in_day_ms // MINUTE_MS, otherwise)

    def _measure(self, tenant: Tenant, camera: Camera, own: StoredChecks) -> Proof | None:
        """Return the proof at the camera's line of now: that of its settings, else that of the
        newest minute, since a box may have its line from its own file."""
        minutes: list[CheckAnswer | LeftOut] = [*own.answers, *own.left_out]
        if not minutes:
            return None
        set_line: Any = camera.edge.get("count")
        newest = max(minutes, key=lambda minute: minute.at)
        line = newest.line if set_line is None else line_of(set_line)
        voids = self.services.counts.voids.list_all(tenant.name)
        proof = measure_proof(forget_void(own.answers, voids, camera.id), line)
        return proof._replace(left_out=sum(one.line == line for one in own.left_out))

    def _select_own(self, camera: Camera, item: Item | None) -> StoredChecks:
        """Return the checks of a camera as they hold now, though the sweep has not come yet.

        A film waits for a week, and while its line is the camera's.
        """
        stored = checks_from(item)
        waiting = stored.waiting
        is_open = (
            waiting is not None
            and self.services.clock.now() - waiting.came_at < FILM_KEPT
            and is_at_line(camera, waiting.line)
        )
        return stored if is_open else replace(stored, waiting=None)

    def _find_film(self, tenant: str, camera_id: str) -> Film | None:
        item = self.services.items.get(keys.DIRECTORY, (tenant, keys.film_item(camera_id)))
        return None if item is None else film_from(item)

    def _find_item(self, tenant: str, camera_id: str) -> Item | None:
        return self.services.items.get(keys.DIRECTORY, (tenant, keys.checks_item(camera_id)))


def _note_check(tenant: str, camera_id: str, now: datetime) -> Update:
    """Return the action that notes on a camera that there are answers, or what was left out."""
    note = {"checked_at": milliseconds(now)}
    return Update(keys.CAMERAS, (tenant, camera_id), (exists("camera-there"),), set=note)


def _leave_out(
    checks: StoredChecks, left: WaitingFilm | CheckAnswer, now: datetime
) -> StoredChecks:
    """Return the checks without the film that waits, or without an answer, and the note of it."""
    note = LeftOut(left.at, left.line, now)
    return StoredChecks(
        None if left is checks.waiting else checks.waiting,
        tuple(answer for answer in checks.answers if answer is not left),
        add_left_out(checks.left_out, note),
    )


def _make_end_actions(
    tenant: str, camera_id: str, checks: StoredChecks, item_before: Item | None
) -> list[Action]:
    """Return the actions that delete the film that waited, and store the checks without it."""
    film_key = tenant, keys.film_item(camera_id)
    return [_make_put(tenant, camera_id, checks, item_before), Delete(keys.DIRECTORY, film_key)]


def _make_put(tenant: str, camera_id: str, checks: StoredChecks, item_before: Item | None) -> Put:
    """Return the action that stores the checks, if they are as they were read."""
    version, condition = next_version(item_before, _SAME)
    does = ((Effect.ARRANGES, "checks"),)
    item = checks_item(tenant, camera_id, checks, version)
    return Put(keys.DIRECTORY, item, (condition,), does)


def _make_not_found_error(at: datetime) -> CheckNotFound:
    return CheckNotFound(
        f"no film of {time_text(at)} waits for an answer: see the list of this camera's checks"
    )
