"""DynamoDB when it does not answer as it should: the same call again, and an error that says what
to do."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from msgspec.structs import replace

from chalicelib.domain.errors import Busy, ConditionFailed, StorageUnavailable
from chalicelib.storage.aws.items import DynamoItemStore
from chalicelib.storage.keys import DIRECTORY, MERGES
from chalicelib.storage.ports import (
    Action,
    Check,
    Delete,
    Put,
    Update,
    absent,
    at_least,
    equals,
    exists,
)

LOST = ReadTimeoutError(endpoint_url="https://dynamodb")
PUT = Put(DIRECTORY, {"tenant": "t", "item": "i"})
KEY = ("t", "i")

Reply = Exception | dict[str, Any]


def failure(code: str, status: int = 400, **more: Any) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return ClientError(response, "TransactWriteItems")  # type: ignore[arg-type]


def cancelled(*reasons: str | dict[str, Any]) -> ClientError:
    dicts = [{"Code": reason} if isinstance(reason, str) else reason for reason in reasons]
    return failure("TransactionCanceledException", CancellationReasons=dicts)


class ScriptedClient:
    """Answers each call with the next reply of its script, and remembers what was asked."""

    def __init__(self, *script: Reply) -> None:
        self.script = list(script)
        self.calls: list[dict[str, Any]] = []

    def _answer(self, **request: Any) -> dict[str, Any]:
        self.calls.append(request)
        reply = self.script.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    transact_write_items = put_item = update_item = delete_item = _answer
    get_item = batch_get_item = batch_write_item = query = _answer


def store(client: ScriptedClient, slept: list[float] | None = None) -> DynamoItemStore:
    return DynamoItemStore(client, "p-", sleep=(slept if slept is not None else []).append)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "lost",
    [
        LOST,
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
        EndpointConnectionError(endpoint_url="https://dynamodb"),
        ResponseParserError("half an answer"),
        failure("InternalServerError", 500),
        failure("ServiceUnavailable", 503),
        failure("TransactionInProgressException"),
    ],
    ids=repr,
)
def test_a_lost_transaction_is_sent_again_with_the_same_token(lost: Exception) -> None:
    slept: list[float] = []
    client = ScriptedClient(lost, lost, {})
    store(client, slept).transact([PUT])
    assert len({call["ClientRequestToken"] for call in client.calls}) == 1
    assert len(client.calls) == 3
    assert len(slept) == 2
    assert client.calls[0] == client.calls[1]


def test_every_transaction_has_a_token_of_its_own() -> None:
    client = ScriptedClient({}, {})
    items = store(client)
    items.transact([PUT])
    items.transact([PUT])
    assert len({call["ClientRequestToken"] for call in client.calls}) == 2


def test_a_transaction_that_stays_lost_is_unavailable() -> None:
    client = ScriptedClient(*[LOST] * 4)
    with pytest.raises(StorageUnavailable):
        store(client).transact([PUT])
    assert client.script == []


def test_after_a_lost_attempt_a_busy_answer_is_not_taken_for_nothing_done() -> None:
    client = ScriptedClient(LOST, failure("ThrottlingException"), {})
    store(client).transact([PUT])
    client = ScriptedClient(LOST, *[failure("ThrottlingException")] * 3)
    with pytest.raises(StorageUnavailable):
        store(client).transact([PUT])


def test_a_condition_that_failed_after_a_lost_attempt_is_told() -> None:
    client = ScriptedClient(LOST, cancelled("ConditionalCheckFailed"))
    with pytest.raises(ConditionFailed):
        store(client).transact([Check(DIRECTORY, KEY, (exists("it"),))])


NEW = Put(DIRECTORY, {"tenant": "t", "item": "i", "n": 7}, (absent("free"),))


def taken(n: str, repeated: int = 0) -> ClientError:
    """What DynamoDB answers if there is an item with the number `n`, and the client has repeated
    the request."""
    there = {"n": {"N": n}, "item": {"S": "i"}, "tenant": {"S": "t"}}
    error = failure("ConditionalCheckFailedException", Item=there)
    error.response["ResponseMetadata"]["RetryAttempts"] = repeated
    return error


def test_an_item_that_is_not_there_yet_is_put_without_a_transaction() -> None:
    client = ScriptedClient({})
    store(client).transact([NEW])
    (call,) = client.calls
    assert call["Item"] == {"tenant": {"S": "t"}, "item": {"S": "i"}, "n": {"N": "7"}}
    assert call["ConditionExpression"] == "attribute_not_exists(#n0)"


def test_deletions_without_conditions_are_sent_without_a_transaction_and_all_again_if_an_answer_is_lost() -> (  # noqa: E501
    None
):
    client = ScriptedClient({}, LOST, {}, {})
    store(client).transact([Delete(DIRECTORY, ("t", "i")), Delete(DIRECTORY, ("t", "j"))])
    keys = [call["Key"]["item"]["S"] for call in client.calls]
    assert sorted(keys) == ["i", "i", "j", "j"]
    store(held := ScriptedClient({})).transact([Delete(DIRECTORY, KEY, (exists("it"),))])
    assert "ClientRequestToken" in held.calls[0]


def test_deletions_of_two_tables_are_done_together() -> None:
    """A merge, and the word that leads to its survivor: if the merge alone were gone, nobody would
    find the other."""
    client = ScriptedClient({})
    store(client).transact([Delete(DIRECTORY, KEY), Delete(MERGES, KEY)])
    assert [one["Delete"]["TableName"] for one in client.calls[0]["TransactItems"]] == [
        "p-directory",
        "p-merges",
    ]


@pytest.mark.parametrize("lost", [LOST, failure("InternalServerError", 500)], ids=repr)
def test_a_new_item_whose_answer_was_lost_is_stored_if_it_is_found_as_it_was_to_be(
    lost: Exception,
) -> None:
    client = ScriptedClient(lost, taken("7"))
    store(client).transact([NEW])
    assert client.calls[0] == client.calls[1]


def test_a_new_item_that_the_client_put_twice_by_itself_is_stored() -> None:
    store(ScriptedClient(taken("7", repeated=1))).transact([NEW])


@pytest.mark.parametrize(
    "script",
    [[taken("7")], [taken("8", repeated=1)], [LOST, taken("8")], [LOST, LOST, taken("8")]],
    ids=str,
)
def test_a_new_item_in_whose_place_is_that_of_somebody_else_is_refused(script: list[Reply]) -> None:
    with pytest.raises(ConditionFailed) as raised:
        store(ScriptedClient(*script)).transact([NEW])
    assert raised.value.names == {"free"}


COUNTED = Update(
    DIRECTORY, KEY, (exists("it"), at_least("n", 8, "in-quota")), add={"n": -1}, repeatable=True
)


def test_a_count_that_may_be_too_high_takes_no_transaction_and_is_sent_again_if_its_answer_is_lost() -> (  # noqa: E501
    None
):
    client = ScriptedClient(LOST, {})
    store(client).transact([COUNTED])
    assert [call["UpdateExpression"] for call in client.calls] == ["ADD #n1 :v1"] * 2
    assert "ClientRequestToken" not in client.calls[0]


NEXT = Update(
    DIRECTORY, KEY, (equals("n", 7, "same"),), set={"n": 8}, remove=("left",), repeatable=True
)
"""It falsifies its own condition."""


@pytest.mark.parametrize(
    "script", [[LOST, taken("8")], [LOST, LOST, taken("8")], [taken("8", repeated=1)]], ids=str
)
def test_a_change_whose_answer_was_lost_is_done_if_its_item_is_as_it_was_to_be(
    script: list[Reply],
) -> None:
    store(ScriptedClient(*script)).transact([NEXT])


@pytest.mark.parametrize(
    ("script", "change"),
    [
        ([taken("8")], NEXT),
        ([LOST, taken("9")], NEXT),
        ([LOST, taken("7")], NEXT),
        ([LOST, taken("8")], replace(NEXT, remove=("n",), set={})),
        ([LOST, taken("8")], replace(NEXT, add={"n": 1}, set={})),
        ([LOST, failure("ConditionalCheckFailedException")], NEXT),
    ],
    ids=str,
)
def test_a_change_that_others_were_before_is_refused(script: list[Reply], change: Update) -> None:
    with pytest.raises(ConditionFailed):
        store(ScriptedClient(*script)).transact([change])


def test_two_updates_are_a_transaction_though_each_alone_may_be_done_twice() -> None:
    client = ScriptedClient({})
    store(client).transact([COUNTED, replace(COUNTED, key=("t", "j"))])
    assert len(client.calls[0]["TransactItems"]) == 2


@pytest.mark.parametrize(
    "script", [[taken("7")], [taken("7", repeated=1)], [LOST, taken("7")]], ids=str
)
def test_a_count_that_is_refused_names_the_condition_by_the_old_item(script: list[Reply]) -> None:
    with pytest.raises(ConditionFailed) as raised:
        store(ScriptedClient(*script)).transact([COUNTED])
    assert raised.value.names == {"in-quota"}


@pytest.mark.parametrize("write", [NEW, COUNTED], ids=["new", "counted"])
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([LOST] * 4, StorageUnavailable),
        ([LOST, *[failure("ThrottlingException")] * 3], StorageUnavailable),
        ([failure("ThrottlingException")], Busy),
        ([failure("TransactionConflictException")], Busy),
        ([failure("AccessDeniedException")], StorageUnavailable),
    ],
    ids=str,
)
def test_a_write_that_is_not_done_or_may_be_is_told(
    script: list[Reply], expected: type[Exception], write: Action
) -> None:
    with pytest.raises(expected) as raised:
        store(ScriptedClient(*script)).transact([write])
    assert raised.type is expected


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (failure("ThrottlingException"), Busy),
        (failure("ProvisionedThroughputExceededException"), Busy),
        (failure("RequestLimitExceeded"), Busy),
        (failure("TransactionConflictException"), Busy),
        (cancelled("TransactionConflict"), Busy),
        (cancelled("ThrottlingError"), Busy),
        (cancelled("ProvisionedThroughputExceeded"), Busy),
        (failure("ValidationException"), StorageUnavailable),
        (cancelled("ValidationError"), StorageUnavailable),
        (failure("ResourceNotFoundException"), StorageUnavailable),
        (failure("AccessDeniedException"), StorageUnavailable),
        (failure("IdempotentParameterMismatchException"), StorageUnavailable),
        (cancelled("ItemCollectionSizeLimitExceeded"), StorageUnavailable),
        (cancelled("NotYetInvented"), StorageUnavailable),
        (NoCredentialsError(), StorageUnavailable),
    ],
    ids=str,
)
def test_a_refusal_is_told_at_once(refusal: Exception, expected: type[Exception]) -> None:
    client = ScriptedClient(refusal)
    with pytest.raises(expected) as raised:
        store(client).transact([PUT])
    assert raised.type is expected
    assert len(client.calls) == 1


def test_names_are_exact_by_the_old_item_of_each_action() -> None:
    of_a = (exists("a"), at_least("n", 3, "a has 3"), at_least("n", 1, "a has 1"))
    actions: list[Action] = [
        Update(DIRECTORY, ("t", "a"), of_a, add={"n": 1}),
        Put(DIRECTORY, {"tenant": "t", "item": "b"}, (absent("b"),)),
        Check(DIRECTORY, ("t", "c"), (exists("c"), at_least("n", 0, "c has 0"))),
    ]
    old = {"tenant": {"S": "t"}, "item": {"S": "a"}, "n": {"N": "2"}}
    client = ScriptedClient(
        cancelled(
            {"Code": "ConditionalCheckFailed", "Item": old},
            "None",
            {"Code": "ConditionalCheckFailed"},
        )
    )
    with pytest.raises(ConditionFailed) as raised:
        store(client).transact(actions)
    assert raised.value.names == {"a has 3", "c", "c has 0"}


def test_a_conflict_beside_a_failed_condition_is_busy() -> None:
    # What the conflicting action's conditions would have said is not known, so the names would be
    # incomplete.
    client = ScriptedClient(cancelled("ConditionalCheckFailed", "TransactionConflict"))
    with pytest.raises(Busy):
        store(client).transact(
            [Check(DIRECTORY, KEY, (exists("a"),)), Check(DIRECTORY, ("t", "j"), (exists("b"),))]
        )


def test_a_failed_condition_that_seems_to_hold_names_them_all() -> None:
    client = ScriptedClient(
        cancelled({"Code": "ConditionalCheckFailed", "Item": {"n": {"N": "9"}}})
    )
    with pytest.raises(ConditionFailed) as raised:
        store(client).transact([Check(DIRECTORY, KEY, (exists("a"), at_least("n", 1, "b")))])
    assert raised.value.names == {"a", "b"}


# --- reads
# --------------------------------------------------------------------------------------------------

READS: list[Callable[[DynamoItemStore], object]] = [
    lambda items: items.get(DIRECTORY, KEY),
    lambda items: items.get_many(DIRECTORY, [KEY]),
    lambda items: items.query(DIRECTORY, "t"),
]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    ("reply", "expected"),
    [(LOST, StorageUnavailable), (failure("ThrottlingException"), Busy)],
    ids=str,
)
def test_a_read_that_fails_raises_an_error_of_ours(
    read: Callable[[DynamoItemStore], object], reply: Exception, expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        read(store(ScriptedClient(reply)))


def batch_reply(*sorts: str, unprocessed: tuple[str, ...] = ()) -> dict[str, Any]:
    found = [{"tenant": {"S": "t"}, "item": {"S": sort}} for sort in sorts]
    pending = {
        "p-directory": {
            "Keys": [{"tenant": {"S": "t"}, "item": {"S": sort}} for sort in unprocessed]
        }
    }
    return {"Responses": {"p-directory": found}, "UnprocessedKeys": pending if unprocessed else {}}


def test_keys_that_were_not_processed_are_asked_for_again() -> None:
    slept: list[float] = []
    client = ScriptedClient(batch_reply("b", unprocessed=("a", "c")), batch_reply("a"))
    found = store(client, slept).get_many(DIRECTORY, [("t", sort) for sort in "abc"])
    assert [item and item["item"] for item in found] == ["a", "b", None]
    assert len(slept) == 1
    assert client.calls[1]["RequestItems"] == batch_reply(unprocessed=("a", "c"))["UnprocessedKeys"]


def test_keys_that_are_never_processed_are_busy() -> None:
    client = ScriptedClient(*[batch_reply(unprocessed=("a",))] * 8)
    with pytest.raises(Busy):
        store(client).get_many(DIRECTORY, [("t", "a")])


def test_what_a_restore_puts_is_put_until_nothing_is_left() -> None:
    left = {"p-directory": [{"PutRequest": {"Item": {"tenant": {"S": "t"}, "item": {"S": "b"}}}}]}
    client = ScriptedClient({"UnprocessedItems": left}, {"UnprocessedItems": {}})
    store(client).put_all(DIRECTORY, [{"tenant": "t", "item": sort} for sort in "ab"])
    assert [len(call["RequestItems"]["p-directory"]) for call in client.calls] == [2, 1]
    with pytest.raises(Busy):
        store(ScriptedClient(*[{"UnprocessedItems": left}] * 8)).put_all(
            DIRECTORY, [{"tenant": "t", "item": "b"}]
        )


def test_every_read_is_consistent_and_a_batch_has_at_most_100_keys() -> None:
    client = ScriptedClient({}, batch_reply(), batch_reply(), {"Items": []})
    items = store(client)
    items.get(DIRECTORY, KEY)
    items.get_many(DIRECTORY, [("t", str(n)) for n in range(120)])
    items.query(DIRECTORY, "t")
    get, *batches, query = client.calls
    assert get["ConsistentRead"]
    assert query["ConsistentRead"]
    asked = [call["RequestItems"]["p-directory"] for call in batches]
    assert [len(request["Keys"]) for request in asked] == [100, 20]
    assert all(request["ConsistentRead"] for request in asked)
