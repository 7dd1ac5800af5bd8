"""The IAM policy of a role that deploys a stage, and no other: `regulars deploy --stage NAME --policy` prints it."""

from __future__ import annotations

from typing import Any

_MADE = {
    "dynamodb": (
        "table/STACK-*",
        "CreateTable DeleteTable Describe* GetItem GetResourcePolicy ListTagsOfResource PutItem Query Scan TagResource "
        "UntagResource UpdateContinuousBackups UpdateItem UpdateTable UpdateTimeToLive",
    ),
    "sqs": ("STACK-*", "CreateQueue DeleteQueue GetQueue* ListQueueTags SetQueueAttributes TagQueue UntagQueue"),
    "lambda": (
        "function:STACK-*",
        "AddPermission CreateFunction* DeleteFunction DeleteFunctionConcurrency DeleteFunctionUrlConfig Get* List* "
        "PutFunctionConcurrency PutFunctionRecursionConfig RemovePermission TagResource UntagResource UpdateFunction*",
    ),
    "logs": (
        "log-group:/aws/*/STACK*",
        "CreateLogGroup DeleteLogGroup DeleteRetentionPolicy Describe* GetDataProtectionPolicy ListTagsForResource "
        "PutRetentionPolicy TagResource UntagResource",
    ),
    "events": (
        "rule/STACK-*",
        "DeleteRule DescribeRule List* PutRule PutTargets RemoveTargets TagResource UntagResource",
    ),
    "cloudwatch": ("alarm:STACK-*", "DeleteAlarms ListTagsForResource PutMetricAlarm TagResource UntagResource"),
    "xray": ("sampling-rule/STACK-*", "DeleteSamplingRule UpdateSamplingRule"),
    "budgets": ("budget/STACK", "ListTagsForResource ModifyBudget TagResource UntagResource ViewBudget"),
}
"""By service: the names of its resources of the stack, and the actions with them."""

_ROLES = (
    "AttachRolePolicy CreatePolicy CreatePolicyVersion CreateRole DeletePolicy DeletePolicyVersion DeleteRole "
    "DeleteRolePolicy DetachRolePolicy Get* List* PassRole PutRolePolicy TagRole UntagRole UpdateAssumeRolePolicy "
    "UpdateRole UpdateRoleDescription"
)
_BUCKETS = (
    "CreateBucket DeleteBucket DeleteBucketPolicy GetBucket* Get*Configuration List* PutBucketNotification "
    "PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketTagging PutEncryptionConfiguration "
    "PutLifecycleConfiguration TagResource UntagResource"
)
_NAMELESS = {
    "apigateway": "DELETE GET PATCH POST PUT",
    "kms": "CreateKey DescribeKey DisableKeyRotation EnableKeyRotation Get* ListResourceTags PutKeyPolicy TagResource "
    "UntagResource UpdateKeyDescription",
    "lambda": "CreateEventSourceMapping DeleteEventSourceMapping GetEventSourceMapping ListEventSourceMappings "
    "UpdateEventSourceMapping",
    "logs": "DescribeLogGroups",
    "xray": "CreateSamplingRule GetSamplingRules ListTagsForResource TagResource UntagResource",
}
"""Actions with resources whose names nobody chooses. CloudFormation alone may do them for the role."""

_ASKED = (
    "acm:ListCertificates cloudformation:GetTemplateSummary lambda:GetAccountSettings sts:GetCallerIdentity "
    "cloudwatch:DescribeAlarms"
)
_STACKS = (
    "CreateChangeSet DeleteChangeSet DeleteStack DescribeChangeSet DescribeStackEvents DescribeStacks ExecuteChangeSet "
    "ListStackResources UpdateTerminationProtection"
)


def of_role(stack: str) -> dict[str, Any]:
    """Return what a role needs that deploys the stack, in any region of its account."""

    def allow(service: str, names: str, *resources: str, **more: Any) -> dict[str, Any]:
        actions = [f"{service}:{name}" for name in names.split()] if service else names.split()
        return {"Effect": "Allow", "Action": actions, "Resource": [*resources], **more}

    by_formation = {"ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}}
    made = [
        allow(service, names, f"arn:aws:{service}:*:*:{resource.replace('STACK', stack)}")
        for service, (resource, names) in _MADE.items()
    ]
    nameless = [allow(service, names, "*", Condition=by_formation) for service, names in _NAMELESS.items()]
    formation, packages = "arn:aws:cloudformation:*", "arn:aws:s3:::regulars-packages-*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow("", _ASKED, "*"),
            allow(
                "cloudformation", _STACKS, f"{formation}:*:stack/{stack}/*", f"{formation}:aws:transform/Serverless-*"
            ),
            allow(
                "s3",
                "CreateBucket GetObject ListBucket PutBucketPublicAccessBlock PutObject",
                packages,
                f"{packages}/*",
            ),
            allow("s3", _BUCKETS, f"arn:aws:s3:::{stack}-*"),
            *made,
            allow(
                "cloudwatch", "DeleteDashboards GetDashboard PutDashboard", f"arn:aws:cloudwatch::*:dashboard/{stack}"
            ),
            allow("iam", _ROLES, f"arn:aws:iam::*:role/{stack}-*", f"arn:aws:iam::*:policy/{stack}-*"),
            allow("kms", "Encrypt", "*", Condition={"StringLike": {"kms:EncryptionContext:regulars": "*"}}),
            *nameless,
        ],
    }
