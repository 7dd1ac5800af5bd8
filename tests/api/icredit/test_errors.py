"""The table of codes covers the whole error tree; a fault of ours is told without its inside."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from chalicelib.api.http import nearest
from chalicelib.api.icredit.operation import CODES
from chalicelib.core.errors import Busy, Conflict, RegularsError, StorageUnavailable
from chalicelib.core.model import Tenant
from chalicelib.services.erasure.erasure import Deleted
from tests.api.conftest import Stage
from tests.api.icredit.client import MarketClient, failure
from tests.api.sunmi.test_errors import Failing, tree


@pytest.mark.parametrize("error", list(tree()))
def test_every_error_has_a_code(error: type[RegularsError]) -> None:
    code = nearest(CODES, error)
    assert code.isupper()
    assert (code == "INTERNAL_ERROR") == (error is RegularsError)


@pytest.mark.parametrize(
    ("error", "code"),
    [(Busy("busy"), "BUSY"), (StorageUnavailable("away"), "STORAGE_UNAVAILABLE"), (Conflict("both"), "CONFLICT")],
)
def test_a_failed_operation_tells_the_errors_own_sentence(
    market: MarketClient, stage: Stage, error: RegularsError, code: str
) -> None:
    stage.services.recognition.identify = Failing(error)  # type: ignore[assignment]
    answer = market.search("vip", b"{}")
    assert failure(answer) == code
    assert answer["ERROR_MSG"] == str(error)


def test_a_fault_of_ours_tells_the_log_alone(
    market: MarketClient, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.services.enrolment.everybody = Failing(KeyError("secret detail"))  # type: ignore[assignment]
    with caplog.at_level(logging.ERROR):
        answer = market.enrol("vip", b"{}")
    assert failure(answer) == "INTERNAL_ERROR"
    assert "secret" not in answer["ERROR_MSG"]
    assert "secret detail" in caplog.text


class NothingGoes:
    """A deletion that gives up on every face."""

    def of_group(self, tenant: Tenant, group_name: str, faceids: list[str], **named: Any) -> Deleted:
        return Deleted([], faceids, [])


def test_a_deletion_that_did_not_come_through_fails(market: MarketClient, stage: Stage) -> None:
    stage.services.erasure.deletion = NothingGoes()  # type: ignore[assignment]
    assert failure(market.delete("vip", "7")) == "BUSY"
