"""`regulars deploy`: this checkout as a stack of its own in an AWS account.

It packages, uploads, shows the change set, asks, and carries it out (regulars/deploy/stack.py). A
dry run ends before the first call to AWS.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from chalicelib.book.vision.packs.packs import MissingModel, Pack
from chalicelib.domain.errors import InvalidInput
from regulars.deploy.canary import CANARY_LIMIT, choose_canary_limit
from regulars.deploy.package import ARCHIVE, TEMPLATE, find_shipped_packs, package_checkout
from regulars.deploy.preflight import find_reserved, list_tables, read_defaults
from regulars.deploy.stack import LEAST_UNRESERVED, Account, is_stopped
from regulars.deploy.stage import stack_name
from regulars.errors import NotDeployed

ORDINARY_CONCURRENCY = 1_000
"""AWS's ordinary quota of functions that run at once in an account and region; a new account has as
few as ten."""

_LEAST_RUNS = 2
"""The most runs that AWS lets a queue start."""

_API = "APIHandlerConcurrency"

_TOPIC = "AlarmTopic"

_URL_CONDITION = "HasFunctionUrl"
"""The condition of all that is the function URL's (infra/functions.yaml)."""


class Plan(Struct, frozen=True):
    """A deployment, worked out without a call to AWS."""

    stack: str
    archive: Path
    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    """Given ones only. The others keep the stack's values, or take the template's defaults."""

    packs: Sequence[Pack] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the package.

        It names the upload, so that an unchanged package is not uploaded again.
        """
        with self.archive.open("rb") as archive:
            return hashlib.file_digest(archive, "sha256").hexdigest()

    @property
    def tables(self) -> list[str]:
        """Names of the tables that the template makes."""
        return list_tables(self.stack)

    def count_runs(self, concurrency: int) -> dict[str, str]:
        """Return how many runs each queue and the API may start, by parameter, in an account of
        that concurrency.

        A queue a fifth at most: a run of ingest waits for one of the search function, and a fifth
        is left for callers. The API half of what the given parameters leave, if AWS lets that be
        reserved: people who call its open address take no more from the others.
        """
        parameters = self.template.get("Parameters", {})
        shared = {
            name: int(rules["Default"])
            for name, rules in parameters.items()
            if name.endswith("Concurrency")
        }
        runs_by_queue = {name: runs for name, runs in shared.items() if runs > 0}
        queues = {
            name: str(max(_LEAST_RUNS, min(runs, concurrency // 5)))
            for name, runs in runs_by_queue.items()
        }
        reserved = find_reserved(self.parameters, read_defaults(parameters))
        left = concurrency - sum(reserved.values())
        half = int(left) // 2 if left >= 2 * LEAST_UNRESERVED else -1
        return queues | ({_API: str(half)} if _API in parameters else {})

    def write_template(self, address: str, *, has_url: bool = True) -> str:
        """Write the template as JSON, with its functions' code at `address` (s3://...).

        An output names the first pack, which `regulars tenants add --stage` gives to new tenants.
        Functions know it. `has_url`: whether the function URL is in it.
        """
        whole: dict[str, Any] = json.loads(json.dumps(self.template))
        if not has_url:
            whole = _leave_out(whole, _URL_CONDITION)
        for resource in whole["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = address
        if self.packs:
            name = self.packs[0].manifest.name
            whole.setdefault("Outputs", {})["Pack"] = {"Value": name}
            whole["Globals"]["Function"]["Environment"]["Variables"]["REGULARS_PACK"] = name
        return json.dumps(whole, separators=(",", ":"))

    def write_lines(self) -> Iterator[str]:
        """Yield the plan as lines to print."""
        yield f"stack       {self.stack}"
        yield (
            f"package     {self.archive}, {self.archive.stat().st_size / 1e6:.1f} MB, sha256 "
            f"{self.digest[:12]}"
        )
        for pack in self.packs:
            yield (
                f"pack        {pack.manifest.name}, model {pack.manifest.embedding.model}, of "
                f"{pack.folder}"
            )
        yield "parameters"
        for name, rules in sorted(self.template.get("Parameters", {}).items()):
            default = f"as it is, or {rules.get('Default', '')!r}"
            yield f"  {name:<24} {self.parameters.get(name, default)}"
        yield "resources"
        kinds = Counter(resource["Type"] for resource in self.template["Resources"].values())
        for kind, count in sorted(kinds.items()):
            yield f"  {count:>3} {kind}"

    def write_limits(self, concurrency: int) -> Iterator[str]:
        """Yield lines about the account's concurrency."""
        initial = self.count_runs(concurrency)
        runs = ", ".join(f"{name} {count}" for name, count in initial.items())
        yield (
            f"limits      the account has room for {concurrency:,} functions at once, so a new "
            f"stack gets {runs}"
        )
        if concurrency < ORDINARY_CONCURRENCY // 10:
            yield (
                f"            too few for traffic: ask AWS for {ORDINARY_CONCURRENCY:,} (Service "
                "Quotas, AWS Lambda, "
                "Concurrent executions), then deploy with these parameters at their defaults"
            )


