"""What v1 answers.

`make client` writes this module.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType


class Acknowledged(Struct, kw_only=True):
    acknowledged: int


class Act(Struct, kw_only=True):
    """An act of somebody, with the values that it changed."""

    id: str
    at: datetime
    what: str
    by: str
    kind: str
    of: str
    faces: list[Concerned]
    before: dict[str, Any]
    after: dict[str, Any]
    takes_back: str | None
    taken_back_at: datetime | None
    taken_back_by: str | None
    until: datetime | None
    stays: str | None


class ActsPage(Struct, kw_only=True):
    acts: list[Act]
    next_token: str | None


class Arrival(Struct, kw_only=True):
    """Sightings that are so close together that the person came once."""

    first: datetime
    last: datetime
    sightings: int


class ArrivalTotals(Struct, kw_only=True):
    """Counts of the visits of the time, camera, group and face asked for, exact as the
    statistics."""

    arrivals: int
    persons: int
    first: int
    uncertain: int
    groups: dict[str, int]
    kinds: dict[str, int]
    staff: int
    days_counted_again: int


class ArrivalsPage(Struct, kw_only=True):
    arrivals: list[FaceArrival]
    totals: ArrivalTotals | None
    time_zone: str
    next_token: str | None


class Box(Struct, kw_only=True):
    """In pixels of the upright picture; it may reach over the edge."""

    x: float
    y: float
    width: float
    height: float


class BoxSettings(Struct, kw_only=True):
    """Settings of whole boxes, in place of those in their edge.toml; {}: of their files again."""

    version: str | UnsetType = UNSET
    kib_per_s: float | UnsetType = UNSET
    mib_per_month: float | UnsetType = UNSET
    upload_hours: list[str] | UnsetType = UNSET


class Boxes(Struct, kw_only=True):
    boxes: list[EdgeBox]


class Bucket(Struct, kw_only=True):
    time: str
    amounts: dict[str, int]
    entries: Entries | None


class Camera(Struct, kw_only=True):
    id: str
    name: str
    labels: Labels
    groups: list[str] | None
    gap_s: int
    stranger_quality: float
    keeps_strangers: bool
    learns: bool
    enabled: bool
    silent_after_s: int | None
    edge: Edge
    revision: int
    created_at: datetime
    forgets_strangers: bool
    last_seen_at: datetime | None
    still_asked_at: datetime | None
    view_due: bool
    view_right_at: datetime | None
    faceless_share: float | None
    proof: Proof | None
    health: Health


class CameraHeard(Struct, kw_only=True):
    id: str
    name: str
    labels: Labels
    groups: list[str] | None
    gap_s: int
    stranger_quality: float
    keeps_strangers: bool
    learns: bool
    enabled: bool
    silent_after_s: int | None
    edge: Edge
    revision: int
    created_at: datetime
    forgets_strangers: bool
    last_seen_at: datetime | None
    still_asked_at: datetime | None
    view_due: bool
    view_right_at: datetime | None
    faceless_share: float | None
    proof: Proof | None
    health: Health
    counting: Counting


class CameraKeyMade(Struct, kw_only=True):
    id: str
    api_key: str


class CameraMade(Struct, kw_only=True):
    id: str
    name: str
    labels: Labels
    groups: list[str] | None
    gap_s: int
    stranger_quality: float
    keeps_strangers: bool
    learns: bool
    enabled: bool
    silent_after_s: int | None
    edge: Edge
    revision: int
    created_at: datetime
    forgets_strangers: bool
    last_seen_at: datetime | None
    still_asked_at: datetime | None
    view_due: bool
    view_right_at: datetime | None
    faceless_share: float | None
    proof: Proof | None
    health: Health
    api_key: str


class Cameras(Struct, kw_only=True):
    cameras: list[Camera]


class Candidate(Struct, kw_only=True):
    """An enrolled face, and whether the face of the picture is this person."""

    face: Face
    score: float
    match: bool
    alike: bool | UnsetType = UNSET


class Capture(Struct, kw_only=True):
    id: str
    camera: str
    captured_at: datetime
    sha256: str | None
    size: int
    content_type: str
    state: str
    track: str | None
    reason: str | None
    width: int | None
    height: int | None
    url: str | None
    thumb_url: str | None
    sightings: list[Sighting]


class CapturesPage(Struct, kw_only=True):
    captures: list[Capture]
    next_token: str | None


class Challenge(Struct, kw_only=True):
    """Question for `navigator.credentials`; it is good for five minutes, once."""

    challenge: str | None
    host: str
    algorithms: list[int]
    user_handle: str | None
    invited: Invited | None


class Channel(Struct, kw_only=True):
    """By which way people are told. It is kept sealed, as a hook's secret is, and shown nowhere."""

    way: str
    url: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    to: str | UnsetType = UNSET
    method: str | UnsetType = UNSET
    headers: dict[str, str] | UnsetType = UNSET
    p256dh: str | UnsetType = UNSET
    auth: str | UnsetType = UNSET


