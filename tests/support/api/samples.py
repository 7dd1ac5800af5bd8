"""For each route of each dialect the requests that show all of its ids: `{slots}` stand for them.

`Sample.filled` puts ids in, of a shop (tests/api/neighbours.py) or of nobody. A new route needs
samples here, else tests/api/test_isolation.py fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.domain.model import PROMOTION_SETTINGS
from chalicelib.domain.person_texts import TEXTS
from chalicelib.domain.setting import Setting
from chalicelib.domain.tenant_settings import OF_TENANT, SETTINGS
from tests.support.api.v1.films import make_film
from tests.support.fakes import photo

_ANYBODY = photo(999)
"""Somebody of no shop, whose scores with a shop's faces are the same whoever asks."""

_SLOT = re.compile(r"\{(\w+)\}")


class Sample(Struct, frozen=True):
    """A request. `path`: the values of the path's parameters; `pic`: slot of the picture in a SUNMI
    form, or that is the body.

    `free`: slots for what the answer does not depend on, such as a photo to enrol: anybody may send
    any.
    """

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    pic: str = ""
    free: frozenset[str] = frozenset()

    @property
    def slots(self) -> list[str]:
        return list(dict.fromkeys(_SLOT.findall(json.dumps([*self._parts]))))

    def filled(self, ids: Mapping[str, str]) -> Sample:
        """The request with these ids, which need no escapes in JSON."""
        text = _SLOT.sub(lambda slot: ids[slot[1]], json.dumps([*self._parts]))
        return Sample(*json.loads(text))

    @property
    def _parts(self) -> tuple[Any, ...]:
        return dict(self.path), dict(self.query), dict(self.fields), self.pic


def form(pic: str = "", free: Sequence[str] = (), **fields: str) -> Sample:
    return Sample(fields=fields, pic=pic, free=frozenset(free))


_CAMERA = {"id": "{camera}"}
_FACE = {"id": "{face}"}
_HOOK = {"id": "{hook}"}
_GROUP = {"id": "{group_id}"}
_PERSON = {
    "name": "New",
    **dict.fromkeys(TEXTS, ""),
    "age": 30,
    "gender": "male",
    "labels": {"a": "north"},
}
_CONSENT = {
    "basis": "consent",
    "given_at": "2026-01-01T00:00:00Z",
    "evidence": "form 7",
    "expires_at": "2100-01-01T00:00:00Z",
}
_KEY = {"id": "{key}"}
_PLACE = {"id": "{place}"}
_CHECK = {**_CAMERA, "at": "2026-03-01T11:30:00Z"}
_VOID = {"from": "2026-03-01T10:30:00Z", "to": "2026-03-01T11:30:00Z"}
_KEY_FIELDS = {"name": "Ann", "role": "operator", "pictures": False}
_MEMBER = {"id": "{member}"}
_MEMBER_FIELDS = {"name": "Maria", "role": "viewer", "pictures": False}
_SETTINGS = {
    "labels": {"a": "north"},
    "gap_s": 60,
    "stranger_quality": 50,
    "keeps_strangers": True,
    "learns": False,
    "enabled": True,
    "silent_after_s": 600,
    "edge": {"send": "motion", "count": [[0.1, 0.5], [0.9, 0.5]]},
}
_OFFER = {
    "sha256": "{sha256}",
    "size": 9,
    "content_type": "image/jpeg",
    "captured_at": "2026-03-01T11:00:00Z",
}
_MESSAGE: Mapping[str, Any] = {
    "channel": {"way": "ntfy", "url": "https://8.8.8.8/door"},
    "template": "somebody is here",
    "people": ["{face}"],
    "hours": "09:00-18:00",
    "pause_s": 60,
    "picture": True,
}
_FILTERS = {"events": ["group.full"], "groups": ["{group}"], "cameras": ["{camera}"]}

