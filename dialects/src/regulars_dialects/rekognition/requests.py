"""The operations' requests: their members and what these may be, as in Rekognition's service model
(2016-06-27).

A member of another JSON type than the model's is a SerializationException, whatever else is wrong.
All constraints that do not hold are told together in one ValidationException. Unknown members and
null are passed over.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from chalicelib.api.forms import MAX_COMMAS, is_unicode
from chalicelib.api.http import Failure

MAX_BLOB = 5_242_880
"""Bytes of a picture in a request, 5 MB, as Rekognition takes it."""
LONGEST_QUOTED = 200
"""Characters of a wrong value that an error repeats."""

Problems = list[str]


class Text(Struct, frozen=True):
    least: int = 0
    most: int | None = None
    pattern: str = ""
    choices: tuple[str, ...] = ()
    fits: Callable[[str], object] | None = None
    """In place of the pattern, which then only stands in the error's text."""

    def read_value(self, value: Any, member_path: str, problems: Problems) -> str:
        if not isinstance(value, str):
            raise _make_type_failure(member_path, value, "a string")
        if not is_unicode(value):
            raise Failure("SerializationException", f"{member_path} has half of a character")
        problems += (_describe_flaw(value, member_path, flaw) for flaw in self.list_flaws(value))
        return value

    def list_flaws(self, value: str) -> Iterator[str]:
        if self.choices and value not in self.choices:
            yield f"Member must satisfy enum value set: [{', '.join(self.choices)}]"
        yield from _list_bound_flaws(len(value), self.least, self.most)
        fits = self.fits or re.compile(self.pattern).fullmatch
        if self.pattern and not fits(value):
            yield f"Member must satisfy regular expression pattern: {self.pattern}"


class Number(Struct, frozen=True):
    least: int | None = None
    most: int | None = None
    whole: bool = False

    def read_value(self, value: Any, member_path: str, problems: Problems) -> float | int:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or (self.whole and value % 1)
        ):
            raise _make_type_failure(
                member_path, value, "a whole number" if self.whole else "a number"
            )
        problems += (
            _describe_flaw(value, member_path, flaw)
            for flaw in _list_bound_flaws(value, self.least, self.most, "value")
        )
        return int(value) if self.whole else value


class Blob(Struct, frozen=True):
    least: int
    most: int

    def read_value(self, value: Any, member_path: str, problems: Problems) -> bytes:
        if not isinstance(value, str):
            raise _make_type_failure(member_path, value, "a string in base64")
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise Failure(
                "SerializationException", f"{member_path} is not in base64, with its padding"
            ) from None
        flaws = _list_bound_flaws(len(data), self.least, self.most)
        problems += (
            f"Value at '{member_path}' failed to satisfy constraint: {flaw}" for flaw in flaws
        )
        return data


class ListOf(Struct, frozen=True):
    member: Text
    least: int = 0
    most: int | None = None

    def read_value(self, value: Any, member_path: str, problems: Problems) -> list[str]:
        """Read a list of texts, without its nulls.

        Add the flaws of its length and of its texts to `problems`.
        """
        if not isinstance(value, list):
            raise _make_type_failure(member_path, value, "a list")
        members = [
            self.member.read_value(member, member_path, [])
            for member in value
            if member is not None
        ]
        quoted = f"[{', '.join(members)}]"
        flaws = [flaw for member in members for flaw in self.member.list_flaws(member)]
        problems += (
            _describe_flaw(quoted, member_path, flaw)
            for flaw in _list_bound_flaws(len(members), self.least, self.most)
        )
        problems += (
            _describe_flaw(quoted, member_path, f"Member must satisfy constraint: [{flaw}]")
            for flaw in dict.fromkeys(flaws)
        )
        return members


class MapOf(Struct, frozen=True):
    key: Text
    value: Text
    least: int = 0
    most: int | None = None

    def read_value(self, value: Any, member_path: str, problems: Problems) -> dict[str, str]:
        """Read a map of texts, without its nulls.

        Add the flaws of its size, keys and values to `problems`.
        """
        if not isinstance(value, dict):
            raise _make_type_failure(member_path, value, "an object")
        texts = {
            key: self.value.read_value(sent, member_path, [])
            for key, sent in value.items()
            if sent is not None
        }
        quoted = "{" + ", ".join(f"{key}={text}" for key, text in texts.items()) + "}"
        problems += (
            _describe_flaw(quoted, member_path, flaw)
            for flaw in _list_bound_flaws(len(texts), self.least, self.most)
        )
        for part, flaws in (
            ("keys", [flaw for key in texts for flaw in self.key.list_flaws(key)]),
            ("value", [flaw for text in texts.values() for flaw in self.value.list_flaws(text)]),
        ):
            sentences = (
                f"Map {part} must satisfy constraint: [{flaw}]" for flaw in dict.fromkeys(flaws)
            )
            problems += (_describe_flaw(quoted, member_path, flaw) for flaw in sentences)
        return texts


