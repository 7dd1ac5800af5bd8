"""The demo's story, played over HTTP in both dialects: people are enrolled, found, not found, deleted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from regulars.clients import DONE, NO_MATCH, UNUSABLE, Icredit, Reply, Sunmi, SunmiReply
from regulars.demo import album
from regulars.demo.album import Plan, Probe

GROUP, LOBBY = "vip", "lobby"


class Part(StrEnum):
    """The chapters, in their order."""

    GROUP = "Make a group"
    ENROL = "Enrol people"
    KNOWN = "Search other pictures of them"
    STRANGERS = "Search strangers"
    NOBODY = "Search pictures without a face"
    SEVERAL = "Search every face of a picture"
    LOBBY = "Enrol every face of a picture"
    DELETE = "Delete one"


@dataclass(frozen=True)
class Step:
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
    """Player of a plan against a service. Both clients are of one tenant."""

    def __init__(self, sunmi: Sunmi, icredit: Icredit) -> None:
        self._sunmi = sunmi
        self._icredit = icredit
        self._names: dict[str, str] = {}
        """Names of the enrolled people by faceid."""

    def play(self, plan: Plan) -> Iterator[Step]:
        """Play every step. Raises WrongAnswer or OSError if the service fails."""
        yield self._make_group()
        ids = faceids(probe.person or "" for probe in plan.enrolments)
        for probe in plan.enrolments:
            yield self._enrol(probe, ids[probe.person or ""])
        searched = ((Part.KNOWN, plan.known), (Part.STRANGERS, plan.strangers), (Part.NOBODY, plan.nobody))
        for part, probes in searched:
            for probe in probes:
                yield self._search(part, probe)
        for one in plan.several:
            yield self._search_several(one.photo.name, album.prepared(one.photo.read()), one.names)
        yield from self._compose(plan)
        if plan.removed is not None:
            yield self._delete(ids[plan.removed.person or ""])
            yield self._search(Part.DELETE, plan.removed)

    def _make_group(self) -> Step:
        made = self._sunmi.create_group(GROUP, 1000, "made by the demo")
        is_made = made.code == DONE
        return Step(
            Part.GROUP, "createGroup", GROUP, "made" if is_made else _refusal(made), is_made, made.reply.elapsed_ms
        )

    def _enrol(self, probe: Probe, faceid: str) -> Step:
        done = self._sunmi.add_face(GROUP, faceid, album.prepared(probe.photo.read()))
        if done.code == DONE:
            self._names[faceid] = probe.person or faceid
        answer = f"enrolled as {faceid}" if done.code == DONE else _refusal(done)
        return Step(Part.ENROL, "addFace", probe.photo.name, answer, done.code == DONE, done.reply.elapsed_ms)

    def _search(self, part: Part, probe: Probe) -> Step:
        found = self._sunmi.search(album.prepared(probe.photo.read()))
        faceid = str(found.data.get("faceid", ""))
        if found.code == DONE:
            name = self._names.get(faceid, faceid)
            answer, right = name, name == probe.person and part is not Part.STRANGERS
        else:
            answer = {NO_MATCH: "nobody known", UNUSABLE: "no usable face"}.get(found.code) or _refusal(found)
            right = self._expected_code(part, probe) == found.code
        scores = {name: _number(found.reply, f"x-regulars-{name}") for name in ("score", "threshold")}
        return Step(part, "getFaceByPicture", probe.photo.name, answer, right, found.reply.elapsed_ms, **scores)

    def _expected_code(self, part: Part, probe: Probe) -> int:
        if probe.person is None:
            return UNUSABLE
        enrolled = probe.person in self._names.values() and part is not Part.STRANGERS
        return DONE if enrolled else NO_MATCH

    def _search_several(self, subject: str, picture: bytes, names: Iterable[str]) -> Step:
        """Search all faces of a picture. The answer is right if it names exactly the enrolled among `names`."""
        found = self._icredit.search(GROUP, picture)
        expected = set(names) & set(self._names.values())
        seen = {self._names.get(entity.token, entity.token) for entity in found.entities}
        answer = ", ".join(sorted(seen)) or ("nobody known" if not found.failed else found.message)
        scores = [entity.similarity / 100 for entity in found.entities if entity.similarity is not None]
        least = {"score": min(scores, default=None), "threshold": _number(found.reply, "x-regulars-threshold")}
        right = seen == expected and not found.failed
        return Step(Part.SEVERAL, "manage, search", subject, answer, right, found.reply.elapsed_ms, **least)

    def _compose(self, plan: Plan) -> Iterator[Step]:
        """Put people side by side and search them, then enrol all in a group of their own and find them there."""
        chosen = {probe.person: probe for probe in [*plan.known[:3], *plan.strangers[:1]] or plan.enrolments[:1]}
        strip = album.side_by_side([probe.photo.read() for probe in [*chosen.values(), *plan.nobody[:1]]])
        yield self._search_several("side by side", strip, {person for person in chosen if person})
        enrolled = self._icredit.enrol(LOBBY, strip, {"LABLE_A": "visitor"})
        tokens = {entity.token for entity in enrolled.entities}
        answer = f"{len(tokens)} enrolled" if not enrolled.failed else enrolled.message
        right = not enrolled.failed and len(tokens) == len(chosen)
        yield Step(Part.LOBBY, "manage, enrol", "side by side", answer, right, enrolled.reply.elapsed_ms)
        again = self._icredit.search(LOBBY, album.darkened(strip))
        found = {entity.token for entity in again.entities}
        answer = f"{len(found)} found" if not again.failed else again.message
        yield Step(
            Part.LOBBY, "manage, search", "side by side, darkened", answer, found == tokens, again.reply.elapsed_ms
        )
        done = self._sunmi.delete_faces(LOBBY, sorted(tokens))
        right = done.code == DONE and set(done.data.get("success_list", ())) == tokens
        answer = f"{len(tokens)} deleted" if right else _refusal(done)
        yield Step(Part.LOBBY, "deleteFace", "everybody in the lobby", answer, right, done.reply.elapsed_ms)

    def _delete(self, faceid: str) -> Step:
        done = self._sunmi.delete_faces(GROUP, [faceid])
        self._names.pop(faceid, None)
        right = done.code == DONE and done.data.get("success_list") == [faceid]
        return Step(
            Part.DELETE, "deleteFace", faceid, "deleted" if right else _refusal(done), right, done.reply.elapsed_ms
        )


def steps_of(plan: Plan) -> int:
    """Count the steps that `Story.play` makes of this plan."""
    searches = len(plan.known) + len(plan.strangers) + len(plan.nobody) + len(plan.several)
    return 1 + len(plan.enrolments) + searches + 4 + (2 if plan.removed else 0)


def faceids(names: Iterable[str]) -> dict[str, str]:
    """Give each name a faceid: the name itself if the dialect takes it (1 to 64 letters, digits, `_`, `-`)."""
    ids: dict[str, str] = {}
    for number, name in enumerate(names):
        slug = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:64]
        ids[name] = slug if slug == name and slug not in ids.values() else f"{slug[:50]}-{number}"
    return ids


def _refusal(reply: SunmiReply) -> str:
    return f"code {reply.code}: {reply.message}".rstrip(": ")


def _number(reply: Reply, header: str) -> float | None:
    text = reply.headers.get(header)
    try:
        return float(text) if text else None
    except ValueError:
        return None
