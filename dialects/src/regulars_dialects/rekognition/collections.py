"""Collections, which are groups: their tags, faces, and users, who have several faces."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import asdict, replace

from chalicelib.api.http import Failure
from chalicelib.book.deletion.deletion import MAX_DELETED
from chalicelib.domain import audit_events
from chalicelib.domain.errors import FaceNotFound, InvalidInput, StorageUnavailable
from chalicelib.domain.model import DEFAULT_GROUPS, Face, Group
from chalicelib.domain.names import LONGEST_GROUP_NAME
from chalicelib.domain.pictures import FEELINGS, Found, Sides
from chalicelib.domain.rules.decision import MATCH
from chalicelib.domain.rules.recognised import (
    MOST_FACES,
    PictureOptions,
    RankingRequest,
    Similar,
)
from chalicelib.domain.rules.templates import parse_vector, template_of
from chalicelib.storage.items import PageTokens, cut_in_parts
from chalicelib.storage.values import milliseconds
from regulars_dialects.face_sets import users_of
from regulars_dialects.records import report_users
from regulars_dialects.rekognition.operation import BAD_REQUEST, RULES, Members, RekognitionContext
from regulars_dialects.rekognition.pictures import (
    choose_models,
    describe_box,
    describe_face_detail,
    find_flaw,
    read_picture,
    require_one_picture,
)
from regulars_dialects.users import Refusal, UserOutcome

LARGEST_PAGE = 4_096
"""Rows of a page, as Rekognition takes it."""

_NAME = re.compile(r"[a-zA-Z0-9_.\-]+")
_ARN = re.compile(r"arn:[^:]*:rekognition:[^:]*:[^:]*:collection/([a-zA-Z0-9_.\-]+)")


def create_collection(context: RekognitionContext, members: Members) -> Members:
    """Make a group. A repeat of the call gets the same answer, and makes no second group."""
    name, groups = members["CollectionId"], context.services.groups

    def create() -> None:
        capacity = groups.choose_implicit_capacity(context.tenant)
        groups.create(
            context.tenant,
            name,
            capacity,
            "",
            context.request_id,
            tags=members.get("Tags", {}),
            max_name_length=LONGEST_GROUP_NAME,
        )

    context.change_once(create)
    return {
        "StatusCode": 200,
        "CollectionArn": write_arn(context, name),
        "FaceModelVersion": write_model_version(context),
    }


def delete_collection(context: RekognitionContext, members: Members) -> Members:
    of_groups = context.services.deletion.groups
    context.change_once(
        lambda: of_groups.delete(
            context.tenant, members["CollectionId"], context.request_id, by="rekognition"
        )
    )
    return {"StatusCode": 200}


def list_collections(context: RekognitionContext, members: Members) -> Members:
    """List a page of the collections' names."""
    max_groups = members.get("MaxResults") or LARGEST_PAGE
    tokens = PageTokens(f"collections {context.tenant.name}")
    last_sort_key = parse_place(tokens, members.get("NextToken"))
    groups = [
        group for group in context.services.groups.list_all(context.tenant) if _is_collection(group)
    ]
    remaining_groups = [
        group for group in groups if last_sort_key is None or _make_sort_key(group) > last_sort_key
    ]
    page = remaining_groups[:max_groups]
    answer: dict[str, object] = {
        "CollectionIds": [group.name for group in page],
        "FaceModelVersions": [write_model_version(context)] * len(page),
    }
    if len(remaining_groups) > max_groups:
        answer["NextToken"] = tokens.make_token(_make_sort_key(page[-1]))
    return answer


def describe_collection(context: RekognitionContext, members: Members) -> Members:
    group = find_collection(context, members["CollectionId"])
    answer = {
        "FaceCount": group.count,
        "UserCount": group.face_sets,
        "FaceModelVersion": write_model_version(context),
        "CollectionARN": write_arn(context, group.name),
    }
    created = group.created_at
    return answer if created is None else {**answer, "CreationTimestamp": created.timestamp()}