def _leave_out(part: Any, condition: str) -> Any:
    """Return a template without what a condition guards, as if that were false.

    CloudFormation refuses a type that its region does not know even where the condition is false.
    """
    if isinstance(part, list):
        return [_leave_out(one, condition) for one in part]
    if not isinstance(part, dict):
        return part
    match part.get("Fn::If"):
        case [name, _, otherwise] if name == condition:
            return _leave_out(otherwise, condition)
    return {
        name: _leave_out(one, condition)
        for name, one in part.items()
        if not (isinstance(one, dict) and one.get("Condition") == condition)
    }


def find_rollback_alarms(
    template: Mapping[str, Any], parameters: Mapping[str, str]
) -> dict[str, str]:
    """Return the alarms that may roll an update back, each with the reason why it does not; "": it
    does.

    AWS rolls an update back if its alarm is removed, or goes off. So an alarm is no guard if the
    update may remove it, or stops functions, whose failures are then wanted. Alarms that need an
    SNS topic are left out.
    """
    conditions = {
        name: json.dumps(condition) for name, condition in template.get("Conditions", {}).items()
    }
    reasons = {}
    for name, resource in template["Resources"].items():
        condition_text = conditions.get(resource.get("Condition"), "")
        if resource["Type"] == "AWS::CloudWatch::Alarm" and f'"{_TOPIC}"' not in condition_text:
            may_go = any(f'"{parameter}"' in condition_text for parameter in parameters)
            stopped = "the update stops a function" if is_stopped(parameters) else ""
            reasons[name] = stopped or ("the parameters may remove it" if may_go else "")
    return reasons


def make_plan(
    stage: str,
    parameters: Mapping[str, str],
    *,
    architecture: str,
    models: Path | None,
    names: Sequence[str],
) -> Plan:
    """Package this checkout.

    `models`, `names`: of the packs to ship, as in `find_shipped_packs`. Raises InvalidInput for a
    wrong stage, NotDeployed if packaging fails.
    """
    stack = stack_name(stage)
    try:
        shipped = find_shipped_packs(models, names, os.environ)
    except MissingModel as error:
        raise NotDeployed(f"nothing was packaged: {error}") from error
    package_folder = package_checkout(architecture, models, shipped)
    template = json.loads((package_folder / TEMPLATE).read_text(encoding="utf-8"))
    return Plan(
        stack=stack,
        archive=package_folder / ARCHIVE,
        template=template,
        parameters=parameters,
        packs=shipped,
    )