class CheckedMinute(Struct, kw_only=True, rename={"in_": "in"}):
    at: datetime
    line: list[list[float]]
    in_: int | None
    out: int | None
    why: str | None
    seen_in: int
    seen_out: int
    by: str
    answered_at: datetime


class Checks(Struct, kw_only=True):
    asked_at: datetime | None
    unanswered_at: datetime | None
    waiting: WaitingFilm | None
    answers: list[CheckedMinute]
    proof: Proof | None
    crossings: list[Crossing] | None


class ClaimCode(Struct, kw_only=True):
    claim_code: str
    qr_path: str
    qr_size: int
    expires_at: datetime


class Claimed(Struct, kw_only=True):
    id: str
    name: str
    api_key: str


class Closed(Struct, kw_only=True):
    """The figures of a day, week or month as they were when it was closed."""

    time: str
    closed_at: datetime
    visits: int
    people: int
    new: int
    returning: int
    known: int
    entries: int | None
    is_kept: bool


class ComparedFace(Struct, kw_only=True):
    box: Box
    quality: float
    flaw: str


class Concerned(Struct, kw_only=True):
    """Somebody whom an act concerns, as the face is now."""

    id: str
    name: str
    number: int | None
    portrait: Portrait | None


class Consent(Struct, kw_only=True):
    face: str
    name: str
    basis: str
    given_at: datetime
    evidence: str
    expires_at: datetime | None


class ConsentsPage(Struct, kw_only=True):
    consents: list[Consent]
    next_token: str | None


class Correction(Struct, kw_only=True):
    at: datetime
    inside: int
    change: int
    by: str


class Counting(Struct, kw_only=True):
    """Wishes to a box that counts. A service that sends them takes a minute's reason, too."""

    film_wanted: bool


class Crossing(Struct, kw_only=True):
    ms: int
    way: str


class CrossingSent(Struct, kw_only=True):
    ms: int
    way: str


class CurrentSession(Struct, kw_only=True):
    tenant: str
    display_name: str
    book: str
    books: list[str]
    key: str
    member: str | None
    screen: bool
    page: str | None
    role: str
    pictures: bool
    time_zone: str
    first_weekday: int
    limits: RateLimits
    version: str
    trial: bool
    begun_at: datetime | None
    expires_at: datetime | None


class DeliveriesPage(Struct, kw_only=True):
    deliveries: list[Delivery]
    next_token: str | None


class Delivery(Struct, kw_only=True):
    event: Event
    state: str
    attempts: int
    created_at: datetime
    next_at: datetime | None
    parked_at: datetime | None
    last_error: str
    last_code: str


class DetectedFace(Struct, kw_only=True):
    box: Box
    quality: float
    flaw: str
    landmarks: list[Point]
    certainty: float
    estimates: Estimates


class DetectedPicture(Struct, kw_only=True):
    width: int
    height: int
    faces: list[DetectedFace]
    refused: str | None


class DialectKey(Struct, kw_only=True):
    """The one key that all clients of a dialect share: an App key, which signs, or an AppCode,
    which is sent."""

    id: str
    app_id: str | None
    last_used_at: datetime | None
    old_until: datetime | None
    old_used_at: datetime | None
    waits_for: str


class DialectKeyMade(Struct, kw_only=True):
    id: str
    app_id: str | None
    old_until: datetime | None
    secret: str


class DialectKeys(Struct, kw_only=True):
    dialects: list[DialectKey]


class Disk(Struct, kw_only=True):
    free_bytes: int
    total_bytes: int


class Duplicate(Struct, kw_only=True):
    """Two faces that may be one person.

    `threshold` is what the score would have needed to join them at once."""

    id: str
    at: datetime
    face: Face
    other: Face
    score: float | None
    threshold: float | None
    gallery_size: int | None
    false_match_probability: float | None


class DuplicatesPage(Struct, kw_only=True):
    duplicates: list[Duplicate]
    next_token: str | None


