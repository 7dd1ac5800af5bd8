"""A book of refusals: rules that AWS keeps, and no emulator, linter or translator here does, each
with its source.

Each is tried twice: on what is deployed, which breaks none, and on that with one fault, which the
rule has to find.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from copy import deepcopy
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chalicelib.domain.errors import InvalidInput
from regulars.deploy.policy import MOST_CHARACTERS, make_operators_policy, make_role_policy
from regulars.deploy.preflight import WITHOUT_TYPE
from tests.support.iam import BY_CLOUDFORMATION, is_allowed, listed
from tests.support.rights import ARNS, GLOBAL, PLACE, list_needed, name_arn, read_schema

STACK = f"regulars-{'x' * 19}"
"""The longest name of a stack."""

BOUNDARY = f"arn:aws-us-gov:iam::123456789012:policy/{'b' * 128}"
"""The longest name of a policy that bounds roles, in the partition with the longest name."""

CUSTOMER_KEY = f"arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-{'0' * 32}"
WITNESS = f"{'w' * 63}/heads/of-audits"
"""The longest name of a bucket, and a prefix."""

BOUNDED = {**BY_CLOUDFORMATION, "iam:PermissionsBoundary": BOUNDARY}
"""What a request says that CloudFormation sends for a role with that boundary."""


class Deployed(NamedTuple):
    """What AWS gets: the template as SAM translates it, and the policy of the role that deploys it.

    `without_type`: the regions that the command refuses, by the type that CloudFormation does not
    know there.
    """

    template: dict[str, Any]
    policy: dict[str, Any]
    without_type: dict[str, str]

    def properties_by_name(self, kind: str) -> dict[str, Any]:
        resources = self.template["Resources"].items()
        return {name: one["Properties"] for name, one in resources if one["Type"] == kind}

    @property
    def kinds(self) -> list[str]:
        return sorted({one["Type"] for one in self.template["Resources"].values()})

    @property
    def paths(self) -> dict[str, Any]:
        return self.template["Resources"]["RestAPI"]["Properties"]["Body"]["paths"]


class Rule(NamedTuple):
    source: str
    """A public page that says so: OWNER/REPOSITORY NUMBER is a thread of GitHub."""

    find: Callable[[Deployed], Iterator[str]]
    """Yields what breaks the rule."""

    break_it: Callable[[Deployed], object]
    """Puts one fault into what is deployed."""


def find_sibling_variables(deployed: Deployed) -> Iterator[str]:
    variables = defaultdict(set)
    for path in deployed.paths:
        parts = path.split("/")
        for depth, part in enumerate(parts):
            if part.startswith("{"):
                variables["/".join(parts[:depth])].add(part)
    yield from (
        f"{place} has {sorted(names)}" for place, names in variables.items() if len(names) > 1
    )


_NAMES = {
    "AWS::CloudWatch::Dashboard": STACK,
    "AWS::Logs::LogGroup": f"/aws/lambda/{STACK}/ingest",
}
"""Physical names that are not the stack's, a hyphen and more."""


def find_arn(kind: str, action: str) -> str:
    return name_arn(kind, _NAMES.get(kind, f"{STACK}-name-abc"), action)


def find_missing_rights(deployed: Deployed) -> Iterator[str]:
    """CloudFormation's own schemas say which actions it calls for a type.

    Each has to be allowed on that type's ARN.
    """
    for kind in deployed.kinds:
        for phase in read_schema(kind)["handlers"]:
            for action in list_needed(kind, phase) if phase != "list" else ():
                if not is_allowed(deployed.policy, action, find_arn(kind, action), BOUNDED):
                    yield f"{phase} of {kind}: {action}"


def find_missing_link(deployed: Deployed) -> Iterator[str]:
    role = (
        f"arn:aws:iam:{GLOBAL}:role/aws-service-role/ops.apigateway.amazonaws.com/"
        "AWSServiceRoleForAPIGateway"
    )
    if deployed.properties_by_name("AWS::ApiGateway::DomainName"):
        allowed = is_allowed(
            deployed.policy, "iam:CreateServiceLinkedRole", role, BY_CLOUDFORMATION
        )
        yield from () if allowed else ("iam:CreateServiceLinkedRole",)


