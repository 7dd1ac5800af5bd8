"""FaceSearch over a function call: the caller gets what the function found, bit for bit, and what
it raised."""

import io
import json
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from numpy.typing import NDArray

from chalicelib.domain import errors
from chalicelib.domain.errors import Busy, InvalidInput, RegularsError, StorageUnavailable
from chalicelib.domain.model import Candidate
from chalicelib.domain.rules.decision import (
    ImpostorCurve,
    OperatingPoint,
    SearchAnswer,
    SearchRequest,
)
from chalicelib.storage.aws.search import VERSION, LambdaSearch, answer_search, make_event
from tests.support.storage.search import FOUND, FakeSearch

CURVE = ImpostorCurve(((0.1, 0.1 + 0.2), (0.3, 1 / 3e5)), 0.1, 1e-3, 29.55)


class FakeLambda:
    """Runs `answer_search` as Lambda would: JSON in, JSON out, and a raised error told by its
    class's name."""

    def __init__(self, search: FakeSearch) -> None:
        self.search = search
        self.called = ""

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.called = FunctionName
        try:
            reply = answer_search(json.loads(Payload), self.search)
        except Exception as error:
            told = {"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": []}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(told).encode())}
        return {"Payload": io.BytesIO(json.dumps(_as_lambda_writes(reply)).encode())}


def _as_lambda_writes(value: Any) -> Any:
    """Make named tuples objects, as simplejson does, which the runtime interface client writes
    answers with."""
    if isinstance(value, dict):
        return {name: _as_lambda_writes(inner) for name, inner in value.items()}
    if hasattr(value, "_asdict"):
        return _as_lambda_writes(value._asdict())
    return (
        [_as_lambda_writes(inner) for inner in value] if isinstance(value, list | tuple) else value
    )


class ScriptedLambda:
    def __init__(self, reply: dict[str, Any] | Exception) -> None:
        self.reply = reply

    def invoke(self, **request: Any) -> dict[str, Any]:
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


def remote(client: FakeLambda | ScriptedLambda) -> LambdaSearch:
    return LambdaSearch(client, ["the-search-function"])  # type: ignore[arg-type]


def rows(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((count, 256)).astype(np.float32)


def question(asked: SearchRequest) -> tuple[str, SearchRequest]:
    """What arrives at the function, of tenant "t"."""
    search = FakeSearch()
    remote(FakeLambda(search)).search("t", asked)
    assert search.asked is not None
    return search.asked


def told(request: SearchRequest) -> dict[str, Any]:
    """The request, its probes as bytes: arrays have no one equality."""
    return {**request._asdict(), "probes": (request.probes.shape, request.probes.tobytes())}


def test_the_answer_comes_back_bit_for_bit() -> None:
    client = FakeLambda(FakeSearch())
    assert remote(client).search("t", SearchRequest("m", rows(3))) == FOUND
    assert client.called == "the-search-function"


@pytest.mark.parametrize("count", [0, 1, 40])
def test_the_question_arrives_bit_for_bit(count: int) -> None:
    probes = rows(count)
    asked = SearchRequest("m", probes, ["b", "a"], 7, OperatingPoint(CURVE, 0.003), templates=True)
    tenant, arrived = question(asked)
    assert (tenant, told(arrived)) == ("t", told(asked))
    assert (arrived.probes.dtype, arrived.probes.flags.writeable) == (np.float32, True)


def test_what_is_not_asked_for_arrives_so() -> None:
    asked = SearchRequest("m", rows(1))
    assert told(question(asked)[1]) == told(asked)


def test_no_groups_and_all_groups_are_told_apart() -> None:
    choices: tuple[list[str] | None, ...] = (None, [])
    for group_ids in choices:
        assert question(SearchRequest("m", rows(1), group_ids))[1].group_ids == group_ids


def test_a_view_of_an_array_is_sent_as_it_reads() -> None:
    probes = rows(6)[::-2, ::-1]
    assert (question(SearchRequest("m", probes))[1].probes == probes).all()


def test_not_a_number_reaches_the_search_which_refuses_it() -> None:
    search, probes = FakeSearch(InvalidInput("a probe is not finite")), rows(1)
    probes[0, 0] = np.nan
    with pytest.raises(InvalidInput, match="a probe is not finite"):
        remote(FakeLambda(search)).search("t", SearchRequest("m", probes))
    assert np.isnan(search.asked[1].probes[0, 0])


# Of core.errors alone: which errors other modules add depends on what was imported before.
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, RegularsError)
]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not errors.ConditionFailed])
def test_an_error_of_ours_arrives_as_itself(kind: type[RegularsError]) -> None:
    with pytest.raises(kind, match="and this is why") as raised:
        remote(FakeLambda(FakeSearch(kind("and this is why")))).search(
            "t", SearchRequest("m", rows(1))
        )
    assert raised.type is kind


def error_reply(payload: bytes) -> dict[str, Any]:
    return {"FunctionError": "Unhandled", "Payload": io.BytesIO(payload)}


