"""What the functions write to their logs: JSON, whose it is, what it counts, and never what must not be there."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from chalicelib.api.observability import NAMESPACE
from chalicelib.core.telemetry import (
    CAPTURES_PARKED,
    CAPTURES_RESOLVED,
    FACES_MATCHED,
    FACES_NEW,
    FACES_SKIPPED,
    JOURNAL_TAIL,
    SEARCH_MS,
    UNITS,
)
from chalicelib.core.templates import canonical
from chalicelib.services.captures.reading import RULES
from tests.fakes import FakeVision, Person, picture
from tests.infra.account import Account

PEOPLE = range(1, 25)


@pytest.fixture(scope="module")
def text(played: Account) -> str:
    return played.lines.getvalue()


@pytest.fixture(scope="module")
def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_is_json_with_its_function_and_request(lines: list[dict[str, Any]]) -> None:
    ours = [line for line in lines if "ms" in line or line["logger"].startswith("chalicelib")]
    assert {line["function"] for line in ours if "function" in line} >= {"api", "ingest", "deliver", "sweep", "search"}
    assert all(line["request_id"] for line in lines if "ms" in line)


def test_an_api_call_and_a_capture_say_whose_they_are(lines: list[dict[str, Any]]) -> None:
    served = [line for line in lines if "ms" in line and line["function"] in ("api", "ingest")]
    assert served
    nobodys = [line for line in served if "tenant" not in line]
    # S3's test event comes with another message, and nobody's is whether the service is ready; all else is somebody's.
    assert len(nobodys) == 1


def test_what_is_said_on_the_way_names_the_same_request(lines: list[dict[str, Any]]) -> None:
    runs = {line["request_id"] for line in lines if "ms" in line}
    said = [line for line in lines if "message" in line and "request_id" in line]
    assert said
    assert {line["request_id"] for line in said} <= runs


def test_every_metric_is_written_in_the_embedded_format(lines: list[dict[str, Any]]) -> None:
    found: dict[str, list[float]] = {name: [] for name in UNITS}
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
    assert not [secret for secret in played.secrets if secret in text or secret.removeprefix("whsec_") in text]


@pytest.mark.parametrize("person", PEOPLE)
def test_no_picture_and_no_template_is_ever_in_a_log(text: str, person: int) -> None:
    vision, shown = FakeVision(), picture(Person(person))
    image = vision.read(shown, RULES)
    [embedding] = vision.embed(image, vision.detect(image))
    for data in (shown, canonical("fake", embedding).vector):
        head = data[:24]
        assert base64.b64encode(head).decode() not in text
        assert head.hex() not in text
        assert repr(head)[2:-1] not in text
        assert json.dumps(head.decode("latin-1"))[1:-1] not in text


def test_a_line_of_an_invocation_is_short_since_it_is_paid_for_by_its_bytes(lines: list[dict[str, Any]]) -> None:
    sizes = sorted(len(json.dumps(line)) for line in lines if "ms" in line)
    assert sizes[len(sizes) // 2] < 400
    assert sizes[-1] < 1_000
