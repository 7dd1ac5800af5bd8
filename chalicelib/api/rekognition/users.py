"""Users of collections: made, listed, given faces or rid of them, searched for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from chalicelib.api.http import Failure
from chalicelib.api.rekognition.collections import collection, model_version, place
from chalicelib.api.rekognition.errors import BAD_REQUEST
from chalicelib.api.rekognition.faces import face_of, in_collection, shown_id, taken
from chalicelib.api.rekognition.operation import Call, Members
from chalicelib.api.rekognition.pictures import MOST_FACES, RULES, face_detail, judged, reason_of
from chalicelib.core.decision import MATCH
from chalicelib.core.items import PageTokens
from chalicelib.core.recognised import SimilarUser, Wanted
from chalicelib.services.users import Outcome, Refusal

MOST_USERS = 500
_LEAST = 75.0


def create_user(call: Call, asked: Members) -> None:
    name, users = asked["CollectionId"], call.services.users
    call.once(lambda: users.create(call.tenant, collection(call, name), asked["UserId"], call.request))


def delete_user(call: Call, asked: Members) -> None:
    name, users = asked["CollectionId"], call.services.users
    call.once(lambda: users.delete(call.tenant, collection(call, name), asked["UserId"], call.request))


def list_users(call: Call, asked: Members) -> Members:
    group = collection(call, asked["CollectionId"])
    tokens = PageTokens(f"users {call.tenant.name} {group.id}")
    behind = place(tokens, asked.get("NextToken"))
    users, following = call.services.users.page(call.tenant, group, asked.get("MaxResults", MOST_USERS), behind)
    answer = {"Users": [{"UserId": one.id, "UserStatus": _status(len(one.faceids))} for one in users]}
    return answer if following is None else {**answer, "NextToken": tokens.token(following)}


def associate_faces(call: Call, asked: Members) -> Members:
    associate = partial(call.services.users.associate, least=asked.get("UserMatchThreshold", _LEAST))
    return _changed(call, asked, associate, ("AssociatedFaces", "UnsuccessfulFaceAssociations"))


def disassociate_faces(call: Call, asked: Members) -> Members:
    names = ("DisassociatedFaces", "UnsuccessfulFaceDisassociations")
    return _changed(call, asked, call.services.users.disassociate, names)


def _changed(call: Call, asked: Members, change: Callable[..., Outcome], names: tuple[str, str]) -> Members:
    """Change the faces of a user. `names`: of what was done in the answer, and of what was refused."""

    def work() -> dict[str, Any]:
        group, faceids = collection(call, asked["CollectionId"]), [taken(one) for one in asked["FaceIds"]]
        return asdict(change(call.tenant, group, asked["UserId"], faceids, request=call.request))

    outcome = Outcome.of(call.once(work))
    return {
        names[0]: [{"FaceId": shown_id(one)} for one in outcome.done],
        names[1]: [_refused(one) for one in outcome.refused],
        "UserStatus": _status(outcome.held),
    }


def search_users(call: Call, asked: Members) -> Members:
    names = asked.keys() & {"UserId", "FaceId"}
    if len(names) != 1:
        which = "not both" if names else "one of them is needed"
        raise Failure("InvalidParameterException", f"{BAD_REQUEST}: a search has UserId or FaceId, {which}")
    group, ranking = collection(call, asked["CollectionId"]), call.services.recognition.ranking
    least, most = asked.get("UserMatchThreshold", MATCH), asked.get("MaxUsers", MOST_USERS)
    if "UserId" in asked:
        one = call.services.users.get(call.tenant, group, asked["UserId"])
        found = ranking.users_of_user(call.tenant, group, one, least=least, most=most)
        return {**_matches(call, found), "SearchedUser": {"UserId": one.id}}
    face = face_of(call, group, taken(asked["FaceId"]))
    found = ranking.users_of_face(call.tenant, group, face, least=least, most=most)
    return {**_matches(call, found), "SearchedFace": {"FaceId": shown_id(face.faceid)}}


def search_users_by_image(call: Call, asked: Members) -> Members:
    group, picture = in_collection(call, asked)
    with judged():
        seen = call.services.recognition.looking.seen(
            call.tenant, picture, RULES, most=MOST_FACES, embeds=True, live=True
        )
    described = seen.described
    reasons = [reason_of(face, asked.get("QualityFilter", "NONE")) for face in described.faces]
    details = [face_detail(face, described.width, described.height, []) for face in described.faces]
    fit = [number for number, reason in enumerate(reasons) if not reason]
    found: Sequence[SimilarUser] = ()
    answer: dict[str, Any] = {}
    if fit:
        largest = described.faces[fit[0]]
        answer["SearchedFace"] = {"FaceDetail": details[fit[0]]}
        if not largest.spoof:
            least, most = asked.get("UserMatchThreshold", MATCH), asked.get("MaxUsers", MOST_USERS)
            like = Wanted(seen.embeddings[fit[0]], largest.quality.total, least, most)
            found = call.services.recognition.ranking.users_of_probe(call.tenant, group, like)
    answer["UnsearchedFaces"] = [
        {"FaceDetails": details[number], "Reasons": [reason or "FACE_NOT_LARGEST"]}
        for number, reason in enumerate(reasons)
        if number not in fit[:1]
    ]
    return {**answer, **_matches(call, found)}


def _matches(call: Call, found: Sequence[SimilarUser]) -> dict[str, Any]:
    users = [{"Similarity": one.similarity, "User": {"UserId": one.id, "UserStatus": "ACTIVE"}} for one in found]
    return {"UserMatches": users, "FaceModelVersion": model_version(call)}


def _status(faces: int) -> str:
    return "ACTIVE" if faces else "CREATED"


def _refused(refusal: Refusal) -> dict[str, Any]:
    told: dict[str, Any] = {"FaceId": shown_id(refusal.faceid), "Reasons": [refusal.reason]}
    if refusal.user:
        told["UserId"] = refusal.user
    if refusal.similarity is not None:
        told["Confidence"] = refusal.similarity
    return told
