"""Amazon Rekognition's face API: `POST /`, with the operation in X-Amz-Target.

collections, pictures: the views.
The contract: docs/rekognition.md.
"""

from __future__ import annotations

import re

from msgspec import Struct

from chalicelib.api.dialect import ROOT, Dialect
from chalicelib.domain.audit_events import Kind, kinds_by_name
from chalicelib.domain.setting import setting
from chalicelib.privacy.reading import data_by_name

_HOST = r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?"
"""Compiled when the setting is read: that takes longer than all else here, and a cold start waits
for it."""


def _parse_hosts(text: str) -> tuple[str, ...]:
    names = tuple(name for part in text.split(",") if (name := part.strip()))
    if not all(re.fullmatch(_HOST, name) for name in names):
        raise ValueError(
            "is names such as faces.example or 10.0.0.2:8000, with commas between them"
        )
    return names


class SignedHosts(Struct, frozen=True):
    """Settings of what clients may sign as `Host`."""

    endpoint_hosts: tuple[str, ...] = setting(
        (),
        "names, with ports, by which clients of the Rekognition dialect call a proxy that changes "
        "`Host`",
        read=_parse_hosts,
        nothing="none",
    )


DIALECT = Dialect(
    __name__,
    "rekognition",
    "Rekognition",
    (ROOT,),
    kinds_by_name(
        {
            Kind.CHANGE: "CreateCollection, DeleteCollection, TagResource, UntagResource, "
            "IndexFaces, DeleteFaces, "
            "CreateUser, DeleteUser, AssociateFaces, DisassociateFaces",
            Kind.DECISION: "CompareFaces, SearchFaces, SearchFacesByImage, SearchUsers, "
            "SearchUsersByImage",
        }
    ),
    data_by_name(
        {
            (
                "ListFaces, ListUsers, IndexFaces, DeleteFaces, AssociateFaces, DisassociateFaces"
            ): "names",
            "SearchFaces, SearchFacesByImage, SearchUsers, SearchUsersByImage": "names likeness",
        }
    ),
    settings=SignedHosts,
    has_feelings=True,
    face_sets="regulars_dialects.face_sets:UserSets",
)
