"""The table of codes covers the whole error tree. How failures are told: tests/doors/test_failures.py."""

from typing import Any

import pytest

from chalicelib.book.deletion.deletion import Deleted
from chalicelib.book.words.errors import RegularsError
from chalicelib.book.words.model import Tenant
from chalicelib.doors.http import find_nearest
from chalicelib.doors.icredit.operation import CODES
from tests.support.api.errors import tree
from tests.support.api.icredit.client import MarketClient, failure
from tests.support.api.stage import Stage


@pytest.mark.parametrize("error", list(tree()))
def test_every_error_has_a_code(error: type[RegularsError]) -> None:
    code = find_nearest(CODES, error)
    assert code.isupper()
    assert (code == "INTERNAL_ERROR") == (error is RegularsError)


class NothingGoes:
    """A deletion that gives up on every face."""

    def delete_faces_of_group(self, tenant: Tenant, group_name: str, faceids: list[str], **named: Any) -> Deleted:
        return Deleted([], faceids, [])


def test_a_deletion_that_did_not_come_through_fails(market: MarketClient, stage: Stage) -> None:
    stage.services.deletion = NothingGoes()  # type: ignore[assignment] # a stand-in that fails
    assert failure(market.delete("vip", "7")) == "BUSY"
