"""The fields in which somebody types, and for each what is refused, by whom and in which words.

Words are named as in console/*/words.en.json.
"""

import re

from msgspec import Struct

from tests.console.spoken import TABLES


class Refusal(Struct, frozen=True):
    """A text that a field does not take."""

    label: str
    """Of the field."""
    page: str
    """Address of its page; `{face}` stands for the id of a person."""
    typed: str
    why: str
    """Words that are said beside the field."""
    opens: tuple[str, ...] = ()
    """Buttons that lead to the field."""
    chooses: dict[str, str] = {}
    """Choices that lead to the field, by their labels."""
    sends: str = ""
    """Button that sends it; "": Enter does."""
    others: dict[str, str] = {}
    """What is typed into other fields before, by their labels; it stays."""


REFUSALS = (
    Refusal("set.opening", "settings", "25:00", "problem.at.opening"),
    Refusal("set.time_zone", "settings", "Mars/Olympus", "problem.at.time_zone"),
    Refusal("set.arrive_times", "settings", "11", "unfit.rangeOverflow"),
    Refusal("set.notice_url", "privacy", "nur so", "unfit.typeMismatch"),
    Refusal(
        "strangers.days.number",
        "privacy",
        "3651",
        "unfit.rangeOverflow",
        opens=("strangers.choose",),
        sends="save",
    ),
    Refusal(
        "strangers.by",
        "privacy",
        "",
        "unfit.valueMissing",
        opens=("strangers.choose",),
        sends="save",
    ),
    Refusal(
        "members.name",
        "settings",
        "Carla",
        "problem.MemberExists",
        opens=("members.invite",),
        sends="members.link.make",
    ),
    Refusal(
        "keys.api.whose",
        "settings",
        "",
        "unfit.valueMissing",
        opens=("keys.api.new",),
        sends="keys.api.make",
    ),
    Refusal("keys.api.name", "settings", "", "problem.at.name"),
    Refusal(
        "camera.name",
        "cameras",
        "Hof",
        "problem.CameraExists",
        opens=("cameras.new", "kind.stream"),
        sends="cameras.make",
        others={"camera.place": "Nordtor"},
    ),
    Refusal("camera.name", "cameras/door", "Hof", "problem.CameraExists"),
    Refusal(
        "connect.address",
        "cameras",
        "nichts",
        "connect.wrong",
        opens=("cameras.new", "kind.sunmi"),
    ),
    Refusal(
        "fleet.version",
        "cameras?boxes=1",
        "eins",
        "unfit.patternMismatch",
        opens=("fleet",),
        sends="fleet.set",
        others={"fleet.kib_per_s": "70"},
    ),
    Refusal(
        "places.free_at",
        "places",
        "9",
        "problem.at.free_at",
        opens=("places.change",),
        sends="places.save",
        others={"places.name": "Saal", "places.full_at": "5"},
    ),
    Refusal("places.correct", "places", "-1", "unfit.rangeUnderflow"),
    Refusal(
        "set.url",
        "hooks",
        "http://10.0.0.1/x",
        "problem.at.url",
        opens=("hooks.new",),
        sends="hooks.make",
    ),
    Refusal(
        "phone.text",
        "phone?who=stranger.created",
        "{nix} kam",
        "problem.at.template",
        chooses={"phone.way": "ntfy"},
        sends="phone.make",
        others={
            "phone.ntfy.url": "https://ntfy.sh/laden",
            "phone.begin": "09:00",
            "phone.end": "18:00",
        },
    ),
    Refusal(
        "phone.end",
        "phone?who=stranger.created",
        "",
        "unfit.valueMissing",
        chooses={"phone.way": "ntfy"},
        sends="phone.make",
        others={"phone.ntfy.url": "https://ntfy.sh/laden", "phone.begin": "09:00"},
    ),
    Refusal(
        "phone.telegram.token",
        "phone?who=stranger.created",
        "zwei Worte",
        "problem.at.channel.token",
        chooses={"phone.way": "telegram"},
        sends="phone.make",
        others={"phone.telegram.to": "42", "phone.text": "jemand kam"},
    ),
    Refusal(
        "phone.ntfy.url",
        "phone?who=stranger.created",
        "http://10.0.0.1/laden",
        "problem.at.channel.url",
        chooses={"phone.way": "ntfy"},
        sends="phone.make",
    ),
    Refusal(
        "group.name",
        "people",
        "VIP",
        "problem.GroupExists",
        opens=("people.group",),
        sends="people.group.make",
        others={"group.capacity": "7", "group.attributes": "Tisch"},
    ),
    Refusal(
        "group.attributes",
        "people",
        "1\n2\n3\n4\n5\n6",
        "problem.at.attributes",
        opens=("people.group",),
        sends="people.group.make",
        others={"group.name": "Neue", "group.capacity": "7"},
    ),
    Refusal("age", "person/{face}", "alt", "problem.at.age"),
    Refusal(
        "consent.since",
        "person/{face}",
        "",
        "unfit.valueMissing",
        opens=("consent.write",),
        sends="save",
        others={"consent.evidence": "Zettel 9"},
    ),
    Refusal(
        "consent.until",
        "person/{face}",
        "2020-01-01",
        "unfit.rangeUnderflow",
        opens=("consent.write",),
        sends="save",
        others={"consent.evidence": "Zettel 9"},
    ),
    Refusal(
        "consent.until",
        "person/{face}",
        "9999-12-31",
        "unfit.rangeOverflow",
        opens=("consent.write",),
        sends="save",
        others={"consent.evidence": "Zettel 9"},
    ),
    Refusal(
        "consent.since",
        "person/{face}",
        "0126-01-01",
        "unfit.rangeUnderflow",
        opens=("consent.write",),
        sends="save",
        others={"consent.evidence": "Zettel 9"},
    ),
    Refusal(
        "hold.reason",
        "person/{face}",
        "",
        "unfit.valueMissing",
        opens=("person.more", "hold.set"),
        sends="hold.set",
    ),
)

