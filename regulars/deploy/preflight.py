"""Checks for what an account would refuse, or do in vain, before anything is packaged: `regulars
deploy --preflight`.

AWS refuses such things minutes into a deployment, when it makes the resource that they are of, and
takes all back. Each check reads from the account, and changes nothing. A check that the role may
not make is a warning that names the right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from chalicelib.storage import keys
from chalicelib.storage.aws.spread import FUNCTIONS
from regulars.deploy.stack import LEAST_UNRESERVED, Account, is_denied
from regulars.errors import NotDeployed
from regulars.findings import Finding, failed, warning, well

WITHOUT_TYPE = {
    "AWS::Lambda::Url": "ap-east-2 ap-south-2 ap-southeast-4 ap-southeast-5 ap-southeast-6 "
    "ap-southeast-7 ca-west-1 "
    "cn-northwest-1 eu-central-2 il-central-1 me-central-1 mx-central-1 us-gov-east-1 us-gov-west-1"
}
"""Regions in which CloudFormation does not know a type of the template, by that type. A test holds
the list against the registries of all regions (tests/infra/test_refusals.py)."""

_URLS_DOUBTED = "eu-south-2"
"""Regions that know the type, and that Lambda's Developer Guide leaves out of those with function
URLs (2026)."""

_OWN = ("acm", "iam")
"""Services whose resources AWS takes from the stack's own account alone."""


class Wanted(Struct, frozen=True):
    """A deployment before it is packaged."""

    stack: str
    given: Mapping[str, str]
    """Parameters of this call. A fault in one is refused; in one that the stack has already, it is
    a warning."""

    present: Mapping[str, str] | None
    """Parameters of the stack; None: there is none yet."""

    defaults: Mapping[str, str]

    def read_value(self, name: str) -> str:
        """Return the value that a parameter will have; "" for one that the template lacks."""
        return {**self.defaults, **(self.present or {}), **self.given}.get(name, "")

    def find_fault(self, name: str, says: str) -> Finding:
        """Say that a parameter's value is at fault."""
        return (failed if name in self.given else warning)(name, says)


def check_account(account: Account, wanted: Wanted) -> Iterator[Finding]:
    """Yield what each check found."""
    yield well("account", f"{account.id} in {account.region}, as {account.caller}")
    for check, right in _CHECKS.items():
        try:
            yield from check(account, wanted)
        except account.failures as error:
            subject = check.__name__.removeprefix("_check_")
            missing = f"the role lacks {right}" if is_denied(error) else str(error)
            yield warning(subject, f"not checked, since {missing}")


def _check_region(account: Account, wanted: Wanted) -> Iterator[Finding]:
    """Tell whether the region has all that the stack is made of; of a stack that is there,
    nothing."""
    lacking = [kind for kind, regions in WITHOUT_TYPE.items() if account.region in regions.split()]
    had_url = (wanted.present or {}).get("FunctionUrl", "on") == "on"
    if (wanted.present is not None and had_url) or wanted.read_value("FunctionUrl") == "off":
        return
    if lacking:
        yield failed(
            "region",
            f"CloudFormation does not know {', '.join(lacking)} in {account.region}: deploy with "
            "--parameter FunctionUrl=off (cameras then send by the API), or take another region",
        )
    elif account.region in _URLS_DOUBTED.split():
        yield warning(
            "region",
            f"Lambda's guide says that {account.region} has no function URLs: if AWS refuses one, "
            "deploy with --parameter FunctionUrl=off",
        )
    else:
        yield well("region", f"{account.region} has all that the stack is made of")


def _check_name(_account: Account, wanted: Wanted) -> Iterator[Finding]:
    """Refuse a new stage with a hyphen: what it has is called as if it were of the stage before the
    hyphen, whose role may then change it."""
    stage = wanted.stack.removeprefix("regulars-")
    if wanted.present is None and "-" in stage:
        yield failed(
            "stage",
            f"the role that deploys {stage.partition('-')[0]!r} may change all that is called "
            f"regulars-{stage}-...: take a name without a hyphen, such as "
            f"{stage.replace('-', '')!r}",
        )


def _check_stack(account: Account, wanted: Wanted) -> Iterator[Finding]:
    """Say how a stack is freed that takes no change."""
    status, named = account.read_status(wanted.stack), f"--stack-name {wanted.stack}"
    ways_out = {
        "UPDATE_ROLLBACK_FAILED": "AWS could not take the last update back: mend what its events "
        f"name, then `aws cloudformation continue-update-rollback {named}` (--resources-to-skip "
        "for what cannot be mended), and deploy again when it is in UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_IN_PROGRESS": "an update goes on: wait for its end, or take it back by `aws "
        f"cloudformation cancel-update-stack {named}`",
    }
    if status in ways_out:
        yield failed("stack", ways_out[status])
    elif status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        yield failed("stack", f"is in {status}: wait for its end, and deploy again")


