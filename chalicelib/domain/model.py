"""Contents of the visitor book: tenants, groups and faces.

Times are aware UTC datetimes ending in `_at`; scores grow with likeness.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.consent import Consent, Ending, Remembered
from chalicelib.domain.person_texts import PersonTexts
from chalicelib.domain.pictures import (
    FEELINGS,
    NO_ESTIMATES,
    BoundingBox,
    Estimates,
    Found,
    Gender,
    Sides,
)
from chalicelib.domain.setting import Setting, setting, settings_of
from chalicelib.domain.tenant_settings import KEEP, UNDECIDED, StoredSettings
from chalicelib.storage.formats import FORMAT, Due

NO_VALUES: Mapping[str, str] = MappingProxyType({})

STRANGER = "stranger"
REGULAR = "regular"
DEFAULT_GROUPS = (STRANGER, REGULAR)
"""Names, and ids too, of the groups that exist from a tenant's first day."""
RESTRICTED = "restricted"
"""In place of the id of its group, for a face that nobody may match or look at: there is no such
group."""


class Profile(StrEnum):
    """A set of limits for a tenant: those of the camera, or those of the cloud."""

    CAMERA = "camera"
    CLOUD = "cloud"


class Limits(Struct, frozen=True):
    """The limits of a tenant ("Limits of a tenant" in each page of docs/contract)."""

    groups: int
    faces: int
    group_capacity_required: bool
    implicit_group_capacity: int | None
    """Largest capacity of a group that an enrolment creates; None: such a group has no capacity of
    its own."""


LIMITS: Mapping[Profile, Limits] = MappingProxyType(
    {
        Profile.CAMERA: Limits(
            10, 30_000, group_capacity_required=True, implicit_group_capacity=1_000
        ),
        Profile.CLOUD: Limits(
            1_000, 1_000_000, group_capacity_required=False, implicit_group_capacity=None
        ),
    }
)


class SharedKey(StrEnum):
    """A secret that all clients of a dialect share, as a tenant has one each."""

    APP_KEY = "app_key"
    """It signs requests, which name its app_id."""
    APPCODE = "appcode"
    """It is sent with requests."""


NEVER_USED: Mapping[str, datetime] = MappingProxyType({})


class Renewal(NamedTuple):
    """The last renewal of a shared key: until when the previous key stays valid, and the purpose of
    the new one."""

    old_until: datetime
    name: str


def name_old_key(dialect: str) -> str:
    """Name the key of a dialect before the newest, among those that were used."""
    return f"{dialect}_old"


NEVER_RENEWED: Mapping[str, Renewal] = MappingProxyType({})


