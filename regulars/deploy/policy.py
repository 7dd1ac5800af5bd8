"""The IAM policies of who deploys a stage and of who runs it: `regulars deploy --stage NAME` prints
them with `--policy` and `--operators-policy`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.errors import InvalidInput

MOST_CHARACTERS = 6_144
"""Characters, without spaces, that IAM takes of a managed policy."""

_NAMED = {
    "cloudformation:*:*:stack/STACK/* cloudformation:*:*:changeSet/regulars-* "
    "cloudformation:*:aws:transform/Serverless-*": "CancelUpdateStack ContinueUpdateRollback "
    "CreateChangeSet DeleteChangeSet DeleteStack "
    "Describe* ExecuteChangeSet ListStackResources "
    "UpdateTerminationProtection",
    "s3:::regulars-packages-*": "CreateBucket ListBucket PutBucketPublicAccessBlock",
    "s3:::regulars-packages-*/STACK/*": "DeleteObject GetObject PutObject",
    "s3:::STACK-*": "CreateBucket DeleteBucket DeleteBucketPolicy GetBucket* Get*Configuration "
    "List* "
    "PutBucketNotification PutBucketOwnershipControls PutBucketP* PutBucketTagging "
    "PutEncryptionConfiguration PutLifecycleConfiguration *agResource",
    "dynamodb:*:*:table/STACK-*": "ConditionCheckItem CreateTable DeleteItem DeleteTable Describe* "
    "Get* ListTagsOfResource PutItem Query Scan *agResource UpdateContinuousBackups "
    "UpdateItem "
    "UpdateTable UpdateTimeToLive",
    "sqs:*:*:STACK-*": "CreateQueue DeleteQueue GetQueue* ListQueueTags SetQueueAttributes "
    "*agQueue",
    "lambda:*:*:function:STACK-*": "CreateFunction* DeleteFunction* Get* List* "
    "*Permission PutFunction* *agResource UpdateFunction*",
    "logs:*:*:log-group:/aws/apigateway/STACK logs:*:*:log-group:/aws/apigateway/STACK:* "
    "logs:*:*:log-group:/aws/lambda/STACK/*": "CreateLogGroup DeleteLogGroup DeleteRetentionPolicy "
    "Describe* "
    "GetDataProtectionPolicy ListTagsForResource PutRetentionPolicy *agResource",
    "events:*:*:rule/STACK-*": "DeleteRule DescribeRule List* PutRule *Targets *agResource",
    "cloudwatch:*:*:alarm:STACK-*": "DeleteAlarms ListTagsForResource PutMetricAlarm *agResource",
    "cloudwatch::*:dashboard/STACK": "DeleteDashboards GetDashboard ListTagsForResource "
    "PutDashboard *agResource",
    "xray:*:*:sampling-rule/STACK-*": "DeleteSamplingRule UpdateSamplingRule",
    "apigateway:*::/account apigateway:*::/domainnames/*": "GET",
    "iam::*:role/STACK-* iam::*:policy/STACK-*": "CreatePolicy* DeletePolicy* DeleteRole Get* "
    "List* PassRole *agRole "
    "UpdateAssumeRolePolicy UpdateRole*",
}
"""Actions with the stack's resources, by the ends of their ARNs."""

_OPERATED = {
    "cloudformation:*:*:stack/STACK/*": "DescribeStacks ListStackResources",
    "dynamodb:*:*:table/STACK-*": "BatchGetItem BatchWriteItem ConditionCheckItem DeleteItem "
    "DescribeTable GetItem PutItem Query RestoreTableToPointInTime Scan UpdateItem",
    "dynamodb:*:*:table/STACK-backup-*T*Z-*": "DeleteTable",
    "s3:::STACK-*": "GetBucketNotification ListBucket",
    "s3:::STACK-*/*": "DeleteObject GetObject PutObject",
    "sqs:*:*:STACK-*": "SendMessage",
    "sqs:*:*:STACK-*DeadLetters-*": "DeleteMessage GetQueueAttributes ReceiveMessage "
    "StartMessageMoveTask",
    "lambda:*:*:function:STACK-Search*": "InvokeFunction",
    "lambda:*:*:function:STACK-*": "DeleteFunctionConcurrency GetFunctionConcurrency "
    "PutFunctionConcurrency",
    "logs:*:*:log-group:/aws/apigateway/STACK:* "
    "logs:*:*:log-group:/aws/lambda/STACK/*": "FilterLogEvents StartQuery",
    "events:*:*:rule/STACK-*": "DescribeRule",
    "cloudwatch:*:*:alarm:STACK-*": "DescribeAlarms",
    "cloudwatch::*:dashboard/STACK": "GetDashboard",
}
"""What the commands with `--stage` do with the stack's resources, and what docs/stage.md tells who
runs it to look at. A backup deletes the tables that AWS copied for it
(regulars/backup/cloud_backup.py), and no other. A restore stops functions."""

_LOOKED_AT = (
    "cloudwatch:GetMetricData logs:GetQueryResults s3:ListAllMyBuckets sts:GetCallerIdentity"
)
"""What those who run a stage are asked for without a resource of the stack."""

