"""The least that a Python function takes: one that does nothing, and one that reads an item with
Lambda's own boto3."""

from __future__ import annotations

import os
from typing import Any


def nothing(event: Any, _context: object) -> Any:
    """Answers the event."""
    return event


def one_read(_event: Any, _context: object) -> Any:
    """Read an item that is not there."""
    import boto3

    table = boto3.session.Session().client("dynamodb")
    table.get_item(
        TableName=os.environ["REGULARS_TABLE_PREFIX"] + "tenants",
        Key={"kind": {"S": "x"}, "id": {"S": "x"}},
    )
    return {}