class Tenant(StoredSettings, frozen=True):
    """One customer: an isolated gallery, its credentials and limits."""

    name: str
    profile: Profile
    app_id: str
    created_at: datetime
    model: str
    """Of the embeddings that its gallery is searched with: the id."""
    disabled: bool = False
    format: int = FORMAT
    """In which its data are written."""
    format_due: Due | None = None
    gone: frozenset[str] = frozenset()
    """Ids of deleted groups whose faces are still being erased: nobody sees these any more."""
    dialects_used_at: Mapping[str, datetime] = field(default_factory=lambda: NEVER_USED)
    """By the dialect's name: the hour of the last call with its clients' shared key, if there was
    one since it was made; by `name_old_key`: with the one before it."""
    renewals: Mapping[str, Renewal] = field(default_factory=lambda: NEVER_RENEWED)
    """By the dialect's name."""
    life: str = ""
    """Random, and new whenever the book goes on from an earlier state, as after a restore. "":
    never since it was made by a version that knew no lives."""
    consents_end_at: datetime | None = None
    """From then on somebody's record of consent may have expired (Tenants.opened); None: none
    expires."""
    strangers_chosen_at: datetime | None = None
    """When somebody last chose what becomes of strangers; None: the tenant was made with it."""

    @property
    def shown_name(self) -> str:
        """Return the tenant's display name."""
        return self.display_name or self.name

    @property
    def book_id(self) -> str:
        """Return the id of its book: 16 hex digits, which never change.

        Nobody learns the app_id from it.
        """
        return hashlib.sha256(f"book {self.app_id}".encode()).hexdigest()[:16]

    @property
    def book(self) -> str:
        """Return the id of the tenant's book and its life: `1f0c5e7a9b2d4c68.5d41402abc4b`; without
        a life it is 0."""
        return f"{self.book_id}.{self.life or '0'}"

    @property
    def hidden(self) -> frozenset[str]:
        """Groups whose faces are never shown."""
        return self.gone | {RESTRICTED}

    @property
    def limits(self) -> Limits:
        """Limits of its profile, with its own number of faces and groups if they are set."""
        of_profile = LIMITS[self.profile]
        return replace(
            of_profile,
            faces=self.faces or of_profile.faces,
            groups=self.groups or of_profile.groups,
        )

    @property
    def forgets_strangers(self) -> bool:
        """Return whether nothing is kept of a person without a match."""
        return self.strangers != KEEP

    @property
    def asked(self) -> tuple[str, ...]:
        """Return the questions that the tenant's operator has not answered yet.

        Strangers are people whom cameras put into the book. Each question names the command by
        which it is answered, and is asked until then.
        """
        command = f"regulars tenants set {self.name}"
        questions = []
        if self.restore_gap:
            since, _, until = self.restore_gap.partition("/")
            questions.append(
                f"a backup was restored, and what ended between {since} and {until} is not known: "
                "check keys, members, hooks, cameras and consents, then confirm "
                f"(`{command} --set restore_gap=none`)"
            )
        if self.strangers == UNDECIDED:
            questions.append(
                "unknown visitors are counted and forgotten until somebody chooses: "
                f"`{command} --strangers forget`, so that nobody unknown becomes a regular, or "
                f"`{command} --strangers keep --set stranger_days=N --set basis=TEXT "
                "--set strangers_decided_by=NAME`, with 1 for within the day "
                "(docs/tasks/consent.md#strangers)"
            )
        if not self.forgets_strangers and self.min_age is None:
            questions.append(
                "strangers are kept, from which age on? Say it "
                f"(`{command} --set min_age=18`; the estimate is 2 to 4 years too high for "
                "children), "
                "or keep children, too (`--set min_age=1`)"
            )
        return tuple(questions)

    @property
    def unestimated(self) -> frozenset[str]:
        """Return the attributes that are neither estimated nor shown."""
        return self.attributes_off if self.feelings else self.attributes_off | FEELINGS

    def with_feelings(self) -> Tenant:
        """Return the tenant for a request of an API whose answers have emotion or beauty."""
        return self if self.feelings else replace(self, feelings=True)

    def keeps_pictures_of(self, group_id: str) -> bool:
        """Return whether pictures of this group's faces are kept."""
        return self.keeps_pictures and group_id not in self.no_pictures_of

    def visible(self, estimates: Estimates) -> Estimates:
        """Remove the estimates that the tenant has switched off."""
        return estimates.without(self.unestimated) if self.unestimated else estimates


class Credentials(Struct, frozen=True):
    """A tenant's secrets in the clear: they are shown to the operator once, and stored encrypted or
    hashed."""

    tenant: str
    profile: Profile
    app_id: str
    app_key: str
    appcode: str
    api_key: str
    """For `v1/`, sent as `Authorization: Bearer <api_key>`."""
    access_key_id: str
    """The id of the key pair that signs requests as AWS does."""
    secret_access_key: str


class Attribute(Struct, frozen=True):
    """A user-defined field of a group's faces; its id is never used again in the group."""

    id: int
    name: str