_BOUNDED = "CreateRole *RolePolicy"
"""What makes a role, or changes what it may do."""

_NAMELESS = (
    "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:POST apigateway:PUT "
    "kms:CreateKey kms:*KeyRotation kms:Get* kms:ListResourceTags "
    "kms:PutKeyPolicy kms:*agResource kms:UpdateKeyDescription "
    "lambda:*EventSourceMapping* lambda:ListTags lambda:*agResource "
    "xray:CreateSamplingRule xray:GetSamplingRules xray:ListTagsForResource xray:*agResource"
)
"""Actions with resources whose names nobody chooses. CloudFormation alone may do them for the role,
and not with what another stack has made."""

_STACK_TAG = "aws:ResourceTag/aws:cloudformation:stack-name"
"""Key of a condition on the tag that CloudFormation gives what it makes. Nobody else can set it."""

_SEALED = {"kms:EncryptionContext:regulars": "*"}
"""A condition on what is sealed: a secret of this program (chalicelib/storage/aws/vault.py)."""

LEFT_OVER = (
    "If the stage has a CustomerKey, give it by --parameter. "
    "Give the stage an AWS account of its own where others deploy who are not trusted. Through "
    "CloudFormation this role may change what no stack has made or what AWS gives no tag: keys, "
    "REST APIs and their domains, event sources, sampling rules, and API Gateway's settings of the "
    "account. It may also change what a stage has whose name begins with this one's and a hyphen. "
    "It may reserve for its functions nearly all runs that the account has at once, so that other "
    "functions wait."
)
"""The rights that the policy cannot rule out, in words."""

LEFT_TO_OPERATORS = (
    "If the stage has a Witness or a CustomerKey, give each by --parameter, as the stage has it. "
    "Who has this reads and changes all that the stage stores, of every tenant, and may stop its "
    "functions, or reserve for them nearly all runs that the account has at once, so that other "
    "functions wait. It changes the audit's table, too, and may sign by the tenants' keys: only "
    "what a witness has shows that. There it adds, and changes nothing. "
    "There is no smaller policy: commands that only read enter that in the audit, and IAM knows "
    "tables, not tenants. It changes no code, role, stack or package. It deletes no table, bucket "
    "or key, but the tables that AWS copied for a backup. It may have AWS copy a table to any name "
    "that begins as the stage's, for which AWS charges. It reads all metrics of the account. It "
    "also reaches what a stage has whose name begins with this one's and a hyphen. It may seal and "
    "unseal by a key that no stack has made, if that key's own policy leaves that to IAM."
)
"""What the policy of those who run a stage comes to, in words."""

_POLICY = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+")
"""As the template has it (infra/functions.yaml), without what a policy would read as a pattern or a
variable."""

_PLACE = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.=+@-]+)*")
"""A witness's bucket, or bucket/prefix, likewise."""

_KEY = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+")
"""As the template has it (infra/storage.py)."""

_USED_KEY = "CreateGrant Decrypt DescribeKey Encrypt GenerateDataKey ReEncrypt*"
"""What DynamoDB and S3 do with a customer's key for who calls them (infra/functions.yaml)."""

_GATEWAY = "ops.apigateway.amazonaws.com"

_ASKED = (
    "acm:ListCertificates cloudformation:GetTemplateSummary lambda:GetAccountSettings "
    "iam:GetPolicy sts:GetCallerIdentity "
    "cloudwatch:DescribeAlarms cloudwatch:GetMetricData kms:DescribeKey logs:DescribeLogGroups "
    "sns:GetTopicAttributes"
)


def make_role_policy(stack: str, boundary: str = "", customer_key: str = "") -> dict[str, Any]:
    """Make the policy of a role that deploys the stack, in any region of its account and in any
    partition.

    Statements are of eight kinds: what is only asked; resources whose names begin as the stack;
    what makes its roles; sealing by KMS; the role that API Gateway needs for a domain; resources
    without a name, which CloudFormation alone may make; the customer's key; and the refusal of
    imports. LEFT_OVER says what they cannot rule out. `boundary`: ARN of a policy of IAM; the role
    then makes only roles with that permissions boundary. `customer_key`: the parameter CustomerKey.
    Raises InvalidInput for a boundary that the role itself could change, for what is no key, and if
    the policy is too long for IAM.
    """
    if boundary and not _POLICY.fullmatch(boundary):
        raise InvalidInput(
            "RoleBoundary is the ARN of a policy, such as arn:aws:iam::123456789012:policy/NAME, "
            f"not {boundary!r}"
        )
    if boundary.rpartition(":policy/")[2].startswith(f"{stack}-"):
        raise InvalidInput(
            f"RoleBoundary is a policy whose name does not begin with {stack}-, since the role may "
            "change those, "
            f"not {boundary}"
        )
    return _make_policy([*_list_statements(stack, boundary), *_allow_key(customer_key)])


