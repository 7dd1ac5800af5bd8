"""Users of collections: made, listed, given faces, rid of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chalicelib.api.rekognition.collections import collection, place, user_errors
from chalicelib.api.rekognition.faces import shown_id, taken
from chalicelib.api.rekognition.operation import Call, Members
from chalicelib.core.page_tokens import PageTokens
from chalicelib.services.users.users import Outcome, Refusal

MOST_USERS = 500
_LEAST = 75.0


def create_user(call: Call, asked: Members) -> Members:
    def create() -> None:
        with user_errors(asked["UserId"]):
            group = collection(call, asked["CollectionId"])
            call.services.users.create(call.tenant, group, asked["UserId"], call.request)

    call.once(create)
    return {}


def delete_user(call: Call, asked: Members) -> Members:
    def delete() -> None:
        with user_errors(asked["UserId"]):
            group = collection(call, asked["CollectionId"])
            call.services.users.delete(call.tenant, group, asked["UserId"], call.request)

    call.once(delete)
    return {}


def list_users(call: Call, asked: Members) -> Members:
    group = collection(call, asked["CollectionId"])
    tokens = PageTokens(f"users {call.tenant.name} {group.id}")
    behind = place(tokens, asked.get("NextToken"))
    users, following = call.services.users.page(call.tenant, group, asked.get("MaxResults", MOST_USERS), behind)
    answer = {"Users": [{"UserId": one.id, "UserStatus": _status(len(one.faceids))} for one in users]}
    return answer if following is None else {**answer, "NextToken": tokens.token(following)}


def associate_faces(call: Call, asked: Members) -> Members:
    least = asked.get("UserMatchThreshold", _LEAST)

    def associate() -> dict[str, Any]:
        with user_errors(asked["UserId"]):
            group, faceids = collection(call, asked["CollectionId"]), [taken(one) for one in asked["FaceIds"]]
            users = call.services.users
            return asdict(users.associate(call.tenant, group, asked["UserId"], faceids, least, request=call.request))

    outcome = Outcome.of(call.once(associate))
    return {
        "AssociatedFaces": [{"FaceId": shown_id(one)} for one in outcome.done],
        "UnsuccessfulFaceAssociations": [_refused(one) for one in outcome.refused],
        "UserStatus": _status(outcome.held),
    }


def disassociate_faces(call: Call, asked: Members) -> Members:
    def disassociate() -> dict[str, Any]:
        with user_errors(asked["UserId"]):
            group, faceids = collection(call, asked["CollectionId"]), [taken(one) for one in asked["FaceIds"]]
            users = call.services.users
            return asdict(users.disassociate(call.tenant, group, asked["UserId"], faceids, call.request))

    outcome = Outcome.of(call.once(disassociate))
    return {
        "DisassociatedFaces": [{"FaceId": shown_id(one)} for one in outcome.done],
        "UnsuccessfulFaceDisassociations": [_refused(one) for one in outcome.refused],
        "UserStatus": _status(outcome.held),
    }


def _status(faces: int) -> str:
    return "ACTIVE" if faces else "CREATED"


def _refused(refusal: Refusal) -> dict[str, Any]:
    told: dict[str, Any] = {"FaceId": shown_id(refusal.faceid), "Reasons": [refusal.reason]}
    if refusal.user:
        told["UserId"] = refusal.user
    if refusal.similarity is not None:
        told["Confidence"] = refusal.similarity
    return told