def tag_resource(context: RekognitionContext, members: Members) -> None:
    name, tags = _parse_arn(members["ResourceArn"]), members["Tags"]
    context.change_once(
        lambda: context.services.groups.add_tags(
            context.tenant, find_collection(context, name).name, tags, context.request_id
        )
    )


def untag_resource(context: RekognitionContext, members: Members) -> None:
    name, tags = _parse_arn(members["ResourceArn"]), members["TagKeys"]
    context.change_once(
        lambda: context.services.groups.remove_tags(
            context.tenant, find_collection(context, name).name, tags, context.request_id
        )
    )


def list_tags_for_resource(context: RekognitionContext, members: Members) -> Members:
    return {"Tags": dict(find_collection(context, _parse_arn(members["ResourceArn"])).tags)}


def find_collection(context: RekognitionContext, name: str) -> Group:
    """Return the group of a collection. Raises GroupNotFound."""
    return context.services.groups.get_by_name(context.tenant, name)


def write_arn(context: RekognitionContext, name: str) -> str:
    """Name a collection as AWS does.

    Twelve digits of the tenant stand in place of an account's number.
    """
    digest = hashlib.sha256(context.tenant.name.encode()).digest()
    account = int.from_bytes(digest[:8], "big") % 10**12
    return f"arn:aws:rekognition:{context.region}:{account:012d}:collection/{name}"


def write_model_version(context: RekognitionContext) -> str:
    """Return the number of the tenant's embedding model, in the form of Rekognition's versions."""
    return f"7.{context.services.ports.model_number(context.tenant.model)}"


def parse_place(tokens: PageTokens, token: str | None) -> str | None:
    """Return the place that a NextToken names; None if there is none, or it is empty.

    Raises Failure.
    """
    if not token:
        return None
    try:
        return tokens.parse_position(token, str)
    except InvalidInput:
        raise Failure("InvalidPaginationTokenException", "Invalid Pagination Token") from None


def _is_collection(group: Group) -> bool:
    """Tell whether a group is listed: a default one only while it holds faces, so that a new
    account is empty."""
    is_named = _NAME.fullmatch(group.name) is not None
    return is_named and (group.id not in DEFAULT_GROUPS or group.count > 0)


def _make_sort_key(group: Group) -> str:
    """Return what sorts groups as Groups.all does: the default ones first, then by creation."""
    if group.is_default:
        return f"0{DEFAULT_GROUPS.index(group.id)}"
    return f"1{0 if group.created_at is None else milliseconds(group.created_at):013d}{group.id}"


def _parse_arn(text: str) -> str:
    """Return the collection that an ARN names. Raises Failure."""
    arn_match = _ARN.fullmatch(text)
    if arn_match is None:
        raise Failure(
            "InvalidParameterException", f"{BAD_REQUEST}: ResourceArn is not that of a collection"
        )
    return arn_match[1]


_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_OF_NUMBER = re.compile(r"00000000-0000-0000-([0-9a-f]{4})-([0-9a-f]{12})")


def index_faces(context: RekognitionContext, members: Members) -> Members:
    """Enrol the faces of a picture, and describe those that were not enrolled, with the reason of
    each."""
    group, picture = read_collection_and_picture(context, members)
    attributes = members.get("DetectionAttributes", [])
    asks_feelings = not FEELINGS.isdisjoint(choose_models(attributes))
    indexed = context.services.enrolment.everybody.index_faces(
        context.tenant.with_feelings() if asks_feelings else context.tenant,
        group,
        picture,
        RULES,
        partial(find_flaw, quality_filter=members.get("QualityFilter", "AUTO")),
        max_faces=members.get("MaxFaces", MOST_FACES),
        external_id=members.get("ExternalImageId", ""),
        call_id=context.call_id,
    )
    described_picture, version = indexed.seen.described, write_model_version(context)
    unseen = context.tenant.answers_unknown
    details = [
        describe_face_detail(
            face, described_picture.width, described_picture.height, attributes, unseen=unseen
        )
        for face in described_picture.faces
    ]
    return {
        "FaceRecords": [
            {"Face": describe_face(indexed.faces[number], version), "FaceDetail": details[number]}
            for number in sorted(indexed.faces)
        ],
        "UnindexedFaces": [
            {"Reasons": [indexed.unindexed[number]], "FaceDetail": details[number]}
            for number in sorted(indexed.unindexed)
        ],
        "FaceModelVersion": version,
    }