class EarlierKey(Struct, kw_only=True):
    """A key that was renewed. What it signed while it was in use stays good."""

    public_key: str
    fingerprint: str
    since: datetime
    until: datetime
    signed_next: bool


class Edge(Struct, kw_only=True):
    """Settings that the edge uploader takes in place of those in its edge.toml, without a restart:
    at the first frame after a heartbeat (docs/tasks/boxes.md). What is sent takes the place of all
    that were set; {}, of its file again. But what `PUT /v1/fleet` has set for the camera's box
    stays. What the file hides stays hidden: masks are added to its own, hours hold within its own,
    its zones stay, and its crops only become smaller."""

    version: str | UnsetType = UNSET
    kib_per_s: float | UnsetType = UNSET
    mib_per_month: float | UnsetType = UNSET
    upload_hours: list[str] | UnsetType = UNSET
    send: str | UnsetType = UNSET
    interval_s: float | UnsetType = UNSET
    per_minute: int | UnsetType = UNSET
    motion_share: float | UnsetType = UNSET
    min_face_px: int | UnsetType = UNSET
    face_score: float | UnsetType = UNSET
    track_s: float | UnsetType = UNSET
    early: bool | UnsetType = UNSET
    crop_room: float | UnsetType = UNSET
    capture_hours: list[str] | UnsetType = UNSET
    masks: list[list[list[float]]] | UnsetType = UNSET
    zones: list[list[list[float]]] | UnsetType = UNSET
    count: list[list[float]] | UnsetType = UNSET
    hardware: str | UnsetType = UNSET


class EdgeBox(Struct, kw_only=True):
    """A machine with the edge uploader, as the last heartbeat of its cameras told; null is what it
    did not tell."""

    id: str
    name: str | None
    last_seen_at: datetime | None
    version: str | None
    disk_free_mib: float | None
    clock_error_s: float | None
    temperature_c: float | None
    cameras: list[str]


class EnrolledFace(Struct, kw_only=True):
    id: str
    group: str
    name: str
    number: int | None
    note: str
    counter_note: str | None
    age: int | None
    gender: str
    attributes: dict[str, str]
    labels: Labels
    enrolled_at: datetime
    arrive_count: int
    arrive_time: datetime | None
    quality: float | None
    estimates: Estimates
    portrait: Portrait
    pictures: int
    rejections: int
    revision: int
    kept_until: datetime | None
    hidden: bool | None
    absorbed: list[str]


class Entries(Struct, kw_only=True, rename={"in_": "in"}):
    """People who came in and went out at counted doors, as far as these were watched."""

    in_: int
    out: int
    known: int
    not_known: int
    faceless: int
    staff: int
    watched_s: int
    open_s: int
    whole: bool
    doubted: dict[str, int]
    sure_in: int
    sure_out: int


class EntriesPage(Struct, kw_only=True):
    entries: list[Entry]
    next_token: str | None


class Entry(Struct, kw_only=True):
    """One act, decision or export, or what somebody was told of people in an hour."""

    id: str
    at: datetime
    what: str
    by: str
    hour: int | None
    details: dict[str, Any]


class Erased(Struct, kw_only=True):
    """The erasure of a person; of dozens of faces it has several parts, and this is the last."""

    id: str
    state: str
    faces: int
    asked_at: datetime
    done_at: datetime | None
    step: int
    steps: int
    counts: ErasedCounts
    receipt: Receipt | None
    erasures: list[str]


class ErasedCounts(Struct, kw_only=True):
    """Counts of what the book held.

    `captures_hidden`: pictures that show others, and the person not any more."""

    observations: int | UnsetType = UNSET
    captures_deleted: int | UnsetType = UNSET
    captures_hidden: int | UnsetType = UNSET


class ErasedFaces(Struct, kw_only=True):
    """The faces as hashes: HMAC-SHA-256 of `id`, a line break and the face's id, in hexadecimal.
    The tenant has the key, and nobody else can tell who it was."""

    sha256: list[str]
    key: str
    others: list[str]


class Erasure(Struct, kw_only=True):
    """An erasure. It knows no face any more once it is done."""

    id: str
    state: str
    faces: int
    asked_at: datetime
    done_at: datetime | None
    step: int
    steps: int
    counts: ErasedCounts
    receipt: Receipt | None


class ErasuresPage(Struct, kw_only=True):
    erasures: list[Erasure]
    next_token: str | None