@pytest.mark.parametrize(
    "payload",
    [
        b'{"errorType": "KeyError", "errorMessage": "x"}',
        b'{"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 30.00 seconds"}',
        b'{"errorType": "Runtime.ExitError"}',
        b'{"errorType": "SystemExit", "errorMessage": "0"}',
        b'{"errorType": "ConditionFailed", "errorMessage": "x"}',
        b'{"errorMessage": "out of memory"}',
        b"[]",
        b"null",
        b"no JSON",
        b"",
    ],
)
def test_any_other_failure_of_the_function_is_unavailable(payload: bytes) -> None:
    with pytest.raises(StorageUnavailable):
        remote(ScriptedLambda(error_reply(payload))).search("t", SearchRequest("m", rows(1)))


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"{}", b'{"seq": 1, "gallery_size": 1, "candidates": [[["f"]]]}']
)
def test_what_is_no_search_answer_is_unavailable(payload: bytes) -> None:
    with pytest.raises(StorageUnavailable):
        remote(ScriptedLambda({"Payload": io.BytesIO(payload)})).search(
            "t", SearchRequest("m", rows(1))
        )


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (EndpointConnectionError(endpoint_url="https://lambda"), StorageUnavailable),
        (ReadTimeoutError(endpoint_url="https://lambda"), StorageUnavailable),
        (ClientError({"Error": {"Code": "ServiceException"}}, "Invoke"), StorageUnavailable),
        (
            ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "Invoke"),
            StorageUnavailable,
        ),
        (ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke"), Busy),
    ],
    ids=str,
)
def test_a_call_that_fails_is_an_error_of_ours(
    failure: Exception, expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        remote(ScriptedLambda(failure)).search("t", SearchRequest("m", rows(1)))


EVENT: dict[str, Any] = {
    "version": VERSION,
    "tenant": "t",
    "model": "m",
    "shape": [1, 1],
    "probes": "AACAPw==",
    "group_ids": None,
    "limit": 1,
    "operating_point": None,
    "templates": False,
}


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": None, "drop": "tenant"},
        {"model": None, "drop": "model"},
        {"version": VERSION + 1},
        {"version": "x"},
        {"probes": "no base64!"},
        {"probes": "AAAA"},
        {"shape": [3, 5]},
        {"shape": "x"},
        {"shape": None},
        {"probes": 5},
        {"operating_point": {"curve": {}}},
        {"operating_point": 0.5},
    ],
    ids=str,
)
def test_an_event_that_cannot_be_read_is_to_be_sent_again(change: dict[str, Any]) -> None:
    """The sender may be of another version: during a deployment that passes by itself."""
    assert answer_search(EVENT, FakeSearch())["seq"] == FOUND.seq
    event = EVENT | change
    event.pop(event.pop("drop", ""), None)
    with pytest.raises(Busy):
        answer_search(event, FakeSearch())


def test_what_an_earlier_sender_did_not_know_has_its_default() -> None:
    search = FakeSearch()
    event = {name: EVENT[name] for name in ("tenant", "model", "shape", "probes")}
    answer_search(event, search)
    assert told(search.asked[1]) == told(SearchRequest("m", np.ones((1, 1), np.float32)))


def test_what_a_later_sender_adds_under_the_same_version_is_passed_over() -> None:
    search = FakeSearch()
    asked = SearchRequest("m", rows(1), ["a"], 7, OperatingPoint(CURVE, 0.003), templates=True)
    event = make_event("t", asked)
    point = event["operating_point"]
    event |= {"hint": "x"}
    event["operating_point"] = point | {"hint": 1, "curve": point["curve"] | {"hint": 1}}
    answer_search(event, search)
    assert told(search.asked[1]) == told(asked)


def test_an_answer_of_an_earlier_function_has_defaults_and_what_a_later_one_adds_is_passed_over() -> (  # noqa: E501
    None
):
    least = {"seq": 5, "gallery_size": 2, "candidates": [[["f", "g", 0.5]]], "hint": 1}
    reply = {"Payload": io.BytesIO(json.dumps(least).encode())}
    found = remote(ScriptedLambda(reply)).search("t", SearchRequest("m", rows(1)))
    assert found == SearchAnswer(5, 2, ((Candidate("f", "g", 0.5),),))


def test_an_answer_of_a_version_that_the_caller_does_not_know_is_to_be_asked_for_again() -> None:
    reply = answer_search(EVENT, FakeSearch()) | {"version": VERSION + 1}
    with pytest.raises(Busy, match="version"):
        remote(ScriptedLambda({"Payload": io.BytesIO(json.dumps(reply).encode())})).search(
            "t", SearchRequest("m", rows(1))
        )


def test_a_connection_that_was_closed_meanwhile_is_made_anew_and_a_late_answer_not_waited_for_twice() -> (  # noqa: E501
    None
):
    class Counting(FakeLambda):
        failure: Exception = ConnectionClosedError(endpoint_url="https://lambda")
        calls = 0

        def invoke(self, **request: Any) -> dict[str, Any]:
            self.calls += 1
            if self.calls == 1:
                raise self.failure
            return super().invoke(**request)

    client = Counting(FakeSearch())
    assert remote(client).search("t", SearchRequest("m", rows(1))) == FOUND
    late = Counting(FakeSearch())
    late.failure = ReadTimeoutError(endpoint_url="https://lambda")
    with pytest.raises(StorageUnavailable):
        remote(late).search("t", SearchRequest("m", rows(1)))
    assert (client.calls, late.calls) == (2, 1)