class PromotionSettings(Struct, frozen=True):
    """The tenant's settings for the rule by which a stranger becomes a regular
    (domain/rules/promotion).

    As they are here, five arrivals within seven days make one.
    """

    arrive_times: int = setting(
        5, "A stranger who arrives so often within `period_days` becomes a regular.", 1, 10
    )
    """1 to 10, as the camera's contract says."""
    period_days: int = setting(7, "", 1, 100)
    """Arrivals are kept for 100 days (domain/rules/visits)."""


PROMOTION_SETTINGS: Mapping[str, Setting] = settings_of(PromotionSettings)


SETTINGS_OF_GROUP = ("name", "capacity", "description", "learns", "staff", "unseen_days")
"""Fields of a group that somebody sets and can take back. Attributes are no part: the values of one
that goes are forgotten, and would not come back."""


class Group(Struct, frozen=True):
    """A gallery with a name. `capacity`: None if only the tenant's total limits it."""

    id: str
    name: str
    description: str
    count: int
    capacity: int | None
    attributes: tuple[Attribute, ...] = ()
    next_attribute_id: int = 1
    learns: bool = True
    """Its faces learn from their sightings, if the tenant's do."""
    staff: bool = False
    """Its faces are no visitors (book/statistics/visitors)."""
    unseen_days: int | None = None
    """Of a group of the user's own: days after which a face is deleted that was not seen again;
    None: never."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Texts by key, which mean something to the tenant's programs only."""
    face_sets: int = 0
    """How many face sets it has (domain/rules/templates)."""
    created_at: datetime | None = None
    """None: it is about to be created."""
    version: int = 1

    @property
    def is_default(self) -> bool:
        return self.id in DEFAULT_GROUPS

    def leave_kept(self, estimates: Estimates) -> Estimates:
        """Remove the estimates that are not kept in the group: of staff, emotion and beauty."""
        return estimates.without(FEELINGS) if self.staff else estimates

    @property
    def room(self) -> int | None:
        """Number of faces that still fit; None: as many as the tenant may have."""
        return None if self.capacity is None else max(self.capacity - self.count, 0)

    @property
    def is_full(self) -> bool:
        return self.room == 0


class Template(Struct, frozen=True):
    """A canonical embedding: little-endian float16 of a unit vector, and the model that made it."""

    model: str
    vector: bytes


class Learnt(Struct, frozen=True):
    """The sighting that a picture was learnt from (domain/rules/templates)."""

    sighting_id: str
    camera: str
    captured_at: datetime


class Picture(Struct, frozen=True):
    """One photo of a face. `templates`: one for each model that embedded it."""

    id: str
    """Id of the photo (storage/values.py): a face has no photo twice, and a merge keeps the id."""
    key: str
    """Key of the cropped photo among the face's own pictures in blob storage; "": it is not
    kept."""
    added_at: datetime
    templates: tuple[Template, ...]
    estimates: Estimates = NO_ESTIMATES
    sides: Sides | None = None
    """Those of the cropped photo, which then has a thumbnail too. None: it has none, since it was
    learnt."""
    learnt: Learnt | None = None
    """None: it was given, by a person or as the picture that a stranger was made from."""
    founded_at: datetime | None = None
    """When the sighting was captured that a stranger was made from; None: nobody was made from
    it."""
    found: Found | None = None
    """The place of the face in the photo. None: it was not enrolled from one."""
    meant: BoundingBox | None = None
    """The place of the face in the cropped photo, if another one shows in it, too."""
    spare: bool = False
    """The face is not compared by it: others are chosen (domain/rules/choice), or it looks like
    nobody of them."""

    def has(self, model: str) -> bool:
        """Return whether this model embedded it."""
        return any(template.model == model for template in self.templates)

    def is_same(self, other: Picture) -> bool:
        """Return whether both are of the same photo, by their ids and templates."""
        return self.id == other.id or any(
            template in other.templates for template in self.templates
        )

    def is_among(self, pictures: Iterable[Picture]) -> bool:
        """Return whether it is one of these, spare or not.

        Its id may be another: an erasure of others changes it.
        """
        return any(self == replace(picture, spare=self.spare, id=self.id) for picture in pictures)