UNREFUSED = {
    "at once": (
        "cameras.find",
        "captures.day",
        "done.day",
        "done.name",
        "find.label",
        "many.add",
        "people.filter",
        "set.no_pictures_of",
        "visits.day",
        "visits.who",
    ),
    "any text of its length": (
        "camera.place",
        "counter.name",
        "label",
        "person.name",
        "person.note",
        "person.counter_note",
        "set.display_name",
        "set.controller",
        "set.contact",
        "set.purposes",
        "set.basis",
        "set.officer",
        "set.authority",
        "set.recipients",
        "set.transfers",
    ),
    "once it fits": ("consent.remember.evidence", "erase.type", "erase.type.word"),
}
"""Fields in which nothing can be refused, by the reason."""

_REFUSED = {word for one in REFUSALS for word in (one.label, *one.others)}
_NAMED = _REFUSED.union(*UNREFUSED.values())


def describe(words: str, language: str) -> re.Pattern[str]:
    """Return how a text looks, whatever its values are."""
    text = re.escape(str(TABLES[language][words]))
    return re.compile(re.sub(r"\\\{\w+\\\}", ".+", text), re.DOTALL)


def find_unknown(labels: list[str], language: str) -> list[str]:
    """Return the labels of fields that stand in no row."""
    patterns = [describe(words, language) for words in _NAMED]
    return [one for one in labels if not any(pattern.fullmatch(one) for pattern in patterns)]


FIELDS = """() => [...document.querySelectorAll("#console :is(input, textarea)")]
  .filter((one) => one.checkVisibility() && !one.readOnly && !one.disabled
    && !one.matches(".typed [type=number]")
    && !["checkbox", "radio", "range", "file", "hidden"].includes(one.type))
  .map((one) => one.ariaLabel ?? [...one.labels[0].childNodes]
    .filter((each) => each.nodeType === 3 || each.matches("span"))
    .map((each) => each.textContent).join("").trim())"""
"""Labels of the fields in which somebody types, but for numbers of settings, which are alike."""

SENTENCES = """() => {
  const english = /\\b(the|this|that|with|has|from|of|is|are|not|than|and)\\b/;
  const unread = "details, code, textarea, .brand, .name";
  const isText = (one) => one.nodeType === 3 && !one.parentElement.closest(unread);
  return [...document.querySelectorAll("#console *")].flatMap((one) => [...one.childNodes])
    .filter((one) => isText(one) && english.test(one.data)).map((one) => one.data.trim());
}"""
"""Lists what looks like an English sentence outside "Details"."""