def _check_arns(account: Account, wanted: Wanted) -> Iterator[Finding]:
    """Tell of each parameter that is an ARN whether the stack may use what it names.

    `another region or partition`: a fault; `this account's, or AWS's`: well. `another account's`: a
    fault for services that take only their own, else a warning.
    """
    for name in wanted.defaults:
        value = wanted.read_value(name)
        if not value.startswith("arn:"):
            continue
        _, partition, service, region, owner, _ = value.split(":", 5)
        if region not in ("", account.region):
            yield wanted.find_fault(
                name, f"is of {region}, and AWS takes one of {account.region}, the stack's region"
            )
        elif partition != account.partition:
            yield wanted.find_fault(
                name, f"is of the partition {partition}, and the stack's is {account.partition}"
            )
        elif owner in (account.id, "aws"):
            yield well(name, f"is of this account: {value}")
        elif service in _OWN:
            yield wanted.find_fault(
                name, f"is of the account {owner}, and AWS takes one of {account.id}, the stack's"
            )
        else:
            yield warning(
                name, f"is of the account {owner}: its policy has to allow {account.id} to use it"
            )


def _check_topic(account: Account, wanted: Wanted) -> Iterator[Finding]:
    topic = wanted.read_value("AlarmTopic")
    if f":sns:{account.region}:" not in topic:
        return
    attributes = account.read_topic(topic)
    if attributes is None:
        yield wanted.find_fault(
            "AlarmTopic",
            f"is no topic that there is: `aws sns create-topic --name {topic.split(':')[-1]}`",
        )
        return
    yield from judge_topic(attributes, wanted)


def judge_topic(attributes: Mapping[str, str], wanted: Wanted) -> Iterator[Finding]:
    """Say whether alarms can be sent to a topic.

    `attributes`: as SNS has them.
    """
    key = attributes.get("KmsMasterKeyId", "")
    if key.endswith("alias/aws/sns"):
        yield wanted.find_fault(
            "AlarmTopic",
            "is encrypted by alias/aws/sns, which CloudWatch may not use, so no alarm arrives: "
            "encrypt it by a key of "
            "yours, whose policy allows cloudwatch.amazonaws.com kms:Decrypt and "
            "kms:GenerateDataKey*, or not",
        )
    elif key:
        says = f"is encrypted by {key}: its policy has to allow cloudwatch.amazonaws.com"
        yield warning(
            "AlarmTopic", f"{says} kms:Decrypt and kms:GenerateDataKey*, or no alarm arrives"
        )


def _check_key(account: Account, wanted: Wanted) -> Iterator[Finding]:
    key = wanted.read_value("CustomerKey")
    if f":kms:{account.region}:" not in key:
        return
    described = account.read_key(key)
    if described is None or described["KeyState"] != "Enabled":
        state = described["KeyState"] if described else "not there"
        yield wanted.find_fault(
            "CustomerKey", f"is {state}: take a key that is enabled, or enable it"
        )
    elif described.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        yield wanted.find_fault(
            "CustomerKey", f"is {described['KeySpec']}, and tables take a symmetric key"
        )


def _check_access_log(account: Account, wanted: Wanted) -> Iterator[Finding]:
    if wanted.read_value("AccessLog") == "on" and account.find_log_role() is None:
        yield wanted.find_fault(
            "AccessLog",
            "is on, and API Gateway has no role in this account and region to write logs by: set "
            "one (API Gateway, "
            "Settings, CloudWatch log role ARN), or leave it off",
        )


def _check_domain(account: Account, wanted: Wanted) -> Iterator[Finding]:
    domain = wanted.given.get("DomainName")
    if domain and "CertificateArn" not in wanted.given:
        try:
            yield well("domain", f"{domain} is covered by {account.find_certificate(domain)}")
        except NotDeployed as error:
            yield failed("domain", str(error))


def _check_domain_is_free(account: Account, wanted: Wanted) -> Iterator[Finding]:
    domain = wanted.given.get("DomainName")
    if not domain or domain == (wanted.present or {}).get("DomainName"):
        return
    if account.has_domain(domain) and not account.holds(wanted.stack, domain):
        yield failed(
            "DomainName",
            f"another API of this account has {domain}. If that is a stage, deploy it with "
            "`--parameter DomainName= --parameter CertificateArn=` first (docs/stage.md, Move a "
            "domain)",
        )