class EstimatedName(Struct, kw_only=True):
    """A word, how certain it is, and whether a model estimated it or a formula."""

    value: str
    score: float | None
    source: str


class EstimatedNumber(Struct, kw_only=True):
    """A number, and whether a model estimated it or a formula."""

    value: float
    source: str


class Estimates(Struct, kw_only=True):
    """Estimates from the face's first picture.

    Null if no model of the pack says so, if its gender is too unsure, or if the tenant switched it
    off."""

    age: EstimatedNumber | None
    gender: EstimatedName | None
    emotion: EstimatedName | None
    pose: Pose | None
    beauty: EstimatedNumber | None
    liveness: EstimatedNumber | None


class Event(Struct, kw_only=True):
    """The message that is posted to a hook."""

    id: str
    type: str
    at: datetime
    tenant: str
    group: str | None
    camera: str | None
    data: dict[str, Any]


class Everything(Struct, kw_only=True):
    url: str
    size: int
    next_part: str | None
    others: list[str]
    missing: list[str]


class Face(Struct, kw_only=True):
    id: str
    group: str
    name: str
    number: int | None
    note: str
    counter_note: str | None
    age: int | None
    gender: str
    attributes: dict[str, str]
    labels: Labels
    enrolled_at: datetime
    arrive_count: int
    arrive_time: datetime | None
    quality: float | None
    estimates: Estimates
    portrait: Portrait
    pictures: int
    rejections: int
    revision: int
    kept_until: datetime | None
    hidden: bool | None


class FaceArrival(Struct, kw_only=True):
    """A visit: sightings of a face that are closer together than the camera's gap.

    Picture, crop, score and all else that was decided are those of the first sighting."""

    face: str
    name: str | None
    number: int | None
    portrait: Portrait | None
    picture_url: str | None
    group: str
    camera: str
    sighting: str
    first: datetime
    last: datetime
    sightings: int
    crop_url: str | None
    visit: int | None
    before: datetime | None
    counter_note: str | None
    score: float | None
    threshold: float | None
    gallery_size: int | None
    false_match_probability: float | None
    by: str | None
    condition: str | None


class FaceIds(Struct, kw_only=True):
    ids: list[str]
    seq: int


class FaceLabels(Struct, kw_only=True):
    """Labels that are not sent stay as they are."""

    a: str | UnsetType = UNSET
    b: str | UnsetType = UNSET
    c: str | UnsetType = UNSET
    d: str | UnsetType = UNSET


class FaceSighting(Struct, kw_only=True):
    """A time at which the face was seen."""

    id: str
    capture: str
    camera: str
    captured_at: datetime
    group: str
    box: Box | None
    picture_url: str | None
    crop_url: str | None
    score: float | None
    threshold: float | None
    gallery_size: int | None
    false_match_probability: float | None
    by: str | None
    condition: str | None


class FacesChanged(Struct, kw_only=True):
    """The outcome of a change of many faces. Each id is in one of the two lists."""

    done: list[str]
    failed: list[FailedFace]


class FacesPage(Struct, kw_only=True):
    faces: list[Face]
    next_token: str | None


class FailedFace(Struct, kw_only=True):
    """A face that stays as it was."""

    id: str
    code: str
    message: str


class Film(Struct, kw_only=True):
    """A minute of a camera without people: squares in which something moved, and boxes around
    those whom the box has found."""

    at: datetime
    seconds: int
    line: list[list[float]]
    grid: list[int]
    looks: list[Look]
    walked: str


class Fleet(Struct, kw_only=True):
    """Settings of whole boxes, and the wave that brings them: to one box, half an hour later to a
    tenth of them, then to all. It stops if a box that has them falls silent while others are heard,
    or does not run the version."""

    settings: BoxSettings
    state: str
    reached: list[str]
    at: datetime
    stopped: str | None
    most_boxes: int
    most_cameras: int


class Group(Struct, kw_only=True):
    id: str
    name: str
    capacity: int | None
    description: str
    attributes: list[str]
    learns: bool
    staff: bool
    unseen_days: int | None
    count: int
    hidden: int
    revision: int


class Groups(Struct, kw_only=True):
    groups: list[Group]
    next_token: str | None


class Habit(Struct, kw_only=True):
    """Way in which the face usually comes, by the visits of the last twelve weeks.

    What is not certain is empty or null. Of staff nothing is said but the visits of this month."""

    weekdays: list[int]
    part_of_day: str | None
    every_days: int | None
    next_day: str | None
    visits_this_month: int
    missed_day: str | None


