"""What a template makes with values of its parameters: as much of CloudFormation's language as ours
uses, and of what SAM makes of functions and APIs."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from infra import template

ACCOUNT, REGION = "123456789012", "eu-central-1"
_NAMED = {
    "AWS::ApiGateway::DomainName": "DomainName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Logs::LogGroup": "LogGroupName",
}
"""The property that is the physical name. What has none is called as AWS does: by stack, logical
name and a word that is new each time."""

_OF_OTHERS = {
    "AWS::IAM::ManagedPolicy": "Roles",
    "AWS::IAM::Policy": "Roles",
    "AWS::Lambda::EventInvokeConfig": "FunctionName",
    "AWS::Lambda::Permission": "FunctionName",
    "AWS::Lambda::Url": "TargetFunctionArn",
    "AWS::S3::BucketPolicy": "Bucket",
    "AWS::SQS::QueuePolicy": "Queues",
}
"""The property with what a resource belongs to: IAM is asked about that."""

_GONE = {"Ref": "AWS::NoValue"}


class Made(NamedTuple):
    """A resource as CloudFormation makes it."""

    stack: str
    logical: str
    kind: str
    name: str
    targets: tuple[str, ...]
    """Names of what IAM is asked about."""

    properties: str
    runs: int | None
    """Runs that are reserved for a function."""

    boundary: str
    is_retained: bool


Key = tuple[str, str]
"""Type and physical name."""


def make_whole() -> dict[str, Any]:
    """Make the template with the types that Chalice gives (infra/template.py has the rest)."""
    whole = template.join_parts()
    resources = whole["Resources"]
    kinds = {
        **dict.fromkeys(template.list_functions().values(), "AWS::Serverless::Function"),
        **{template.name_role(name): "AWS::IAM::Role" for name in template.list_functions()},
        "RestAPI": "AWS::Serverless::Api",
    }
    typed = {name: {"Type": kind, **resources[name]} for name, kind in kinds.items()}
    search = typed[template.SEARCH]
    copies = dict.fromkeys(template.list_search_functions(), search)
    return {**whole, "Resources": {**resources, **typed, **copies}}


class Template:
    """A template that is read once, and resolved for many values."""

    def __init__(self, text: bytes) -> None:
        whole = json.loads(text)
        self.rules: dict[str, Any] = whole["Parameters"]
        self.defaults = {name: str(one.get("Default", "")) for name, one in self.rules.items()}
        self._conditions = whole.get("Conditions", {})
        self.outputs = whole.get("Outputs", {})
        self.resources = dict(_expand(whole))
        words = {name: _find_words(one) for name, one in self.resources.items()}
        self._parameters = {name: self._find_parameters(found) for name, found in words.items()}
        self._memo: dict[Any, Made | None] = {}
        self.order: list[str] = []
        for name in self.resources:
            self._put_in_order(name, words)

    def resolve(self, stack: str, made: int, values: Mapping[str, str]) -> dict[Key, Made]:
        """Return the resources in the order in which they are made.

        `made`: how many stacks had the name, with this one.
        """
        found: dict[Key, Made] = {}
        for name in self.order:
            of = tuple(values[parameter] for parameter in self._parameters[name])
            key = (name, stack, made, of)
            if key not in self._memo:
                self._memo[key] = _Scope(self, stack, made, values).make(name)
            if (one := self._memo[key]) is not None:
                found[one.kind, one.name] = one
        return found

    def resolve_outputs(self, stack: str, made: int, values: Mapping[str, str]) -> dict[str, str]:
        scope = _Scope(self, stack, made, values)
        return {
            name: str(scope.resolve(one["Value"]))
            for name, one in self.outputs.items()
            if scope.holds(one.get("Condition"))
        }

    def decide(self, condition: Mapping[str, Any], values: Mapping[str, str]) -> bool:
        [(function, given)] = condition.items()
        if function == "Fn::Not":
            return not self.decide(given[0], values)
        assert function == "Fn::Equals", f"nobody has said what {function} is"
        first, second = (values[one["Ref"]] if isinstance(one, dict) else str(one) for one in given)
        return first == second

    def read_condition(self, name: str) -> Any:
        return self._conditions[name]

    def _find_parameters(self, words: set[str]) -> tuple[str, ...]:
        for name in words & self._conditions.keys():
            words = words | _find_words(self._conditions[name])
        for name in words & self.resources.keys():
            one = self.resources[name]
            if one["Type"] in _NAMED:
                words = words | _find_words(one["Properties"][_NAMED[one["Type"]]])
        return tuple(sorted(words & self.rules.keys()))

    def _put_in_order(self, name: str, words: Mapping[str, set[str]]) -> None:
        if name in self.order:
            return
        for other in sorted(words[name] & self.resources.keys() - {name}):
            if name not in words[other]:
                self._put_in_order(other, words)
        if name not in self.order:
            self.order.append(name)


class _Scope(NamedTuple):
    template: Template
    stack: str
    made: int
    values: Mapping[str, str]

    def make(self, name: str) -> Made | None:
        one = self.template.resources[name]
        if not self.holds(one.get("Condition")):
            return None
        kind, properties = one["Type"], self.resolve(one.get("Properties", {}))
        physical = self.name(name)
        targets = properties.get(_OF_OTHERS.get(kind, ""), physical)
        runs = properties.get("ReservedConcurrentExecutions")
        return Made(
            self.stack,
            name,
            kind,
            physical,
            tuple(targets) if isinstance(targets, list) else (targets,),
            json.dumps(properties, sort_keys=True),
            None if runs is None else int(runs),
            properties.get("PermissionsBoundary", "") if kind == "AWS::IAM::Role" else "",
            one.get("DeletionPolicy") == "Retain",
        )

    def holds(self, condition: str | None) -> bool:
        if condition is None:
            return True
        return self.template.decide(self.template.read_condition(condition), self.values)

    def name(self, logical: str) -> str:
        one = self.template.resources.get(logical, {"Type": ""})
        if one["Type"] in _NAMED:
            return str(self.resolve(one["Properties"][_NAMED[one["Type"]]]))
        return f"{self.stack}-{logical}-{self.made}"

    def read(self, name: str) -> str:
        own = {"StackName": self.stack, "AccountId": ACCOUNT, "Region": REGION}
        own |= {"Partition": "aws", "URLSuffix": "amazonaws.com"}
        if name.startswith("AWS::"):
            return own[name.removeprefix("AWS::")]
        return self.values[name] if name in self.values else self.name(name)

    def resolve(self, part: Any) -> Any:
        if isinstance(part, list):
            return [self.resolve(one) for one in part if one != _GONE]
        if not isinstance(part, dict):
            return part
        match part:
            case {"Ref": name}:
                return None if part == _GONE else self.read(name)
            case {"Fn::If": [condition, first, second]}:
                return self.resolve(first if self.holds(condition) else second)
            case {"Fn::GetAtt": [name, attribute]}:
                return self.name(name) if attribute == "Arn" else f"{self.name(name)}.{attribute}"
            case {"Fn::Sub": text}:
                text, more = (text, {}) if isinstance(text, str) else text
                known = {name: str(self.resolve(one)) for name, one in more.items()}
                return re.sub(r"\$\{([^}]*)\}", lambda m: known.get(m[1]) or self.read(m[1]), text)
        resolved = {name: self.resolve(one) for name, one in part.items()}
        return {name: one for name, one in resolved.items() if one is not None}


def _expand(whole: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what SAM makes of functions and APIs (its guide, Generated resources), and the rest."""
    for name, one in whole["Resources"].items():
        properties = one.get("Properties", {})
        if one["Type"] == "AWS::Serverless::Api":
            yield name, {**one, "Type": "AWS::ApiGateway::RestApi"}
            yield f"{name}Stage", {**one, "Type": "AWS::ApiGateway::Stage"}
        elif one["Type"] == "AWS::Serverless::Function":
            of_all = whole["Globals"]["Function"]
            with_all = {**properties, "OfAll": of_all}
            yield name, {**one, "Type": "AWS::Lambda::Function", "Properties": with_all}
            for event, of in properties.get("Events", {}).items():
                is_rule = of.get("Type") == "Schedule"
                kind = "AWS::Events::Rule" if is_rule else "AWS::Lambda::EventSourceMapping"
                invoked = {"FunctionName": {"Ref": name}, **of.get("Properties", {})}
                yield f"{name}{event}", {"Type": kind, "Properties": invoked}
        else:
            yield name, one


def _find_words(part: Any) -> set[str]:
    return set(re.findall(r"\w+", json.dumps(part)))
