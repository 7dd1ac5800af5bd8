"""The base of the checks that find two stored things that do not agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chalicelib.domain.model import Tenant
from chalicelib.service import Service

if TYPE_CHECKING:
    from chalicelib.services import Services


class Subject(Service["Services"]):
    """One subject's records, which must agree."""

    def find_disagreements(self, tenant: Tenant) -> Iterator[str]:
        """Read all records of the subject once, and yield a sentence for each disagreement."""
        raise NotImplementedError


MORE_FIT = "the tenant says that {{}} more {} fit, and {{}} do"
"""Fault in a number of free places. Filled in twice: with what the places are for, then with two
numbers."""