def list_faces(context: RekognitionContext, members: Members) -> Members:
    """List a page of a collection's faces: all, or those of `UserId`, or of `FaceIds`, or of
    both."""
    group = find_collection(context, members["CollectionId"])
    max_faces = members.get("MaxResults") or LARGEST_PAGE
    asked_ids = (
        None if "FaceIds" not in members else [parse_faceid(text) for text in members["FaceIds"]]
    )
    wanted_ids: Sequence[str] | None = asked_ids
    if "UserId" in members:
        user = users_of(context.services).get(context.tenant, group, members["UserId"])
        wanted_ids = [faceid for faceid in user.faceids if asked_ids is None or faceid in asked_ids]
    tokens = PageTokens(f"faces {context.tenant.name} {group.id}")
    position = parse_place(tokens, members.get("NextToken"))
    lists = context.services.faces.lists
    faces, following = (
        lists.list_by_enrolment(context.tenant, group, max_faces, position)
        if wanted_ids is None
        else lists.list_wanted_by_enrolment(context.tenant, group, max_faces, position, wanted_ids)
    )
    version = write_model_version(context)
    answer = {
        "Faces": [describe_face(face, version) for face in faces],
        "FaceModelVersion": version,
    }
    return answer if following is None else {**answer, "NextToken": tokens.make_token(following)}


def delete_faces(context: RekognitionContext, members: Members) -> Members:
    """Delete faces, MAX_DELETED at a time.

    Return the ids of those that were deleted, and why each other one stays.

    A face stays if it belongs to a user. A face that is not in the collection is named, too.
    """
    group = find_collection(context, members["CollectionId"])
    asked_ids = {parse_faceid(text): text for text in members["FaceIds"]}
    deleted_ids: set[str] = set()
    for number, batch in enumerate(cut_in_parts(asked_ids, MAX_DELETED)):
        deleted_ids |= _delete_batch(context, group, batch, number)
    undeleted_ids = {
        faceid: text for faceid, text in asked_ids.items() if faceid not in deleted_ids
    }
    kept_faces_by_id = context.services.faces.read_faces_in_group(
        context.tenant, group, [*undeleted_ids]
    )
    return {
        "DeletedFaces": [write_faceid(faceid) for faceid in asked_ids if faceid in deleted_ids],
        "UnsuccessfulFaceDeletions": [
            _describe_kept_face(text, kept_faces_by_id.get(faceid))
            for faceid, text in undeleted_ids.items()
        ],
    }


def search_faces(context: RekognitionContext, members: Members) -> Members:
    """Search for faces of the collection that are like one of them."""
    group = find_collection(context, members["CollectionId"])
    faceid = parse_faceid(members["FaceId"])
    face = find_face(context, group, faceid)
    audit_events.report_people([faceid])
    similar_faces = context.services.recognition.ranking.rank_faces_like(
        context.tenant,
        group,
        face,
        least_similarity=members.get("FaceMatchThreshold", MATCH),
        max_faces=members.get("MaxFaces", LARGEST_PAGE),
    )
    return {
        "SearchedFaceId": write_faceid(faceid),
        **_describe_face_matches(context, similar_faces),
    }


