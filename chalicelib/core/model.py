"""What the visitor book holds: tenants, groups and faces.

Times are aware UTC datetimes ending in `_at`; scores grow with likeness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from chalicelib.core.pictures import NO_ESTIMATES, Estimates, Gender

NO_VALUES: Mapping[str, str] = MappingProxyType({})

STRANGER = "stranger"
REGULAR = "regular"
DEFAULT_GROUPS = (STRANGER, REGULAR)
"""Names, and ids too, of the groups that exist from a tenant's first day."""


class Profile(StrEnum):
    """Which limits a tenant has: those of the camera, or those of the cloud."""

    CAMERA = "camera"
    CLOUD = "cloud"


@dataclass(frozen=True)
class Limits:
    """How much a tenant may hold (docs/contract/icredit.md, "Limits of a tenant")."""

    groups: int
    faces: int
    group_capacity_required: bool
    implicit_group_capacity: int | None
    """Capacity at most of a group that an enrolment creates; None: no capacity of its own."""


LIMITS: Mapping[Profile, Limits] = MappingProxyType(
    {
        Profile.CAMERA: Limits(10, 30_000, group_capacity_required=True, implicit_group_capacity=1_000),
        Profile.CLOUD: Limits(1_000, 1_000_000, group_capacity_required=False, implicit_group_capacity=None),
    }
)


DEFAULT_TIME_ZONE = "Asia/Shanghai"


@dataclass(frozen=True)
class Tenant:
    """One customer: an isolated gallery, its credentials and limits."""

    name: str
    profile: Profile
    app_id: str
    created_at: datetime
    disabled: bool = False
    refuse_md5: bool = False
    numeric_faceids_only: bool = False
    time_zone: str = DEFAULT_TIME_ZONE
    """IANA name; whose days, weeks and months the statistics count."""
    requests_a_day: int | None = None
    """How many requests of the iCREDIT dialect a day of the time zone takes; None: any number."""
    attributes_off: frozenset[str] = frozenset()
    """Names of ATTRIBUTES that are neither stored nor answered."""
    least_liveness: float | None = None
    """0..1: faces that look less alive are neither enrolled nor identified; None: liveness is reported only."""
    faces: int | None = None
    """How many it may hold; None: as many as its profile says. So too `groups`."""
    groups: int | None = None
    enrol_quality: float | None = None
    """0..100: the quality that an enrolled picture has at least; None: that from which on faces can be compared."""

    @property
    def limits(self) -> Limits:
        """Those of its profile, but for what is set of its own."""
        of_profile = LIMITS[self.profile]
        return replace(of_profile, faces=self.faces or of_profile.faces, groups=self.groups or of_profile.groups)

    def told(self, estimates: Estimates) -> Estimates:
        """The estimates without those that are switched off."""
        return estimates.without(self.attributes_off) if self.attributes_off else estimates


@dataclass(frozen=True)
class Credentials:
    """A tenant's secrets in the clear: shown once to the operator, kept sealed or hashed."""

    tenant: str
    profile: Profile
    app_id: str
    app_key: str
    appcode: str
    api_key: str
    """For `v1/`: as `Authorization: Bearer <api_key>`."""


@dataclass(frozen=True)
class Attribute:
    """A user-defined field of a group's faces; its id is never used again in the group."""

    id: int
    name: str


@dataclass(frozen=True)
class Migration:
    """When a stranger becomes a regular: at least `arrive_times` arrivals in the last `period_days`."""

    arrive_times: int = 5
    period_days: int = 7


@dataclass(frozen=True)
class Group:
    """A gallery with a name. `capacity` None: limited by the tenant's total only."""

    id: str
    name: str
    description: str
    count: int
    capacity: int | None
    attributes: tuple[Attribute, ...] = ()
    next_attribute_id: int = 1
    version: int = 1

    @property
    def is_default(self) -> bool:
        return self.id in DEFAULT_GROUPS

    @property
    def room(self) -> int | None:
        """Faces that still fit; None: as many as the tenant may have."""
        return None if self.capacity is None else max(self.capacity - self.count, 0)

    @property
    def is_full(self) -> bool:
        return self.room == 0


@dataclass(frozen=True)
class Template:
    """A canonical embedding: little-endian float16 of a unit vector, and the model that made it."""

    model: str
    vector: bytes


