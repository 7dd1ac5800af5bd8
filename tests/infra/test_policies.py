"""Each function may do what it was seen to do, and nothing else: its calls of AWS beside .chalice/policies.

app.py's own handlers run in an emulated account, which asks nobody for leave; botocore says what they call.
"""

from __future__ import annotations

import pytest

from tests.infra.account import Account, arns_of
from tests.infra.calls import POLICIES, Call, Grant, grants

NOT_CALLED_BY_US = {
    "logs:CreateLogStream": "Lambda itself, with the function's role",
    "logs:PutLogEvents": "Lambda itself",
    "xray:PutTelemetryRecords": "Lambda itself",
    "xray:PutTraceSegments": "Lambda itself",
    "sqs:ReceiveMessage": "the poller of Lambda's event source, with the function's role",
    "sqs:DeleteMessage": "the poller",
    "sqs:GetQueueAttributes": "the poller",
    "ssm:GetParameter": "stages whose secrets a parameter seals in place of a key",
    "s3:ListBucket": "S3 answers 404 for what is not there only to who may list; to others, 403",
}
FUNCTIONS = ("api", "search", "canary", "ingest", "deliver", "watch", "build_index", "sweep")


def calls_of(played: Account, function: str) -> list[Call]:
    return sorted(call for call in played.recorder.calls if call.function == function)


def granted(played: Account, function: str) -> list[Grant]:
    return grants(function, arns_of(played.aws))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_granted_every_call_that_it_makes(played: Account, function: str) -> None:
    allowed, made = granted(played, function), calls_of(played, function)
    assert made
    refused = [call for call in made if not any(grant.allows(call) for grant in allowed)]
    assert not refused, "\n".join(map(str, refused))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_granted_nothing_that_it_never_does(played: Account, function: str) -> None:
    made = calls_of(played, function)
    unused = [grant for grant in granted(played, function) if not any(grant.allows(call) for call in made)]
    unexplained = [grant for grant in unused if grant.action not in NOT_CALLED_BY_US]
    assert not unexplained, "\n".join(map(str, unexplained))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_who_reads_objects_of_a_bucket_may_know_which_are_not_there_and_nobody_else(
    played: Account, function: str
) -> None:
    allowed = granted(played, function)
    lists = {grant.resource for grant in allowed if grant.action == "s3:ListBucket"}
    reads = {grant.resource.partition("/")[0] for grant in allowed if grant.action == "s3:GetObject"}
    assert lists == reads


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_the_parts_of_a_name_that_nobody_knows_beforehand_are_left_open(played: Account, function: str) -> None:
    """A tenant, a face, an object's own name, a stream of the function's own log: IAM has no narrower form for them."""
    for grant in granted(played, function):
        if grant.action.startswith("xray:"):  # it has no resource that a segment belongs to
            continue
        assert "*" not in grant.action
        assert not grant.resource.startswith("*")
        kind, _, name = grant.resource.partition(":::")
        if "*" in grant.resource and kind != "arn:aws:s3":
            assert grant.action.startswith("logs:")
            assert grant.resource.endswith(f"/{ {'api': 'api_handler'}.get(function, function) }:*")
        elif "*" in name:
            assert name.partition("/")[2] in ("*", "*/audit/*", "*/faces/*", "*/index/*", "*/observations/*")


def test_all_that_the_policies_of_the_functions_say_is_looked_at(played: Account) -> None:
    assert {path.stem for path in POLICIES.glob("*.json")} == set(FUNCTIONS)
    assert {call.function for call in played.recorder.calls} == set(FUNCTIONS)
