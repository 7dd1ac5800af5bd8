"""Search in a Lambda function of its own: both sides of the wire.

Bytes travel as base64, probes as little-endian float32 rows. float16 would save 512 bytes a face,
but its rounding could give the same picture another answer here than in process. Scores travel as
JSON numbers, which keep every bit of a float64. An error travels as Lambda sends it: the name of
its class and its message.

The functions are deployed one after the other, so each side may be older than the other. A reader
passes over what it does not know, and takes the default for what is missing. If that would change
what is found, VERSION grows: then the call is Busy until both sides know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ConnectionClosedError
from msgspec import DecodeError, Struct, convert, json, to_builtins

from chalicelib.domain import errors
from chalicelib.domain.errors import Busy, RegularsError, StorageUnavailable
from chalicelib.domain.model import Candidate
from chalicelib.domain.rules.decision import FaceSearch, OperatingPoint, SearchAnswer, SearchRequest
from chalicelib.storage.aws.errors import translate_failures
from chalicelib.storage.aws.spread import choose_function

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

_SERVICE = "the search function"
_PROBE_TYPE = "<f4"

VERSION = 3
"""Version of events and answers. It grows when an earlier one would misunderstand them."""


class _Sent(Struct):
    version: int = VERSION


class _Event(_Sent, kw_only=True):
    """A SearchRequest of a tenant. `shape`: of the array of probes."""

    tenant: str
    model: str
    probes: bytes
    shape: tuple[int, int]
    group_ids: list[str] | None = None
    limit: int = 1
    operating_point: OperatingPoint | None = None
    least_demands: tuple[float, ...] = ()
    templates: bool = False
    seq: int | None = None


class _Reply(_Sent, kw_only=True):
    """A SearchAnswer."""

    seq: int
    gallery_size: int
    candidates: tuple[tuple[Candidate, ...], ...]
    templates: tuple[tuple[bytes, ...], ...] = ()


class _Failure(Struct, rename="camel"):
    """The error that a function raised, as Lambda tells it."""

    error_type: str = ""
    error_message: str = ""


class LambdaSearch:
    """The FaceSearch port on functions of these names: each tenant has one of them (spread.py)."""

    def __init__(self, client: LambdaClient, function_names: Sequence[str]) -> None:
        self._client = client
        self._function_names = function_names

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        event = json.encode(make_event(tenant, request))
        with translate_failures(_SERVICE):
            reply = self._invoke_function(choose_function(tenant, self._function_names), event)
            payload = reply["Payload"].read()
        if reply.get("FunctionError"):
            raise _parse_remote_error(payload)
        return _answer_from_wire(payload)

    def _invoke_function(self, name: str, event: bytes) -> InvocationResponseTypeDef:
        """Call the function, once more if a connection that was kept from an earlier call had been
        closed meanwhile."""
        try:
            return self._client.invoke(FunctionName=name, Payload=event)
        except ConnectionClosedError:
            return self._client.invoke(FunctionName=name, Payload=event)


def make_event(tenant: str, request: SearchRequest) -> dict[str, Any]:
    """Make the function's event for a search, as JSON values."""
    probes = request.probes.astype(_PROBE_TYPE)
    event_fields = {**request._asdict(), "shape": probes.shape, "probes": probes.tobytes()}
    event: dict[str, Any] = to_builtins(_Event(tenant=tenant, **event_fields))
    return event


def answer_search(event: Mapping[str, Any], search: FaceSearch) -> dict[str, Any]:
    """Search as an event of `LambdaSearch` asks, and return the answer as JSON values.

    Raises Busy if it cannot read the event: its sender may be of another version. Raises the errors
    of the search.
    """
    import numpy as np

    try:
        search_event = _parse_message(event, _Event)
        probes = (
            np.frombuffer(search_event.probes, _PROBE_TYPE)
            .reshape(search_event.shape)
            .astype(np.float32)
        )
    except (DecodeError, ValueError) as error:
        raise Busy(
            f"{_SERVICE} cannot read the call, perhaps of another version: {error!r}; try again"
        ) from error
    fields = {field: getattr(search_event, field) for field in SearchRequest._fields}
    result = search.search(search_event.tenant, SearchRequest(**{**fields, "probes": probes}))
    # Not a named tuple in it: Lambda's Python writes one as an object, and not as a list as json
    # does.
    reply: dict[str, Any] = to_builtins(_Reply(**result._asdict()))
    return reply


_T = TypeVar("_T", _Event, _Reply)


def _parse_message(message: object, kind: type[_T]) -> _T:
    """Read what was sent, without what is not known here.

    Raises Busy if it is of a later version, DecodeError.
    """
    if (version := convert(message, _Sent).version) > VERSION:
        raise Busy(
            f"a call of {_SERVICE} is of version {version}, and only {VERSION} is known yet; try "
            "again"
        )
    return convert(message, kind)


def _answer_from_wire(payload: bytes) -> SearchAnswer:
    try:
        reply = _parse_message(json.decode(payload), _Reply)
    except (DecodeError, ValueError, RecursionError) as error:
        raise StorageUnavailable(f"{_SERVICE} answered with what is no search answer") from error
    return SearchAnswer(reply.seq, reply.gallery_size, reply.candidates, reply.templates)


def _parse_remote_error(payload: bytes) -> RegularsError:
    """Return the error that the function raised, as its own class if it is one of domain/errors."""
    try:
        failure = json.decode(payload, type=_Failure)
    except (DecodeError, ValueError, RecursionError):
        failure = _Failure()
    kind = vars(errors).get(failure.error_type)
    if (
        isinstance(kind, type)
        and issubclass(kind, RegularsError)
        and kind is not errors.ConditionFailed
    ):
        return kind(failure.error_message)
    return StorageUnavailable(f"{_SERVICE} failed: {failure.error_type or 'it did not say why'}")
