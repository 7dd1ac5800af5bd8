"""Search in a Lambda function of its own: both sides of the wire.

Probes travel as base64 of little-endian float32 rows. float16 would save 512 bytes a face, but its rounding could give
the same picture another answer here than in process. Scores travel as JSON numbers, which keep every bit of a float64.
An error travels as Lambda sends it: the name of its class and its message.

The functions are deployed one after the other, so each side may be older than the other. A reader passes over what it
does not know, and takes the default for what is missing. If that would change what is found, VERSION grows: then the
call is Busy until both sides know it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ConnectionClosedError
from msgspec import ValidationError, convert, to_builtins

from chalicelib.adapters.aws.errors import translated
from chalicelib.core import errors
from chalicelib.core.decision import FaceSearch, OperatingPoint, SearchAnswer, SearchRequest
from chalicelib.core.errors import Busy, RegularsError, StorageUnavailable
from chalicelib.core.model import Candidate

if TYPE_CHECKING:
    import numpy as np
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef
    from numpy.typing import NDArray

_SERVICE = "the search function"
_PROBE_TYPE = "<f4"

VERSION = 2
"""Version of events and answers. It grows when an earlier one would misunderstand them."""


class LambdaSearch:
    """The FaceSearch port on the function `function_name`."""

    def __init__(self, client: LambdaClient, function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        event = json.dumps(event_of(tenant, request)).encode()
        with translated(_SERVICE):
            reply = self._invoked(event)
            payload = reply["Payload"].read()
        if reply.get("FunctionError"):
            raise _remote_error(payload)
        return _answer_from_wire(payload)

    def _invoked(self, event: bytes) -> InvocationResponseTypeDef:
        """Call the function, once more if a connection that was kept from an earlier call had been closed meanwhile."""
        try:
            return self._client.invoke(FunctionName=self._function_name, Payload=event)
        except ConnectionClosedError:
            return self._client.invoke(FunctionName=self._function_name, Payload=event)


def event_of(tenant: str, request: SearchRequest) -> dict[str, Any]:
    """Make the function's event for a search, as JSON values."""
    point = request.operating_point
    return {
        **request._asdict(),
        "version": VERSION,
        "tenant": tenant,
        "shape": list(request.probes.shape),
        "probes": _text(request.probes.astype(_PROBE_TYPE).tobytes()),
        "operating_point": to_builtins(point),
    }


def answer(event: Mapping[str, Any], search: FaceSearch) -> dict[str, Any]:
    """Search as `event` asks: the function's side.

    Raises Busy if it cannot read the event: its sender may be of another version. Raises the errors of the search.
    """
    try:
        _require_version(event)
        tenant, request = event["tenant"], _request(event)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError, ValidationError) as error:
        raise Busy(f"{_SERVICE} cannot read the call, perhaps of another version: {error!r}; try again") from error
    found = search.search(tenant, request)
    # Lambda's Python writes a named tuple as an object, and not as a list as json does.
    candidates = [list(map(list, theirs)) for theirs in found.candidates]
    templates = [list(map(_text, theirs)) for theirs in found.templates]
    return {**found._asdict(), "version": VERSION, "candidates": candidates, "templates": templates}


def _require_version(sent: Mapping[str, Any]) -> None:
    """Raise Busy for an event or an answer of a version that is not known here."""
    if sent.get("version", VERSION) > VERSION:
        raise Busy(f"a call of {_SERVICE} is of version {sent['version']}, and only {VERSION} is known yet; try again")


def _request(event: Mapping[str, Any]) -> SearchRequest:
    """Read the request that `event_of` encoded, without what is not known here. JSON keeps every bit of its numbers."""
    known = {field: event[field] for field in SearchRequest._fields if field in event}
    point = convert(event.get("operating_point"), OperatingPoint | None)
    return SearchRequest(**{**known, "probes": _probes(event["probes"], event["shape"]), "operating_point": point})


def _probes(data: str, shape: list[int]) -> NDArray[np.float32]:
    import numpy as np

    rows = np.frombuffer(_bytes(data), dtype=_PROBE_TYPE)
    return rows.reshape([int(side) for side in shape]).astype(np.float32)


def _answer_from_wire(payload: bytes) -> SearchAnswer:
    try:
        reply = json.loads(payload)
        _require_version(reply)
        return SearchAnswer(
            reply["seq"],
            reply["gallery_size"],
            tuple(tuple(Candidate(*candidate[:3]) for candidate in theirs) for theirs in reply["candidates"]),
            tuple(tuple(map(_bytes, theirs)) for theirs in reply.get("templates", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise StorageUnavailable(f"{_SERVICE} answered with what is no search answer") from error


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _remote_error(payload: bytes) -> RegularsError:
    """Return the error that the function raised, as its own class if it is one of core.errors."""
    try:
        reply = json.loads(payload)
        name, message = str(reply["errorType"]), str(reply.get("errorMessage", ""))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        name, message = "", ""
    kind = vars(errors).get(name)
    if isinstance(kind, type) and issubclass(kind, RegularsError) and kind is not errors.ConditionFailed:
        return kind(message)
    return StorageUnavailable(f"{_SERVICE} failed: {name or 'it did not say why'}")
