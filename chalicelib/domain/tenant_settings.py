"""The settings of a tenant, each in one place: its bounds, its setter and its meaning.

The record, the checks, the command line, v1 and its document are made from this table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from msgspec import Struct

from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.local_time import LocalTime, require_zone
from chalicelib.domain.opening import parse_opening
from chalicelib.domain.pictures import ATTRIBUTES, require_buckets
from chalicelib.domain.setting import Setting, require, setting, settings_of
from chalicelib.domain.texts import DEFAULT_LANGUAGE, LANGUAGES

MAX_FACES = 1_000_000
"""So many have been shown to fit the functions that search a gallery and make its snapshots
(docs/decisions/0088)."""

MAX_GROUPS = 5_000
"""A list of groups is one answer of up to about 1 KB a group, and Lambda's answers have up to 6
MB."""

BY_LANGUAGE = "language"
FIRST_WEEKDAYS: Mapping[str, int] = {"monday": 0, "sunday": 6, "saturday": 5}
"""The days on which weeks may begin; 0 is Monday."""

_FIRST_OF_LANGUAGE: Mapping[str, str] = {"ar": "saturday", "pt": "sunday"}
"""Days on which weeks begin where a language is spoken most, if that is not Monday.

By Unicode's CLDR 48 (likelySubtags, weekData): ar is Egypt's, pt Brazil's, and Portugal has Sunday,
too. English would be that of the United States; it is spoken in so many countries that it says
nothing.
"""

MOST_COUNTED = 1_000_000_000_000
"""Requests or megabytes of a day at most: their bytes are a number that storage takes."""

SIGHTING_DAYS = 120
"""Most days that the record of a capture is kept: storage itself expires it then."""

STRANGER_DAYS, REGULAR_DAYS, OBSERVATION_DAYS, AUDIT_DAYS = 90, 1_095, 400, 400
"""Days that new tenants begin with. A kind without days stays as long as the deployment keeps it,
or for ever.

Regulars go after three years: the most that Illinois allows (BIPA, 740 ILCS 14/15(a)).
"""

ENDED_DAYS, REMEMBERED_DAYS = 14, 365
"""Days after the end of a consent that new tenants begin with: a weekend and a holiday, in which a
mistake is taken back; a year, in which somebody who passes each day is forgotten each day."""

MOST_REMEMBERED_DAYS = 1_095
"""Days for which a template may be kept after the end of a consent: as long as a regular's."""

UNDECIDED, FORGET, KEEP = "undecided", "forget", "keep"
"""Values of the setting `strangers`. A new tenant is UNDECIDED, which acts as FORGET."""

DRAWN: Mapping[str, Any] = {
    "strangers": KEEP,
    "basis": "explicit consent of drawn people",
    "strangers_decided_by": "regulars",
}
"""The choice of the demo and of a stage's canary, where nobody but drawn people comes."""

NoticeSetting = Literal[
    "controller", "contact", "basis", "officer", "authority", "recipients", "transfers"
]

OF_NOTICE: tuple[NoticeSetting, ...] = get_args(NoticeSetting)
"""Settings that a notice needs, by what Article 13 of the GDPR asks for; an empty one leaves a
blank."""

NONE_SAID = "-"
"""The text of a setting of the notice that says: there is none. An empty one says nothing, and
leaves a blank."""

_PAGE = re.compile(r"https?://[^\s/?#]+(?:[/?#]\S*)?")


def require_notice_url(url: str) -> None:
    """Raise InvalidInput unless a phone can open it; "" is none."""
    if url and not _PAGE.fullmatch(url):
        raise InvalidInput(
            f"notice_url is as https://shop.example/cameras, not {url[:60]!r}", field="notice_url"
        )


