"""The operations: manage enrols, searches or deletes, by CONTROL_TYPE; query and analysis tell the
people observed.

Answers are in iCREDIT's form: every field is present, every scalar a text, "" for unknown values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from msgspec.structs import replace

from chalicelib.api.credentials import Head, KeyCredential
from chalicelib.api.http import Views, make_search_headers
from chalicelib.api.icredit import DIALECT, PREFIX
from chalicelib.api.icredit.operation import (
    CODES,
    PERSONS,
    Body,
    ICreditContext,
    ICreditOperation,
    parse_appcode,
)
from chalicelib.api.icredit.request import MAX_ENCODED, Parameters, decode_base64
from chalicelib.domain import audit_events
from chalicelib.domain.errors import Busy, FaceNotFound, InvalidInput, RegularsError
from chalicelib.domain.local_time import Granularity
from chalicelib.domain.model import Decision, Face, Tenant, is_faceid
from chalicelib.domain.pictures import BoundingBox, Estimates, Gender, PictureRules, Pose
from chalicelib.privacy.erasure_progress import is_erased
from chalicelib.services import Services
from chalicelib.telemetry import count_stage

if TYPE_CHECKING:
    from chalicelib.book.enrolment.fields import EnrolledFace
    from chalicelib.domain.observations import Observation, ObservationFilter
    from chalicelib.domain.rules.recognised import Match
    from chalicelib.settings import Settings

PICTURES = PictureRules(
    formats=frozenset({"JPEG", "PNG", "BMP"}),
    max_bytes=MAX_ENCODED * 3 // 4,
    max_long_side_px=4096,
    max_short_side_px=4096,
    min_short_side_px=15,
)
PICTURES_BY_URL = replace(PICTURES, max_bytes=MAX_ENCODED)
"""A downloaded picture is not encoded, so the whole 2 MB may be its own."""

DONE: Body = {"PERSON_TOKEN_STATUS": "0"}
STATISTICS = ("PERSON_ TOKEN_ENEITY", "PERSON_TOKEN_ENEITY")
"""The name as the source prints it, and as it was probably meant."""

_GENDERS = {Gender.MALE: "MALE", Gender.FEMALE: "FEMALE"}

_LABELS = (
    *("LABLE_A", "LABLE_B", "LABLE_C", "LABLE_D"),
    *("FIRST_A_LABLE", "SECOND_A_LABEL", "FIRST_B_LABEL", "SECOND_B_LABEL"),
)
"""Both families of names that the source uses."""

_BASE64, _URL = "0", "1"
_TOKENS = ("3", "2")


def manage(context: ICreditContext) -> Body:
    control = context.parameters.required_text("CONTROL_TYPE")
    if control not in _CONTROLS:
        raise InvalidInput(
            f"CONTROL_TYPE is 0 (enrol), 1 (search) or 3 (delete), not {control[:40]!r}"
        )
    return _CONTROLS[control](context)


def enrol(context: ICreditContext) -> Body:
    """Enrol all faces of a picture, or the one face of a token, in the group; return them.

    A token, where the picture would be, is the id of a face that is stored already. Raises
    InvalidInput for parameters that are missing or wrong, and what enrolment raises.
    """
    parameters, enrolment = context.parameters, context.services.enrolment.everybody
    group, labels = parameters.required_text("PERSON_GROUP_LABEL"), parameters.parse_labels()
    if _is_token(parameters):
        return describe_enrolled_faces(
            [
                enrolment.enrol_stored_face(
                    context.tenant, group, parameters.parse_token("IMAGE"), labels
                )
            ]
        )
    picture, rules = _read_picture(context)
    return describe_enrolled_faces(
        enrolment.enrol_all_in_picture(context.tenant, group, picture, rules, labels)
    )


def search(context: ICreditContext) -> Body:
    """Search for all faces of a picture, or for one face of the book by its token.

    The answer has the labels that are stored with the faces that were found. The labels of the call
    are stored with the observations that it makes.
    """
    parameters, analysis = context.parameters, context.services.recognition.face_analysis
    group, labels = parameters.required_text("PERSON_GROUP_LABEL"), parameters.parse_labels()
    if _is_token(parameters):
        match = analysis.search_by_face(
            context.tenant, parameters.parse_token("IMAGE"), group, labels
        )
        matches = [match] if match else []
    else:
        picture, rules = _read_picture(context)
        matches = analysis.search_all_in_picture(
            context.tenant, picture, group, rules, labels
        ).matches
    if matches:
        context.response_headers.update(make_search_headers([match.decision for match in matches]))
    return describe_matches(matches)


def delete(context: ICreditContext) -> Body:
    """Delete the face of a token, if it is in the group of this label; return DONE.

    Raises FaceNotFound if the group has no such face, Busy if others use it just now, InvalidInput
    for a parameter that is missing or wrong.
    """
    parameters = context.parameters
    group = parameters.required_text("PERSON_GROUP_LABEL")
    token = _parse_token_to_delete(parameters)
    deleted = context.services.deletion.delete_faces_of_group(
        context.tenant, group, [token], by="icredit"
    )
    if deleted.failed:
        raise Busy("the face is in use and was not deleted: try again")
    if deleted.not_exist:
        raise FaceNotFound(
            f"there is no face {token!r} in group {group[:100]!r}: delete it with its own group's "
            "label"
        )
    return DONE


_CONTROLS: Mapping[str, Callable[[ICreditContext], Body]] = {"0": enrol, "1": search, "3": delete}


def _is_token(parameters: Parameters) -> bool:
    """Tell whether IMAGE holds a PERSON_TOKEN. If not, it holds a picture or a picture's URL.

    Raises InvalidInput for another IMAGE_TYPE.
    """
    kind = parameters.required_text("IMAGE_TYPE")
    if kind not in (_BASE64, _URL, *_TOKENS):
        raise InvalidInput(
            "IMAGE_TYPE is 0 (base64 of a picture), 1 (its URL) or 3 (a PERSON_TOKEN), not "
            f"{kind[:40]!r}"
        )
    return kind in _TOKENS


def _read_picture(context: ICreditContext) -> tuple[bytes, PictureRules]:
    """Return the picture that IMAGE holds or links to, and the rules for it.

    Raises Unusable; Busy if too many pictures are being fetched.
    """
    if context.parameters.required_text("IMAGE_TYPE") == _BASE64:
        return decode_base64(context.parameters.required_text("IMAGE")), PICTURES
    url = context.parameters.required_text("IMAGE")
    with count_stage("fetch"):
        return context.services.ports.pictures_by_url.fetch(
            url, context.tenant.name
        ), PICTURES_BY_URL


def _parse_token_to_delete(parameters: Parameters) -> str:
    """Read the token from PERSON_TOKEN, or from IMAGE with IMAGE_TYPE 3.

    Raises InvalidInput if both are missing or they differ.
    """
    person_token = parameters.text("PERSON_TOKEN")
    image_token = parameters.text("IMAGE") if parameters.text("IMAGE_TYPE") in _TOKENS else None
    if not person_token and not image_token:
        raise InvalidInput(
            "a deletion needs the face's token: send it as PERSON_TOKEN, or as IMAGE with "
            "IMAGE_TYPE 3"
        )
    if person_token and image_token and person_token.strip() != image_token.strip():
        raise InvalidInput(
            "PERSON_TOKEN and IMAGE hold two different tokens: send the one to delete"
        )
    return parameters.parse_token("PERSON_TOKEN" if person_token else "IMAGE")


_UNITS: Mapping[str, tuple[Granularity, str]] = {
    "0": (Granularity.MONTH, "月"),
    "1": (Granularity.WEEK, "周"),
    "2": (Granularity.DAY, "日"),
    "3": (Granularity.HOUR, "小时"),
}
"""By STATISTICAL, what is counted by, and its TIME_UNIT."""


def query(context: ICreditContext) -> Body:
    """Return a page of the observations that match the filters, newest first."""
    from chalicelib.book.statistics.statistics import PAGE_SIZES

    parameters, max_page_size = context.parameters, PAGE_SIZES[-1]
    start, end = _parse_span(parameters)
    page = context.services.statistics.observations.query(
        context.tenant,
        _parse_filter(parameters),
        start,
        end,
        # None: not said
        page_size=parameters.parse_number("PAGE_SIZE", PAGE_SIZES[0], max_page_size)
        or max_page_size,
        page_token=parameters.text("PAGE_TOKEN"),
    )
    # the dialect's word
    persons = [_describe_observation(observation) for observation in page.observations]
    return {
        **_render_persons(persons),
        "NEXT_PAGE_TOKEN": page.next_token or "",
        "TOTAL": str(page.total),
    }


def analysis(context: ICreditContext) -> Body:
    """Count observations by month, week, day or hour; with DISTINCT, the persons in them.

    Staff does not count, unless the filter asks for one face or for a group of staff.
    """
    parameters = context.parameters
    statistical = parameters.required_text("STATISTICAL")
    if statistical not in _UNITS:
        raise InvalidInput(
            f"STATISTICAL is 0 (month), 1 (week), 2 (day) or 3 (hour), not {statistical[:40]!r}"
        )
    granularity, unit = _UNITS[statistical]
    start, end = _parse_span(parameters)
    fill, distinct = parameters.parse_flag("FILL"), parameters.parse_flag("DISTINCT")
    sent_filter = _parse_filter(parameters)
    visitor_filter = context.services.statistics.visitors.read_staff(context.tenant).leave_out(
        sent_filter
    )
    # its weeks are natural ones, from Monday on, whatever the tenant's are
    tenant = replace(context.tenant, week_begins="monday")
    amounts = context.services.statistics.count_by_time(
        tenant, visitor_filter, start, end, granularity, fill=fill, distinct=distinct
    )
    if sent_filter.faceid is not None and any(amounts.values()):
        audit_events.report_people([sent_filter.faceid])
    entities = [
        {"TIME_UNIT": unit, "TIME": time, "AMOUNT": str(amount)} for time, amount in amounts.items()
    ]
    return {**DONE, **dict.fromkeys(STATISTICS, entities)}


def _parse_span(parameters: Parameters) -> tuple[int, int]:
    start, end = parameters.parse_seconds("START_TIME"), parameters.parse_seconds("END_TIME")
    if end < start:
        raise InvalidInput(f"END_TIME ({end}) lies before START_TIME ({start}): swap them")
    return start, end


def _parse_filter(parameters: Parameters) -> ObservationFilter:
    """Read the filter. Raises InvalidInput for a token that no face can have.

    A token that no face has now is no mistake, because observations outlive faces.
    """
    from chalicelib.domain.observations import ObservationFilter

    token = parameters.text("PERSON_TOKEN")
    if token is not None and not is_faceid(token := token.strip()):
        raise InvalidInput(
            "a PERSON_TOKEN has 1 to 64 letters, digits, `_` or `-`: no face is called "
            f"{token[:70]!r}"
        )
    return ObservationFilter(
        parameters.parse_labels(), parameters.text("PERSON_GROUP_LABEL"), token
    )


def describe_enrolled_faces(faces: Sequence[EnrolledFace]) -> Body:
    return _render_persons([_render_person(enrolled_face) for enrolled_face in faces])


def describe_matches(matches: Sequence[Match]) -> Body:
    """Render matches: tokens and labels are the stored ones, box and estimates the probe's."""
    return _render_persons([_render_person(match, match.decision) for match in matches])


