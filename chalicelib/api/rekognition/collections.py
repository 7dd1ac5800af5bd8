"""Collections, which are groups, and their tags."""

from __future__ import annotations

import hashlib
import re

from chalicelib.api.http import Failure
from chalicelib.api.rekognition.operation import BAD_REQUEST, Call, Members
from chalicelib.core.errors import InvalidInput
from chalicelib.core.items import PageTokens
from chalicelib.core.model import DEFAULT_GROUPS, Group, Tenant
from chalicelib.core.names import LONGEST_GROUP_NAME
from chalicelib.core.values import milliseconds

LARGEST_PAGE = 4_096

_NAME = re.compile(r"[a-zA-Z0-9_.\-]+")
_ARN = re.compile(r"arn:[^:]*:rekognition:[^:]*:[^:]*:collection/([a-zA-Z0-9_.\-]+)")


def create_collection(call: Call, asked: Members) -> Members:
    name, groups = asked["CollectionId"], call.services.groups

    def create() -> None:
        capacity = groups.implicit_capacity(call.tenant)
        groups.create(
            call.tenant, name, capacity, "", call.request, tags=asked.get("Tags", {}), longest_name=LONGEST_GROUP_NAME
        )

    call.once(create)
    return {"StatusCode": 200, "CollectionArn": arn(call, name), "FaceModelVersion": model_version(call)}


def delete_collection(call: Call, asked: Members) -> Members:
    of_groups = call.services.erasure.of_groups
    call.once(lambda: of_groups.delete(call.tenant, asked["CollectionId"], call.request, by="rekognition"))
    return {"StatusCode": 200}


def list_collections(call: Call, asked: Members) -> Members:
    most = asked.get("MaxResults") or LARGEST_PAGE
    tokens = PageTokens(f"collections {call.tenant.name}")
    behind = place(tokens, asked.get("NextToken"))
    groups = [one for one in call.services.groups.all(call.tenant) if _is_collection(one)]
    left = [one for one in groups if behind is None or _place(one) > behind]
    page = left[:most]
    answer: dict[str, object] = {
        "CollectionIds": [one.name for one in page],
        "FaceModelVersions": [model_version(call)] * len(page),
    }
    if len(left) > most:
        answer["NextToken"] = tokens.token(_place(page[-1]))
    return answer


def describe_collection(call: Call, asked: Members) -> Members:
    group = collection(call, asked["CollectionId"])
    answer = {
        "FaceCount": group.count,
        "UserCount": group.users,
        "FaceModelVersion": model_version(call),
        "CollectionARN": arn(call, group.name),
    }
    created = group.created_at
    return answer if created is None else {**answer, "CreationTimestamp": created.timestamp()}


def tag_resource(call: Call, asked: Members) -> None:
    name, tags = _named(asked["ResourceArn"]), asked["Tags"]
    call.once(lambda: call.services.groups.tag(call.tenant, collection(call, name).name, tags, call.request))


def untag_resource(call: Call, asked: Members) -> None:
    name, tags = _named(asked["ResourceArn"]), asked["TagKeys"]
    call.once(lambda: call.services.groups.untag(call.tenant, collection(call, name).name, tags, call.request))


def list_tags_for_resource(call: Call, asked: Members) -> Members:
    return {"Tags": dict(collection(call, _named(asked["ResourceArn"])).tags)}


def collection(call: Call, name: str) -> Group:
    """Return the group of a collection. Raises GroupNotFound."""
    return call.services.groups.named(call.tenant, name)


def arn(call: Call, name: str) -> str:
    return f"arn:aws:rekognition:{call.region}:{_account(call.tenant)}:collection/{name}"


def model_version(call: Call) -> str:
    """Return the number of the tenant's embedding model, in the form of Rekognition's versions."""
    return f"7.{call.services.ports.model_number(call.tenant.model)}"


def place(tokens: PageTokens, token: str | None) -> str | None:
    """Return the place that a NextToken names; None if there is none, or it is empty. Raises Failure."""
    if not token:
        return None
    try:
        return tokens.place(token, str)
    except InvalidInput:
        raise Failure("InvalidPaginationTokenException", "Invalid Pagination Token") from None


def _is_collection(group: Group) -> bool:
    """Tell whether a group is listed: a default one only while it holds faces, so that a new account is empty."""
    is_named = _NAME.fullmatch(group.name) is not None
    return is_named and (group.id not in DEFAULT_GROUPS or group.count > 0)


def _place(group: Group) -> str:
    """Return what sorts groups as Groups.all does: the default ones first, then by creation."""
    if group.is_default:
        return f"0{DEFAULT_GROUPS.index(group.id)}"
    return f"1{0 if group.created_at is None else milliseconds(group.created_at):013d}{group.id}"


def _account(tenant: Tenant) -> str:
    """Return 12 digits for the tenant, which its ARNs have in place of an account's number."""
    return f"{int.from_bytes(hashlib.sha256(tenant.name.encode()).digest()[:8], 'big') % 10**12:012d}"


def _named(text: str) -> str:
    """Return the collection that an ARN names. Raises Failure."""
    found = _ARN.fullmatch(text)
    if found is None:
        raise Failure("InvalidParameterException", f"{BAD_REQUEST}: ResourceArn is not that of a collection")
    return found[1]
