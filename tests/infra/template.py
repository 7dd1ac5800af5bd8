"""The resources of a template, and what its roles may do."""

from typing import Any


def resources(packaged: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: r["Properties"] for name, r in packaged["Resources"].items() if r["Type"] == kind}


def statements(packaged: dict[str, Any], role: str) -> list[dict[str, Any]]:
    (policy,) = packaged["Resources"][role]["Properties"]["Policies"]
    return policy["PolicyDocument"]["Statement"]


def actions(statement: dict[str, Any]) -> list[str]:
    return [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