MAX_PICTURES = 100
"""Most pictures of one face. Every sighting writes the face's record, of which each is about 0.7
KB."""

MAX_HIDDEN = 500
"""Most faces of a tenant that are hidden from lists: each list reads the ids of all of them."""

MAX_NEGATIVES = 20
"""Most pictures of one face of which people said "not this person". If there are more, it needs a
better one."""

MAX_COMPARED = 8
"""Most pictures that a face is compared by: the mean of their templates (domain/rules/templates).
The others are spare.

The peculiarities of a photo weigh 1/n in the mean of n: three photos remove two thirds of them,
eight remove seven eighths, and more would remove little.
"""


class Edit(StrEnum):
    """The kind of a change to the gallery.

    DELETE, DROP and REPLACE leave old templates in the journal and in snapshots, which must be
    removed soon. EMBED adds the templates of one more model; galleries of other models skip it.
    DROP takes all faces of a group away.
    """

    PUT = "put"
    REPLACE = "replace"
    MOVE = "move"
    DELETE = "delete"
    DROP = "drop"
    EMBED = "embed"


class JournalEntry(Struct, frozen=True):
    """One change of one face in the gallery.

    PUT, REPLACE and EMBED have templates; DROP names no face.
    """

    edit: Edit
    faceid: str
    group_id: str
    templates: tuple[Template, ...] = ()
    learnt: bool = False
    """Of REPLACE: the face learnt, and nobody asked to have the old templates removed soon."""
    face_set: str = ""
    """Of a face that was in a face set before: the set's entry (domain/rules/templates), which
    follows in the same commit. Not stored."""


class Labels(NamedTuple):
    """The four labels of a face, for programs to find their own; "" if not given."""

    a: str = ""
    b: str = ""
    c: str = ""
    d: str = ""


NO_LABELS = Labels()


class Hold(NamedTuple):
    """A legal hold of a face, which loses nothing meanwhile (domain/rules/hold)."""

    reason: str
    at: datetime
    """When it was set."""


class Restriction(NamedTuple):
    """A face that is kept, but neither matched nor looked at: on request (GDPR, Article 18), or
    since its record of consent has ended (Article 7(3)), or both."""

    reason: str
    """What somebody said; "": only its record has ended."""
    at: datetime
    group_id: str
    """Its group until then, to which it returns."""
    face_set: str
    """Likewise its face set; "" if it had none."""
    set_name: str = ""
    """The face set's name: the set goes with its last face, and comes back with it."""
    ended: Ending = Ending.NONE
    """How its record of consent ended; NONE: it did not."""

    @property
    def said(self) -> str:
        """Return why it is restricted, in words."""
        return self.reason or f"its consent is {self.ended}"


