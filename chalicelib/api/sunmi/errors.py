"""The camera's codes: the code of each error, the codes that each endpoint lists, and substitutes for unlisted ones.

The vendor does not publish its table. The meanings follow from the endpoints that list each code.
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.api.http import nearest
from chalicelib.core import errors

DONE = 0
INTERNAL = 1
MALFORMED = 2
STALE = 3
WRONG_CREDENTIALS = 5
NOT_ACTIVATED = 7
GROUP_EXISTS = 200
ILLEGAL_GROUP_NAME = 201
TOO_MANY_GROUPS = 202
NO_SUCH_GROUP = 204
GROUP_NOT_EMPTY = 205
FACE_EXISTS = 206
NO_SUCH_FACE = 207
GROUP_FULL = 208
UNUSABLE_PICTURE = 210
STORAGE_UNAVAILABLE = 211
ILLEGAL_CAPACITY = 212
BUSY = 220
DEFAULT_GROUP = 240
WRONG_ATTRIBUTE_COUNT = 241
ILLEGAL_ATTRIBUTE = 242
NO_SUCH_ATTRIBUTE = 243
NO_MATCH = 283

CODES: Mapping[type[errors.RegularsError], int] = {
    errors.RegularsError: INTERNAL,
    errors.InvalidInput: MALFORMED,
    errors.IllegalGroupName: ILLEGAL_GROUP_NAME,
    errors.IllegalCapacity: ILLEGAL_CAPACITY,
    errors.DefaultGroup: DEFAULT_GROUP,
    errors.IllegalAttribute: ILLEGAL_ATTRIBUTE,
    errors.WrongAttributeCount: WRONG_ATTRIBUTE_COUNT,
    errors.NotFound: MALFORMED,
    errors.GroupNotFound: NO_SUCH_GROUP,
    errors.FaceNotFound: NO_SUCH_FACE,
    errors.AttributeNotFound: NO_SUCH_ATTRIBUTE,
    errors.Conflict: BUSY,
    errors.GroupExists: GROUP_EXISTS,
    errors.GroupNotEmpty: GROUP_NOT_EMPTY,
    errors.FaceExists: FACE_EXISTS,
    errors.FaceHeld: MALFORMED,  # not BUSY, after which a client sends it again
    errors.RequestReused: STALE,
    errors.LimitReached: GROUP_FULL,
    errors.TooManyGroups: TOO_MANY_GROUPS,
    errors.GroupFull: GROUP_FULL,
    errors.Unauthorized: WRONG_CREDENTIALS,
    errors.StaleRequest: STALE,
    errors.TenantDisabled: NOT_ACTIVATED,
    errors.Unusable: UNUSABLE_PICTURE,
    errors.Busy: BUSY,
    errors.StorageUnavailable: STORAGE_UNAVAILABLE,
}

NEVER_STORED = frozenset({INTERNAL, STORAGE_UNAVAILABLE, BUSY})
"""Codes after which the same request may be tried again."""

_ALWAYS_LISTED = (DONE, INTERNAL, MALFORMED, STALE, WRONG_CREDENTIALS, NOT_ACTIVATED, STORAGE_UNAVAILABLE)


def _listed(*codes: int) -> frozenset[int]:
    return frozenset({*_ALWAYS_LISTED, *codes})


LISTED: Mapping[str, frozenset[int]] = {
    "createGroup": _listed(GROUP_EXISTS, ILLEGAL_GROUP_NAME, TOO_MANY_GROUPS, ILLEGAL_CAPACITY, BUSY),
    "updateGroup": _listed(GROUP_EXISTS, ILLEGAL_GROUP_NAME, TOO_MANY_GROUPS, NO_SUCH_GROUP, ILLEGAL_CAPACITY, BUSY),
    "updateMigration": _listed(NO_SUCH_GROUP, BUSY),
    "deleteGroup": _listed(ILLEGAL_GROUP_NAME, NO_SUCH_GROUP, GROUP_NOT_EMPTY, BUSY),
    "getGroupList": _listed(BUSY),
    "addFaceInfoItem": _listed(NO_SUCH_GROUP, BUSY, DEFAULT_GROUP, WRONG_ATTRIBUTE_COUNT, ILLEGAL_ATTRIBUTE),
    "removeFaceInfoItem": _listed(
        NO_SUCH_GROUP, BUSY, DEFAULT_GROUP, WRONG_ATTRIBUTE_COUNT, ILLEGAL_ATTRIBUTE, NO_SUCH_ATTRIBUTE
    ),
    "getFaceInfoItem": _listed(NO_SUCH_GROUP, BUSY),
    "addFace": _listed(NO_SUCH_GROUP, FACE_EXISTS, GROUP_FULL, UNUSABLE_PICTURE, BUSY),
    "deleteFace": _listed(NO_SUCH_GROUP, BUSY),
    "updateFace": _listed(NO_SUCH_GROUP, NO_SUCH_FACE, GROUP_FULL, UNUSABLE_PICTURE, BUSY),
    "getFace": _listed(),
    "getFaceList": _listed(),
    "getFaceByArrival": _listed(NO_SUCH_FACE),
    "getFaceByPicture": _listed(UNUSABLE_PICTURE, NO_MATCH),
}
"""Codes that each endpoint's section of the source lists; the endpoint answers no other."""

_STANDS_IN: Mapping[tuple[str, int], int] = {
    ("updateGroup", DEFAULT_GROUP): ILLEGAL_GROUP_NAME,
    ("deleteGroup", DEFAULT_GROUP): ILLEGAL_GROUP_NAME,
    ("getFaceByArrival", NO_SUCH_GROUP): NO_SUCH_FACE,
    ("getFaceByPicture", NO_SUCH_FACE): NO_MATCH,
}
"""Substitutes for codes that an endpoint does not list. Without one, BUSY becomes 211 and any other code 2."""


def code_of(error: Exception, endpoint: str) -> int:
    """Return the code with which `endpoint` answers this error: always one of those that it lists."""
    code = nearest(CODES, type(error))
    if code in LISTED[endpoint]:
        return code
    return _STANDS_IN.get((endpoint, code), STORAGE_UNAVAILABLE if code == BUSY else MALFORMED)
