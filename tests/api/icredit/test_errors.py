"""The table of codes covers the whole error tree. How failures are told:
tests/api/test_failures.py."""

from typing import Any

import pytest

from chalicelib.api.http import find_nearest
from chalicelib.api.icredit.operation import CODES
from chalicelib.book.deletion.deletion import Deleted
from chalicelib.domain.errors import RegularsError
from chalicelib.domain.model import Tenant
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

    def delete_faces_of_group(
        self, tenant: Tenant, group_name: str, faceids: list[str], **named: Any
    ) -> Deleted:
        return Deleted([], faceids, [])


def test_a_deletion_that_did_not_come_through_fails(market: MarketClient, stage: Stage) -> None:
    stage.services.deletion = NothingGoes()  # type: ignore[assignment] # a stand-in that fails
    assert failure(market.delete("vip", "7")) == "BUSY"