def require_parameters(rules_by_name: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
    """Raise InvalidInput for a parameter that the template lacks, or a value that it does not
    allow.

    `rules_by_name`: the template's parameters.
    """
    for name, value in parameters.items():
        if name not in rules_by_name:
            raise InvalidInput(
                f"there is no parameter {name}; there are {', '.join(sorted(rules_by_name))}"
            )
        rules = rules_by_name[name]
        low, high = rules.get("MinValue", float("-inf")), rules.get("MaxValue", float("inf"))
        if rules["Type"] == "Number" and not low <= _parse_number(value) <= high:
            raise InvalidInput(f"{name} is a number from {low} to {high}, not {value!r}")
        if (allowed := rules.get("AllowedValues")) and value not in [
            str(allowed_value) for allowed_value in allowed
        ]:
            raise InvalidInput(f"{name} is one of {', '.join(map(str, allowed))}, not {value!r}")
        if len(value) > (max_length := rules.get("MaxLength", len(value))):
            raise InvalidInput(f"{name} has {max_length} characters at most, not {len(value)}")
        if (pattern := rules.get("AllowedPattern")) and not re.fullmatch(pattern, value):
            raise InvalidInput(f"{name} is not {value!r}: {rules['Description']}")


def deploy(plan: Plan, account: Account, bucket: str | None, agree: Callable[[], bool]) -> bool:
    """Upload the package, print the change set, and carry it out if `agree` returns True.

    The record of a failed first deployment is removed before that, if `agree` returns True for it,
    too. Returns whether the stack is as planned in the end. Raises NotDeployed.

    `bucket`: an operator's own, in which nothing is deleted; None: one that the command makes, in
    which the stack's old packages are.
    """
    if not _clear_failed_record(plan, account, agree):
        print(f"{plan.stack}: nothing was changed")
        return False
    concurrency, before = account.read_concurrency(), account.read_parameters(plan.stack)
    for line in plan.write_limits(concurrency):
        print(line)
    parameters = {**_limit_canary(plan, account, before), **plan.parameters}
    if domain := parameters.get("DomainName"):
        parameters.setdefault("CertificateArn", account.find_certificate(domain))
    packages = account.provide_bucket(bucket)
    package_key = f"{plan.stack}/{plan.digest}.zip"
    address = account.upload(packages, package_key, plan.archive)
    text = plan.write_template(address, has_url=_has_url(parameters, before))
    template_key = f"{plan.stack}/{hashlib.sha256(text.encode()).hexdigest()}.json"
    change = account.change_stack(
        plan.stack,
        account.upload_text(packages, template_key, text),
        parameters,
        initial=plan.count_runs(concurrency),
        alarms=find_rollback_alarms(plan.template, parameters),
    )
    if change is None:
        print(f"{plan.stack}: nothing changes")
        _complete(plan, account)  # the last command may have been cut off before it did
        return True
    for line in (*change.write_lines(), *_list_warnings(plan, parameters, before)):
        print(line)
    if not agree():
        change.forget()
        print(f"{plan.stack}: nothing was changed")
        return False
    outputs = change.carry_out()
    _complete(plan, account)
    if bucket is None:
        _delete_old_packages(account, packages, plan.stack, (package_key, template_key))
    for name, value in outputs.items():
        print(f"{name:<24} {value}")
    return True


def _has_url(parameters: Mapping[str, str], before: Mapping[str, str] | None) -> bool:
    """Tell whether the stack is to have its function URL, by this deployment or as it was."""
    return {**(before or {}), **parameters}.get("FunctionUrl", "on") == "on"


def _limit_canary(plan: Plan, account: Account, before: Mapping[str, str] | None) -> dict[str, str]:
    """Return the parameter by which an update is taken back that makes a picture's way to a hook
    half as slow again.

    `before`: the stack's parameters before this deployment; None: it is new, and nobody knows how
    long that takes.
    """
    if before is None or CANARY_LIMIT not in plan.template.get("Parameters", {}):
        return {}
    now = datetime.now(UTC)
    times_s = account.list_canary_seconds(plan.stack, now - timedelta(days=1), now)
    limit = choose_canary_limit(times_s, float(before.get(CANARY_LIMIT, 0)))
    return {} if limit is None else {CANARY_LIMIT: str(limit)}


def _complete(plan: Plan, account: Account) -> None:
    """Protect the stack and its tables against deletion, which the template cannot.

    A table that is protected from its first moment would stay when the stack's creation fails.
    """
    account.protect_stack(plan.stack)
    account.protect_tables(plan.tables)


def _delete_old_packages(account: Account, bucket: str, stack: str, used: Iterable[str]) -> None:
    """Delete the stack's packages that nothing needs.

    If AWS refuses, say so: the deployment is done by then.
    """
    try:
        account.delete_old_packages(bucket, stack, used)
    except account.failures as error:
        print(f"warning     old packages stay in {bucket}: {error}")


def _list_warnings(
    plan: Plan, parameters: Mapping[str, str], present: Mapping[str, str] | None
) -> Iterator[str]:
    """Yield a line if nobody would be told of alarms.

    `present`: the stack's parameters; None: there is none yet.
    """
    if _TOPIC in plan.template["Parameters"] and not parameters.get(
        _TOPIC, (present or {}).get(_TOPIC)
    ):
        yield (
            "warning     nobody is told when captures fail or what was deleted is not gone in time:"
        )
        yield (
            f"            deploy with --parameter {_TOPIC}= and the ARN of an SNS topic "
            "(docs/deploy.md, Alarms)"
        )


def _clear_failed_record(plan: Plan, account: Account, agree: Callable[[], bool]) -> bool:
    """Remove the record that a failed first deployment left, if `agree` returns True.

    Tell whether none is left.
    """
    if not account.has_failed_record(plan.stack, plan.tables):
        return True
    print(f"{plan.stack} could not be made before, and its record has to be removed first")
    if agreed := agree():
        account.remove_stack(plan.stack)
    return agreed


def _parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
