"""What an IAM policy allows: as much of IAM's rules as the policies of this project use."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

BY_CLOUDFORMATION = {"aws:CalledVia": "cloudformation.amazonaws.com"}
"""What a request says that CloudFormation sends for its caller."""


def is_allowed(
    policy: Mapping[str, Any], action: str, arn: str, context: Mapping[str, str] | None = None
) -> bool:
    """Tell whether a statement allows the action on the resource, and none denies it.

    `context`: the request's condition keys.
    """
    effects = {
        statement["Effect"]
        for statement in policy["Statement"]
        if _is_about(statement, action, arn, context or {})
    }
    return effects == {"Allow"}


def _is_about(
    statement: Mapping[str, Any], action: str, arn: str, context: Mapping[str, str]
) -> bool:
    return (
        any(fnmatchcase(action.lower(), pattern.lower()) for pattern in listed(statement["Action"]))
        and any(fnmatchcase(arn, pattern) for pattern in listed(statement["Resource"]))
        and _is_met(statement.get("Condition", {}), context)
    )


def listed(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]


def _is_met(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    for operator, wanted in conditions.items():
        assert operator in (
            "StringEquals",
            "StringLike",
            "ForAnyValue:StringEquals",
            "StringEqualsIfExists",
            "Null",
        ), f"nobody has said what {operator} is"
        for key, values in wanted.items():
            if operator == "Null":
                if (key in context) is (values == "true"):
                    return False
                continue
            if key not in context:
                if operator.endswith("IfExists"):
                    continue
                return False
            patterns = listed(values)
            is_like = operator.endswith("Like") and any(
                fnmatchcase(context[key], pattern) for pattern in patterns
            )
            if not (is_like or context[key] in patterns):
                return False
    return True