def render_similarity(decision: Decision | None) -> str:
    """Render the score (cosine) as 0..100; "" if there is none."""
    score = None if decision is None else decision.score
    return "" if score is None else f"{min(max(score, 0.0), 1.0) * 100:.2f}"


def _render_persons(entities: list[Body]) -> Body:
    return {**DONE, PERSONS: entities}


def _render_person(enrolled: EnrolledFace | Match, decision: Decision | None = None) -> Body:
    """Render a face. Age and gender are the ones that were set, else the estimates."""
    face, estimates = enrolled.face, enrolled.estimates
    shown_estimates = replace(
        estimates,
        age=estimates.age if face.age is None else face.age,
        gender=estimates.gender if face.gender is None else face.gender,
    )
    return _render_entity(
        face, enrolled.group.name, shown_estimates, box=enrolled.box, decision=decision
    )


def _describe_observation(observation: Observation) -> Body:
    # not at the cold starts of other requests
    from chalicelib.domain.observations import ObservationKind

    decision = observation.decision if observation.kind is ObservationKind.SEARCH else None
    group, estimates = observation.group_name, observation.estimates
    entity = _render_entity(observation, group, estimates, box=observation.box, decision=decision)
    return {**entity, "TIME": str(int(observation.at.timestamp()))}


def _render_entity(
    record: Face | Observation,
    group_name: str,
    estimates: Estimates,
    *,
    box: BoundingBox | None,
    decision: Decision | None,
) -> Body:
    """Write a face or an observation as this dialect names its fields, and note in the audit whom
    the answer names.

    Each label is there twice: the source has two families of names for them.
    """
    audit_events.report_people([] if is_erased(record.faceid) else [record.faceid])
    score = estimates.emotion_score
    return {
        "PERSON_TOKEN": record.faceid,
        **_render_box(box),
        "AGE": _render_whole(estimates.age),
        "BEAUTY": _render_whole(estimates.beauty),
        "GENDER": _GENDERS.get(estimates.gender, "") if estimates.gender else "",
        "EMOTION_TYPE": (estimates.emotion or "").upper(),
        "EMOTION_SCORE": _render_whole(None if score is None else score * 100),
        **dict(zip(_LABELS, record.labels * 2, strict=True)),
        "PERSON_GROUP_LABEL": group_name,
        "POSE": _render_pose(estimates.pose),
        "SIMILARITY": render_similarity(decision),
        "QUALITY": _render_whole(estimates.quality),
    }