def search_faces_by_image(context: RekognitionContext, members: Members) -> Members:
    """Search for the largest face of a picture that the quality filter lets through.

    Nobody is found for a face that is no living person's (`spoof`). Raises Failure if no face is
    let through.
    """
    group, picture = read_collection_and_picture(context, members)
    quality_filter = members.get("QualityFilter", "NONE")
    is_filtered = quality_filter != "NONE"
    # Without a filter, the largest face is searched, so no other is described.
    max_described = MOST_FACES if is_filtered else 1
    options = PictureOptions(
        max_faces=max_described, embeds=True, poses=is_filtered, checks_liveness=True
    )
    seen_picture = context.services.recognition.face_analysis.describe_picture(
        context.tenant, picture, RULES, options
    )
    fit = seen_picture.leave_out(partial(find_flaw, quality_filter=quality_filter))
    if not fit.described.faces:
        raise Failure(
            "InvalidParameterException", "There are no faces in the image. Should be at least 1."
        )
    largest = fit.described.faces[0]
    min_similarity = members.get("FaceMatchThreshold", MATCH)
    max_faces = members.get("MaxFaces", LARGEST_PAGE)
    similar_faces = (
        []
        if largest.spoof
        else context.services.recognition.ranking.rank_faces(
            context.tenant,
            group,
            RankingRequest(fit.embeddings[0], largest.quality.total, min_similarity, max_faces),
        )
    )
    box_members = describe_box(
        Found.convert_face(largest.detected, Sides(fit.described.width, fit.described.height))
    )
    return {
        **{f"SearchedFace{name}": value for name, value in box_members.items()},
        **_describe_face_matches(context, similar_faces),
    }


def _describe_face_matches(
    context: RekognitionContext, similar_faces: Sequence[Similar]
) -> dict[str, Any]:
    version = write_model_version(context)
    matches = [
        {"Similarity": similar.similarity, "Face": describe_face(similar.face, version)}
        for similar in similar_faces
    ]
    return {"FaceMatches": matches, "FaceModelVersion": version}


def read_collection_and_picture(
    context: RekognitionContext, members: Members
) -> tuple[Group, bytes]:
    """Return the collection and the picture that are asked about. Raises Failure, GroupNotFound."""
    require_one_picture(members["Image"])
    return find_collection(context, members["CollectionId"]), read_picture(
        context, members["Image"]
    )


def find_face(context: RekognitionContext, group: Group, faceid: str) -> Face:
    """Return a face of a collection. Raises FaceNotFound."""
    face = context.services.faces.find(context.tenant, faceid)
    if face is None or face.group_id != group.id:
        raise FaceNotFound(f"there is no face {faceid!r} in {group.name!r}")
    return face


def describe_face(face: Face, version: str) -> dict[str, Any]:
    """Return the Face of answers, with what is known of it."""
    audit_events.report_people([face.faceid])
    answer: dict[str, Any] = {
        "FaceId": write_faceid(face.faceid),
        "ImageId": str(uuid.UUID(hex=face.first_picture.id)),
    }
    if face.external_id:
        answer["ExternalImageId"] = face.external_id
    if face.face_set:
        answer["UserId"] = face.face_set
    if found := face.first_picture.found:
        answer |= describe_box(found)
    return {**answer, "IndexFacesModelVersion": version}


def write_faceid(faceid: str) -> str:
    """Return a face's id in the form of Rekognition's: a number as a UUID, any other as it is."""
    if not _NUMBER.fullmatch(faceid) or int(faceid) >= 2**63:
        return faceid
    digits = f"{int(faceid):016x}"
    return f"00000000-0000-0000-{digits[:4]}-{digits[4:]}"


def parse_faceid(faceid: str) -> str:
    """Return the book's id of a face, in whichever form it was sent."""
    number_match = _OF_NUMBER.fullmatch(faceid)
    number = int(number_match[1] + number_match[2], 16) if number_match else 0
    return str(number) if 0 < number < 2**63 else faceid


def _delete_batch(
    context: RekognitionContext, group: Group, faceids: list[str], number: int
) -> set[str]:
    """Delete up to MAX_DELETED faces, and return those that were there.

    Raises StorageUnavailable if some are left.

    `number`: of the batch among those of the request. A repeat finds the answer of each batch that
    was done.
    """
    batch_id = context.request_id and replace(
        context.request_id, key=f"{context.request_id.key}-{number}"
    )
    delete_faces = partial(
        context.services.deletion.delete_faces_of_group,
        by="rekognition",
        only=lambda face: not face.face_set,
    )
    deleted = replace(context, request_id=batch_id).change_once(
        lambda: asdict(delete_faces(context.tenant, group.name, faceids, batch_id))
    )
    if deleted["failed"]:
        raise StorageUnavailable(f"{len(deleted['failed'])} faces are left: send the request again")
    return set(deleted["success"])