SINCE = {"from": "2026-02-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}

_WITH_A_FORM: Mapping[str, Any] = {
    "time_zone": "Europe/Berlin",
    "arrive_times": 3,
    "period_days": 30,
    "attributes_off": ["age", "pose"],
    "least_liveness": 0.25,
    "least_gender": 0.5,
    "min_age": 12.5,
    "enrol_quality": 33.5,
    "review_margin": 0.05,
    "learnt_days": 365,
    "opening": "Mon-Sun 09:00-18:00",
    "week_begins": "sunday",
    "language": "de",
    "strangers": "forget",
    "ended_days": 30,
    "fpir": 0.01,
    "notice_url": "https://shop.example/cameras",
    "no_pictures_of": ["stranger"],
    "capture_days": 20,
    "sighting_days": 60,
    "stranger_days": None,
    "regular_days": 500,
    "observation_days": 150,
    "audit_days": None,
}


def _make_another(row: Setting) -> Any:
    """Make another value than the first of a setting."""
    if row.kind is bool:
        return not row.default
    if row.choices:
        return next(choice for choice in row.choices if choice != row.default)
    if row.kind in (int, float):
        return row.kind(row.most if row.default != row.most else row.least)
    return f"another {row.name}"


_ROWS = {**PROMOTION_SETTINGS, **{name: SETTINGS[name] for name in OF_TENANT}}
OTHER_SETTINGS: dict[str, Any] = {
    **{name: _make_another(row) for name, row in _ROWS.items() if name not in _WITH_A_FORM},
    **_WITH_A_FORM,
}
del OTHER_SETTINGS["restore_gap"]
"""Each is another than a tenant begins with; a restore alone sets the gap."""

_V1: Mapping[tuple[str, str], Sequence[Sample]] = {
    ("GET", "/v1/observations"): [
        Sample(query=SINCE),
        Sample(query={"kind": "sighting", "camera": "{camera}"}),
        Sample(query={"group": "{group}"}),
        Sample(query={"face": "{face}"}),
        Sample(query={"limit": "1", "token": "{observations_token}"}),
    ],
    ("GET", "/v1/arrivals"): [
        Sample(query=SINCE),
        Sample(query={"camera": "{camera_name}"}),
        Sample(query={"group": "{group}"}),
        Sample(query={"face": "{face}"}),
        Sample(query={**SINCE, "limit": "1", "token": "{arrivals_token}"}),
        Sample(query={**SINCE, "only": "first", "staff": "false", "totals": "true"}),
    ],
    ("GET", "/v1/statistics"): [
        Sample(
            query={**SINCE, "by": "month", "split": "labels.a", "staff": "false", "format": "csv"}
        ),
        Sample(query={**SINCE, "measure": "observations", "kind": "all", "camera": "{camera}"}),
        Sample(query={**SINCE, "group": "{group}"}),
        Sample(query={**SINCE, "entries": "true", "camera": "{camera}"}),
        Sample(query={**SINCE, "measure": "persons", "face": "{face}"}),
    ],
    ("POST", "/v1/captures/uploads"): [
        Sample(fields={"captures": [{"camera": "{camera}", **_OFFER}]})
    ],
    ("POST", "/v1/captures"): [
        *(
            Sample(
                query={"camera": camera, "captured_at": "2026-03-01T11:00:00Z"}, pic="YSBwaWN0dXJl"
            )
            for camera in ("{camera}", "{camera_name}")
        ),
        Sample(
            fields={
                "camera": "{camera}",
                "captured_at": "2026-03-01T11:00:00Z",
                "picture": "YSBwaWN0dXJl",
                "track": "7",
            }
        ),
    ],
    ("GET", "/v1/captures"): [
        Sample(
            query={
                "camera": "{camera}",
                "from": "0",
                "to": "2026-03-01T12:00:00Z",
                "state": "resolved",
            }
        ),
        Sample(query={"faces": "skipped"}),
        Sample(),
        Sample(query={"camera": "{camera}"}),
        Sample(query={"camera": "{camera_name}"}),
        Sample(query={"camera": "{camera}", "limit": "1", "token": "{captures_token}"}),
        Sample(query={"limit": "1", "token": "{all_captures_token}"}),
    ],
    ("GET", "/v1/captures/{id}"): [
        Sample({"id": "{capture}"}, {"camera": "{camera}"}),
        Sample({"id": "{capture}"}, {"camera": "{camera_name}"}),
    ],
    ("POST", "/v1/captures/{id}/redrive"): [
        Sample({"id": "{capture}"}, fields={"camera": "{camera}"})
    ],
    ("GET", "/v1/captures/{id}/crops/{n}"): [
        Sample({"id": "{capture}", "n": "0"}, {"camera": "{camera}", "book": "{book}"})
    ],
    ("GET", "/v1/captures/{id}/picture"): [
        Sample({"id": "{capture}"}, {"camera": "{camera}", "book": "{book}"})
    ],
    ("GET", "/v1/captures/{id}/thumbnail"): [
        Sample({"id": "{capture}"}, {"camera": "{camera}", "book": "{book}"})
    ],
    ("GET", "/v1/audit"): [
        Sample(query={"from": "2026-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}),
        Sample(query={"what": "POST /v1/faces", "by": "key first"}),
        Sample(query={"face": "{face}"}),
        Sample(query={"limit": "1", "token": "{audit_token}"}),
    ],
    ("POST", "/v1/cameras"): [
        Sample(fields={"id": "{camera}", "name": "New"}),
        Sample(fields={"name": "{camera_name}"}),
        Sample(fields={"name": "New", "groups": ["{group}"], **_SETTINGS}),
    ],
    ("PUT", "/v1/mute"): [Sample(fields={"until": "2026-03-20T00:00:00Z", "camera": None})],
    ("PUT", "/v1/fleet"): [
        Sample(
            fields={
                "settings": {"version": "1.2.3", "kib_per_s": 100, "upload_hours": ["22:00-06:00"]}
            }
        ),
    ],
    ("GET", "/v1/cameras/{id}"): [Sample(_CAMERA)],
    ("PATCH", "/v1/cameras/{id}"): [
        Sample(_CAMERA, fields={"name": "New", "revision": 1, "groups": ["{group}"], **_SETTINGS}),
        Sample(_CAMERA, fields={"name": "{other_camera_name}"}),
    ],
    ("DELETE", "/v1/cameras/{id}"): [Sample(_CAMERA)],
    ("POST", "/v1/cameras/{id}/heartbeat"): [
        Sample(_CAMERA, fields={"status": {"disk": 7}, "working": True}),
        Sample(_CAMERA, fields={"status": {"box": "attic"}, "refused": True}),
    ],
    ("POST", "/v1/cameras/{id}/key"): [Sample(_CAMERA)],
    ("POST", "/v1/cameras/{id}/claim"): [Sample(_CAMERA)],
    ("POST", "/v1/cameras/{id}/still"): [Sample(_CAMERA)],
    ("POST", "/v1/cameras/{id}/view"): [Sample(_CAMERA)],
    ("GET", "/v1/cameras/{id}/view"): [Sample(_CAMERA)],
    ("PUT", "/v1/cameras/{id}/view"): [Sample(_CAMERA, fields={"picture": _ANYBODY})],
    ("GET", "/v1/cameras/{id}/still"): [Sample(_CAMERA)],
    ("PUT", "/v1/cameras/{id}/still"): [Sample(_CAMERA, fields={"picture": _ANYBODY})],
    ("PUT", "/v1/cameras/{id}/counts"): [
        Sample(
            _CAMERA,
            fields={
                "minutes": [
                    {"at": "2026-03-01T11:00:00Z", "seconds": 60, "in": 9, "out": 1, "faces": 2}
                ]
            },
        )
    ],
    ("DELETE", "/v1/cameras/{id}/counts"): [Sample(_CAMERA, query=_VOID)],
    ("DELETE", "/v1/cameras/{id}/voids"): [Sample(_CAMERA, query=_VOID)],
    ("GET", "/v1/voids"): [Sample()],
    ("GET", "/v1/cameras/{id}/checks"): [Sample(_CAMERA)],
    ("POST", "/v1/cameras/{id}/checks"): [Sample(_CAMERA)],
    ("PUT", "/v1/cameras/{id}/checks/{at}"): [Sample(_CHECK, fields={"in": 9, "out": 4})],
    ("DELETE", "/v1/cameras/{id}/checks/{at}"): [Sample(_CHECK)],
    ("GET", "/v1/cameras/{id}/film"): [Sample(_CAMERA)],
    ("PUT", "/v1/cameras/{id}/film"): [Sample(_CAMERA, fields=make_film())],
    ("GET", "/v1/places"): [Sample(query={"days": "2"})],
    ("POST", "/v1/places"): [
        Sample(
            fields={
                "name": "New",
                "doors": ["{other_camera_name}"],
                "full_at": 9,
                "free_at": 7,
                "inside": 3,
                "takes": True,
            }
        )
    ],
    ("GET", "/v1/places/{id}"): [Sample(_PLACE)],
    ("PATCH", "/v1/places/{id}"): [
        Sample(
            _PLACE,
            fields={
                "name": "New",
                "doors": ["{camera}"],
                "full_at": 9,
                "free_at": 7,
                "inside": 3,
                "takes": True,
                "revision": 1,
            },
        )
    ],
    ("DELETE", "/v1/places/{id}"): [Sample(_PLACE)],
    ("PUT", "/v1/places/{id}/inside"): [Sample(_PLACE, fields={"inside": 3})],
    ("POST", "/v1/groups"): [
        Sample(fields={"name": "{group}", "capacity": 5, "description": "", "attributes": []}),
    ],
    ("GET", "/v1/groups/{id}"): [Sample(_GROUP)],
    ("PATCH", "/v1/groups/{id}"): [
        Sample(
            _GROUP,
            fields={
                "name": "New",
                "staff": True,
                "capacity": 30,
                "description": "",
                "attributes": [],
                "learns": False,
                "unseen_days": 30,
                "revision": 2,
            },
        ),
        Sample(_GROUP, fields={"name": "{empty_group}"}),
    ],
    ("DELETE", "/v1/groups/{id}"): [Sample({"id": "{empty_group_id}"})],
    ("GET", "/v1/faces"): [
        Sample(),
        Sample(query={"group": "{group}", "order": "arrived", "desc": "true"}),
        Sample(query={"ids": "{face}"}),
        Sample(query={"name": "{face_name}", "listed": "true"}),
        Sample(query={"limit": "1", "token": "{faces_token}"}),
        Sample(query={"name": "lee", "limit": "1", "token": "{names_token}"}),
    ],
    ("GET", "/v1/face-ids"): [
        Sample(query={"known": "true", "listed": "true"}),
        Sample(query={"hidden": "true"}),
        Sample(query={"group": "{group}", "order": "arrived", "desc": "true"}),
    ],
    ("POST", "/v1/faces"): [
        Sample(
            fields={
                "group": "{group}",
                "picture": "{photo}",
                "id": "{face}",
                "consent": _CONSENT,
                "hidden": False,
                **_PERSON,
            },
            free=frozenset({"photo"}),
        ),
        Sample(
            fields={
                "group": "regular",
                "picture": "{photo}",
                "if_known": "refuse",
                "if_erased": "refuse",
            }
        ),
        Sample(fields={"group": "{group}", "picture": "AAAA", "attributes": {"{attribute}": "7"}}),
    ],
    ("PATCH", "/v1/faces/{id}"): [
        Sample(_FACE, fields={"group": "{empty_group}", "revision": 3, **_PERSON}),
        Sample(_FACE, fields={"attributes": {"{attribute}": "7"}}),
        Sample(_FACE, fields={"portrait": "{picture}", "hidden": False}),
    ],
    ("DELETE", "/v1/faces/{id}"): [
        Sample(_FACE),
        Sample(_FACE, {"erase": "true", "whole": "true"}),
        # nobody had the id before
        Sample(_FACE, {"erase": "true", "former": "true"}, free=frozenset({"face"})),
    ],
    ("GET", "/v1/erasures"): [Sample(query={"limit": "1", "token": "{erasures_token}"}), Sample()],
    ("GET", "/v1/erasures/{id}"): [Sample({"id": "{erasure}"})],
    ("GET", "/v1/erasures/{id}/page"): [
        Sample({"id": "{erasure}"}, query={"language": "de", "shops": "Elsewhere"})
    ],
    ("GET", "/v1/faces/{id}/hold"): [Sample(_FACE)],
    ("PUT", "/v1/faces/{id}/hold"): [
        Sample(_FACE, fields={"held": True, "reason": "case 7", "whole": True}),
        Sample(_FACE, fields={"held": False, "reason": "case 7 is closed"}),
    ],
    ("GET", "/v1/restrictions"): [Sample(), Sample(query={"token": "{restrictions_token}"})],
    ("GET", "/v1/faces/{id}/restriction"): [Sample(_FACE)],
    ("PUT", "/v1/faces/{id}/restriction"): [
        Sample(_FACE, fields={"restricted": True, "reason": "letter 7", "whole": True}),
        Sample(_FACE, fields={"restricted": False, "reason": "corrected"}),
    ],
    ("GET", "/v1/consents"): [
        Sample(),
        Sample(query={"expires_before": "2100-01-01T00:00:00Z"}),
        Sample(query={"face": "{consenting}"}),
        Sample(query={"limit": "1", "token": "{consents_token}"}),
    ],
    ("GET", "/v1/faces/{id}/consent"): [Sample({"id": "{consenting}"})],
    ("PUT", "/v1/faces/{id}/consent"): [Sample(_FACE, fields=_CONSENT)],
    ("DELETE", "/v1/faces/{id}/consent"): [
        Sample({"id": "{consenting}"}),
        Sample(
            {"id": "{consenting}"},
            query={"remember_basis": "consent", "remember_evidence": "letter 12"},
        ),
    ],
    ("POST", "/v1/face-changes"): [
        Sample(fields={"ids": ["{face}"], "group": "{empty_group}"}),
        Sample(fields={"ids": ["{face}"], "labels": {"a": "north"}}),
        Sample(fields={"ids": ["{face}"], "hidden": True}),
        Sample(fields={"ids": ["{face}"], "delete": True}),
    ],
    ("GET", "/v1/faces/{id}/rejections"): [Sample({"id": "{other_face}"})],
    ("DELETE", "/v1/faces/{id}/rejections/{sighting}"): [
        Sample({"id": "{other_face}", "sighting": "{rejected}"})
    ],
    ("GET", "/v1/faces/{id}"): [Sample(_FACE)],
    ("POST", "/v1/exports"): [Sample()],
    ("GET", "/v1/faces/{id}/everything"): [
        Sample(_FACE),
        Sample(_FACE, {"language": "zh", "part": "{everything_token}", "shops": "Elsewhere"}),
    ],
    ("GET", "/v1/faces/{id}/sightings"): [
        Sample(_FACE),
        # The token is a time: those of two sightings of one millisecond are alike.
        Sample(
            _FACE, {"limit": "1", "token": "{sightings_token}"}, free=frozenset({"sightings_token"})
        ),
    ],
    ("POST", "/v1/faces/{id}/sightings/{sighting}/reject"): [
        Sample({**_FACE, "sighting": "{sighting}"}),
        Sample({**_FACE, "sighting": "{sighting}"}, fields={"other": "{other_face}"}),
        Sample({**_FACE, "sighting": "{sighting}"}, fields={"instead": "nobody"}),
        Sample(
            {**_FACE, "sighting": "{sighting}"},
            fields={"instead": "new", "name": "Berta", "visit": True, "only": ["{sighting}"]},
        ),
    ],
    ("GET", "/v1/faces/{id}/pictures"): [Sample(_FACE)],
    ("POST", "/v1/faces/{id}/pictures"): [
        Sample(_FACE, fields={"picture": "{photo}", "trust": False}),
        Sample(_FACE, fields={"sighting": "{sighting}"}),
    ],
    ("DELETE", "/v1/faces/{id}/pictures/{picture}"): [Sample({**_FACE, "picture": "{picture}"})],
    ("POST", "/v1/identify"): [
        Sample(fields={"picture": _ANYBODY, "groups": ["{group}"], "k": 2}),
        Sample(fields={"picture": _ANYBODY, "record": True}),
        Sample(fields={"picture": _ANYBODY, "restricted": True}),
    ],
    ("POST", "/v1/verify"): [
        Sample(fields={"picture": _ANYBODY, "face": "{face}"}),
        Sample(fields={"picture": _ANYBODY, "other": _ANYBODY}),
    ],
    ("POST", "/v1/detect"): [Sample(fields={"picture": _ANYBODY, "enrols": "further"})],
    ("GET", "/v1/faces/{id}/similar"): [
        Sample(_FACE, {"limit": "3", "listed": "true"}),
        Sample(_FACE, {"sighting": "{sighting}"}),
        Sample(_FACE, {"faces": "{other_face}"}),
        Sample(_FACE, {"since": "2026-01-01T00:00:00Z"}),
    ],
    ("POST", "/v1/faces/{id}/merge"): [Sample(_FACE, fields={"other": "{other_face}"})],
    ("GET", "/v1/merges"): [
        Sample(),
        Sample(query={"limit": "1", "token": "{merges_token}"}),
        Sample(query={"face": "{survivor}"}),
    ],
    ("GET", "/v1/done"): [
        Sample(query={"from": "0", "to": "9999999999", "by": "{key}", "name": "lee"}),
        Sample(query={"face": "{face}"}),
        Sample(query={"limit": "1", "token": "{done_token}"}),
    ],
    ("POST", "/v1/done/{id}/undo"): [Sample({"id": "{act}"})],
    ("POST", "/v1/merges/{id}/undo"): [Sample({"id": "{merge}"})],
    ("GET", "/v1/duplicates"): [
        Sample(),
        Sample(query={"limit": "1", "token": "{duplicates_token}"}),
    ],
    ("POST", "/v1/duplicates/{id}/done"): [Sample({"id": "{duplicate}"})],
    ("PATCH", "/v1/settings"): [
        Sample(fields={**OTHER_SETTINGS, "deletes_erase": False, "no_pictures_of": ["{group}"]}),
        Sample(fields={"restore_gap": ""}),
    ],
    ("GET", "/v1/retention"): [
        Sample(),
        Sample(query={"strangers": "forget"}),
        Sample(query={"strangers": "keep", "stranger_days": "1"}),
    ],
    ("GET", "/v1/notice"): [
        Sample(query={"language": "zh"}),
        Sample(query={"language": "ar", "layer": "sheet"}),
    ],
    ("GET", "/v1/reviews"): [
        Sample(query={"kind": "uncertain", "listed": "true"}),
        Sample(query={"limit": "1", "token": "{reviews_token}"}),
    ],
    ("POST", "/v1/reviews/{id}/done"): [Sample({"id": "{review}"})],
    ("DELETE", "/v1/session"): [Sample()],
    ("POST", "/v1/keys"): [Sample(fields={**_KEY_FIELDS, "expires_at": "2100-01-01T00:00:00Z"})],
    ("PATCH", "/v1/keys/{id}"): [Sample(_KEY, fields={**_KEY_FIELDS, "expires_at": None})],
    ("DELETE", "/v1/keys/{id}"): [Sample(_KEY)],
    ("POST", "/v1/keys/{id}/renew"): [Sample(_KEY)],
    ("POST", "/v1/dialects/{id}/key"): [
        Sample({"id": "icredit"}),
        Sample({"id": "icredit"}, fields={"name": "door", "at_once": True}),
    ],
    ("POST", "/v1/members"): [
        Sample(fields={**_MEMBER_FIELDS, "screen": False}),
        Sample(fields={"name": "Boss", "screen": True, "page": "report"}),
    ],
    ("PATCH", "/v1/members/{id}"): [Sample(_MEMBER, fields=_MEMBER_FIELDS)],
    ("POST", "/v1/members/{id}/invitation"): [Sample(_MEMBER)],
    ("DELETE", "/v1/members/{id}/passkeys/{passkey}"): [
        Sample({**_MEMBER, "passkey": "{passkey}"})
    ],
    ("DELETE", "/v1/members/{id}"): [Sample(_MEMBER), Sample(_MEMBER, query={"end": "all"})],
    ("GET", "/v1/members/{id}/made"): [Sample(_MEMBER)],
    ("DELETE", "/v1/members/{id}/made/{access}"): [
        Sample({**_MEMBER, "access": "{made}"}),
    ],
    ("POST", "/v1/hooks"): [
        Sample(
            fields={
                "url": "https://8.8.8.8/",
                "enabled": True,
                "name": "till",
                "passes_to": "broker.lan",
                **_FILTERS,
            },
        ),
        Sample(fields={"url": None, **_MESSAGE}),
    ],
    ("GET", "/v1/hooks/{id}"): [Sample(_HOOK)],
    ("GET", "/v1/push-key"): [Sample()],
    ("PATCH", "/v1/hooks/{id}"): [
        Sample(
            _HOOK,
            fields={
                "url": "https://8.8.8.8/",
                "enabled": True,
                "name": "till",
                "passes_to": "broker.lan",
                **_FILTERS,
            },
        ),
        Sample(_HOOK, fields=_MESSAGE, free=frozenset({"face"})),  # refused: this one has a URL
    ],
    ("DELETE", "/v1/hooks/{id}"): [Sample(_HOOK)],
    ("POST", "/v1/hooks/{id}/secret"): [Sample(_HOOK)],
    ("POST", "/v1/hooks/{id}/test"): [Sample(_HOOK)],
    ("POST", "/v1/hooks/{id}/ack"): [Sample({"id": "{mailbox}"}, fields={"ids": ["group.full-1"]})],
    ("GET", "/v1/hooks/{id}/deliveries"): [
        Sample(_HOOK),
        Sample({"id": "{mailbox}"}, {"state": "pending"}),
        Sample(_HOOK, {"state": "parked", "limit": "1", "token": "{deliveries_token}"}),
    ],
    ("POST", "/v1/hooks/{id}/redeliver"): [Sample(_HOOK)],
}

_SUNMI: Mapping[str, Sequence[Sample]] = {
    "createGroup": [form(name="{group}", capacity="10", description="")],
    "updateGroup": [form(old_name="{group}", name="{empty_group}", capacity="20", description="")],
    "updateMigration": [form(arrive_times="5", period="20")],
    "deleteGroup": [form(name="{empty_group}")],
    "getGroupList": [form()],
    "addFaceInfoItem": [form(num="1", group_name="{group}", name_list='["{attribute}"]')],
    "removeFaceInfoItem": [form(num="1", group_name="{group}", name_list='["{attribute}"]')],
    "getFaceInfoItem": [form(group_name="{group}")],
    "addFace": [
        form(
            pic="{photo}",
            free=["photo"],
            group_name="{group}",
            faceid="{face}",
            age="21",
            gender="1",
            item1="60",
        ),
        # means updateFace
        form(group_name="{group}", faceid="{face}", new_group_name="{empty_group}"),
    ],
    "deleteFace": [form(num="1", group_name="{group}", faceid_list='["{face}"]')],
    "updateFace": [
        form(
            group_name="{group}",
            faceid="{face}",
            new_group_name="{empty_group}",
            age="10",
            gender="1",
        ),
        form(pic="{photo}", free=["photo"], group_name="{group}", faceid="{face}", item1="61"),
    ],
    "getFace": [form(faceid="{face}")],
    "getFaceList": [form(group_name="{group}", page_num="1", page_size="10")],
    "getFaceIDList": [form(group_name="{group}", page_num="1", page_size="10")],
    "getFaceByArrival": [form(group_name="{group}", num="2")],
    "getFaceByPicture": [form(pic="{photo}")],
}

_EVER = {"START_TIME": "0", "END_TIME": "9999999999"}
_OBSERVED = (
    {"PERSON_TOKEN": "{face}"},
    {"PERSON_GROUP_LABEL": "{group}"},
    {"LABLE_A": "{label}"},
    {"LABLE_B": "{label}", "LABLE_C": "{label}", "LABLE_D": "{label}", "LABLE_A": "{label}"},
)


def _manage(control: str, kind: str, image: str, free: Sequence[str] = ()) -> Sample:
    of_group = {"PERSON_GROUP_LABEL": "{group}"}
    return form(CONTROL_TYPE=control, IMAGE_TYPE=kind, IMAGE=image, free=free, **of_group)


_ICREDIT: Mapping[str, Sequence[Sample]] = {
    "manage": [
        _manage("0", "0", "{photo}", free=["photo"]),
        _manage("0", "1", "{photo_url}", free=["photo_url"]),
        _manage("0", "3", "{face}"),
        _manage("1", "0", "{photo}"),
        _manage("1", "1", "{photo_url}"),
        _manage("1", "3", "{face}"),
        _manage("3", "3", "{face}"),
        form(CONTROL_TYPE="3", PERSON_TOKEN="{face}", PERSON_GROUP_LABEL="{group}"),
    ],
    "query": [
        *(form(**_EVER, **of) for of in _OBSERVED),
        form(**_EVER, PAGE_SIZE="1", PAGE_TOKEN="{query_token}"),
    ],
    "analysis": [form(**_EVER, STATISTICAL="2", **of) for of in _OBSERVED],
}

_OF = {"CollectionId": "{group}"}
_ARN = "arn:aws:rekognition:box:000000000000:collection/{group}"
_OF_USER = {**_OF, "UserId": "{user}", "ClientRequestToken": "1"}
_FACES = {"FaceIds": ["{face}", "{other_face}"]}


def _sent(**members: Any) -> Sample:
    return Sample(fields=members)


_REKOGNITION: Mapping[str, Sequence[Sample]] = {
    "CreateCollection": [Sample(fields={"CollectionId": "{group}", "Tags": {"a": "b"}})],
    "DeleteCollection": [_sent(**_OF), _sent(CollectionId="{empty_group}")],
    "ListCollections": [_sent(), _sent(MaxResults=1, NextToken="{collections_token}")],
    "DescribeCollection": [_sent(**_OF)],
    "TagResource": [_sent(ResourceArn=_ARN, Tags={"a": "b"})],
    "UntagResource": [_sent(ResourceArn=_ARN, TagKeys=["a"])],
    "ListTagsForResource": [_sent(ResourceArn=_ARN)],
    "IndexFaces": [
        Sample(
            fields={
                **_OF,
                "Image": {"Bytes": "{photo}"},
                "ExternalImageId": "team",
                "DetectionAttributes": ["DEFAULT"],
                "MaxFaces": 3,
                "QualityFilter": "NONE",
            },
            free=frozenset({"photo"}),
        )
    ],
    "ListFaces": [
        _sent(**_OF),
        _sent(**_OF, **_FACES),
        _sent(**_OF, UserId="{user}"),
        _sent(**_OF, MaxResults=1, NextToken="{collected_token}"),
    ],
    "DeleteFaces": [_sent(**_OF, **_FACES)],
    "SearchFaces": [_sent(**_OF, FaceId="{face}", MaxFaces=5, FaceMatchThreshold=0)],
    "SearchFacesByImage": [
        _sent(
            **_OF,
            Image={"Bytes": "{photo}"},
            MaxFaces=5,
            FaceMatchThreshold=80,
            QualityFilter="NONE",
        )
    ],
    "DetectFaces": [_sent(Image={"Bytes": _ANYBODY}, Attributes=["ALL"])],
    "CompareFaces": [
        _sent(
            SourceImage={"Bytes": _ANYBODY},
            TargetImage={"Bytes": _ANYBODY},
            SimilarityThreshold=0,
            QualityFilter="NONE",
        )
    ],
    "CreateUser": [_sent(**_OF, UserId="new", ClientRequestToken="1"), _sent(**_OF_USER)],
    "DeleteUser": [_sent(**_OF_USER)],
    "ListUsers": [_sent(**_OF), _sent(**_OF, MaxResults=1, NextToken="{users_token}")],
    "AssociateFaces": [_sent(**_OF_USER, **_FACES, UserMatchThreshold=0)],
    "DisassociateFaces": [_sent(**_OF_USER, **_FACES)],
    "SearchUsers": [
        _sent(**_OF, UserId="{user}", UserMatchThreshold=0, MaxUsers=5),
        _sent(**_OF, FaceId="{face}"),
    ],
    "SearchUsersByImage": [
        _sent(
            **_OF,
            Image={"Bytes": "{photo}"},
            UserMatchThreshold=80,
            MaxUsers=5,
            QualityFilter="NONE",
        )
    ],
}

_SEEN = {"file": _ANYBODY}
_EXAMPLE = {"id": "{example}"}
_ROW = [1.0] + [0.0] * 255

_COMPREFACE: Mapping[tuple[str, str], Sequence[Sample]] = {
    ("GET", "recognition/subjects"): [Sample()],
    ("POST", "recognition/subjects"): [_sent(subject="new"), _sent(subject="{subject}")],
    ("DELETE", "recognition/subjects"): [Sample()],
    ("PUT", "recognition/subjects/{name}"): [
        Sample({"name": "{subject}"}, fields={"subject": "new"})
    ],
    ("DELETE", "recognition/subjects/{name}"): [Sample({"name": "{subject}"})],
    ("GET", "recognition/faces"): [Sample(), Sample(query={"subject": "{subject}"})],
    ("POST", "recognition/faces"): [Sample(query={"subject": "new"}, fields=_SEEN)],
    ("DELETE", "recognition/faces"): [Sample(query={"subject": "{subject}"})],
    ("POST", "recognition/faces/delete"): [_sent(list=["{example}"])],
    ("DELETE", "recognition/faces/{id}"): [Sample(_EXAMPLE)],
    ("GET", "recognition/faces/{id}/img"): [Sample(_EXAMPLE)],
    ("POST", "recognition/faces/{id}/verify"): [Sample(_EXAMPLE, fields=_SEEN)],
    ("POST", "recognition/recognize"): [_sent(file="{photo}")],
    ("POST", "recognition/embeddings/recognize"): [_sent(embeddings=[_ROW])],
    ("POST", "recognition/embeddings/faces/{id}/verify"): [
        Sample(_EXAMPLE, fields={"embeddings": [_ROW]})
    ],
    ("POST", "verification/verify"): [_sent(source_image=_ANYBODY, target_image=_ANYBODY)],
    ("POST", "verification/embeddings/verify"): [_sent(source=_ROW, targets=[_ROW])],
    ("POST", "detection/detect"): [_sent(**_SEEN)],
}

_DEEPSTACK: Mapping[str, Sequence[Sample]] = {
    "": [_sent(image=_ANYBODY)],
    "/register": [form(userid="new", image="{photo}", free=["photo"])],
    "/recognize": [_sent(image="{photo}")],
    "/list": [Sample()],
    "/delete": [form(userid="{subject}", free=["subject"])],
    "/match": [_sent(image1=_ANYBODY, image2=_ANYBODY)],
}

SAMPLES: Mapping[tuple[str, str], Sequence[Sample]] = {
    **{
        ("GET", one.path): [Sample()]
        for one in OPERATIONS
        if one.method == "GET" and one.role and "{" not in one.path
    },
    **_V1,
    **{("POST", f"/openapi/face/{name}"): samples for name, samples in _SUNMI.items()},
    **{("POST", f"/icredit/face/{name}"): samples for name, samples in _ICREDIT.items()},
    **{(method, f"/api/v1/{path}"): samples for (method, path), samples in _COMPREFACE.items()},
    **{("POST", f"/v1/vision/face{path}"): samples for path, samples in _DEEPSTACK.items()},
    **{("POST", f"/ {name}"): samples for name, samples in _REKOGNITION.items()},
}
"""By method and path."""
