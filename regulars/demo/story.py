"""The demo's story, played over HTTP by v1: people are enrolled, found, not found, deleted."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from msgspec import Struct

from chalicelib.domain.model import REGULAR
from regulars.clients import V1, Reply
from regulars.demo.album import Photo, Plan, Probe

IDENTIFY = "identify"
"""The call that searches."""


class Part(StrEnum):
    """The chapters, in their order."""

    ENROL = "Enrol people"
    KNOWN = "Search other pictures of them"
    STRANGERS = "Search strangers"
    NOBODY = "Search pictures without a face"
    SEVERAL = "Search every face of a picture"
    DELETE = "Delete one"


class Step(Struct, frozen=True):
    """One request of the story and its answer. `right`: as the labels ask for."""

    part: Part
    api: str
    subject: str
    answer: str
    right: bool
    elapsed_ms: float
    score: float | None = None
    threshold: float | None = None


class Story:
    """Player of a plan against a service."""

    def __init__(self, v1: V1) -> None:
        self._v1 = v1
        self._people: dict[str, str] = {}
        """The enrolled by the ids of their faces."""

    def play(self, plan: Plan) -> Iterator[Step]:
        """Play every step. Raises OSError if the service does not answer."""
        for probe in plan.enrolments:
            yield self._enrol(probe)
        for part, probes in list_searched(plan).items():
            for probe in probes:
                yield self._search(part, probe)
        if plan.removed is not None and plan.removed.names <= {*self._people.values()}:
            yield self._delete(*plan.removed.names)
            yield self._search(Part.DELETE, plan.removed)

    def _enrol(self, probe: Probe) -> Step:
        """Enrol a person by one picture."""
        (person,) = probe.names
        reply = self._send_request(
            "POST",
            "/v1/faces",
            _encode_picture(probe.photo) | {"group": REGULAR, "name": format_name(person)},
        )
        if reply.status == 201:
            self._people[reply.json["id"]] = person
        answer = f"enrolled as {person}" if reply.status == 201 else _describe_refusal(reply)
        return Step(
            part=Part.ENROL,
            api="faces",
            subject=probe.photo.name,
            answer=answer,
            right=reply.status == 201,
            elapsed_ms=reply.elapsed_ms,
        )

    def _search(self, part: Part, probe: Probe) -> Step:
        """Search for all faces of a picture.

        The answer is right if it names exactly the enrolled people on the picture. It also has to
        find a face if somebody is on it, and none if nobody is. The score that is shown is the
        lowest of the matches.
        """
        reply = self._send_request("POST", f"/v1/{IDENTIFY}", _encode_picture(probe.photo))
        if reply.status != 200:
            return Step(
                part=part,
                api=IDENTIFY,
                subject=probe.photo.name,
                answer=_describe_refusal(reply),
                right=False,
                elapsed_ms=reply.elapsed_ms,
            )
        faces = reply.json["faces"]
        pairs = (
            (face, candidate)
            for face in faces
            for candidate in face["candidates"]
            if candidate["match"]
        )
        matches = [
            (candidate["score"], face["threshold"], candidate["face"]["id"])
            for face, candidate in pairs
        ]
        matched_people = {self._people[id_] for _, _, id_ in matches}
        answer = ", ".join(sorted(matched_people)) or ("nobody known" if faces else "no face")
        right = matched_people == probe.names & {*self._people.values()} and bool(faces) == bool(
            probe.names
        )
        score, threshold, _ = min(
            matches, default=(None, faces[0]["threshold"] if faces else None, "")
        )
        return Step(
            part=part,
            api=IDENTIFY,
            subject=probe.photo.name,
            answer=answer,
            right=right,
            elapsed_ms=reply.elapsed_ms,
            score=score,
            threshold=threshold,
        )

    def _delete(self, person: str) -> Step:
        faceid = next(id_ for id_, known_person in self._people.items() if known_person == person)
        reply = self._send_request("DELETE", f"/v1/faces/{faceid}")
        if right := reply.status in (202, 204):  # 202: its erasure goes on
            del self._people[faceid]
        return Step(
            part=Part.DELETE,
            api="faces",
            subject=person,
            answer="deleted" if right else _describe_refusal(reply),
            right=right,
            elapsed_ms=reply.elapsed_ms,
        )

    def _send_request(
        self, method: str, path: str, body_object: dict[str, Any] | None = None
    ) -> Reply:
        """Send a request, again every second as long as it is answered that too many came (429)."""
        while (reply := self._v1.request_reply(method, path, body_object)).status == 429:
            time.sleep(1)
        return reply


def list_searched(plan: Plan) -> dict[Part, tuple[Probe, ...]]:
    """Return the pictures that are searched, by chapter."""
    enrolled_chapters = {Part.KNOWN: plan.known, Part.STRANGERS: plan.strangers}
    return {**enrolled_chapters, Part.NOBODY: plan.nobody, Part.SEVERAL: plan.several}


def count_steps(plan: Plan) -> int:
    """Count the steps that `Story.play` makes of this plan, if all are enrolled."""
    return (
        len(plan.enrolments)
        + sum(map(len, list_searched(plan).values()))
        + (2 if plan.removed else 0)
    )


def format_name(person: str) -> str:
    """Return the name of a person as a face has it.

    A label without capitals, `ann_lee`, is written as names are.
    """
    return (person.replace("_", " ").title() if person.islower() else person)[:100]


def _encode_picture(photo: Photo) -> dict[str, Any]:
    return {"picture": base64.b64encode(photo.read()).decode()}


def _describe_refusal(reply: Reply) -> str:
    return str(reply.json["detail"] if isinstance(reply.json, dict) else f"HTTP {reply.status}")