class Members(Struct, frozen=True):
    """A structure: its members by name, and the names of those that must be there."""

    members: Mapping[str, Kind]
    required: tuple[str, ...] = ()

    def read_value(self, value: Any, member_path: str, problems: Problems) -> dict[str, Any]:
        """Read an object's members by their kinds, and pass others over.

        Add to `problems` what is wrong or missing.
        """
        if not isinstance(value, dict):
            raise _make_type_failure(member_path or "the body", value, "an object")
        members: dict[str, Any] = {}
        for name, kind in self.members.items():
            inner = ".".join(filter(None, (member_path, name[0].lower() + name[1:])))
            if value.get(name) is not None:
                members[name] = kind.read_value(value[name], inner, problems)
            elif name in self.required:
                problems.append(
                    f"Value null at '{inner}' failed to satisfy constraint: Member must not be null"
                )
        return members


Kind = Text | Number | Blob | ListOf | MapOf | Members


def parse_members(body: bytes, request: Members) -> dict[str, Any]:
    """Read a request's members. Raises Failure: SerializationException, ValidationException."""
    try:
        if body.count(b",") > MAX_COMMAS:
            raise ValueError("it has too many values")
        value = json.loads(body.decode() or "{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Failure(
            "SerializationException", "The body is not one JSON object in UTF-8"
        ) from None
    problems: Problems = []
    members = request.read_value(value, "", problems)
    if problems:
        number = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
        raise Failure("ValidationException", f"{number}: {'; '.join(problems)}")
    return members


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _list_bound_flaws(
    size: float, min_size: int | None, max_size: int | None, measured: str = "length"
) -> Iterator[str]:
    """Say which of its bounds a length or a value does not keep.

    `measured`: the word for what `size` is.
    """
    if min_size is not None and size < min_size:
        yield f"Member must have {measured} greater than or equal to {min_size}"
    if max_size is not None and size > max_size:
        yield f"Member must have {measured} less than or equal to {max_size}"


def _describe_flaw(value: object, member_path: str, flaw: str) -> str:
    text = str(value)
    quoted = text if len(text) <= LONGEST_QUOTED else f"{text[:LONGEST_QUOTED]}..."
    return f"Value '{quoted}' at '{member_path}' failed to satisfy constraint: {flaw}"


def _make_type_failure(member_path: str, value: object, right_kind: str) -> Failure:
    kinds = {
        str: "a string",
        bool: "true or false",
        list: "a list",
        dict: "an object",
        type(None): "null",
    }
    return Failure(
        "SerializationException",
        f"{member_path} is {right_kind}, not {kinds.get(type(value)) or str(value)[:20]}",
    )


def _is_tag_text(text: str) -> bool:
    """Tell whether these are letters, separators and digits of any script, or signs that tags may
    have."""
    return all(letter in "_.:/=+-@" or unicodedata.category(letter)[0] in "LZN" for letter in text)


_TAG = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"
_TAG_KEY = Text(
    1,
    128,
    f"^(?!aws:){_TAG}$",
    fits=lambda text: _is_tag_text(text) and not text.startswith("aws:"),
)
_TAGS = MapOf(_TAG_KEY, Text(0, 256, f"^({_TAG})$", fits=_is_tag_text), 0, 200)
_COLLECTION = Text(1, 255, r"[a-zA-Z0-9_.\-]+")
_USER = Text(1, 128, r"[a-zA-Z0-9_.\-:]+")
_EXTERNAL_IMAGE = Text(1, 255, r"[a-zA-Z0-9_.\-:]+")
_FACE = Text(
    1,
    64,
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    fits=re.compile(r"[A-Za-z0-9_-]*").fullmatch,  # ids of other dialects, too
)
_TOKEN = Text(1, 64, "^[a-zA-Z0-9-_]+$")
_NEXT = Text(0, 255)
_ARN = Text(20, 2_048)
_PERCENT = Number(0, 100)
_MOST = Number(1, 4_096, whole=True)
_PAGE = Number(0, 4_096, whole=True)
_MOST_USERS = Number(1, 500, whole=True)
_FILTER = Text(choices=("NONE", "AUTO", "LOW", "MEDIUM", "HIGH"))
_S3_OBJECT = Members(
    {
        "Bucket": Text(3, 255, r"[0-9A-Za-z\.\-_]*"),
        "Name": Text(1, 1_024),
        "Version": Text(1, 1_024),
    }
)
_IMAGE = Members({"Bytes": Blob(1, MAX_BLOB), "S3Object": _S3_OBJECT})
_ATTRIBUTE_NAMES = """
DEFAULT ALL AGE_RANGE BEARD EMOTIONS EYE_DIRECTION EYEGLASSES EYES_OPEN GENDER MOUTH_OPEN MUSTACHE
FACE_OCCLUDED SMILE SUNGLASSES
"""
_ATTRIBUTES = ListOf(Text(choices=tuple(_ATTRIBUTE_NAMES.split())))


_COLLECTION_ID = {"CollectionId": _COLLECTION}
_USER_ID = {**_COLLECTION_ID, "UserId": _USER}


def _require(required: Mapping[str, Kind], /, **others: Kind) -> Members:
    return Members({**required, **others}, tuple(required))