def _render_box(box: BoundingBox | None) -> Body:
    """Render a box in whole pixels.

    One that reaches over the picture's left or upper edge is cut there.
    """
    if box is None:
        return dict.fromkeys(("LEFT", "TOP", "WIDTH", "HEIGHT"), "")
    left_px, top_px = max(round(box.x), 0), max(round(box.y), 0)
    width_px, height_px = round(box.x + box.width) - left_px, round(box.y + box.height) - top_px
    return {
        "LEFT": str(left_px),
        "TOP": str(top_px),
        "WIDTH": str(max(width_px, 0)),
        "HEIGHT": str(max(height_px, 0)),
    }


def _render_whole(value: float | None) -> str:
    return "" if value is None else str(round(value))


def _render_pose(pose: Pose | None) -> str:
    return (
        ""
        if pose is None
        else ",".join(f"{round(angle, 1) + 0.0:.1f}" for angle in (pose.yaw, pose.pitch, pose.roll))
    )


OPERATIONS = (
    ICreditOperation("manage", manage),
    ICreditOperation("query", query),
    ICreditOperation("analysis", analysis, (PERSONS, *STATISTICS)),
)

_BY_NAME = {operation.name: operation for operation in OPERATIONS}


def _find_tenant(services: Services, appcode: str) -> Tenant | None:
    return services.tenants.find_by_appcode(appcode) or services.tenants.find_by_old_appcode(
        appcode, DIALECT.name
    )


def parse_credential(_settings: Settings, request: Head) -> KeyCredential:
    """Read the app code of a request."""
    return KeyCredential(
        _find_tenant, parse_appcode(request.headers, parse_qs(request.query)) or ""
    )


def make_gateway_fields(error: type[RegularsError], text: str) -> Mapping[str, object]:
    """Return the error's code and its text, as the answer to a failure has them."""
    return {"PERSON_TOKEN_STATUS": "1", "ERROR_CODE": CODES[error], "ERROR_MSG": text}


VIEWS = Views(
    answer_error=lambda error, path: _BY_NAME.get(
        path.removeprefix(PREFIX), OPERATIONS[0]
    ).answer_error(error)[1],
    unknown_path=f"There is no such call here: by POST, there are {', '.join(_BY_NAME)}.",
    body_too_long=InvalidInput("The body is larger than 4 MiB."),
    parse_credential=parse_credential,
    answers_by_path={
        PREFIX + operation.name: {"POST": operation.answer} for operation in OPERATIONS
    },
    make_gateway_fields=make_gateway_fields,
)
