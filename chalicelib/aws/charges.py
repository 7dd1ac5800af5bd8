"""Charges of AWS for each call of a client, added to the work under way by the names of cost/prices.toml.

DynamoDB says in its answer what a call used, if it is asked to. S3, SQS and KMS charge by the call. A call that is
refused says nothing, though DynamoDB charges for a write whose condition does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.book.words import telemetry

_READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan"})
_BY_CALL: Mapping[str, Mapping[str, str]] = {
    "s3": {
        "GetObject": "s3_gets",
        "HeadObject": "s3_gets",
        "PutObject": "s3_puts",
        "CopyObject": "s3_puts",
        "ListObjectsV2": "s3_puts",
    },
    "sqs": dict.fromkeys(("SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"), "sqs_requests"),
    "kms": dict.fromkeys(("Encrypt", "Decrypt"), "kms_requests"),
}


def tell_charges(client: Any) -> None:
    """Have a client of botocore add the charge of each of its calls to the work under way."""
    service: str = client.meta.service_model.service_name
    if service == "dynamodb":
        client.meta.events.register("provide-client-params.dynamodb", _ask_for_units)
        client.meta.events.register("after-call.dynamodb", _tell_units)
    elif service in _BY_CALL:
        client.meta.events.register(f"after-call.{service}", _tell_call)


def _ask_for_units(params: Mapping[str, Any], model: Any, **_more: Any) -> Mapping[str, Any] | None:
    if "ReturnConsumedCapacity" not in model.input_shape.members:
        return None
    return {**params, "ReturnConsumedCapacity": "TOTAL"}


def _tell_units(parsed: Mapping[str, Any], model: Any, **_more: Any) -> None:
    """Tell the units that an answer names: of one table, or of each of several."""
    consumed = parsed.get("ConsumedCapacity", [])
    units = sum(
        table_units.get("CapacityUnits", 0) for table_units in ([consumed] if isinstance(consumed, dict) else consumed)
    )
    telemetry.charge("dynamodb_read_units" if model.name in _READS else "dynamodb_write_units", units)


def _tell_call(model: Any, **_more: Any) -> None:
    unit = _BY_CALL[model.service_model.service_name].get(model.name)
    if unit is not None:
        telemetry.charge(unit, 1)
