"""The demo's story, played over HTTP in both dialects: people are enrolled, found, not found, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from regulars.clients import DONE, NO_MATCH, UNUSABLE, Icredit, Reply, Sunmi, SunmiReply
from regulars.demo.album import Plan, Probe, Several

GROUP = "vip"


class Part(StrEnum):
    """The chapters, in their order."""

    GROUP = "Make a group"
    ENROL = "Enrol people"
    KNOWN = "Search other pictures of them"
    STRANGERS = "Search strangers"
    NOBODY = "Search pictures without a face"
    SEVERAL = "Search every face of a picture"
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
        self._enrolled: set[str] = set()
        """Names of people, which are their faceids, too."""

    def play(self, plan: Plan) -> Iterator[Step]:
        """Play every step. Raises WrongAnswer or OSError if the service fails."""
        yield self._make_group()
        for probe in plan.enrolments:
            yield self._enrol(probe)
        searched = ((Part.KNOWN, plan.known), (Part.STRANGERS, plan.strangers), (Part.NOBODY, plan.nobody))
        for part, probes in searched:
            for probe in probes:
                yield self._search(part, probe)
        for one in plan.several:
            yield self._search_several(one)
        yield self._delete(plan.known[0].person or "")
        yield self._search(Part.DELETE, plan.known[0])

    def _make_group(self) -> Step:
        made = self._sunmi.create_group(GROUP, 1000, "made by the demo")
        is_made = made.code == DONE
        return Step(
            Part.GROUP, "createGroup", GROUP, "made" if is_made else _refusal(made), is_made, made.reply.elapsed_ms
        )

    def _enrol(self, probe: Probe) -> Step:
        name = probe.person or ""
        done = self._sunmi.add_face(GROUP, name, probe.photo.read())
        if done.code == DONE:
            self._enrolled.add(name)
        answer = f"enrolled as {name}" if done.code == DONE else _refusal(done)
        return Step(Part.ENROL, "addFace", probe.photo.name, answer, done.code == DONE, done.reply.elapsed_ms)

    def _search(self, part: Part, probe: Probe) -> Step:
        found = self._sunmi.search(probe.photo.read())
        faceid = found.data.get("faceid")
        said = {DONE: str(faceid), NO_MATCH: "nobody known", UNUSABLE: "no usable face"}
        expected = UNUSABLE if probe.person is None else DONE if probe.person in self._enrolled else NO_MATCH
        right = found.code == expected and (expected != DONE or faceid == probe.person)
        scores = {name: _number(found.reply, f"x-regulars-{name}") for name in ("score", "threshold")}
        answer = said.get(found.code) or _refusal(found)
        return Step(part, "getFaceByPicture", probe.photo.name, answer, right, found.reply.elapsed_ms, **scores)

    def _search_several(self, one: Several) -> Step:
        """Search all faces of a picture. The answer is right if it names exactly the enrolled among them."""
        found = self._icredit.search(GROUP, one.photo.read())
        seen = {entity.token for entity in found.entities}
        answer = ", ".join(sorted(seen)) or ("nobody known" if not found.failed else found.message)
        scores = [entity.similarity / 100 for entity in found.entities if entity.similarity is not None]
        least = {"score": min(scores, default=None), "threshold": _number(found.reply, "x-regulars-threshold")}
        right = seen == one.names & self._enrolled and not found.failed
        return Step(Part.SEVERAL, "manage, search", one.photo.name, answer, right, found.reply.elapsed_ms, **least)

    def _delete(self, faceid: str) -> Step:
        done = self._sunmi.delete_faces(GROUP, [faceid])
        self._enrolled.discard(faceid)
        right = done.code == DONE and done.data.get("success_list") == [faceid]
        return Step(
            Part.DELETE, "deleteFace", faceid, "deleted" if right else _refusal(done), right, done.reply.elapsed_ms
        )


def _refusal(reply: SunmiReply) -> str:
    return f"code {reply.code}: {reply.message}".rstrip(": ")


def _number(reply: Reply, header: str) -> float | None:
    text = reply.headers.get(header)
    try:
        return float(text) if text else None
    except ValueError:
        return None