class Health(Struct, kw_only=True):
    state: str
    trouble: str | UnsetType | None = UNSET
    blind: bool | UnsetType = UNSET
    needs_somebody: bool | UnsetType = UNSET
    muted_until: datetime | None
    failing_at: datetime | None
    view_changed: bool
    refused_box: str | None
    outages: list[Outage]
    status: dict[str, str | int | float | bool | None]


class Hold(Struct, kw_only=True):
    """The legal hold of a face.

    Nothing of a face on hold is removed or replaced, and retention leaves it as it is."""

    held: bool
    face: str
    reason: str | None
    since: datetime | None
    faces: list[str]
    others: list[str]


class Holds(Struct, kw_only=True):
    holds: list[Hold]
    next_token: str | None


class Hook(Struct, kw_only=True):
    id: str
    url: str | None
    events: list[str] | None
    groups: list[str] | None
    cameras: list[str] | None
    enabled: bool
    name: str | None
    passes_to: str
    people: list[str] | None
    way: str | None
    address: str
    template: str
    hours: str
    pause_s: int
    picture: bool
    created_at: datetime
    health: HookHealth


class HookHealth(Struct, kw_only=True):
    state: str
    failures: int
    paused_until: datetime | None


class HookMade(Struct, kw_only=True):
    id: str
    url: str | None
    events: list[str] | None
    groups: list[str] | None
    cameras: list[str] | None
    enabled: bool
    name: str | None
    passes_to: str
    people: list[str] | None
    way: str | None
    address: str
    template: str
    hours: str
    pause_s: int
    picture: bool
    created_at: datetime
    health: HookHealth
    secret: str | None
    topic: str | None
    qr_path: str | None
    qr_size: int | None


class HookSecretMade(Struct, kw_only=True):
    id: str
    secret: str


class Hooks(Struct, kw_only=True):
    hooks: list[Hook]


class IdentifiedFace(Struct, kw_only=True):
    box: Box
    quality: float
    flaw: str
    match: bool
    reason: str | None
    threshold: float
    gallery_size: int
    false_match_probability: float | None
    candidates: list[Candidate]
    same: list[str] | UnsetType = UNSET


class IdentifiedPicture(Struct, kw_only=True):
    width: int
    height: int
    faces: list[IdentifiedFace]


class Invited(Struct, kw_only=True):
    tenant: str
    display_name: str
    name: str
    role: str
    screen: bool
    page: str | None


class Kept(Struct, kw_only=True):
    """One kind of data, and of faces one group."""

    kind: str
    group: str | None
    days: int | None
    now: int
    within_7_days: int
    more: bool
    oldest: datetime | None
    waits_until: datetime | None


class KeptCaptures(Struct, kw_only=True):
    captures: int
    bytes: int
    counted_at: datetime


class Key(Struct, kw_only=True):
    id: str
    name: str
    role: str
    pictures: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    made_by: MadeBy | None


class KeyMade(Struct, kw_only=True):
    id: str
    name: str
    role: str
    pictures: bool
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    made_by: MadeBy | None
    api_key: str


class KeyRenewed(Struct, kw_only=True):
    id: str
    api_key: str


class Keys(Struct, kw_only=True):
    keys: list[Key]


class LabelChanges(Struct, kw_only=True):
    """null is none."""

    a: str | UnsetType | None = UNSET
    b: str | UnsetType | None = UNSET
    c: str | UnsetType | None = UNSET
    d: str | UnsetType | None = UNSET


class Labels(Struct, kw_only=True):
    """Of each sighting, for statistics; "" is none."""

    a: str
    b: str
    c: str
    d: str


class Learnt(Struct, kw_only=True):
    """The sighting that the picture was learnt from."""

    sighting: str
    camera: str
    captured_at: datetime


class Limits(Struct, kw_only=True):
    """The most that the tenant may have or send."""

    groups: int
    faces: int
    cameras: int
    hooks: int
    keys: int
    pictures_of_a_face: int
    requests_a_day: int | None
    capture_mb_a_day: int | None
    capture_bytes: int
    body_bytes: int


class Look(Struct, kw_only=True):
    ms: int
    moved: str
    bodies: list[list[int]]


class LookSent(Struct, kw_only=True):
    ms: int
    moved: str
    bodies: list[list[int]]


class MadeAccess(Struct, kw_only=True):
    access: str
    kind: str
    name: str
    ends: str
    via: str
    made_at: datetime | None