class Face(PersonTexts, frozen=True):
    """One enrolled identity: faceid in one dialect, PERSON_TOKEN in the other."""

    faceid: str
    group_id: str
    enrolled_at: datetime
    pictures: tuple[Picture, ...]
    """1 to MAX_PICTURES; the estimates of the first are the face's."""
    age: int | None = None
    """Years, as the user set it; None: not set."""
    gender: Gender | None = None
    """The gender that the user set, which may be UNKNOWN; None: not set."""
    attributes: Mapping[int, str] = field(default_factory=dict)
    """Values by attribute id of the face's group."""
    labels: Labels = NO_LABELS
    name: str = ""
    """As the user set it (domain/names.py); "": not set."""
    consent: Consent | None = None
    arrive_count: int = 0
    last_arrival_at: datetime | None = None
    """Start of the last arrival."""
    negatives: int = 0
    """Number of pictures that were rejected for this face."""
    merges: int = 0
    """Upper bound of the number of faces that were merged into it and can come back; 0 means
    none."""
    moving: str = ""
    """Id of the merge whose observations still move to this face, or from it; "": there is none."""
    hold: Hold | None = None
    restriction: Restriction | None = None
    """It is in the group RESTRICTED then."""
    changed_at: datetime | None = None
    """When a person last changed anything of it but its pictures by adding one; None: nobody
    did."""
    external_id: str = ""
    """The name that the caller gave to the photo that it was indexed from (ExternalImageId); "":
    none."""
    face_set: str = ""
    """The id of the face set of its group that has it (domain/rules/templates); "": none."""
    number: int = 0
    """The tenant's number for a stranger whom a camera saw, kept for good (docs/decisions/0075); 0:
    none."""
    revision: int = 1
    """Grows with each change by a caller. A sighting is none: no visit makes a name refused that is
    typed."""
    version: int = 1
    """Grows with each write."""
    withdrawn_at: datetime | None = None
    """When its record of consent was withdrawn last: one that was given before counts no more;
    None: never."""
    remembered: Remembered | None = None
    """The person's wish that the template is kept after consent, to forget each visit; None: nobody
    said so."""
    stripped_at: datetime | None = None
    """When all but id and templates went, since its record of consent had ended; None: all is
    there."""
    ended_at: datetime | None = None
    """When its record of consent had ended already before it was withdrawn: from then on the days
    run; None: it had not."""
    absorbed: tuple[str, ...] = ()
    """Ids of faces that had become a part of it before all but id and templates went: a restore of
    a book from before withdraws these, too."""
    hidden: bool = False
    """Lists of people and suggestions leave it out; searches, visits and rights do not."""
    portrait_id: str = ""
    """Id of the picture that somebody chose as the portrait; "", or none of its pictures' ids: the
    first is. It is stored only while the face has that picture."""

    @property
    def own_group_id(self) -> str:
        """Its group's id, also while it is restricted."""
        return self.restriction.group_id if self.restriction else self.group_id

    @property
    def own_face_set(self) -> str:
        """Its face set's id, also while it is restricted; "" if it has none."""
        return self.restriction.face_set if self.restriction else self.face_set

    @property
    def compared(self) -> tuple[Picture, ...]:
        """Pictures by which it is compared."""
        return tuple(picture for picture in self.pictures if not picture.spare)

    @property
    def templates(self) -> tuple[Template, ...]:
        """Templates of the pictures by which it is compared, in their order."""
        return tuple(template for picture in self.compared for template in picture.templates)

    @property
    def first_picture(self) -> Picture:
        return self.pictures[0]

    @property
    def portrait(self) -> Picture:
        """The picture that people are shown; searches and the face's estimates do not go by it."""
        chosen = (picture for picture in self.pictures if picture.id == self.portrait_id)
        return next(chosen, self.first_picture)

    @property
    def picture_count(self) -> int:
        return len(self.pictures)

    @property
    def estimates(self) -> Estimates:
        """Estimates of the first picture."""
        return self.first_picture.estimates

    @property
    def picture_key(self) -> str:
        """Key of the first picture."""
        return self.first_picture.key

    @property
    def picture_keys(self) -> tuple[str, ...]:
        """Keys of all pictures that are kept."""
        return tuple(picture.key for picture in self.pictures if picture.key)


class NewFace(PersonTexts, frozen=True):
    """A person to be enrolled, as a caller describes them.

    `faceid`: None: one is made. `values`: attribute values by attribute name or `itemN`; names that
    the group lacks are ignored. The other fields are Face's.
    """

    faceid: str | None = None
    age: int | None = None
    gender: Gender | None = None
    values: Mapping[str, str] = NO_VALUES
    name: str = ""
    labels: Labels = NO_LABELS
    consent: Consent | None = None
    hidden: bool = False


NO_FIELDS = NewFace()
"""Nothing is said of somebody but the picture."""


OF_THE_SERVICE = frozenset(
    (
        *("faceid", "group_id", "face_set", "number", "enrolled_at", "pictures", "hold"),
        *("restriction", "arrive_count", "last_arrival_at", "negatives", "merges", "moving"),
        *("withdrawn_at", "remembered", "stripped_at", "ended_at", "absorbed"),
        *("changed_at", "revision", "version", "hidden", "portrait_id"),
    )
)
"""Fields of a face that say nothing of the person. All are the service's but `hidden`, by which
somebody chooses who is in lists. All other fields are what somebody wrote of the person."""