def find_partitions(deployed: Deployed) -> Iterator[str]:
    for name, one in (
        *deployed.template["Resources"].items(),
        ("the printed policy", deployed.policy),
    ):
        yield from (
            f"{name}: {found}" for found in re.findall(r'"(arn:aws:[^"]*)', json.dumps(one))
        )


def find_large_policies(deployed: Deployed) -> Iterator[str]:
    for name, document, most in _list_policies(deployed):
        if (size := len(json.dumps(document, separators=(",", ":")))) > most:
            yield f"{name} has {size} characters of {most}"


def _list_policies(deployed: Deployed) -> Iterator[tuple[str, Any, int]]:
    """Yield name, document and most characters of each.

    A reference is written for each that it may be put in for.
    """
    yield "the printed policy", deployed.policy, MOST_CHARACTERS
    for name, one in deployed.properties_by_name("AWS::IAM::ManagedPolicy").items():
        yield name, one["PolicyDocument"], MOST_CHARACTERS
    for name, one in deployed.properties_by_name("AWS::IAM::Role").items():
        documents = [policy["PolicyDocument"] for policy in one["Policies"]]
        shared = [
            use["PolicyDocument"]
            for use in deployed.properties_by_name("AWS::IAM::Policy").values()
        ]
        yield name, _fill([*documents, *shared]), 10_240


def _fill(value: Any) -> Any:
    """Put an ARN in for each reference, as long as it may become."""
    if isinstance(value, dict):
        if any(key == "Ref" or key.startswith("Fn::") for key in value):
            return f"arn:aws-us-gov:dynamodb:ap-southeast-7:123456789012:table/{STACK}-{'x' * 40}/*"
        return {key: _fill(one) for key, one in value.items()}
    return [_fill(one) for one in value] if isinstance(value, list) else value


