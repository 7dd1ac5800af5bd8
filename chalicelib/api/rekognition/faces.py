"""Faces of collections: indexed, listed, deleted, searched for."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from functools import partial
from typing import Any

from chalicelib.api.http import Failure
from chalicelib.api.rekognition.collections import LARGEST_PAGE, collection, model_version, place
from chalicelib.api.rekognition.operation import Call, Members
from chalicelib.api.rekognition.pictures import (
    MOST_FACES,
    RULES,
    face_detail,
    judged,
    picture_of,
    placed,
    reason_of,
    require_one,
)
from chalicelib.core.decision import MATCH
from chalicelib.core.errors import FaceNotFound, StorageUnavailable
from chalicelib.core.items import PageTokens
from chalicelib.core.model import Face, Group
from chalicelib.core.pictures import Found, Sides
from chalicelib.core.recognised import Wanted
from chalicelib.services.erasure.erasure import MAX_DELETED

_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_OF_NUMBER = re.compile(r"00000000-0000-0000-([0-9a-f]{4})-([0-9a-f]{12})")


def index_faces(call: Call, asked: Members) -> Members:
    group, picture = in_collection(call, asked)
    attributes = asked.get("DetectionAttributes", [])
    with judged():
        indexed = call.services.enrolment.indexing.index(
            call.tenant,
            group,
            picture,
            RULES,
            partial(reason_of, quality_filter=asked.get("QualityFilter", "AUTO")),
            most=asked.get("MaxFaces", MOST_FACES),
            external_id=asked.get("ExternalImageId", ""),
            call=call.id,
        )
    seen, version = indexed.seen.described, model_version(call)
    unseen = call.tenant.answers_unknown
    details = [face_detail(one, seen.width, seen.height, attributes, unseen=unseen) for one in seen.faces]
    return {
        "FaceRecords": [
            {"Face": shown(indexed.faces[number], version), "FaceDetail": details[number]}
            for number in sorted(indexed.faces)
        ],
        "UnindexedFaces": [
            {"Reasons": [indexed.unindexed[number]], "FaceDetail": details[number]}
            for number in sorted(indexed.unindexed)
        ],
        "FaceModelVersion": version,
    }


def list_faces(call: Call, asked: Members) -> Members:
    group = collection(call, asked["CollectionId"])
    most = asked.get("MaxResults") or LARGEST_PAGE
    wanted = None if "FaceIds" not in asked else [taken(one) for one in asked["FaceIds"]]
    if "UserId" in asked:
        own = call.services.users.get(call.tenant, group, asked["UserId"]).faceids
        wanted = [one for one in own if wanted is None or one in wanted]
    tokens = PageTokens(f"faces {call.tenant.name} {group.id}")
    behind = place(tokens, asked.get("NextToken"))
    faces, following = call.services.faces.lists.enrolled(call.tenant, group, most, behind, wanted)
    version = model_version(call)
    answer = {"Faces": [shown(one, version) for one in faces], "FaceModelVersion": version}
    return answer if following is None else {**answer, "NextToken": tokens.token(following)}


def delete_faces(call: Call, asked: Members) -> Members:
    group = collection(call, asked["CollectionId"])
    asked_ids = {taken(one): one for one in asked["FaceIds"]}
    gone: set[str] = set()
    for first in range(0, len(asked_ids), MAX_DELETED):
        some = list(asked_ids)[first : first + MAX_DELETED]
        gone |= _deleted(call, group, some, first)
    left = {faceid: one for faceid, one in asked_ids.items() if faceid not in gone}
    kept = call.services.faces.of_group(call.tenant, group, [*left])
    return {
        "DeletedFaces": [shown_id(faceid) for faceid in asked_ids if faceid in gone],
        "UnsuccessfulFaceDeletions": [_undeleted(one, kept.get(faceid)) for faceid, one in left.items()],
    }


def search_faces(call: Call, asked: Members) -> Members:
    group, faceid = collection(call, asked["CollectionId"]), taken(asked["FaceId"])
    face = face_of(call, group, faceid)
    found = call.services.recognition.ranking.of_face(
        call.tenant, group, face, least=asked.get("FaceMatchThreshold", MATCH), most=asked.get("MaxFaces", LARGEST_PAGE)
    )
    version = model_version(call)
    return {
        "SearchedFaceId": shown_id(faceid),
        "FaceMatches": [{"Similarity": one.similarity, "Face": shown(one.face, version)} for one in found],
        "FaceModelVersion": version,
    }


def search_faces_by_image(call: Call, asked: Members) -> Members:
    group, picture = in_collection(call, asked)
    quality_filter = asked.get("QualityFilter", "NONE")
    filters = quality_filter != "NONE"
    looked_at = MOST_FACES if filters else 1
    with judged():
        seen = call.services.recognition.looking.seen(
            call.tenant, picture, RULES, most=looked_at, embeds=True, poses=filters, live=True
        )
    fit = seen.without(partial(reason_of, quality_filter=quality_filter))
    if not fit.described.faces:
        raise Failure("InvalidParameterException", "There are no faces in the image. Should be at least 1.")
    largest, version = fit.described.faces[0], model_version(call)
    least, most = asked.get("FaceMatchThreshold", MATCH), asked.get("MaxFaces", LARGEST_PAGE)
    found = (
        []
        if largest.spoof
        else call.services.recognition.ranking.of_probe(
            call.tenant, group, Wanted(fit.embeddings[0], largest.quality.total, least, most)
        )
    )
    place = placed(Found.of(largest.detected, Sides(fit.described.width, fit.described.height)))
    return {
        **{f"SearchedFace{name}": value for name, value in place.items()},
        "FaceMatches": [{"Similarity": one.similarity, "Face": shown(one.face, version)} for one in found],
        "FaceModelVersion": version,
    }


def in_collection(call: Call, asked: Members) -> tuple[Group, bytes]:
    """Return the collection and the picture that are asked about. Raises Failure, GroupNotFound."""
    require_one(asked["Image"])
    return collection(call, asked["CollectionId"]), picture_of(call, asked["Image"])


def face_of(call: Call, group: Group, faceid: str) -> Face:
    """Return a face of a collection. Raises FaceNotFound."""
    face = call.services.faces.find(call.tenant, faceid)
    if face is None or face.group_id != group.id:
        raise FaceNotFound(f"there is no face {faceid!r} in {group.name!r}")
    return face


def shown(face: Face, version: str) -> dict[str, Any]:
    """Return the Face of answers, with what is known of it."""
    answer: dict[str, Any] = {"FaceId": shown_id(face.faceid), "ImageId": str(uuid.UUID(hex=face.portrait.id))}
    if face.external_id:
        answer["ExternalImageId"] = face.external_id
    if face.user:
        answer["UserId"] = face.user
    if found := face.portrait.found:
        answer |= placed(found)
    return {**answer, "IndexFacesModelVersion": version}


def shown_id(faceid: str) -> str:
    """Return a face's id in the form of Rekognition's: a number as a UUID, any other as it is."""
    if not _NUMBER.fullmatch(faceid) or int(faceid) >= 2**63:
        return faceid
    digits = f"{int(faceid):016x}"
    return f"00000000-0000-0000-{digits[:4]}-{digits[4:]}"


def taken(faceid: str) -> str:
    """Return the core's id of a face, in whichever form it was sent."""
    found = _OF_NUMBER.fullmatch(faceid)
    number = int(found[1] + found[2], 16) if found else 0
    return str(number) if 0 < number < 2**63 else faceid


def _deleted(call: Call, group: Group, faceids: list[str], first: int) -> set[str]:
    """Delete up to MAX_DELETED faces and return those that were there. Raises StorageUnavailable if some are left."""
    request = call.request and replace(call.request, key=f"{call.request.key}-{first}")
    of_call = replace(call, request=request)
    of_group = partial(call.services.erasure.deletion.of_group, by="rekognition", only=lambda face: not face.user)
    deleted = of_call.once(lambda: vars(of_group(call.tenant, group.name, faceids, request)))
    if deleted["failed"]:
        raise StorageUnavailable(f"{len(deleted['failed'])} faces are left: send the request again")
    return set(deleted["success"])


def _undeleted(faceid: str, face: Face | None) -> dict[str, Any]:
    if face is None:
        return {"FaceId": faceid, "Reasons": ["FACE_NOT_FOUND"]}
    of_user = {"UserId": face.user} if face.user else {}
    return {"FaceId": faceid, "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"], **of_user}