def _check_boundary(account: Account, wanted: Wanted) -> Iterator[Finding]:
    boundary = wanted.read_value("RoleBoundary")
    own = f"arn:{account.partition}:iam::{account.id}:"
    if boundary.startswith(own) and not account.has_policy(boundary):
        yield wanted.find_fault("RoleBoundary", "is no policy that there is: make it first")


def _check_buckets(account: Account, wanted: Wanted) -> Iterator[Finding]:
    """Tell of each bucket that a parameter names whether somebody has it."""
    for name in ("Witness", "PictureBuckets"):
        places = filter(None, wanted.read_value(name).split(","))
        for bucket in dict.fromkeys(place.partition("/")[0] for place in places):
            if not account.has_bucket(bucket):
                yield wanted.find_fault(name, f"nobody has a bucket {bucket}: make it first")


def _check_concurrency(account: Account, wanted: Wanted) -> Iterator[Finding]:
    """Tell whether the account has free runs for those that this deployment newly reserves.

    AWS insists on LEAST_UNRESERVED that nobody reserves. Runs that a function gives back count as
    free later: AWS changes one function after the other.
    """
    free = account.read_concurrency()
    present = find_reserved(wanted.present or {}, wanted.defaults)
    asked = find_reserved(wanted.given, wanted.defaults)
    more = sum(max(0, runs - present.get(name, 0)) for name, runs in asked.items())
    if more > 0 and free - more < LEAST_UNRESERVED:
        yield failed(
            "concurrency",
            f"{more:,.0f} runs more would be reserved of {free:,} that are free, and AWS keeps "
            f"{LEAST_UNRESERVED} for "
            "functions that reserve none: reserve fewer, give some back in a deployment before, or "
            "ask for more (Service Quotas, AWS Lambda)",
        )
    else:
        yield well(
            "concurrency",
            f"{free:,} functions may run at once besides those with runs of their own",
        )


def find_reserved(values: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, float]:
    """Return the runs that parameters reserve, by their names: those of SearchConcurrency for each
    of its FUNCTIONS."""
    return {
        name: max(0.0, float(value)) * (FUNCTIONS if name == "SearchConcurrency" else 1)
        for name, value in values.items()
        if name.endswith("Concurrency") and defaults.get(name) == _SHARES
    }


_SHARES = "-1"
"""The default of the concurrency of functions whose runs may be reserved."""


def _check_names(account: Account, wanted: Wanted) -> Iterator[Finding]:
    """Tell whether a first deployment would meet names that are taken, as by what an older stack
    left.

    Of a stack that is there, nothing.
    """
    if wanted.present is not None:
        return
    try:
        account.has_failed_record(wanted.stack, list_tables(wanted.stack))
    except NotDeployed as error:
        yield failed("names", str(error))
        return
    if left := [*account.list_left_names(wanted.stack)]:
        yield failed(
            "names",
            f"AWS refuses names that are taken, by {', '.join(left)}: delete them, or deploy "
            "another stage",
        )
    else:
        yield well("names", f"nothing is called as {wanted.stack} would call it")


def list_tables(stack: str) -> list[str]:
    """Return the names of the tables that the template makes (infra/storage.py)."""
    return [f"{stack}-{table.name}" for table in keys.TABLES]


_CHECKS: Mapping[Callable[[Account, Wanted], Iterator[Finding]], str] = {
    _check_region: "",
    _check_name: "",
    _check_stack: "cloudformation:DescribeStacks",
    _check_arns: "",
    _check_topic: "sns:GetTopicAttributes",
    _check_key: "kms:DescribeKey",
    _check_access_log: "apigateway:GET on /account",
    _check_domain: "acm:ListCertificates",
    _check_domain_is_free: "apigateway:GET on /domainnames",
    _check_boundary: "iam:GetPolicy",
    _check_buckets: "",
    _check_concurrency: "lambda:GetAccountSettings",
    _check_names: "dynamodb:DescribeTable, cloudwatch:GetDashboard or logs:DescribeLogGroups",
}
"""With the right that each needs."""


def read_defaults(rules_by_name: Mapping[str, Any]) -> dict[str, str]:
    """Return the defaults of a template's parameters."""
    return {name: str(rules.get("Default", "")) for name, rules in rules_by_name.items()}
