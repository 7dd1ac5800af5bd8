"""The operations of the dialect, all at `POST /`. Modules are loaded at their first request, as those of v1 are."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING

from chalicelib.api.http import HttpRequest, Provide

if TYPE_CHECKING:
    from chalice.app import Response

    from chalicelib.api.rekognition.operation import View

METHOD, PATH = "POST", "/"

MODULES = {
    "collections": (
        "CreateCollection",
        "DeleteCollection",
        "ListCollections",
        "DescribeCollection",
        "TagResource",
        "UntagResource",
        "ListTagsForResource",
    ),
    "faces": ("IndexFaces", "ListFaces", "DeleteFaces", "SearchFaces", "SearchFacesByImage"),
    "pictures": ("DetectFaces", "CompareFaces"),
    "users": (
        "CreateUser",
        "DeleteUser",
        "ListUsers",
        "AssociateFaces",
        "DisassociateFaces",
        "SearchUsers",
        "SearchUsersByImage",
    ),
}
"""The operations by the module whose functions answer them, in snake case."""

_MODULE_OF = {operation: module for module, operations in MODULES.items() for operation in operations}


def view_of(operation: str) -> View | None:
    """Return the function that answers an operation; None if there is none."""
    module = _MODULE_OF.get(operation)
    if module is None:
        return None
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()
    view: View = getattr(import_module(f"{__package__}.{module}"), name)
    return view


def answer(provide: Provide, request: HttpRequest) -> Response:
    """Answer `POST /`. Raises WrongModel once."""
    from chalicelib.api.rekognition import operation  # not at the cold starts of other dialects

    return operation.answer(provide, request, view_of)
