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
WRONG_CREDENTIALS = 5
STORAGE_UNAVAILABLE = 211
BUSY = 220
NO_MATCH = 283

CODES: Mapping[type[errors.RegularsError], int] = {
    errors.RegularsError: INTERNAL,
    errors.InvalidInput: MALFORMED,
    errors.IllegalGroupName: 201,
    errors.IllegalCapacity: 212,
    errors.DefaultGroup: 240,
    errors.IllegalAttribute: 242,
    errors.WrongAttributeCount: 241,
    errors.NotFound: MALFORMED,
    errors.GroupNotFound: 204,
    errors.FaceNotFound: 207,
    errors.AttributeNotFound: 243,
    errors.Conflict: BUSY,
    errors.GroupExists: 200,
    errors.GroupNotEmpty: 205,
    errors.FaceExists: 206,
    errors.FaceHeld: MALFORMED,  # not BUSY, after which a client sends it again
    errors.RequestReused: 3,
    errors.LimitReached: 208,
    errors.TooManyGroups: 202,
    errors.GroupFull: 208,
    errors.Unauthorized: WRONG_CREDENTIALS,
    errors.StaleRequest: 3,
    errors.TenantDisabled: 7,
    errors.Unusable: 210,
    errors.Busy: BUSY,
    errors.StorageUnavailable: STORAGE_UNAVAILABLE,
}

NEVER_STORED = frozenset({INTERNAL, STORAGE_UNAVAILABLE, BUSY})
"""Codes after which the same request may be tried again."""

_ALWAYS_LISTED = frozenset({0, 1, 2, 3, 5, 7, 211})

LISTED: Mapping[str, frozenset[int]] = {
    endpoint: _ALWAYS_LISTED | codes
    for endpoint, codes in {
        "createGroup": {200, 201, 202, 212, 220},
        "updateGroup": {200, 201, 202, 204, 212, 220},
        "updateMigration": {204, 220},
        "deleteGroup": {201, 204, 205, 220},
        "getGroupList": {220},
        "addFaceInfoItem": {204, 220, 240, 241, 242},
        "removeFaceInfoItem": {204, 220, 240, 241, 242, 243},
        "getFaceInfoItem": {204, 220},
        "addFace": {204, 206, 208, 210, 220},
        "deleteFace": {204, 220},
        "updateFace": {204, 207, 208, 210, 220},
        "getFace": set[int](),
        "getFaceList": set[int](),
        "getFaceByArrival": {207},
        "getFaceByPicture": {210, 283},
    }.items()
}
"""Codes that each endpoint's section of the source lists; the endpoint answers no other."""

_STANDS_IN: Mapping[tuple[str, int], int] = {
    ("updateGroup", 240): 201,
    ("deleteGroup", 240): 201,
    ("getFaceByArrival", 204): 207,
    ("getFaceByPicture", 207): 283,
}
"""Substitutes for codes that an endpoint does not list. Without one, BUSY becomes 211 and any other code 2."""


def code_of(error: Exception, endpoint: str) -> int:
    """Return the code with which `endpoint` answers this error: always one of those that it lists."""
    code = nearest(CODES, type(error))
    if code in LISTED[endpoint]:
        return code
    return _STANDS_IN.get((endpoint, code), STORAGE_UNAVAILABLE if code == BUSY else MALFORMED)