@dataclass(frozen=True)
class Picture:
    """One photo that a face is known by. `templates`: of each model one, of those that it was embedded with."""

    id: str
    """Of the photo (core/ids.py): a face has none twice, and a merge takes it along."""
    key: str
    """Where in blob storage it is kept, cropped, among the face's own; "": it is not."""
    added_at: datetime
    templates: tuple[Template, ...]
    estimates: Estimates = NO_ESTIMATES

    def has(self, model: str) -> bool:
        """Whether it was embedded with this model."""
        return any(template.model == model for template in self.templates)


MAX_PICTURES = 8
"""Of one face at most, which is compared by the mean of their templates (core/templates.py).

What a photo has of its own weighs 1/n in the mean of n: three take away two thirds of it, eight seven eighths, and what
more would is little. Every sighting writes the face's record, of which each photo is about 0.7 KB.
"""


class Edit(StrEnum):
    """What a journal entry does to the gallery. DELETE and REPLACE leave templates behind that are to be forgotten.

    EMBED adds the templates of one more model; galleries of other models pass over it.
    """

    PUT = "put"
    REPLACE = "replace"
    MOVE = "move"
    DELETE = "delete"
    EMBED = "embed"


@dataclass(frozen=True)
class JournalEntry:
    """One change of one face in the gallery. PUT, REPLACE and EMBED carry templates, MOVE and DELETE none."""

    edit: Edit
    faceid: str
    group_id: str
    templates: tuple[Template, ...] = ()


@dataclass(frozen=True)
class Labels:
    """The four labels of the iCREDIT dialect; "" when not given."""

    a: str = ""
    b: str = ""
    c: str = ""
    d: str = ""


NO_LABELS = Labels()


@dataclass(frozen=True)
class Face:
    """One enrolled identity: faceid in one dialect, PERSON_TOKEN in the other."""

    faceid: str
    group_id: str
    enrolled_at: datetime
    pictures: tuple[Picture, ...]
    """1 to MAX_PICTURES; the first is the portrait, whose estimates are the face's."""
    age: int | None = None
    """As the user set it, years."""
    gender: Gender | None = None
    """As the user set it; UNKNOWN was set, None was not."""
    attributes: Mapping[int, str] = field(default_factory=dict)
    """Values by attribute id of the face's group."""
    labels: Labels = NO_LABELS
    arrive_count: int = 0
    last_arrival_at: datetime | None = None
    """When the last arrival began."""
    negatives: int = 0
    """How many pictures this face is known not to be."""
    merges: int = 0
    """How many faces were merged into it, and can come back, at most: 0 means none, for sure."""
    moving: str = ""
    """Id of the merge whose observations are on their way to this face, or from it; "": none are."""
    version: int = 1

    @property
    def templates(self) -> tuple[Template, ...]:
        """Of all pictures, in their order."""
        return tuple(template for picture in self.pictures for template in picture.templates)

    @property
    def estimates(self) -> Estimates:
        """What the portrait shows."""
        return self.pictures[0].estimates

    @property
    def picture_key(self) -> str:
        """The portrait's."""
        return self.pictures[0].key

    @property
    def picture_keys(self) -> tuple[str, ...]:
        """Of all pictures that are kept."""
        return tuple(picture.key for picture in self.pictures if picture.key)


@dataclass(frozen=True)
class Candidate:
    """An enrolled face and how much a probe looks like it."""

    faceid: str
    group_id: str
    score: float


@dataclass(frozen=True)
class Decision:
    """A score and what it was held against."""

    score: float | None
    """None: nobody was found whose score it would be."""
    threshold: float
    """What it had to reach, for this probe in a gallery of this size."""
    gallery_size: int
    """Faces that the probe was compared with."""
    false_match_probability: float | None = None
    """That a stranger's search of such a gallery finds anybody with as high a score; None: there is no score."""

    def without_score(self) -> Decision:
        """Return what a probe was held against that turned out to be nobody."""
        return Decision(None, self.threshold, self.gallery_size)


@dataclass(frozen=True)
class Negative:
    """A picture that a face is not: which sighting it was, and its template by each model."""

    sighting_id: str
    templates: tuple[Template, ...]
    camera: str = ""
    """Where the sighting's capture is."""