class StoredSettings(Struct, frozen=True, kw_only=True):
    """The settings of a tenant, with defaults for older records that lack one."""

    display_name: str = setting(
        "", "What people call the tenant, in the console and invitations; empty: its id.", most=60
    )
    language: str = setting(
        DEFAULT_LANGUAGE, "Language of mails, reports and messages to phones.", choices=LANGUAGES
    )
    time_zone: str = setting(
        "Asia/Shanghai", "IANA name. Days, weeks and months are counted in it."
    )
    week_begins: str = setting(
        "monday",
        "Day on which weeks begin, in all figures by week. language: Saturday in Arabic, Sunday in "
        "Portuguese, else Monday.",
        choices=(BY_LANGUAGE, *FIRST_WEEKDAYS),
    )
    opening: str = setting(
        "",
        "Opening hours, such as `Mon-Fri 08:00-19:00, Sat 09:00-14:00`, outside of which nobody is "
        "missed. Empty: the "
        "usual week alone says when somebody is due.",
        most=200,
    )
    attributes_off: frozenset[str] = setting(
        frozenset(), f"What is neither stored nor answered, of {', '.join(ATTRIBUTES)}.", most=6
    )
    feelings: bool = setting(
        True,
        "Whether emotion and beauty are estimated of each face, before cameras too. Else only of "
        "pictures that a program "
        "sends by an API whose answers have them. In the EU it is forbidden to infer emotions at "
        "work and at school.",
    )
    least_liveness: float | None = setting(
        None,
        "Faces that look less alive are neither enrolled nor identified.",
        0,
        1,
        above=True,
        nothing="any",
    )
    least_gender: float | None = setting(
        None,
        "The score from which on a gender is told; 0.5: always.",
        0.5,
        1,
        nothing="as the model pack says",
    )
    min_age: float | None = setting(
        None,
        "Faces that are estimated to be younger, in years, are neither enrolled by cameras nor "
        "identified. The "
        "estimate is 2 to 4 years too high for children, whom recognition does not tell apart "
        "reliably.",
        1,
        21,
        nothing="any",
    )
    fpir: float | None = setting(
        None,
        "Share of searches by strangers that may return somebody (FPIR). Less misses more "
        "regulars, too.",
        0.0001,
        0.02,
        nothing="as the service says, 0.003 unless its operator changed it",
    )
    enrol_quality: float | None = setting(
        None,
        "Least quality of a picture to enrol.",
        20,
        100,
        nothing="20, the least with which faces can be compared",
    )
    review_margin: float = setting(
        0.03, "Matches that score less than this above their threshold are for review.", 0, 0.5
    )
    learns: bool = setting(
        True, "Whether faces learn from their sure sightings, unless their camera or group says no."
    )
    learnt_days: int | None = setting(
        None,
        "Days after its capture for which a learnt picture is kept.",
        1,
        3_650,
        nothing="as long as its face",
    )
    deletes_erase: bool = setting(
        False,
        "Whether each deletion of a face erases the person, in all dialects (`DELETE /v1/faces`).",
    )
    strangers: str = setting(
        KEEP,
        "What becomes of somebody whom a camera sees and who matches nobody. keep: a template and "
        "pictures are kept, so that a later visit is recognised, and a stranger may become a "
        "regular; it needs `basis` and `strangers_decided_by`. forget: nothing is kept beyond the "
        "search, but how many there were in each hour. undecided: as forget, until somebody "
        "chooses; the console asks an admin. A change deletes the strangers whom the new choice "
        "does not keep. A camera may only forget more.",
        choices=(UNDECIDED, FORGET, KEEP),
    )
    strangers_decided_by: str = setting(
        "", "Who decided that: a name, which the record of processing says.", most=100
    )
    restore_gap: str = setting(
        "",
        "The time of which a restore does not know what ended, as "
        "`2026-12-01T10:00:00.000Z/2026-12-01T12:00:00.000Z`. Check keys, members, hooks, cameras "
        "and consents, then clear it: only a restore sets it.",
        most=60,
    )
    consent_required: bool = setting(
        False,
        "Nobody without a record of consent gets a name, a group but strangers, a given picture or "
        "a face set; nor does a "
        "stranger who came often become a regular.",
    )
    expired_consent_erases: bool = setting(
        False,
        "The hourly sweep erases people whose consent was withdrawn or has expired, but who asked "
        "to be remembered. Else all are remembered: of each only id and template are kept.",
    )
    ended_days: int = setting(
        0,
        "Days after the end of their consent for which the sweep waits: a new record gives all "
        f"back until then. 0 counts as {ENDED_DAYS} while expired_consent_erases is off.",
        0,
        MOST_REMEMBERED_DAYS,
    )
    remembered_days: int = setting(
        REMEMBERED_DAYS,
        "Days after the end of their consent from which on also who is remembered is erased. Not "
        "fewer than ended_days.",
        1,
        MOST_REMEMBERED_DAYS,
    )
    controller: str = setting(
        "", "Who is responsible for the data, with the address; the notice says it.", most=200
    )
    contact: str = setting("", "How to reach them about the data.", most=200)
    purposes: str = setting(
        "", "What the faces are recognised for; empty: to count and recognise visitors.", most=500
    )
    basis: str = setting(
        "",
        "On what ground faces are compared and strangers kept, in your words: by the GDPR's "
        "Articles 6 and 9. The "
        "notice and the record say it. Empty: nobody has said it yet.",
        most=500,
    )
    officer: str = setting(
        "",
        "The data protection officer, and how to reach them; `-`: there is none, and needs to be "
        "none.",
        most=200,
    )
    authority: str = setting("", "The supervisory authority that people may complain to.", most=200)
    recipients: str = setting(
        "",
        "Who else gets data: whom hooks and MQTT tell, who runs the machine. `-`: nobody. Empty: "
        "the notice names the "
        "hosts that are told.",
        most=500,
    )
    transfers: str = setting(
        "",
        "Third countries that data go to, and the safeguard of Articles 44 to 49; `-`: none.",
        most=500,
    )
    notice_url: str = setting(
        "",
        "Where the whole notice stands, for the QR code on the sheet at the door: https://...",
        most=200,
    )
    keeps_pictures: bool = setting(
        True,
        "False: templates only. No face's picture is stored, that of a capture goes once it is "
        "resolved, and the sweep "
        "removes those that were stored before.",
    )
    no_pictures_of: frozenset[str] = setting(
        frozenset(),
        "Names of groups of whose faces, and of captures that show them, none is kept.",
        most=100,
    )
    """Stored by the groups' ids."""
    capture_days: int | None = setting(
        None,
        "Days that the pictures of captures are kept.",
        1,
        36_500,
        nothing="as long as the service keeps any",
    )
    sighting_days: int | None = setting(
        None,
        "Days after which the records of captures go, which say who was seen in them. Not fewer "
        "than their pictures.",
        1,
        SIGHTING_DAYS,
        nothing=f"{SIGHTING_DAYS}",
    )
    stranger_days: int | None = setting(
        None,
        "Days after which a stranger is deleted who was not seen again. One who has a name is kept "
        "as a regular.",
        1,
        3_650,
        nothing="never",
    )
    regular_days: int | None = setting(
        None, "The same for regulars. Groups have their own.", 1, 3_650, nothing="never"
    )
    # Visits are counted again from the observations of 100 days (domain/rules/visits), and one
    # visit lasts 49 days at most.
    observation_days: int | None = setting(
        None,
        "Days that observations are kept, from which statistics are counted.",
        150,
        3_650,
        nothing="for ever",
    )
    audit_days: int | None = setting(
        None, "Days that the audit is kept.", 1, 3_650, nothing="for ever"
    )
    requests_a_day: int | None = setting(
        None,
        "Requests with the AppCode that are allowed in a day of the time zone. To take none, "
        "disable the tenant.",
        1,
        MOST_COUNTED,
        nothing="any number",
        is_own=False,
    )
    capture_mb_a_day: int | None = setting(
        10_000,
        "Megabytes of captures that each camera may offer in such a day. To take none, disable the "
        "camera.",
        21,
        MOST_COUNTED,
        nothing="any number",
        is_own=False,
    )
    refuse_md5: bool = setting(False, "Only signatures by HMAC-SHA256 are accepted.", is_own=False)
    numeric_faceids_only: bool = setting(
        False,
        "Only faceids from 1 to 2^63 - 1 are accepted.",
        is_own=False,
    )
    answers_unknown: bool = setting(
        False,
        "What no model sees, such as glasses and open eyes, is answered to programs that ask it as "
        "false, at 50 %.",
        is_own=False,
    )
    picture_buckets: frozenset[str] = setting(
        frozenset(),
        "Buckets of S3, or `bucket/prefix`, from which its programs may have pictures read.",
        is_own=False,
    )
    faces: int | None = setting(
        None,
        "Faces that it may hold.",
        2,
        MAX_FACES,
        nothing="as many as its profile says",
        is_own=False,
    )
    groups: int | None = setting(
        None,
        "Groups that it may have, its two default groups included.",
        2,
        MAX_GROUPS,
        nothing="as many as its profile says",
        is_own=False,
    )

    @property
    def first_weekday(self) -> int:
        """Return the day on which weeks start; 0 is Monday."""
        is_by_language = self.week_begins == BY_LANGUAGE
        begins = _FIRST_OF_LANGUAGE.get(self.language) if is_by_language else self.week_begins
        return FIRST_WEEKDAYS[begins or "monday"]

    @property
    def local_time(self) -> LocalTime:
        """Return the tenant's clocks, and how it cuts weeks."""
        return LocalTime(self.time_zone, self.first_weekday)


