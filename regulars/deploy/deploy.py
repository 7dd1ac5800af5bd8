"""`regulars deploy`: this checkout as a stack of its own in an AWS account.

It packages, uploads, shows the change set, asks, and carries it out (regulars/deploy/stack.py). A dry run ends before
the first call to AWS.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.core.errors import InvalidInput
from regulars.errors import NotDeployed

if TYPE_CHECKING:
    from infra.package import Package
    from regulars.deploy.stack import Account

_CHECKOUT = Path(__file__).resolve().parents[2]

# AWS allows 32 characters for some names that contain the stage's, such as the sampling rule's.
_STAGE = re.compile(r"[a-z]([a-z0-9-]{0,17}[a-z0-9])?")


@dataclass(frozen=True)
class Plan:
    """A deployment, worked out without a call to AWS."""

    stack: str
    archive: Path
    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    """Given ones only. The others keep the stack's values, or take the template's defaults."""

    @property
    def digest(self) -> str:
        """SHA-256 of the package. It names the upload, so that an unchanged package is not uploaded again."""
        with self.archive.open("rb") as archive:
            return hashlib.file_digest(archive, "sha256").hexdigest()

    def template_with_code(self, address: str) -> str:
        """Write the template as JSON, with its functions' code at `address` (s3://...)."""
        resources = {
            name: {**resource, "Properties": {**resource["Properties"], "CodeUri": address}}
            if resource["Type"] == "AWS::Serverless::Function"
            else resource
            for name, resource in self.template["Resources"].items()
        }
        return json.dumps({**self.template, "Resources": resources}, separators=(",", ":"))


def stack_name(stage: str) -> str:
    """Name the stack of a stage. Raises InvalidInput if the stage is no legal name."""
    if not _STAGE.fullmatch(stage):
        raise InvalidInput(f"a stage is 1 to 19 small letters, digits and inner hyphens, such as `prod`, not {stage!r}")
    return f"regulars-{stage}"


def plan(
    stage: str,
    parameters: Mapping[str, str],
    *,
    architecture: str,
    python: str,
    models: Path | None,
    packs: Sequence[str],
) -> Plan:
    """Package this checkout, unless that was done, and check the parameters.

    `packs`: names of the model packs to ship; empty: the environment's, or the first complete one. Raises InvalidInput
    for a wrong stage or parameter, NotDeployed if packaging fails.
    """
    stack = stack_name(stage)
    made = _packaged(architecture, python, models, tuple(packs))
    template = json.loads(made.template.read_text(encoding="utf-8"))
    require_parameters(template, parameters)
    return Plan(stack, made.archive, template, parameters)


def require_parameters(template: Mapping[str, Any], given: Mapping[str, str]) -> None:
    """Raise InvalidInput for a parameter that the template lacks, or a value that it does not allow."""
    known = template.get("Parameters", {})
    for name, value in given.items():
        if name not in known:
            raise InvalidInput(f"there is no parameter {name}; there are {', '.join(sorted(known))}")
        rules = known[name]
        low, high = rules.get("MinValue", float("-inf")), rules.get("MaxValue", float("inf"))
        if rules["Type"] == "Number" and not low <= _number(value) <= high:
            raise InvalidInput(f"{name} is a number from {low} to {high}, not {value!r}")
        if (allowed := rules.get("AllowedValues")) and value not in [str(one) for one in allowed]:
            raise InvalidInput(f"{name} is one of {', '.join(map(str, allowed))}, not {value!r}")


def told(plan: Plan) -> Iterator[str]:
    """Yield the plan as lines to print."""
    yield f"stack       {plan.stack}"
    yield f"package     {plan.archive}, {plan.archive.stat().st_size / 1e6:.1f} MB, sha256 {plan.digest[:12]}"
    yield "parameters"
    for name, rules in sorted(plan.template.get("Parameters", {}).items()):
        given = plan.parameters.get(name)
        value = given if given is not None else f"as it is, or {rules.get('Default', '')!r}"
        yield f"  {name:<24} {value}"
    yield "resources"
    kinds = Counter(resource["Type"] for resource in plan.template["Resources"].values())
    for kind, count in sorted(kinds.items()):
        yield f"  {count:>3} {kind}"


def deploy(plan: Plan, account: Account, bucket: str | None, agree: Callable[[], bool]) -> None:
    """Upload, print the change set, and carry it out if `agree` returns True. Raises NotDeployed."""
    bucket = account.bucket_for_packages(bucket)
    code = account.upload(bucket, f"{plan.stack}/{plan.digest}.zip", plan.archive)
    text = plan.template_with_code(code)
    key = f"{plan.stack}/{hashlib.sha256(text.encode()).hexdigest()}.json"
    change = account.change(plan.stack, account.upload_text(bucket, key, text), plan.parameters)
    if change is None:
        print(f"{plan.stack}: nothing changes")
        return
    for line in change.lines():
        print(line)
    if not agree():
        change.forget()
        print(f"{plan.stack}: nothing was changed")
        return
    for name, value in change.carry_out().items():
        print(f"{name:<24} {value}")


def _packaged(architecture: str, python: str, models: Path | None, packs: tuple[str, ...]) -> Package:
    if not (_CHECKOUT / "infra" / "package.py").is_file():
        raise NotDeployed("only a checkout can be deployed: clone the repository and run `regulars deploy` there")
    if str(_CHECKOUT) not in sys.path:  # `infra` is in the checkout only, not in the installed package
        sys.path.append(str(_CHECKOUT))
    from infra import package
    from infra.target import Target

    target = Target(architecture, python)
    default = target == Target()
    try:
        out = package.BUILD if default else package.BUILD / target.name
        return package.make(target, out, models, packs)
    except package.PackagingError as error:
        raise NotDeployed(f"nothing was packaged: {error}") from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