REQUESTS: Mapping[str, Members] = {
    "CreateCollection": _require(_COLLECTION_ID, Tags=_TAGS),
    "DeleteCollection": _require(_COLLECTION_ID),
    "ListCollections": _require({}, NextToken=_NEXT, MaxResults=_PAGE),
    "DescribeCollection": _require(_COLLECTION_ID),
    "TagResource": _require({"ResourceArn": _ARN, "Tags": _TAGS}),
    "UntagResource": _require({"ResourceArn": _ARN, "TagKeys": ListOf(_TAG_KEY, 0, 200)}),
    "ListTagsForResource": _require({"ResourceArn": _ARN}),
    "IndexFaces": _require(
        {**_COLLECTION_ID, "Image": _IMAGE},
        ExternalImageId=_EXTERNAL_IMAGE,
        DetectionAttributes=_ATTRIBUTES,
        MaxFaces=Number(1, whole=True),
        QualityFilter=_FILTER,
    ),
    "ListFaces": _require(
        _COLLECTION_ID,
        NextToken=_NEXT,
        MaxResults=_PAGE,
        UserId=_USER,
        FaceIds=ListOf(_FACE, 1, 4_096),
    ),
    "DeleteFaces": _require({**_COLLECTION_ID, "FaceIds": ListOf(_FACE, 1, 4_096)}),
    "SearchFaces": _require(
        {**_COLLECTION_ID, "FaceId": _FACE}, MaxFaces=_MOST, FaceMatchThreshold=_PERCENT
    ),
    "SearchFacesByImage": _require(
        {**_COLLECTION_ID, "Image": _IMAGE},
        MaxFaces=_MOST,
        FaceMatchThreshold=_PERCENT,
        QualityFilter=_FILTER,
    ),
    "CompareFaces": _require(
        {"SourceImage": _IMAGE, "TargetImage": _IMAGE},
        SimilarityThreshold=_PERCENT,
        QualityFilter=_FILTER,
    ),
    "DetectFaces": _require({"Image": _IMAGE}, Attributes=_ATTRIBUTES),
    "CreateUser": _require(_USER_ID, ClientRequestToken=_TOKEN),
    "DeleteUser": _require(_USER_ID, ClientRequestToken=_TOKEN),
    "ListUsers": _require(_COLLECTION_ID, MaxResults=_MOST_USERS, NextToken=_NEXT),
    "AssociateFaces": _require(
        {**_USER_ID, "FaceIds": ListOf(_FACE, 1, 100)},
        UserMatchThreshold=_PERCENT,
        ClientRequestToken=_TOKEN,
    ),
    "DisassociateFaces": Members(
        {**_USER_ID, "ClientRequestToken": _TOKEN, "FaceIds": ListOf(_FACE, 1, 100)},
        (*_USER_ID, "FaceIds"),
    ),
    "SearchUsers": _require(
        _COLLECTION_ID,
        UserId=_USER,
        FaceId=_FACE,
        UserMatchThreshold=_PERCENT,
        MaxUsers=_MOST_USERS,
    ),
    "SearchUsersByImage": _require(
        {**_COLLECTION_ID, "Image": _IMAGE},
        UserMatchThreshold=_PERCENT,
        MaxUsers=_MOST_USERS,
        QualityFilter=_FILTER,
    ),
}
"""The members of each operation that is answered, those that must be there first."""

_CHANGES = """
CreateCollection DeleteCollection TagResource UntagResource DeleteFaces CreateUser DeleteUser
AssociateFaces DisassociateFaces
"""
CHANGES = frozenset(_CHANGES.split())
"""The operations of which the answer is stored, so that a repeat is done once."""

WRITES = CHANGES | {"IndexFaces"}
"""The operations that change something. Of IndexFaces a repeat derives the same ids."""

_OTHERS = """
CopyProjectVersion CreateDataset CreateFaceLivenessSession CreateProject CreateProjectVersion
CreateStreamProcessor DeleteDataset DeleteProject DeleteProjectPolicy DeleteProjectVersion
DeleteStreamProcessor DescribeDataset DescribeProjectVersions DescribeProjects
DescribeStreamProcessor DetectCustomLabels DetectLabels DetectModerationLabels
DetectProtectiveEquipment DetectText DistributeDatasetEntries GetCelebrityInfo
GetCelebrityRecognition GetContentModeration GetFaceDetection GetFaceLivenessSessionResults
GetFaceSearch GetLabelDetection GetMediaAnalysisJob GetPersonTracking GetSegmentDetection
GetTextDetection ListDatasetEntries ListDatasetLabels ListMediaAnalysisJobs ListProjectPolicies
ListStreamProcessors PutProjectPolicy RecognizeCelebrities StartCelebrityRecognition
StartContentModeration StartFaceDetection StartFaceSearch StartLabelDetection StartMediaAnalysisJob
StartPersonTracking StartProjectVersion StartSegmentDetection StartStreamProcessor
StartTextDetection StopProjectVersion StopStreamProcessor UpdateDatasetEntries UpdateStreamProcessor
"""

OTHER_OPERATIONS = frozenset(_OTHERS.split())
"""Operations of the service model that find something else than faces in a picture, and are refused
by name."""
