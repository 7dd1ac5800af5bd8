"""How right is a camera's count, as people checked it?

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
from chalicelib.domain.captures import Camera
from chalicelib.domain.checks import (
    ANSWERS_KEPT,
    FILM_KEPT,
    CheckAnswer,
    Film,
    Line,
    Proof,
    WaitingFilm,
    add_answer,
    find_request,
    line_of,
    measure_proof,
    require_film,
    require_seen,
)
from chalicelib.domain.counts import MINUTE_MS, WHYS, Count, forget_counts, list_void_minutes
from chalicelib.domain.effects import Effect
from chalicelib.domain.errors import CheckNotFound, Conflict
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
    """The checks of a camera. `asked_at`: of a request that waits for its film; None: none does."""

    asked_at: datetime | None
    waiting: WaitingFilm | None
    answers: Sequence[CheckAnswer]
    proof: Proof | None
    """None: nobody has checked its count."""


class Checks(Service["Book"]):
    def read(self, tenant: Tenant, camera_id: str) -> CameraChecks:
        """Return what waits for somebody to look at it, and what people said.

        Raises CameraNotFound.
        """
        camera = self.services.cameras.get(tenant, camera_id)
        stored = checks_from(self._find_item(tenant.name, camera.id))
        asked_at = find_request(camera, self.services.clock.now())
        proof = _measure(camera, stored.answers)
        return CameraChecks(asked_at, stored.waiting, stored.answers, proof)

    def find_proofs(self, tenant: Tenant, cameras: Sequence[Camera]) -> dict[str, Proof]:
        """Return how right the count of each camera is at its line of now, by the camera's id.

        Those that nobody has checked lack.
        """
        checked = [camera for camera in cameras if camera.checked_at is not None]
        places = [(tenant.name, keys.checks_item(camera.id)) for camera in checked]
        items = self.services.items.get_many(keys.DIRECTORY, places)
        proofs = (
            (camera.id, _measure(camera, checks_from(item).answers))
            for camera, item in zip(checked, items, strict=True)
        )
        return {id_: proof for id_, proof in proofs if proof is not None}

    def ask(self, tenant: Tenant, camera_id: str) -> CameraChecks:
        """Have the camera's box asked for a film at its next heartbeat. Raises CameraNotFound.

        A film that waits already stays until the new one comes.
        """
        camera = self.services.cameras.get(tenant, camera_id)
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
        """Keep the film that was asked for, in place of one that waits.

        A film of the same minute is stored once. Raises InvalidInput, CameraNotFound, Conflict,
        Busy, AnsweredAlready.
        """
        now = self.services.clock.now()
        require_film(film, now)
        camera = self.services.cameras.get(tenant, camera_id)
        item = self._find_item(tenant.name, camera.id)
        stored = checks_from(item)
        known_times = {answer.at for answer in stored.answers}
        if film.at in known_times or (stored.waiting and stored.waiting.at == film.at):
            self.services.requests.write_with_answer(tenant.name, [], request)
            return
        asked_at = find_request(camera, now)
        if asked_at is None:
            raise Conflict(
                "nobody asks for a film of this camera: send one when counting.film_wanted of a "
                "heartbeat's answer says so"
            )
        waiting = WaitingFilm(film.at, line_of(film.line), film.seconds, now)
        checks_put = _make_put(tenant.name, camera.id, replace(stored, waiting=waiting), item)
        film_put = Put(keys.DIRECTORY, film_item(tenant.name, camera.id, film))
        if_asked = (equals("film_asked_at", milliseconds(asked_at), _ASKED),)
        camera_key = tenant.name, camera.id
        request_end = Update(keys.CAMERAS, camera_key, if_asked, remove=("film_asked_at",))
        actions: list[Action] = [checks_put, film_put, request_end]
        self.services.requests.write_with_answer(tenant.name, actions, request)

    def read_film(self, tenant: Tenant, camera_id: str) -> Film:
        """Return the film that waits. Raises CameraNotFound, CheckNotFound."""
        camera = self.services.cameras.get(tenant, camera_id)
        item = self.services.items.get(keys.DIRECTORY, (tenant.name, keys.film_item(camera.id)))
        if item is None:
            raise CheckNotFound("no film of this camera waits: ask for one, and wait for its box")
        return film_from(item)

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
    ) -> None:
        """Note how many people came in and went out in a film, and delete the film.

        `by`: who says so. The answer stands beside what is stored of that minute now. Raises
        InvalidInput, CameraNotFound, CheckNotFound, Conflict if the box has not told that minute
        yet, Busy, AnsweredAlready.
        """
        require_seen(seen)
        camera = self.services.cameras.get(tenant, camera_id)
        item = self._find_item(tenant.name, camera.id)
        stored = checks_from(item)
        waiting = stored.waiting
        if waiting is None or waiting.at != at:
            if any(answer.at == at and answer.seen == seen for answer in stored.answers):
                self.services.requests.write_with_answer(tenant.name, [], request)
                return
            raise _make_not_found_error(at)
        count = self._read_count(tenant, camera.id, at)
        now = self.services.clock.now()
        counted = None if count.numbers is None else count.numbers[:2]
        why = next((why for why in WHYS if why in count.doubts.minutes), None)
        answer = CheckAnswer(at, waiting.line, counted, seen, by, now, why)
        audit_events.add_details(of=camera.id, minute=time_text(at))
        checks = StoredChecks(None, tuple(add_answer(stored.answers, answer)))
        if_there, note = (exists("camera-there"),), {"checked_at": milliseconds(now)}
        actions = [
            *_make_end_actions(tenant.name, camera.id, checks, item),
            Update(keys.CAMERAS, (tenant.name, camera.id), if_there, set=note),
        ]
        self.services.requests.write_with_answer(tenant.name, actions, request)

    @retry_if_changed(_BUSY)
    def delete(
        self, tenant: Tenant, camera_id: str, at: datetime, request: RequestId | None = None
    ) -> None:
        """Delete a film that waits, or an answer that is wrong.

        Raises CameraNotFound, CheckNotFound, Busy, AnsweredAlready.
        """
        camera = self.services.cameras.get(tenant, camera_id)
        item = self._find_item(tenant.name, camera.id)
        stored = checks_from(item)
        left = tuple(answer for answer in stored.answers if answer.at != at)
        audit_events.add_details(of=camera.id, minute=time_text(at))
        if stored.waiting is not None and stored.waiting.at == at:
            checks = replace(stored, waiting=None)
            actions = _make_end_actions(tenant.name, camera.id, checks, item)
        elif left != stored.answers:
            actions = [_make_put(tenant.name, camera.id, replace(stored, answers=left), item)]
        else:
            raise _make_not_found_error(at)
        self.services.requests.write_with_answer(tenant.name, actions, request)

    def list_jobs(self) -> tuple[Job, ...]:
        return (Job("checks", lambda context: self.delete_old(context.tenant), nightly=True),)

    def delete_old(self, tenant: Tenant) -> None:
        """Delete films that nobody has answered for a week, and answers that are a year old."""
        now = self.services.clock.now()
        for item in walk_items(
            self.services.items, keys.DIRECTORY, tenant.name, between=keys.CHECKS
        ):
            stored, camera_id = checks_from(item), keys.camera_of_checks(item["item"])
            left = tuple(
                answer for answer in stored.answers if now - answer.answered_at < ANSWERS_KEPT
            )
            if stored.waiting is not None and now - stored.waiting.came_at >= FILM_KEPT:
                checks = StoredChecks(None, left)
                actions = _make_end_actions(tenant.name, camera_id, checks, item)
                write_unless_changed(self.services.items, actions)
            elif left != stored.answers:
                put = _make_put(tenant.name, camera_id, replace(stored, answers=left), item)
                write_unless_changed(self.services.items, [put])

    def _read_count(self, tenant: Tenant, camera_id: str, at: datetime) -> Count:
        """Return the count of a minute, without numbers if it is void.

        Raises Conflict if the box has not told it yet.
        """
        counts = self.services.counts
        day, in_day_ms = divmod(milliseconds(at), DAY_MS)
        minute = in_day_ms // MINUTE_MS
        told, _ = counts.read_day_with_check(tenant.name, day, camera_id)
        if minute not in told:
            raise Conflict(
                "the box has not told yet what it counted in this minute: answer again in ten "
                "minutes"
            )
        void_minutes = list_void_minutes(counts.voids.list_all(tenant.name), day, camera_id)
        return forget_counts(told, void_minutes)[minute]

    def _find_item(self, tenant: str, camera_id: str) -> Item | None:
        return self.services.items.get(keys.DIRECTORY, (tenant, keys.checks_item(camera_id)))


def _measure(camera: Camera, answers: Sequence[CheckAnswer]) -> Proof | None:
    """Return the proof at the camera's line of now: that of its settings, else that of the newest
    answer, since a box may have its line from its own file."""
    if not answers:
        return None
    set_line: Any = camera.edge.get("count")
    line: Line = answers[-1].line if set_line is None else line_of(set_line)
    return measure_proof(answers, line)


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
