"""ERROR_CODE of each error in iCREDIT's answers; ERROR_MSG is the error's own sentence.

The source names no codes. These are ours, and callers may rely on them.
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.api.errors import nearest
from chalicelib.core.errors import (
    Busy,
    Conflict,
    DefaultGroup,
    FaceExists,
    FaceNotFound,
    GroupExists,
    GroupFull,
    GroupNotEmpty,
    GroupNotFound,
    IllegalCapacity,
    IllegalGroupName,
    InvalidInput,
    LimitReached,
    NotFound,
    RegularsError,
    StorageUnavailable,
    TenantDisabled,
    TenantFull,
    TooManyGroups,
    Unauthorized,
    Unusable,
)

INTERNAL = "INTERNAL_ERROR"

CODES: Mapping[type[RegularsError], str] = {
    RegularsError: INTERNAL,
    InvalidInput: "INVALID_PARAMETER",
    IllegalGroupName: "ILLEGAL_GROUP_LABEL",
    IllegalCapacity: "ILLEGAL_CAPACITY",
    DefaultGroup: "DEFAULT_GROUP",
    NotFound: "NOT_FOUND",
    GroupNotFound: "GROUP_NOT_FOUND",
    FaceNotFound: "TOKEN_NOT_FOUND",
    Conflict: "CONFLICT",
    GroupExists: "GROUP_EXISTS",
    GroupNotEmpty: "GROUP_NOT_EMPTY",
    FaceExists: "TOKEN_EXISTS",
    LimitReached: "LIMIT_REACHED",
    TooManyGroups: "TOO_MANY_GROUPS",
    GroupFull: "GROUP_FULL",
    TenantFull: "TENANT_FULL",
    Unauthorized: "UNAUTHORIZED",
    TenantDisabled: "TENANT_DISABLED",
    Unusable: "UNUSABLE_IMAGE",
    Busy: "BUSY",
    StorageUnavailable: "STORAGE_UNAVAILABLE",
}


def code_of(error: RegularsError) -> str:
    return nearest(CODES, type(error))