def find_ways_to_an_administrator(deployed: Deployed) -> Iterator[str]:
    """Yield what the role may do with a role that has not the boundary, or to be rid of it."""
    role = f"arn:aws:iam:{GLOBAL}:role/{STACK}-x"
    of_roles = (
        "CreateRole AttachRolePolicy PutRolePolicy PutRolePermissionsBoundary "
        "DeleteRolePermissionsBoundary"
    )
    for context in (
        BY_CLOUDFORMATION,
        {},
        {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"},
    ):
        for action in of_roles.split():
            if is_allowed(deployed.policy, f"iam:{action}", role, context):
                yield f"iam:{action} with {context}"
    if is_allowed(deployed.policy, "iam:DeleteRolePermissionsBoundary", role, BOUNDED):
        yield "iam:DeleteRolePermissionsBoundary"
    for action in ("CreatePolicyVersion", "DeletePolicy"):
        if is_allowed(deployed.policy, f"iam:{action}", BOUNDARY, BOUNDED):
            yield f"iam:{action} on the boundary itself"


OTHER_STAGES = ("dev", f"{'x' * 19}y", "x")
"""Stages beside the deployed one, one of whose names the other begins with."""


def find_ways_into_other_stages(deployed: Deployed) -> Iterator[str]:
    """Yield what the role may change of what another stage has, by its name or its stack's tag."""
    named = [action for one in deployed.policy["Statement"] for action in listed(one["Action"])]
    actions = {
        action
        for action in (*_list_permissions(deployed.kinds), *named)
        if not re.search(r":(Get|List|Describe)(?!Item|Object)|[*]", action)
    }
    yield from _find_ways(
        deployed.policy, actions | {"s3:PutObject", "s3:DeleteObject", "dynamodb:Scan"}
    )
    importing = {"cloudformation:ImportResourceTypes": "AWS::S3::Bucket"}
    stack = f"arn:aws:cloudformation:{PLACE}:stack/{STACK}/0b7c"
    if is_allowed(deployed.policy, "cloudformation:CreateChangeSet", stack, importing):
        yield "a change set that imports"


def _find_ways(policy: dict[str, Any], actions: set[str]) -> Iterator[str]:
    """Yield which of the actions a policy allows with what another stage has."""
    for stage in OTHER_STAGES:
        other = f"regulars-{stage}"
        # keys, APIs and event sources have no name of the stack's: CloudFormation's tag tells
        context = {
            **BOUNDED,
            "aws:ResourceTag/aws:cloudformation:stack-name": other,
            "kms:EncryptionContext:regulars": "a secret",
        }
        arns = [find_arn(kind, "").replace(STACK, other) for kind in ARNS]
        arns += [
            f"arn:aws:s3:::regulars-packages-123456789012-eu-central-1/{other}/0123.zip",
            f"arn:aws:s3:::{other}-databucket-abc/a.jpg",
            f"arn:aws:cloudformation:{PLACE}:stack/{other}/0b7c",
            f"arn:aws:logs:{PLACE}:log-group:/aws/apigateway/{other}",
            f"arn:aws:apigateway:{PLACE.partition(':')[0]}::/restapis/abc",
        ]
        for action in sorted(actions):
            service = action.partition(":")[0]
            is_of_objects = action.endswith("Object")
            for arn in arns:
                is_about = arn.split(":")[2] == service
                is_about &= service != "s3" or is_of_objects is ("/" in arn)
                if is_about and is_allowed(policy, action, arn, context):
                    yield f"{action} of {arn}"


def _list_permissions(kinds: list[str]) -> Iterator[str]:
    """Yield what CloudFormation does with resources of these types."""
    for kind in kinds:
        for handler in read_schema(kind)["handlers"].values():
            yield from handler["permissions"]


def find_unbounded_roles(deployed: Deployed) -> Iterator[str]:
    wanted = {"Fn::If": ["HasRoleBoundary", {"Ref": "RoleBoundary"}, {"Ref": "AWS::NoValue"}]}
    for name, one in deployed.properties_by_name("AWS::IAM::Role").items():
        yield from () if one.get("PermissionsBoundary") == wanted else (name,)


def find_unknown_types(deployed: Deployed) -> Iterator[str]:
    """Compare what the command refuses with the registry of each region, as cfn-lint brings
    them."""
    import cfnlint  # as above

    folder = Path(cfnlint.__file__).parent / "data" / "schemas" / "providers"
    for registry in sorted(folder.glob("*-*-*.json")):
        known = json.loads(registry.read_text())
        for kind in deployed.kinds:
            is_refused = registry.stem in deployed.without_type.get(kind, "").split()
            if is_refused is (kind in known):
                yield (
                    f"{registry.stem}: {kind} is "
                    f"{'refused and known' if is_refused else 'unknown and not refused'}"
                )


def find_loose_arns(deployed: Deployed) -> Iterator[str]:
    """A parameter that is an ARN names the service, and a region and an account as AWS writes
    them."""
    for name, rules in deployed.template["Parameters"].items():
        if "ARN" in rules.get("Description", ""):
            for wrong in (
                "my-topic",
                "alias/mine",
                "x",
                "arn:aws:ec2:eu-central-1:123456789012:vpc/vpc-1",
            ):
                if re.fullmatch(rules.get("AllowedPattern", ".*"), wrong):
                    yield f"{name} takes {wrong}"


def drop_right(action: str, resource: str) -> Callable[[Deployed], object]:
    """Take an action from the statement that has the resource."""

    def drop(deployed: Deployed) -> None:
        [statement] = [
            one
            for one in deployed.policy["Statement"]
            if action in one["Action"] and resource in one["Resource"]
        ]
        statement["Action"].remove(action)

    return drop


RULES = {
    "A REST API takes one variable name at each place of a path": Rule(
        "amazon-archives/aws-apigateway-importer 202",
        find_sibling_variables,
        lambda deployed: deployed.paths.update(
            {"/console/{file}": deployed.paths["/console/{name}"]}
        ),
    ),
    "Event source mappings are tagged when they are made, under ARNs of their own": Rule(
        "aws-samples/sample-autonomous-cloud-coding-agents 407",
        find_missing_rights,
        drop_right("lambda:*agResource", "*"),
    ),
    "Dashboards are tagged when they are made; no right, no dashboard": Rule(
        "aws-samples/aws-eda-slurm-cluster 340",
        find_missing_rights,
        drop_right("cloudwatch:*agResource", f"arn:*:cloudwatch::*:dashboard/{STACK}"),
    ),
    "The first regional domain of an account makes API Gateway's own role": Rule(
        "amplify-education/serverless-domain-manager 112",
        find_missing_link,
        lambda deployed: deployed.policy["Statement"].remove(
            next(
                one
                for one in deployed.policy["Statement"]
                if one["Action"] == ["iam:CreateServiceLinkedRole"]
            )
        ),
    ),
    "A managed policy has 6,144 characters at most, all inline policies of a role 10,240": Rule(
        "docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html",
        find_large_policies,
        lambda deployed: deployed.policy["Statement"].append({"Resource": "x" * 1_000}),
    ),
    "An ARN begins with the partition of its region": Rule(
        "terraform-aws-modules/terraform-aws-iam 39",
        find_partitions,
        lambda deployed: deployed.policy["Statement"][1]["Resource"].append(
            "arn:aws:s3:::regulars-packages-*"
        ),
    ),
    "Who may make roles without a boundary is an administrator": Rule(
        "docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html",
        find_ways_to_an_administrator,
        lambda deployed: deployed.policy.update(make_role_policy(STACK)),
    ),
    "What a role may do by a pattern, it may do with what another stage has": Rule(
        "docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html",
        find_ways_into_other_stages,
        lambda deployed: deployed.policy["Statement"][3]["Resource"].append(
            "arn:*:s3:::regulars-packages-*/*"
        ),
    ),
    "Where a company demands a boundary, a role without one is not made": Rule(
        "alexcasalboni/aws-lambda-power-tuning 117",
        find_unbounded_roles,
        lambda deployed: deployed.properties_by_name("AWS::IAM::Role")["SweepRole"].pop(
            "PermissionsBoundary"
        ),
    ),
    "CloudFormation does not know each type in each region": Rule(
        "docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html",
        find_unknown_types,
        lambda deployed: deployed.template["Resources"].update(
            {"Budget": {"Type": "AWS::Budgets::Budget"}}
        ),
    ),
    "An alarm takes a topic of its own region, and each ARN its own service": Rule(
        "cds-snc/notification-terraform 128",
        find_loose_arns,
        lambda deployed: deployed.template["Parameters"]["AlarmTopic"].pop("AllowedPattern"),
    ),
}


PAGE = Path(__file__).resolve().parents[2] / "docs" / "decisions" / "0018-the-stage-on-aws.md"


def test_the_page_has_each_rule_with_its_source() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, rule in RULES.items():
        assert f"| {name} | {cite(rule.source)} |" in page


def cite(source: str) -> str:
    """As a link: to a thread of GitHub, or to a page of AWS's."""
    if source.startswith("docs."):
        return f"[AWS](https://{source})"
    repository, number = source.split()
    return (
        f"[{repository.partition('/')[2]} "
        f"{number}](https://github.com/{repository}/issues/{number})"
    )


@pytest.fixture(scope="module")
def deployed(translated: dict[str, Any]) -> Deployed:
    policy = make_role_policy(STACK, BOUNDARY, CUSTOMER_KEY)
    return Deployed(translated, policy, dict(WITHOUT_TYPE))


def forget_tag(deployed: Deployed) -> None:
    for one in deployed.policy["Statement"]:
        one.get("Condition", {}).pop("StringEqualsIfExists", None)


def widen_logs(deployed: Deployed) -> None:
    [statement] = [
        one for one in deployed.policy["Statement"] if "logs:CreateLogGroup" in one["Action"]
    ]
    statement["Resource"].append(f"arn:*:logs:*:*:log-group:/aws/*/{STACK}*")


def allow_imports(deployed: Deployed) -> None:
    deployed.policy["Statement"] = [
        one for one in deployed.policy["Statement"] if one["Effect"] == "Allow"
    ]


@pytest.mark.parametrize("break_it", [forget_tag, widen_logs, allow_imports])
def test_each_wall_between_stages_is_needed(
    deployed: Deployed, break_it: Callable[[Deployed], None]
) -> None:
    faulty = deepcopy(deployed)
    break_it(faulty)
    assert [*find_ways_into_other_stages(faulty)] != []


def test_who_runs_a_stage_reaches_no_other_and_changes_no_resource_but_runs_and_copies(
    deployed: Deployed,
) -> None:
    policy = make_operators_policy(STACK, WITNESS, CUSTOMER_KEY)
    operated = deployed._replace(policy=policy)
    own = {action for one in policy["Statement"] for action in listed(one["Action"])}
    # what AWS lets nobody narrow to a stage: names, metrics, and results by a query's own ID
    assert {way.partition(" ")[0] for way in _find_ways(policy, own)} == {
        "cloudwatch:GetMetricData",
        "logs:GetQueryResults",
        "s3:ListAllMyBuckets",
    }
    for find in (find_ways_into_other_stages, find_partitions, find_large_policies):
        assert [*find(operated)] == []
    changing = {
        action
        for action in _list_permissions(deployed.kinds)
        if not re.search(":(Get|List|Describe|.*(Item|Object)$|Query$|Scan$)", action)
    }
    done = {
        action
        for action in changing
        for arn in (find_arn(kind, "") for kind in ARNS)
        if is_allowed(operated.policy, action, arn, BOUNDED)
    }
    # a restore stops functions
    assert done == {"lambda:PutFunctionConcurrency", "lambda:DeleteFunctionConcurrency"}
    # copies for a backup alone, and not the tables of an older stage that is called so
    for stage in (STACK, f"{STACK}-backup"):
        table = f"arn:aws:dynamodb:{PLACE}:table/{stage}-faces"
        assert not is_allowed(operated.policy, "dynamodb:DeleteTable", table)
    faulty = deepcopy(operated)
    forget_tag(faulty)
    assert [*find_ways_into_other_stages(faulty)] != []


@pytest.mark.parametrize("rule", RULES)
def test_what_is_deployed_breaks_no_rule_and_its_fault_does(deployed: Deployed, rule: str) -> None:
    _, find, break_it = RULES[rule]
    assert [*find(deployed)] == []
    faulty = deepcopy(deployed)
    break_it(faulty)
    assert [*find(faulty)] != [], "a rule that finds nothing holds nothing"


DIRECT = {
    "acm",
    "cloudformation",
    "sns",
    "sts",
    "kms:Encrypt",
    "lambda:GetAccountSettings",
    "s3:PutObject",
}
DIRECT |= {
    "cloudwatch:GetMetricData",
    "dynamodb:ConditionCheckItem",
    "iam:CreateServiceLinkedRole",
    "kms:ReEncrypt*",
    "s3:DeleteObject",
}
"""Services and actions that `regulars deploy` itself calls, what API Gateway does for the first
domain, and what DynamoDB does with a customer's key."""


def test_a_role_that_deploys_may_do_nothing_that_no_type_needs(deployed: Deployed) -> None:
    handlers = [one for kind in deployed.kinds for one in read_schema(kind)["handlers"].values()]
    known = {action for one in handlers for action in one["permissions"]}
    allowing = [one for one in deployed.policy["Statement"] if one["Effect"] == "Allow"]
    for may in {action for one in allowing for action in one["Action"]}:
        direct = {may, may.partition(":")[0]} & DIRECT
        assert direct or any(fnmatch(action, may) for action in known), f"no type needs {may}"


def test_a_role_that_deploys_touches_one_stack(deployed: Deployed) -> None:
    for one in deployed.policy["Statement"]:
        if "*" in one["Resource"]:
            reads = all(re.search(":(Get|List|Describe)", action) for action in one["Action"])
            assert reads or one["Condition"], (
                "what has no name is changed through CloudFormation, or with our context"
            )
        else:
            known = (
                f"{STACK}|regulars-packages|changeSet/regulars-|:/account|:/domainnames/|transform/|aws-"
                f"service-role/ops.apigateway|{CUSTOMER_KEY}"
            )
            assert [of for of in one["Resource"] if not re.search(known, of)] == []


def test_a_policy_without_a_boundary_is_the_same_but_for_its_condition() -> None:
    def list_rights(boundary: str) -> set[tuple[str, str]]:
        statements = make_role_policy("regulars-prod", boundary)["Statement"]
        return {
            (action, of) for one in statements for action in one["Action"] for of in one["Resource"]
        }

    bounding = ("iam:PutRolePermissionsBoundary", "arn:*:iam::*:role/regulars-prod-*")
    assert list_rights(BOUNDARY) - list_rights("") == {bounding}


@pytest.mark.parametrize(
    ("boundary", "says"),
    [
        (f"arn:aws:iam::123456789012:policy/{STACK}-boundary", f"does not begin with {STACK}-"),
        ("arn:aws:iam::123456789012:policy/*", "is the ARN of a policy"),
        ("arn:aws:iam::123456789012:role/bound", "is the ARN of a policy"),
        (
            f"arn:aws:iam::123456789012:policy/{'path/' * 102}{'b' * 128}",
            "give the boundary, or the witness's prefix, a shorter name",
        ),
    ],
)
def test_a_boundary_that_would_bound_nothing_is_refused(boundary: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        make_role_policy(STACK, boundary)
