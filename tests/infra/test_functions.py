"""Rights and logs of the functions in a shop's life: each may do what it was seen to do, and
nothing else.

app.py's own handlers run in an emulated account, which asks nobody for leave; botocore says what
they call, and that is held beside .chalice/policies. Logs are JSON: whose they are, what they
count, and never what must not be there. It takes a minute to play, so all that needs it is in this
file.
"""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.captures import RULES
from chalicelib.domain.rules.templates import make_template
from chalicelib.telemetry import (
    CAPTURES_PARKED,
    CAPTURES_RESOLVED,
    FACES_MATCHED,
    FACES_NEW,
    FACES_SKIPPED,
    JOURNAL_TAIL,
    NAMESPACE,
    SEARCH_MS,
    SNAPSHOT_MEMORY,
    UNITS,
)
from infra import template
from tests.infra import scenarios
from tests.infra.account import Account, account, arns_of
from tests.infra.calls import POLICIES, Call, Grant, grants
from tests.support.examples import rest
from tests.support.fakes import FakeClock, FakeVision, Person, picture
from tests.support.storage.emulated import storage_stack

pytestmark = rest

NOT_CALLED_BY_US = {
    "logs:CreateLogStream": "Lambda itself, with the function's role",
    "logs:PutLogEvents": "Lambda itself",
    "xray:PutTelemetryRecords": "Lambda itself",
    "xray:PutTraceSegments": "Lambda itself",
    "sqs:ReceiveMessage": "the poller of Lambda's event source, with the function's role",
    "sqs:DeleteMessage": "the poller",
    "sqs:GetQueueAttributes": "the poller",
    "s3:ListBucket": "S3 answers 404 for what is not there only to who may list; to others, 403",
}
FUNCTIONS = tuple(name.removesuffix("_handler") for name in template.list_functions())
PEOPLE = range(1, 25)