def _describe_kept_face(faceid: str, face: Face | None) -> dict[str, Any]:
    if face is None:
        return {"FaceId": faceid, "Reasons": ["FACE_NOT_FOUND"]}
    of_user = {"UserId": face.face_set} if face.face_set else {}
    audit_events.report_people([faceid] if face.face_set else [])
    return {"FaceId": faceid, "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"], **of_user}


MOST_USERS = 500
"""Users of a page or a search, as Rekognition takes it."""
_LEAST = 75.0
"""The UserMatchThreshold of a request without one, as Rekognition says."""


def create_user(context: RekognitionContext, members: Members) -> None:
    name, users = members["CollectionId"], users_of(context.services)
    context.change_once(
        lambda: users.create(
            context.tenant, find_collection(context, name), members["UserId"], context.request_id
        )
    )


def delete_user(context: RekognitionContext, members: Members) -> None:
    name, users = members["CollectionId"], users_of(context.services)
    context.change_once(
        lambda: users.delete(
            context.tenant, find_collection(context, name), members["UserId"], context.request_id
        )
    )


def list_users(context: RekognitionContext, members: Members) -> Members:
    group = find_collection(context, members["CollectionId"])
    tokens = PageTokens(f"users {context.tenant.name} {group.id}")
    position = parse_place(tokens, members.get("NextToken"))
    users, following = users_of(context.services).read_page(
        context.tenant, group, members.get("MaxResults", MOST_USERS), position
    )
    report_users(users)
    answer = {
        "Users": [
            {"UserId": user.id, "UserStatus": _name_status(len(user.faceids))} for user in users
        ]
    }
    return answer if following is None else {**answer, "NextToken": tokens.make_token(following)}


def associate_faces(context: RekognitionContext, members: Members) -> Members:
    associate = partial(
        users_of(context.services).associate_faces,
        least_similarity=members.get("UserMatchThreshold", _LEAST),
    )
    return _change_user_faces(
        context, members, associate, "AssociatedFaces", "UnsuccessfulFaceAssociations"
    )


def disassociate_faces(context: RekognitionContext, members: Members) -> Members:
    disassociate = users_of(context.services).disassociate_faces
    return _change_user_faces(
        context, members, disassociate, "DisassociatedFaces", "UnsuccessfulFaceDisassociations"
    )


def _change_user_faces(
    context: RekognitionContext,
    members: Members,
    change: Callable[..., UserOutcome],
    done_member: str,
    refused_member: str,
) -> Members:
    """Add faces to a user or remove them by `change`, and describe the outcome of each face.

    A request that is sent again gets the outcome of the first. `done_member`, `refused_member`:
    members of the answer.
    """

    def work() -> dict[str, Any]:
        group = find_collection(context, members["CollectionId"])
        faceids = [parse_faceid(text) for text in members["FaceIds"]]
        return change(
            context.tenant, group, members["UserId"], faceids, request=context.request_id
        ).write_progress()

    outcome = UserOutcome.read_progress(context.change_once(work))
    return {
        done_member: [{"FaceId": write_faceid(faceid)} for faceid in outcome.done],
        refused_member: [_describe_refusal(refusal) for refusal in outcome.refused],
        "UserStatus": _name_status(face_count=outcome.face_count),
    }