class MadeAccesses(Struct, kw_only=True):
    made: list[MadeAccess]


class MadeBy(Struct, kw_only=True):
    """Maker of something."""

    name: str
    is_gone: bool


class Member(Struct, kw_only=True):
    id: str
    name: str
    role: str
    pictures: bool
    screen: bool
    page: str | None
    has_password: bool
    passkeys: list[MemberPasskey]
    created_at: datetime
    invited_until: datetime | None
    signed_in_at: datetime | None


class MemberInvited(Struct, kw_only=True):
    id: str
    name: str
    role: str
    pictures: bool
    screen: bool
    page: str | None
    has_password: bool
    passkeys: list[MemberPasskey]
    created_at: datetime
    invited_until: datetime | None
    signed_in_at: datetime | None
    url: str
    qr_path: str
    qr_size: int


class MemberPasskey(Struct, kw_only=True):
    id: str
    host: str
    created_at: datetime


class Members(Struct, kw_only=True):
    members: list[Member]


class Merge(Struct, kw_only=True):
    id: str
    state: str
    face: str
    name: str
    number: int | None
    portrait: Portrait | None
    other: str
    other_name: str
    other_number: int | None
    other_portrait: Portrait | None
    merged_at: datetime
    joined: bool


class Merged(Struct, kw_only=True):
    """The merge, and the face that absorbed the other one, as it is now."""

    merge: str
    state: str
    face: Face


class MergesPage(Struct, kw_only=True):
    merges: list[Merge]
    next_token: str | None


class MinuteSent(Struct, kw_only=True, rename={"in_": "in"}):
    at: datetime | float
    seconds: int
    in_: int | None
    out: int | None
    faces: int | None
    why: str | UnsetType | None = UNSET
    sure_in: int | UnsetType = UNSET
    sure_out: int | UnsetType = UNSET


class MinutesStored(Struct, kw_only=True):
    stored: int


class NearFace(Struct, kw_only=True):
    face: str
    score: float


class NewConsent(Struct, kw_only=True):
    """On what basis somebody is in the book."""

    basis: str
    given_at: datetime | float
    evidence: str | UnsetType = UNSET
    expires_at: datetime | float | UnsetType | None = UNSET


class Nobodies(Struct, kw_only=True):
    """The faces that cameras saw in an hour, matched nobody and were forgotten."""

    hour: datetime
    number: int


class Notice(Struct, kw_only=True):
    """The same three times: in parts, as plain text, and as a page of its own to print on A4."""

    language: str
    title: str
    sections: list[NoticeSection]
    text: str
    html: str
    missing: list[str]
    recipients: list[str]
    qr_path: str | None
    qr_size: int | None


class NoticeSection(Struct, kw_only=True):
    heading: str
    lines: list[str]


class Observation(Struct, kw_only=True):
    """One face in one picture at one time."""

    face: str
    name: str | None
    number: int | None
    portrait: Portrait | None
    picture_url: str | None
    id: str
    at: datetime
    kind: str
    group: str
    camera: str | None
    capture: str | None
    labels: Labels
    box: Box | None
    crop_url: str | None
    age: int | None
    gender: str
    score: float | None
    threshold: float | None
    gallery_size: int | None
    false_match_probability: float | None
    by: str | None
    condition: str | None


class ObservationsPage(Struct, kw_only=True):
    observations: list[Observation]
    next_token: str | None


class OfferedCapture(Struct, kw_only=True):
    sha256: str
    size: int
    content_type: str
    captured_at: datetime | float
    camera: str | UnsetType = UNSET
    track: str | UnsetType | None = UNSET


class Opening(Struct, kw_only=True, rename={"in_": "in"}):
    """A time in which the shop is open, by the setting `opening`; of one that never closes, a day.

    `left` is `in` less `out`, with `dropped` and `corrected`."""

    opened_at: datetime
    closed_at: datetime | None
    in_: int
    out: int
    dropped: int
    corrected: int
    most: int
    left: int
    watched_s: int
    open_s: int
    whole: bool
    corrections: list[Correction]


class Outage(Struct, kw_only=True):
    since: datetime
    until: datetime | None


class PasskeyAnswer(Struct, kw_only=True):
    """Answer of a browser's `navigator.credentials`: the members of its response."""

    id: str
    client_data: str
    attestation: str | UnsetType | None = UNSET
    authenticator_data: str | UnsetType | None = UNSET
    signature: str | UnsetType | None = UNSET
    user_handle: str | UnsetType | None = UNSET


