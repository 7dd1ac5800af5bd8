"""Search in a Lambda function of its own: both sides of the wire.

Probes travel as base64 of little-endian float32 rows. float16 would save 512 bytes a face, but its rounding could give
the same picture another answer here than in process. Scores travel as JSON numbers, which keep every bit of a float64.
An error travels as Lambda sends it: the name of its class and its message.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.aws.errors import translated
from chalicelib.core import errors
from chalicelib.core.decision import ImpostorCurve, OperatingPoint
from chalicelib.core.errors import InvalidInput, RegularsError, StorageUnavailable
from chalicelib.core.model import Candidate
from chalicelib.core.search import FaceSearch, SearchAnswer, SearchRequest
from chalicelib.core.shards import Shard

if TYPE_CHECKING:
    import numpy as np
    from mypy_boto3_lambda import LambdaClient
    from numpy.typing import NDArray

_SERVICE = "the search function"
_PROBE_TYPE = "<f4"


class LambdaSearch:
    """The FaceSearch port on the function `function_name`."""

    def __init__(self, client: LambdaClient, function_name: str) -> None:
        self._client = client
        self._function_name = function_name

    def search(self, tenant: str, request: SearchRequest) -> SearchAnswer:
        event = event_of(tenant, request)
        with translated(_SERVICE):
            reply = self._client.invoke(FunctionName=self._function_name, Payload=json.dumps(event).encode())
            payload = reply["Payload"].read()
        if reply.get("FunctionError"):
            raise _remote_error(payload)
        return _answer_from_wire(payload)


def event_of(tenant: str, request: SearchRequest) -> dict[str, Any]:
    """Make the function's event for a search, as JSON values."""
    rows = _text(request.probes.astype(_PROBE_TYPE).tobytes())
    return {**asdict(request), "tenant": tenant, "shape": list(request.probes.shape), "probes": rows}


def answer(event: Mapping[str, Any], search: FaceSearch) -> dict[str, Any]:
    """Search as `event` asks: the function's side.

    Raises InvalidInput if the event is no search, and the errors of the search.
    """
    try:
        tenant, request = event["tenant"], _request(event)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise InvalidInput(f"the search function was called with what is no search: {error!r}") from error
    found = search.search(tenant, request)
    return {
        "seq": found.seq,
        "gallery_size": found.gallery_size,
        "candidates": [
            [[candidate.faceid, candidate.group_id, float(candidate.score)] for candidate in row]
            for row in found.candidates
        ],
        "cohorts": [list(cohort) for cohort in found.cohorts],
        "candidate_cohorts": [[list(cohort) for cohort in theirs] for theirs in found.candidate_cohorts],
        "templates": [[_text(template) for template in theirs] for theirs in found.templates],
    }


def _request(event: Mapping[str, Any]) -> SearchRequest:
    """Read the request that `event_of` encoded."""
    sent = {field.name: event[field.name] for field in fields(SearchRequest)}
    probes, least, shard = _probes(sent["probes"], event["shape"]), _least(sent["least"]), Shard(**sent["shard"])
    return SearchRequest(**{**sent, "probes": probes, "least": least, "shard": shard})


def _probes(data: str, shape: list[int]) -> NDArray[np.float32]:
    import numpy as np

    rows = np.frombuffer(base64.b64decode(data, validate=True), dtype=_PROBE_TYPE)
    return rows.reshape([int(side) for side in shape]).astype(np.float32)


def _least(sent: Mapping[str, Any] | None) -> OperatingPoint | None:
    """Read the operating point that `asdict` converted; JSON keeps every bit of its numbers."""
    if sent is None:
        return None
    return OperatingPoint(_curve(sent["curve"]), sent["fpir_target"])


def _curve(sent: Mapping[str, Any]) -> ImpostorCurve:
    points = tuple((score, rate) for score, rate in sent["points"])
    normalised = sent["normalised"] and _curve(sent["normalised"])
    return ImpostorCurve(**{**sent, "points": points, "normalised": normalised})


def _answer_from_wire(payload: bytes) -> SearchAnswer:
    try:
        reply = json.loads(payload)
        candidates = tuple(tuple(Candidate(*candidate) for candidate in row) for row in reply["candidates"])
        return SearchAnswer(
            reply["seq"],
            reply["gallery_size"],
            candidates,
            tuple(map(_cohort, reply["cohorts"])),
            tuple(tuple(map(_cohort, theirs)) for theirs in reply["candidate_cohorts"]),
            tuple(tuple(base64.b64decode(text, validate=True) for text in theirs) for theirs in reply["templates"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StorageUnavailable(f"{_SERVICE} answered with what is no search answer") from error


def _cohort(sent: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(score) for score in sent)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _remote_error(payload: bytes) -> RegularsError:
    """Return the error that the function raised, as its own class if it is one of ours."""
    try:
        reply = json.loads(payload)
        name, message = str(reply["errorType"]), str(reply.get("errorMessage", ""))
    except (KeyError, TypeError, ValueError):
        name, message = "", ""
    known = {kind.__name__: kind for kind in _with_subclasses(RegularsError) if kind is not errors.ConditionFailed}
    if name in known:
        return known[name](message)
    return StorageUnavailable(f"{_SERVICE} failed: {name or 'it did not say why'}")


def _with_subclasses(kind: type[RegularsError]) -> Iterator[type[RegularsError]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from _with_subclasses(subclass)