def make_operators_policy(stack: str, witness: str = "", customer_key: str = "") -> dict[str, Any]:
    """Make the policy of those who run the stack by commands with `--stage`, and do not deploy it.

    One policy, since each command that reads enters that in the audit. `witness`, `customer_key`:
    the parameters Witness and CustomerKey. The witness gets receipts, and gives them back. Raises
    InvalidInput for what is no bucket or no key, and if the policy is too long for IAM.
    """
    conditions: dict[str, Any] = {
        "StringLike": _SEALED,
        "StringEqualsIfExists": {_STACK_TAG: stack},
    }
    return _make_policy(
        [
            _allow(_LOOKED_AT, "*"),
            *_allow_named(stack, _OPERATED),
            *_allow_witness(witness),
            _allow("kms:Decrypt kms:Encrypt", "*", **conditions),
            *_allow_key(customer_key),
        ]
    )


def _allow_witness(witness: str) -> list[dict[str, Any]]:
    """List the statements that allow to read a witness, and to add to it. Raises InvalidInput."""
    if not witness:
        return []
    if not _PLACE.fullmatch(witness):
        raise InvalidInput(f"Witness is a bucket, or bucket/prefix, not {witness!r}")
    bucket, _, prefix = witness.partition("/")
    # where a restore looks for receipts and for closed periods (erasure_progress, audit/periods)
    folders = [f"{prefix}/{name}/*" if prefix else f"{name}/*" for name in ("receipts", "closed")]
    documents = f"arn:*:s3:::{witness}/*"
    return [
        _allow("s3:ListBucket", f"arn:*:s3:::{bucket}", StringLike={"s3:prefix": folders}),
        _allow("s3:GetObject", documents),
        # with this header S3 takes no name that is there already
        _allow("s3:PutObject", documents, Null={"s3:if-none-match": "false"}),
    ]


def _allow_key(customer_key: str) -> list[dict[str, Any]]:
    """List the statement that allows DynamoDB and S3, and nobody else, to use a customer's key for
    who calls them. Raises InvalidInput."""
    if not customer_key:
        return []
    if not _KEY.fullmatch(customer_key):
        raise InvalidInput(
            "CustomerKey is the ARN of a key, such as "
            f"arn:aws:kms:eu-central-1:123456789012:key/ID, not {customer_key!r}"
        )
    through = {"kms:ViaService": ["dynamodb.*", "s3.*"]}
    return [_allow(_USED_KEY, customer_key, service="kms", StringLike=through)]


def _make_policy(statements: list[dict[str, Any]]) -> dict[str, Any]:
    """Make a policy of its statements. Raises InvalidInput if it is too long for IAM."""
    policy = {"Version": "2012-10-17", "Statement": statements}
    if (size := len(json.dumps(policy, separators=(",", ":")))) > MOST_CHARACTERS:
        raise InvalidInput(
            f"the policy has {size:,} characters, and IAM takes {MOST_CHARACTERS:,}: give the "
            "boundary, or the witness's prefix, a shorter name"
        )
    return policy


def _list_statements(stack: str, boundary: str) -> list[dict[str, Any]]:
    """List the statements of the policy of a role that deploys the stack.

    `boundary`: the ARN of a permissions boundary that each role it makes must have; "": none.
    """
    roles = f"arn:*:iam::*:role/{stack}-*"
    if boundary:
        only_bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
        making_roles = _allow(
            f"{_BOUNDED} PutRolePermissionsBoundary", roles, service="iam", **only_bounded
        )
    else:
        making_roles = _allow(_BOUNDED, roles, service="iam")
    conditions = {
        "ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"},
        # IfExists, since a resource has no tag yet when it is made
        "StringEqualsIfExists": {_STACK_TAG: stack},
    }
    nameless = _allow(_NAMELESS, "*", service="", **conditions)
    return [
        _allow(_ASKED, "*"),
        *_allow_named(stack, _NAMED),
        making_roles,
        _allow("kms:Encrypt", "*", StringLike=_SEALED, StringEqualsIfExists={_STACK_TAG: stack}),
        # API Gateway makes this role of its own for the first domain of an account.
        _allow("iam:CreateServiceLinkedRole", f"arn:*:iam::*:role/aws-service-role/{_GATEWAY}/*"),
        nameless,
        # An import would make another stack's resources this one's.
        {
            "Effect": "Deny",
            "Action": "cloudformation:*",
            "Resource": "*",
            "Condition": {"Null": {"cloudformation:ImportResourceTypes": "false"}},
        },
    ]


def _allow_named(stack: str, actions_by_arn_ends: Mapping[str, str]) -> list[dict[str, Any]]:
    """List the statements that allow actions with resources of the stack."""
    return [
        _allow(
            actions,
            *(f"arn:*:{suffix}" for suffix in arn_ends.replace("STACK", stack).split()),
            service=arn_ends.split(":")[0],
        )
        for arn_ends, actions in actions_by_arn_ends.items()
    ]


def _allow(actions: str, *resources: str, service: str = "", **when: Any) -> dict[str, Any]:
    full_actions = [f"{service}:{suffix}" if service else suffix for suffix in actions.split()]
    return {
        "Effect": "Allow",
        "Action": full_actions,
        "Resource": [*resources],
        **({"Condition": when} if when else {}),
    }