class Picture(Struct, kw_only=True):
    id: str
    added_at: datetime
    quality: float | None
    masked: bool | None
    pose: Pose | None
    url: str | None
    thumb_url: str | None
    compared: bool
    kept: bool
    learnt: Learnt | None


class Pictures(Struct, kw_only=True):
    pictures: list[Picture]


class Place(Struct, kw_only=True):
    id: str
    name: str
    doors: list[str]
    full_at: int | None
    free_at: int | None
    inside: int
    full: bool
    open: bool
    openings: list[Opening]
    revision: int


class Places(Struct, kw_only=True):
    places: list[Place]
    time_zone: str


class Point(Struct, kw_only=True):
    x: float
    y: float


class Portrait(Struct, kw_only=True):
    """The picture that stands for the face: the chosen one, or else the first."""

    picture: str
    url: str | None
    thumb_url: str | None
    width: int | None
    height: int | None
    box: Box | None


class Pose(Struct, kw_only=True):
    """In degrees; yaw above 0 is the nose towards the picture's right, roll above 0 is
    clockwise."""

    yaw: float
    pitch: float
    roll: float
    source: str


class Proof(Struct, kw_only=True, rename={"in_": "in"}):
    """The accuracy of a count at the camera's line of now, as people checked it."""

    answers: int
    needed: int
    unknown: int
    in_: float | None
    out: float | None
    of: int
    left_out: int
    wrong: list[WrongMinute]


class PushKey(Struct, kw_only=True):
    key: str


class RateLimits(Struct, kw_only=True):
    """Twice as many may come at once. Each instance on AWS counts for itself."""

    requests_a_second: float
    searches_a_second: float


class Receipt(Struct, kw_only=True):
    """A statement that the tenant signs: save it as it is.

    `regulars receipt verify` checks it without the service."""

    statement: ReceiptStatement
    public_key: str
    signature: str


class ReceiptPage(Struct, kw_only=True):
    """The receipt in plain words, as a page of its own to print on A4, with the signed document in
    it."""

    language: str
    title: str
    html: str
    missing: list[str]


class ReceiptStatement(Struct, kw_only=True):
    kind: str
    tenant: str
    id: str
    asked_at: datetime
    done_at: datetime
    by: str
    faces: ErasedFaces
    refused: list[RefusedPeople]
    removed: Removed
    counts: ErasedCounts
    left: str
    app_id: str


class Redelivered(Struct, kw_only=True):
    redelivered: int


class RefusedPeople(Struct, kw_only=True):
    """By what the book refuses these people from now on: such hashes of their ids, pictures and
    records of consent."""

    ended: str
    at: datetime
    counts_from: datetime
    hmac_sha256: list[str]


class Rejected(Struct, kw_only=True):
    """The sighting as it is now, and the face that it left, or the one that this was merged into.

    `sightings`: all that went along. `arrival`: the visit that the sighting is of now; null: it is
    none."""

    sighting: Sighting
    face: Face
    sightings: list[str]
    arrival: FaceArrival | None


class Rejection(Struct, kw_only=True):
    """A sighting that somebody said is not this face."""

    sighting: str
    capture: str
    camera: str
    captured_at: datetime


class Rejections(Struct, kw_only=True):
    rejections: list[Rejection]
    next_token: str | None


class Removed(Struct, kw_only=True):
    """SHA-256 of each template and each picture that was removed, in hexadecimal."""

    templates: list[str] | UnsetType = UNSET
    pictures: list[str] | UnsetType = UNSET


class Restriction(Struct, kw_only=True):
    """Restriction of a face.

    Restricted, it is kept without being used: nobody matches it, or reads it by its id."""

    restricted: bool
    ended: str | None
    erased_at: datetime | None
    stripped_at: datetime | None
    remember_basis: str | None
    face: str
    reason: str | None
    since: datetime | None
    faces: list[str]
    others: list[str]


class Restrictions(Struct, kw_only=True):
    restrictions: list[Restriction]
    next_token: str | None


class Retention(Struct, kw_only=True):
    kinds: list[Kept]
    strangers: int
    held: int


class Review(Struct, kw_only=True):
    id: str
    kind: str
    at: datetime
    face: str
    camera: str
    capture: str
    sighting: str
    box: Box | None
    picture_url: str | None
    crop_url: str | None
    near: list[NearFace]
    twice: bool
    score: float | None
    threshold: float | None
    gallery_size: int | None
    false_match_probability: float | None
    by: str | None
    condition: str | None


