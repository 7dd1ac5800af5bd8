"""What an IAM policy allows: as much of IAM's rules as the policies of this project use."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

BY_CLOUDFORMATION = {"aws:CalledVia": "cloudformation.amazonaws.com"}
"""What a request says that CloudFormation sends for its caller."""


def is_allowed(
    policy: Mapping[str, Any], action: str, arn: str, context: Mapping[str, str] | None = None
) -> bool:
    """Tell whether a statement allows the action on the resource.

    `context`: the request's condition keys.
    """
    return any(
        statement["Effect"] == "Allow"
        and any(
            fnmatchcase(action.lower(), pattern.lower()) for pattern in listed(statement["Action"])
        )
        and any(fnmatchcase(arn, pattern) for pattern in listed(statement["Resource"]))
        and _is_met(statement.get("Condition", {}), context or {})
        for statement in policy["Statement"]
    )


def listed(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


def _is_met(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    for operator, wanted in conditions.items():
        assert operator in ("StringEquals", "StringLike", "ForAnyValue:StringEquals"), (
            f"nobody has said what {operator} is"
        )
        for key, values in wanted.items():
            if key not in context:
                return False
            patterns = listed(values)
            is_like = operator.endswith("Like") and any(
                fnmatchcase(context[key], pattern) for pattern in patterns
            )
            if not (is_like or context[key] in patterns):
                return False
    return True
