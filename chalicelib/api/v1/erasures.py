"""Erasures of people over v1: how far they are, and their receipts."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, convert, field

from chalicelib.api.v1 import times
from chalicelib.api.v1.endpoint import Call, Operation
from chalicelib.api.v1.wire import Answer, NextToken, Sent, Time, Token
from chalicelib.core import erasures
from chalicelib.core.access import Role
from chalicelib.core.errors import ErasureNotFound


class ErasuresWanted(Sent):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    token: Token | None = None


class ErasedFaces(Answer):
    """The faces as hashes: SHA-256 of the salt, a line break and the face's id, in hexadecimal."""

    salt: str
    sha256: list[str]


class Removed(Answer):
    """SHA-256 of each template and each picture that was removed, in hexadecimal."""

    templates: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)


class ErasedCounts(Answer):
    """Counts of what the book held. `captures_hidden`: pictures that show others, and the person not any more."""

    observations: int = 0
    captures_deleted: int = 0
    captures_hidden: int = 0


class ReceiptStatement(Answer):
    kind: Literal["erasure"]
    tenant: str
    id: str
    asked_at: Time
    done_at: Time
    by: Annotated[str, Meta(description="Id of the key that asked for it, or a word for another way.")]
    faces: ErasedFaces
    removed: Removed
    counts: ErasedCounts
    left: Annotated[str, Meta(description="What is left, in words.")]


class Receipt(Answer):
    """A statement that the tenant signs: save it as it is. `regulars receipt verify` checks it without the service."""

    statement: ReceiptStatement
    public_key: Annotated[
        str, Meta(description="Of Ed25519, in base64: `GET /v1/signing-key` has it, perhaps among the earlier ones.")
    ]
    signature: Annotated[str, Meta(description="Over the statement in canonical JSON, in base64.")]


class Erasure(Answer):
    """An erasure. It knows no face any more once it is done."""

    id: str
    state: Literal["running", "done"]
    faces: Annotated[int, Meta(description="How many faces were deleted.")]
    asked_at: Time
    done_at: Time | None
    step: Annotated[int, Meta(description="How many of its steps are done.")]
    steps: int
    counts: ErasedCounts
    receipt: Receipt | None


class ErasuresPage(Answer):
    erasures: list[Erasure]
    next_token: NextToken


def list_erasures(call: Call, query: ErasuresWanted) -> ErasuresPage:
    """List the erasures, newest first, with their receipts."""
    found = call.services.erasure.records.page(call.tenant.name, query.limit, query.token)
    return ErasuresPage(erasures=[erasure_of(one) for one in found.rows], next_token=found.next_token)


def get_erasure(call: Call) -> Erasure:
    """Read how far an erasure is, and its receipt once it is done.

    The face is gone before the erasure is answered at all. The rest takes minutes: requests that were under way end
    first, and a service that was stopped goes on within the hour.
    """
    return erasure_of(call.services.erasure.records.get(call.tenant.name, call.path["id"]))


def erasure_of(erasure: erasures.Erasure) -> Erasure:
    return Erasure.made_of(
        erasure,
        state="running" if erasure.done_at is None else "done",
        faces=erasure.number,
        asked_at=times.text(erasure.at),
        steps=len(erasure.steps),
        counts=ErasedCounts(**erasure.counts),
        receipt=None if erasure.receipt is None else convert(erasure.receipt, Receipt),
    )


OPERATIONS = (
    Operation("GET", "/v1/erasures", list_erasures, Role.OPERATOR),
    Operation("GET", "/v1/erasures/{id}", get_erasure, Role.OPERATOR, errors=(ErasureNotFound,)),
)