@pytest.fixture(scope="module")
def played() -> Iterator[Account]:
    """An account in which the functions did all that tests/infra/scenarios.py knows."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        clock = FakeClock(datetime.now(UTC))
        with storage_stack() as aws, account(aws, clock, FakeVision()) as made:
            scenarios.play(made)
            yield made


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


def test_each_function_works_for_a_shop_in_which_a_consent_has_expired() -> None:
    """A new one needs a row: whoever opens a tenant either restricts that person, or leaves it to
    another."""
    assert set(scenarios.WORK_AFTER_EXPIRY) == set(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_is_granted_nothing_that_it_never_does(played: Account, function: str) -> None:
    made = calls_of(played, function)
    unused = [
        grant for grant in granted(played, function) if not any(grant.allows(call) for call in made)
    ]
    unexplained = [grant for grant in unused if grant.action not in NOT_CALLED_BY_US]
    assert not unexplained, "\n".join(map(str, unexplained))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_who_reads_objects_of_a_bucket_may_know_which_are_not_there_and_nobody_else(
    played: Account, function: str
) -> None:
    allowed = granted(played, function)
    lists = {grant.resource for grant in allowed if grant.action == "s3:ListBucket"}
    reads = {
        grant.resource.partition("/")[0] for grant in allowed if grant.action == "s3:GetObject"
    }
    assert lists == reads


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_the_parts_of_a_name_that_nobody_knows_beforehand_are_left_open(
    played: Account, function: str
) -> None:
    """A tenant, a face, an object's own name, a stream of the function's own log: IAM has no
    narrower form for them."""
    for grant in granted(played, function):
        if grant.action.startswith("xray:"):  # it has no resource that a segment belongs to
            continue
        assert "*" not in grant.action
        assert not grant.resource.startswith("*")
        kind, _, name = grant.resource.partition(":::")
        if grant.action == "lambda:InvokeFunction":  # CloudFormation makes the end of the name
            assert grant.resource.endswith(":function:regulars-test-Search*")
        elif "*" in grant.resource and kind != "arn:aws:s3":
            assert grant.action.startswith("logs:")
            assert grant.resource.endswith(f"/{ {'api': 'api_handler'}.get(function, function) }:*")
        elif "*" in name:
            assert name.partition("/")[2] in (
                "*",
                *("*/-crops/*", "*/audit/*", "*/faces/*", "*/index/*", "*/observations/*"),
            )


def test_all_that_the_policies_of_the_functions_say_is_looked_at(played: Account) -> None:
    assert {path.stem for path in POLICIES.glob("*.json")} == set(FUNCTIONS)
    assert {call.function for call in played.recorder.calls} == set(FUNCTIONS)


# --- what they write to their logs
# ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def text(played: Account) -> str:
    return played.lines.getvalue()


@pytest.fixture(scope="module")
def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_is_json_with_its_function_and_request(lines: list[dict[str, Any]]) -> None:
    ours = [line for line in lines if "ms" in line or line["logger"].startswith("chalicelib")]
    assert {line["function"] for line in ours if "function" in line} >= {
        "api",
        "ingest",
        "deliver",
        "sweep",
        "search",
    }
    assert all(line["request_id"] for line in lines if "ms" in line)


def test_an_api_call_and_a_capture_say_whose_they_are(lines: list[dict[str, Any]]) -> None:
    served = [line for line in lines if "ms" in line and line["function"] in ("api", "ingest")]
    assert served
    nobodys = [line for line in served if "tenant" not in line]
    # S3's test event comes with another message. Nobody's are whether the service is ready, what a
    # passkey has to sign, and an empty batch; all else is somebody's.
    assert len(nobodys) == 3


def test_what_is_said_on_the_way_names_the_same_request(lines: list[dict[str, Any]]) -> None:
    runs = {line["request_id"] for line in lines if "ms" in line}
    said = [line for line in lines if "message" in line and "request_id" in line]
    assert said
    assert {line["request_id"] for line in said} <= runs


def test_every_metric_is_written_in_the_embedded_format(lines: list[dict[str, Any]]) -> None:
    # a gallery of this account is too small for the share of its snapshot to be told
    found: dict[str, list[float]] = {name: [] for name in UNITS if name != SNAPSHOT_MEMORY}
    for line in lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            assert (directive["Namespace"], directive["Dimensions"]) == (NAMESPACE, [["Stack"]])
            assert line["Stack"] == "regulars-test"
            for metric in directive["Metrics"]:
                assert metric["Unit"] == UNITS[metric["Name"]]
                found[metric["Name"]].append(line[metric["Name"]])
    assert all(found.values()), [name for name, values in found.items() if not values]
    assert min(found[SEARCH_MS]) > 0
    assert sum(found[CAPTURES_PARKED]) >= 1
    assert sum(found[CAPTURES_RESOLVED]) > 10
    assert sum(found[FACES_MATCHED]) > 4 < sum(found[FACES_NEW])
    assert sum(found[FACES_SKIPPED]) >= 1
    assert max(found[JOURNAL_TAIL]) >= 256


def test_no_secret_is_ever_in_a_log(played: Account, text: str) -> None:
    assert len(played.secrets) > 10
    assert not [
        secret
        for secret in played.secrets
        if secret in text or secret.removeprefix("whsec_") in text
    ]


@pytest.mark.parametrize("person", PEOPLE)
def test_no_picture_and_no_template_is_ever_in_a_log(text: str, person: int) -> None:
    vision, shown = FakeVision(), picture(Person(person))
    image = vision.read_picture(shown, RULES)
    [embedding] = vision.embed(image, vision.detect(image))
    for data in (shown, make_template("fake", embedding).vector):
        head = data[:24]
        assert base64.b64encode(head).decode() not in text
        assert head.hex() not in text
        assert repr(head)[2:-1] not in text
        assert json.dumps(head.decode("latin-1"))[1:-1] not in text


def test_a_line_of_an_invocation_is_short_since_it_is_paid_for_by_its_bytes(
    lines: list[dict[str, Any]],
) -> None:
    sizes = sorted(len(json.dumps(line)) for line in lines if "ms" in line)
    assert sizes[len(sizes) // 2] < 400
    assert sizes[-1] < 1_000
