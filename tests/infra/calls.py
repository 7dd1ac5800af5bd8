"""Which AWS calls were made on behalf of which function, seen where botocore builds them; and what
policies allow."""

import fnmatch
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Struct

POLICIES = Path(__file__).resolve().parents[2] / ".chalice" / "policies"
ACCOUNT = "123456789012"

_TRANSACTED = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_S3_ACTIONS = {"HeadObject": "GetObject", "ListObjectsV2": "ListBucket"}


class Call(Struct, frozen=True, order=True):
    """One action on one resource, as IAM decides on it.

    `partition`: of an item of the tenants' table, else "".
    """

    function: str
    action: str
    resource: str
    partition: str = ""


class Grant(Struct, frozen=True):
    """One action on one resource of a statement; `partitions`: only items of these (empty: of
    all)."""

    function: str
    sid: str
    action: str
    resource: str
    partitions: tuple[str, ...] = ()

    def allows(self, call: Call) -> bool:
        return (
            self.action == call.action
            and fnmatch.fnmatchcase(call.resource, self.resource)
            and (not self.partitions or call.partition in self.partitions)
        )

    def __str__(self) -> str:
        return f"{self.function}: {self.sid}: {self.action} on {self.resource}"


_FUNCTION: ContextVar[str | None] = ContextVar("function", default=None)
"""The function at work. What it reads beside goes on after its answer, and has its context."""


@dataclass
class Recorder:
    """Notes the calls of clients that it watches, while a function is at work."""

    arns: Mapping[str, str]
    """By a resource's physical name."""
    calls: set[Call] = field(default_factory=set)
    _working: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, client: Any) -> None:
        """Signed URLs are noted as the calls that they allow: S3 asks whether their signer may."""
        client.meta.events.register(
            "before-parameter-build", self._note, unique_id=f"recorder-{id(self)}"
        )

    def forget(self, client: Any) -> None:
        client.meta.events.unregister("before-parameter-build", unique_id=f"recorder-{id(self)}")

    @contextmanager
    def working(self, function: str) -> Iterator[None]:
        """What it does in threads is its work, too.

        Those without its context are taken for the one that began last.
        """
        token = _FUNCTION.set(function)
        with self._lock:
            self._working.append(function)
        try:
            yield
        finally:
            _FUNCTION.reset(token)
            with self._lock:
                self._working.remove(function)

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        service = model.service_model.service_name
        with self._lock:
            function = _FUNCTION.get() or next(reversed(self._working), None)
        if function is not None:
            found = set(_calls(function, service, model.name, params, self.arns))
            with self._lock:
                self.calls |= found


def _calls(
    function: str, service: str, operation: str, params: Mapping[str, Any], arns: Mapping[str, str]
) -> Iterator[Call]:
    match service:
        case "dynamodb":
            for action, resource, partition in _dynamodb(operation, params, arns):
                yield Call(function, f"dynamodb:{action}", resource, partition)
        case "s3":
            action, bucket = _S3_ACTIONS.get(operation, operation), arns[params["Bucket"]]
            yield Call(
                function,
                f"s3:{action}",
                bucket if action == "ListBucket" else f"{bucket}/{params['Key']}",
            )
        case "sqs":
            yield Call(function, f"sqs:{operation}", arns[params["QueueUrl"]])
        case "kms":
            yield Call(function, f"kms:{operation}", arns.get(params["KeyId"], params["KeyId"]))
        case "lambda":
            yield Call(function, "lambda:InvokeFunction", arns[params["FunctionName"]])
        case _:
            raise AssertionError(f"nobody has said yet what IAM calls {operation} of {service}")


def _dynamodb(
    operation: str, params: Mapping[str, Any], arns: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Action, ARN and partition."""
    match operation:
        case "TransactWriteItems":
            for part in params["TransactItems"]:
                ((kind, request),) = part.items()
                yield (
                    _TRANSACTED[kind],
                    arns[request["TableName"]],
                    _partition(request.get("Item") or request["Key"]),
                )
        case "BatchGetItem":
            for table, wanted in params["RequestItems"].items():
                for key in wanted["Keys"]:
                    yield operation, arns[table], _partition(key)
        case "Query":
            table, index = arns[params["TableName"]], params.get("IndexName")
            yield operation, f"{table}/index/{index}" if index else table, ""
        case "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem":
            yield (
                operation,
                arns[params["TableName"]],
                _partition(params.get("Item") or params["Key"]),
            )
        case _:
            raise AssertionError(f"nobody has said yet what IAM calls {operation} of DynamoDB")


def _partition(item: Mapping[str, Any]) -> str:
    """Of the tenants' table, the one whose partitions policies tell apart."""
    return str(item["kind"]["S"]) if "kind" in item else ""


def grants(function: str, arns_by_resource: Mapping[str, str]) -> list[Grant]:
    """What .chalice/policies grants the function, with the template's references filled in."""
    found = []
    for statement in json.loads((POLICIES / f"{function}.json").read_text())["Statement"]:
        partitions = _partitions(statement.get("Condition"))
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                arn = _filled(resource, arns_by_resource)
                found.append(Grant(function, statement["Sid"], action, arn, partitions))
    return found


def _partitions(condition: Any) -> tuple[str, ...]:
    if condition is None:
        return ()
    # Without the second, a request without keys would hold the first for all of none.
    assert set(condition) == {"ForAllValues:StringEquals", "Null"}, condition
    return tuple(condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"])


def _filled(resource: Any, arns: Mapping[str, str]) -> str:
    match resource:
        case {"Fn::If": ["HasSecretsKey", key, _]}:
            return _filled(key, arns)
        case {"Fn::GetAtt": [name, "Arn"]}:
            return arns[name]
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:]+?)(\.Arn)?\}", lambda named: arns[named[1]], text)
        case str():
            return resource
    raise AssertionError(f"no resource of the template: {resource}")


def _listed(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]