class TenantSettings(StoredSettings, frozen=True, kw_only=True):
    """The initial settings of a new tenant."""

    week_begins: str = BY_LANGUAGE
    feelings: bool = False
    strangers: str = UNDECIDED
    stranger_days: int | None = STRANGER_DAYS
    regular_days: int | None = REGULAR_DAYS
    deletes_erase: bool = True
    observation_days: int | None = OBSERVATION_DAYS
    audit_days: int | None = AUDIT_DAYS
    expired_consent_erases: bool = True
    ended_days: int = ENDED_DAYS

    def __post_init__(self) -> None:
        """Raise InvalidInput if a setting is out of bounds."""
        require(SETTINGS, self)
        require_zone(self.time_zone)
        parse_opening(self.opening)
        if unknown := sorted(self.attributes_off - set(ATTRIBUTES)):
            raise InvalidInput(f"attributes are {', '.join(ATTRIBUTES)}, not {', '.join(unknown)}")
        require_buckets(self.picture_buckets)
        require_notice_url(self.notice_url)


SETTINGS: Mapping[str, Setting] = settings_of(StoredSettings)
"""All of them by name, those that a tenant sets itself first."""

OF_TENANT = tuple(name for name, one in SETTINGS.items() if one.is_own)
"""Those that a tenant sets itself."""


