"""The IAM policy of a role that deploys a stage, and no other: `regulars deploy --stage NAME --policy` prints it."""

from __future__ import annotations

from typing import Any

_NAMED = {
    "cloudformation:*:*:stack/STACK/* cloudformation:*:aws:transform/Serverless-*": "CreateChangeSet DeleteChangeSet "
    "DeleteStack DescribeChangeSet DescribeStackEvents DescribeStacks ExecuteChangeSet ListStackResources "
    "UpdateTerminationProtection",
    "s3:::regulars-packages-* s3:::regulars-packages-*/*": "CreateBucket GetObject ListBucket "
    "PutBucketPublicAccessBlock PutObject",
    "s3:::STACK-*": "CreateBucket DeleteBucket DeleteBucketPolicy GetBucket* Get*Configuration List* "
    "PutBucketNotification PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketTagging "
    "PutEncryptionConfiguration PutLifecycleConfiguration *agResource",
    "dynamodb:*:*:table/STACK-*": "ConditionCheckItem CreateTable DeleteTable Describe* GetItem GetResourcePolicy "
    "ListTagsOfResource PutItem Query Scan *agResource UpdateContinuousBackups UpdateItem UpdateTable UpdateTimeToLive",
    "sqs:*:*:STACK-*": "CreateQueue DeleteQueue GetQueue* ListQueueTags SetQueueAttributes TagQueue UntagQueue",
    "lambda:*:*:function:STACK-*": "AddPermission CreateFunction* DeleteFunction DeleteFunctionConcurrency "
    "DeleteFunctionEventInvokeConfig DeleteFunctionUrlConfig Get* List* PutFunctionConcurrency "
    "PutFunctionEventInvokeConfig PutFunctionRecursionConfig RemovePermission *agResource UpdateFunction*",
    "logs:*:*:log-group:/aws/*/STACK*": "CreateLogGroup DeleteLogGroup DeleteRetentionPolicy Describe* "
    "GetDataProtectionPolicy ListTagsForResource PutRetentionPolicy *agResource",
    "events:*:*:rule/STACK-*": "DeleteRule DescribeRule List* PutRule PutTargets RemoveTargets *agResource",
    "cloudwatch:*:*:alarm:STACK-*": "DeleteAlarms ListTagsForResource PutMetricAlarm *agResource",
    "cloudwatch::*:dashboard/STACK": "DeleteDashboards GetDashboard ListTagsForResource PutDashboard *agResource",
    "xray:*:*:sampling-rule/STACK-*": "DeleteSamplingRule UpdateSamplingRule",
    "budgets:*:*:budget/STACK": "ListTagsForResource ModifyBudget *agResource ViewBudget",
    "iam::*:role/STACK-* iam::*:policy/STACK-*": "AttachRolePolicy CreatePolicy CreatePolicyVersion CreateRole "
    "DeletePolicy DeletePolicyVersion DeleteRole DeleteRolePolicy DetachRolePolicy Get* List* PassRole PutRolePolicy "
    "TagRole UntagRole UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription",
}
"""Actions with the stack's resources, by the ends of their ARNs."""

_NAMELESS = {
    "apigateway": "DELETE GET PATCH POST PUT",
    "kms": "CreateKey DescribeKey DisableKeyRotation EnableKeyRotation Get* ListResourceTags PutKeyPolicy *agResource "
    "UpdateKeyDescription",
    "lambda": "CreateEventSourceMapping DeleteEventSourceMapping GetEventSourceMapping ListEventSourceMappings "
    "ListTags *agResource UpdateEventSourceMapping",
    "logs": "DescribeLogGroups",
    "xray": "CreateSamplingRule GetSamplingRules ListTagsForResource *agResource",
}
"""Actions with resources whose names nobody chooses. CloudFormation alone may do them for the role."""

_GATEWAY = "ops.apigateway.amazonaws.com"

_ASKED = (
    "acm:ListCertificates cloudformation:GetTemplateSummary lambda:GetAccountSettings sts:GetCallerIdentity "
    "cloudwatch:DescribeAlarms cloudwatch:GetMetricData"
)


def make_role_policy(stack: str) -> dict[str, Any]:
    """Make the policy of a role that deploys the stack, in any region of its account.

    Statements are of five kinds: what is only asked; resources whose names begin as the stack; sealing by KMS; the role
    that API Gateway needs for a domain; and resources without a name, which CloudFormation alone may make.
    """

    def allow(actions: str, *resources: str, service: str = "", **when: Any) -> dict[str, Any]:
        full_actions = [f"{service}:{suffix}" if service else suffix for suffix in actions.split()]
        return {
            "Effect": "Allow",
            "Action": full_actions,
            "Resource": [*resources],
            **({"Condition": when} if when else {}),
        }

    named_statements = [
        allow(
            actions,
            *(f"arn:*:{suffix}" for suffix in arn_ends.replace("STACK", stack).split()),
            service=arn_ends.split(":")[0],
        )
        for arn_ends, actions in _NAMED.items()
    ]
    by_cloudformation = {"aws:CalledVia": "cloudformation.amazonaws.com"}
    nameless_statements = [
        allow(actions, "*", service=service, **{"ForAnyValue:StringEquals": by_cloudformation})
        for service, actions in _NAMELESS.items()
    ]
    sealing = allow("kms:Encrypt", "*", StringLike={"kms:EncryptionContext:regulars": "*"})
    # API Gateway makes this role of its own for the first domain of an account.
    linking = allow("iam:CreateServiceLinkedRole", f"arn:*:iam::*:role/aws-service-role/{_GATEWAY}/*")
    return {
        "Version": "2012-10-17",
        "Statement": [allow(_ASKED, "*"), *named_statements, sealing, linking, *nameless_statements],
    }