_NOBODY = Face("", "", datetime.min.replace(tzinfo=UTC), ())
BLANK = {
    name: getattr(_NOBODY, name) for name in Face.__struct_fields__ if name not in OF_THE_SERVICE
}
"""Fields that somebody wrote of a person, each with the value that says nothing.

A legal hold, a merge and its undo, and a rejection that unmakes a face go by it.
"""

_FACEID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_faceid(text: str) -> bool:
    """Return whether the text has the form of a faceid."""
    return _FACEID.fullmatch(text) is not None


NOBODY = "erased-"
"""The beginning of the names of people who are erased or restricted: no list may name them."""


def make_name_of_visit(secret: str, faceid: str, begin_ms: int) -> str:
    """Make the name under which the observations of a face's visit are counted or listed.

    `begin_ms`: when the visit began. So no two visits have a name in common. Who does not know the
    secret cannot tell whose name it is.
    """
    text = f"{secret}\n{faceid}\n{begin_ms}"
    return NOBODY + hashlib.sha256(text.encode()).hexdigest()[:24]


class ListedFace(Struct, frozen=True):
    """Row of a list of faces, with the names of Face.

    It has no template, and of the pictures only the portrait.
    """

    faceid: str
    group_id: str
    enrolled_at: datetime
    portrait: Picture
    estimates: Estimates
    picture_count: int
    age: int | None = None
    gender: Gender | None = None
    attributes: Mapping[int, str] = field(default_factory=dict)
    labels: Labels = NO_LABELS
    name: str = ""
    note: str = ""
    arrive_count: int = 0
    last_arrival_at: datetime | None = None
    negatives: int = 0
    revision: int = 1
    number: int = 0


class Candidate(NamedTuple):
    """An enrolled face, and a probe's score with it."""

    faceid: str
    group_id: str
    score: float


MASK = "mask"
"""The condition of a face whose mouth and nose are covered by a mask."""


class Decision(Struct, frozen=True):
    """A score and the threshold that it was compared with."""

    score: float | None
    """None: no candidate was found."""
    threshold: float
    """The score that was needed, for this probe in a gallery of this size."""
    gallery_size: int
    """Number of faces that the probe was compared with."""
    false_match_probability: float | None = None
    """Probability that a stranger's search of such a gallery finds anybody with as high a score;
    None: no score."""
    by: str | None = None
    """The sighting of the same visit that was surely this face, without which the score would not
    have been enough; the decision's own sighting if that is of the further views in its file."""
    seq: int | None = None
    """The seq of the searched gallery, or None without a search."""

    fpir: float | None = None
    """FPIR by which the threshold was chosen; None: DEFAULT_FPIR (domain/rules/decision)."""
    condition: str | None = None
    """The condition of the probe that counts in the threshold: MASK; None: there is none."""

    def without_score(self) -> Decision:
        """Return the decision without its score, for a probe without a match."""
        return replace(self, score=None, false_match_probability=None, by=None)


MEMORY = ("was", "asked", "learnt")
"""Fields of a Negative that only bring the sighting back as it was, and that tell of both
people."""


class Negative(Struct, frozen=True):
    """A sighting that was rejected for a face, with its template by each model."""

    sighting_id: str
    templates: tuple[Template, ...]
    camera: str = ""
    """Id of the camera of the sighting's capture."""
    was: Mapping[str, Any] = field(default_factory=dict)
    """The observation as it was stored, without what is read again, if the sighting comes back; {}:
    not kept."""
    asked: bool = False
    """Whether a review asked if it is the face."""
    learnt: Mapping[str, int] = field(default_factory=dict)
    """When the face had learnt the pictures that left it with this sighting, in ms: by the
    sightings that show them."""