def require_choice(tenant: StoredSettings) -> None:
    """Raise InvalidInput if strangers are kept without a legal basis, or without the person who
    decided it."""
    for name in ("basis", "strangers_decided_by"):
        if tenant.strangers == KEEP and not getattr(tenant, name):
            raise InvalidInput(f"{name} is needed if strangers is keep: set it, too", field=name)


def require_cleared(gap: str) -> None:
    """Raise InvalidInput unless a change clears the gap of a restore."""
    if gap:
        raise InvalidInput('restore_gap can only be cleared: send ""', field="restore_gap")


RETENTION = (
    "capture_days",
    "sighting_days",
    "stranger_days",
    "regular_days",
    "observation_days",
    "audit_days",
)
"""Settings of a tenant."""


def count_ended_days(tenant: StoredSettings) -> int:
    """Return the days after which a person whose consent has ended is erased, or all but the
    template.

    A tenant from before the default has 0, which meant nothing while nobody was erased. It may
    have more days than anybody is kept now.
    """
    days = min(tenant.ended_days, MOST_REMEMBERED_DAYS)
    return days if tenant.expired_consent_erases else days or ENDED_DAYS


def count_remembered_days(tenant: StoredSettings) -> int:
    """Return the days after which a remembered person is erased, too."""
    return max(tenant.remembered_days, count_ended_days(tenant))


def count_capture_days(tenant: StoredSettings, max_days: int) -> int:
    """Return for how many days the tenant's pictures of captures are kept.

    `max_days`: the deployment's days.
    """
    return min(tenant.capture_days or max_days, max_days)


def count_sighting_days(tenant: StoredSettings) -> int:
    """Return for how many days the records of the tenant's captures are kept."""
    return tenant.sighting_days or SIGHTING_DAYS