def search_users(context: RekognitionContext, members: Members) -> Members:
    """Search for users like a user of the collection, or like one of its faces.

    Raises Failure unless it is one.
    """
    names = members.keys() & {"UserId", "FaceId"}
    if len(names) != 1:
        reason = "not both" if names else "one of them is needed"
        raise Failure(
            "InvalidParameterException", f"{BAD_REQUEST}: a search has UserId or FaceId, {reason}"
        )
    group = find_collection(context, members["CollectionId"])
    users = users_of(context.services)
    min_similarity = members.get("UserMatchThreshold", MATCH)
    max_users = members.get("MaxUsers", MOST_USERS)
    if "UserId" in members:
        user = users.get(context.tenant, group, members["UserId"])
        report_users([user])
        similar_users = users.rank_like(
            context.tenant, group, user, least_similarity=min_similarity, max_users=max_users
        )
        return {
            **_describe_user_matches(context, similar_users),
            "SearchedUser": {"UserId": user.id},
        }
    face = find_face(context, group, parse_faceid(members["FaceId"]))
    audit_events.report_people([face.faceid])
    request = RankingRequest(
        parse_vector(template_of(face, context.tenant.model)),
        face.estimates.quality,
        min_similarity,
        max_users,
    )
    similar_users = users.rank(context.tenant, group, request)
    return {
        **_describe_user_matches(context, similar_users),
        "SearchedFace": {"FaceId": write_faceid(face.faceid)},
    }


def search_users_by_image(context: RekognitionContext, members: Members) -> Members:
    """Search for users like the largest face of a picture that the quality filter lets through.

    The other faces are described with the reason of each: a flaw, or that it is not the largest.
    Nobody is found for a face that is no living person's (`spoof`).
    """
    group, picture = read_collection_and_picture(context, members)
    options = PictureOptions(max_faces=MOST_FACES, embeds=True, checks_liveness=True)
    seen_picture = context.services.recognition.face_analysis.describe_picture(
        context.tenant, picture, RULES, options
    )
    described_picture = seen_picture.described
    reasons = [
        find_flaw(face, members.get("QualityFilter", "NONE")) for face in described_picture.faces
    ]
    details = [
        describe_face_detail(face, described_picture.width, described_picture.height, [])
        for face in described_picture.faces
    ]
    fit_numbers = [number for number, reason in enumerate(reasons) if not reason]
    similar_users: Sequence[tuple[str, float]] = ()
    answer: dict[str, Any] = {}
    if fit_numbers:
        largest = described_picture.faces[fit_numbers[0]]
        answer["SearchedFace"] = {"FaceDetail": details[fit_numbers[0]]}
        if not largest.spoof:
            min_similarity = members.get("UserMatchThreshold", MATCH)
            max_users = members.get("MaxUsers", MOST_USERS)
            ranking_request = RankingRequest(
                seen_picture.embeddings[fit_numbers[0]],
                largest.quality.total,
                min_similarity,
                max_users,
            )
            similar_users = users_of(context.services).rank(context.tenant, group, ranking_request)
    searched_numbers = fit_numbers[:1]
    answer["UnsearchedFaces"] = [
        {"FaceDetails": details[number], "Reasons": [reason or "FACE_NOT_LARGEST"]}
        for number, reason in enumerate(reasons)
        if number not in searched_numbers
    ]
    return {**answer, **_describe_user_matches(context, similar_users)}


def _describe_user_matches(
    context: RekognitionContext, similar_users: Sequence[tuple[str, float]]
) -> dict[str, Any]:
    users = [
        {
            "Similarity": similarity,
            "User": {"UserId": id_, "UserStatus": "ACTIVE"},
        }
        for id_, similarity in similar_users
    ]
    return {"UserMatches": users, "FaceModelVersion": write_model_version(context)}


def _name_status(face_count: int) -> str:
    return "ACTIVE" if face_count else "CREATED"


def _describe_refusal(refusal: Refusal) -> dict[str, Any]:
    answer: dict[str, Any] = {"FaceId": write_faceid(refusal.faceid), "Reasons": [refusal.reason]}
    if refusal.user:
        audit_events.report_people([refusal.faceid])
        answer["UserId"] = refusal.user
    if refusal.similarity is not None:
        answer["Confidence"] = refusal.similarity
    return answer
