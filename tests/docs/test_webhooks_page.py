"""docs/webhooks.md: the lines that check a signature do, and the page names what there is."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.core.webhooks import EventKind, signature
from tests.fakes import FakeClock
from tests.services.webhooks.hook_desk import TENANT, Desk, stores
from tests.services.webhooks.receiver import answers, receiving

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
BODY = b'{"id": "face.arrived-1"}'


@pytest.fixture
def is_genuine() -> Callable[..., bool]:
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Callable[..., bool]] = {}
    exec(lines, names)
    return names["is_genuine"]


def test_the_lines_take_what_a_receiver_gets(tmp_path: Path, is_genuine: Callable[..., bool]) -> None:
    clock = FakeClock(datetime.now(UTC))
    with stores(tmp_path, clock) as (items, queue), receiving(answers(200)) as receiver:
        desk = Desk(items, queue, clock)
        _, secret = desk.hooks.add(TENANT, receiver.url)
        desk.tell(desk.event())
        desk.work()
        (heard,) = receiver.heard
    assert is_genuine(secret, heard.headers["X-Regulars-Signature"], heard.body)
    assert not is_genuine("another", heard.headers["X-Regulars-Signature"], heard.body)
    assert not is_genuine(secret, heard.headers["X-Regulars-Signature"], heard.body + b" ")


@pytest.mark.parametrize("age_s", [-301, 301, 86_400])
def test_the_lines_refuse_what_is_replayed(is_genuine: Callable[..., bool], age_s: int) -> None:
    sent_at = datetime.now(UTC) - timedelta(seconds=age_s + (1 if age_s > 0 else -1))
    assert not is_genuine("secret", signature("secret", sent_at, BODY), BODY)
    assert is_genuine("secret", signature("secret", sent_at, BODY), BODY, 100_000)


@pytest.mark.parametrize("wrong", ["", "t=1", "v1=00", "t=x,v1=" + "0" * 64, "t=\u0661,v1=" + "0" * 64, "t=,v1="])
def test_the_lines_refuse_what_is_no_signature(is_genuine: Callable[..., bool], wrong: str) -> None:
    assert not is_genuine("secret", wrong, BODY)


def test_the_lines_refuse_a_new_time_under_an_old_signature(is_genuine: Callable[..., bool]) -> None:
    old = signature("secret", datetime.now(UTC) - timedelta(hours=1), BODY)
    assert not is_genuine("secret", re.sub(r"t=\d+", f"t={int(time.time())}", old), BODY)


def test_the_page_names_every_event_and_no_other() -> None:
    assert re.findall(r"^\| `([a-z]+(?:\.[a-z]+)?)` \|", PAGE, re.MULTILINE) == [kind.value for kind in EventKind]


def test_the_pages_body_has_the_members_that_are_sent() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert list(json.loads(example)) == ["id", "type", "at", "tenant", "group", "camera", "data"]
