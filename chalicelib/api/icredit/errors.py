"""ERROR_CODE of each error in iCREDIT's answers; ERROR_MSG is the error's own sentence.

The source names no codes. These are ours, and callers may rely on them.
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.core import errors

INTERNAL = "INTERNAL_ERROR"

CODES: Mapping[type[errors.RegularsError], str] = {
    errors.RegularsError: INTERNAL,
    errors.InvalidInput: "INVALID_PARAMETER",
    errors.IllegalGroupName: "ILLEGAL_GROUP_LABEL",
    errors.IllegalCapacity: "ILLEGAL_CAPACITY",
    errors.DefaultGroup: "DEFAULT_GROUP",
    errors.ConsentMissing: "CONSENT_REQUIRED",
    errors.NotFound: "NOT_FOUND",
    errors.GroupNotFound: "GROUP_NOT_FOUND",
    errors.FaceNotFound: "TOKEN_NOT_FOUND",
    errors.Conflict: "CONFLICT",
    errors.GroupExists: "GROUP_EXISTS",
    errors.GroupNotEmpty: "GROUP_NOT_EMPTY",
    errors.FaceExists: "TOKEN_EXISTS",
    errors.FaceHeld: "TOKEN_HELD",
    errors.LimitReached: "LIMIT_REACHED",
    errors.TooManyGroups: "TOO_MANY_GROUPS",
    errors.GroupFull: "GROUP_FULL",
    errors.TenantFull: "TENANT_FULL",
    errors.Unauthorized: "UNAUTHORIZED",
    errors.TenantDisabled: "TENANT_DISABLED",
    errors.Unusable: "UNUSABLE_IMAGE",
    errors.Busy: "BUSY",
    errors.StorageUnavailable: "STORAGE_UNAVAILABLE",
}