class ReviewsPage(Struct, kw_only=True):
    reviews: list[Review]
    next_token: str | None


class Settings(Struct, kw_only=True):
    display_name: str
    time_zone: str
    arrive_times: int
    period_days: int
    language: str
    week_begins: str
    opening: str
    attributes_off: list[str]
    feelings: bool
    least_liveness: float | None
    least_gender: float | None
    min_age: float | None
    fpir: float | None
    enrol_quality: float | None
    review_margin: float
    learns: bool
    learnt_days: int | None
    deletes_erase: bool
    strangers: str
    strangers_decided_by: str
    restore_gap: str
    consent_required: bool
    expired_consent_erases: bool
    ended_days: int
    remembered_days: int
    controller: str
    contact: str
    purposes: str
    basis: str
    officer: str
    authority: str
    recipients: str
    transfers: str
    notice_url: str
    keeps_pictures: bool
    no_pictures_of: list[str]
    capture_days: int | None
    sighting_days: int | None
    stranger_days: int | None
    regular_days: int | None
    observation_days: int | None
    audit_days: int | None
    model: str
    requests_a_day: int | None
    captures_kept_days: int


class Sighting(Struct, kw_only=True):
    """A face in a capture, and what was decided about it."""

    id: str
    resolution: str
    face: str | None
    name: str | None
    number: int | None
    group: str | None
    box: Box
    quality: float | None
    masked: bool | None
    reason: str | None
    crop_url: str | None
    score: float | None
    threshold: float | None
    gallery_size: int | None
    false_match_probability: float | None
    by: str | None
    condition: str | None


class SightingsPage(Struct, kw_only=True):
    name: str
    number: int | None
    sightings: list[FaceSighting]
    total: int
    next_token: str | None
    arrivals: list[Arrival]
    habit: Habit


class SigningKey(Struct, kw_only=True):
    public_key: str
    fingerprint: str
    earlier: list[EarlierKey]


class SimilarFaces(Struct, kw_only=True):
    threshold: float
    gallery_size: int
    faces: list[Candidate]


class Statistics(Struct, kw_only=True):
    buckets: list[Bucket]
    time_zone: str
    first_weekday: int
    begun: str | None
    staff: int
    entries: Entries | None
    proof: Proof | None
    days_counted_again: int
    closed: list[Closed]


class Still(Struct, kw_only=True):
    """Picture of a camera, sent when somebody asked last: black within its box's masks, small, kept
    for an hour."""

    asked_at: datetime | None
    taken_at: datetime | None
    picture: str | None


class TestSent(Struct, kw_only=True):
    event: Event


class Upload(Struct, kw_only=True):
    id: str
    state: str
    method: str | None
    url: str | None
    headers: dict[str, str]


class Uploads(Struct, kw_only=True):
    uploads: list[Upload]
    server_time: datetime


class Usage(Struct, kw_only=True):
    groups: int
    faces: int
    capacity_left: int
    cameras: int
    hooks: int
    requests_today: int | None
    captures_kept: KeptCaptures | None
    disk: Disk | None
    nobodies: list[Nobodies]
    changes: int
    snapshot_lag: int
    limits: Limits


class UsualWeek(Struct, kw_only=True):
    """The visits of a usual week: the mean of the last eight weeks, less if the last two were
    slower. Without staff."""

    hours: list[list[float]]
    proposed: str
    not_open_yet: bool
    time_zone: str


class Verified(Struct, kw_only=True):
    match: bool
    score: float
    threshold: float
    false_match_probability: float
    reason: str | None
    faces: list[ComparedFace]


class View(Struct, kw_only=True):
    """Picture of a camera when its shop opened: grey, 256 pixels wide, black within its box's
    masks, without the people who passed."""

    taken_at: datetime
    picture: str


class Views(Struct, kw_only=True):
    views: list[View]


class Void(Struct, kw_only=True, rename={"from_": "from"}):
    camera: str
    from_: datetime
    to: datetime


class Voids(Struct, kw_only=True):
    voids: list[Void]


class WaitingFilm(Struct, kw_only=True):
    at: datetime
    line: list[list[float]]
    seconds: int
    came_at: datetime
    told: bool


class WrongMinute(Struct, kw_only=True, rename={"in_": "in"}):
    at: datetime
    in_: int
    out: int
    seen_in: int
    seen_out: int
