"""What IAM is asked when CloudFormation acts for the role that deploys: actions by type of
resource, as CloudFormation's own schemas say, and ARNs."""

from fnmatch import fnmatch
from functools import cache
from typing import Any

PLACE = "eu-central-1:123456789012"
GLOBAL = ":123456789012"
ARNS = {
    "AWS::CloudWatch::Alarm": f"cloudwatch:{PLACE}:alarm:NAME",
    "AWS::CloudWatch::Dashboard": f"cloudwatch:{GLOBAL}:dashboard/NAME",
    "AWS::DynamoDB::Table": f"dynamodb:{PLACE}:table/NAME",
    "AWS::Events::Rule": f"events:{PLACE}:rule/NAME",
    "AWS::IAM::ManagedPolicy": f"iam:{GLOBAL}:policy/NAME",
    "AWS::IAM::Policy": f"iam:{GLOBAL}:role/NAME",
    "AWS::IAM::Role": f"iam:{GLOBAL}:role/NAME",
    "AWS::KMS::Key": f"kms:{PLACE}:key/11111111-2222-3333-4444-555555555555",
    "AWS::Lambda::EventInvokeConfig": f"lambda:{PLACE}:function:NAME",
    "AWS::Lambda::EventSourceMapping": f"lambda:{PLACE}:event-source-mapping:11111111-2222-3333-"
    "4444-555555555555",
    "AWS::Lambda::Function": f"lambda:{PLACE}:function:NAME",
    "AWS::Lambda::Permission": f"lambda:{PLACE}:function:NAME",
    "AWS::Lambda::Url": f"lambda:{PLACE}:function:NAME",
    "AWS::Logs::LogGroup": f"logs:{PLACE}:log-group:NAME",
    "AWS::S3::Bucket": "s3:::NAME",
    "AWS::S3::BucketPolicy": "s3:::NAME",
    "AWS::SQS::Queue": f"sqs:{PLACE}:NAME",
    "AWS::SQS::QueuePolicy": f"sqs:{PLACE}:NAME",
    "AWS::XRay::SamplingRule": f"xray:{PLACE}:sampling-rule/NAME",
}
"""What each type's resources are called, behind the partition. Those of API Gateway have names that
nobody chooses."""

UNUSED = (
    "*Replica* *Kinesis* *ImportTable *ContributorInsights *ResourcePolicy *BatchWriteItem "
    "s3:*Metadata* s3:*Analytics* s3:*Metrics* s3:*Cors s3:*CORS s3:*Website s3:*Accelerate* "
    "s3:*Abac s3:*Acl "
    "s3:*Logging s3:*Lock* s3:*Inventory* s3:*Tiering* s3:*Replication* s3:*Versioning "
    "s3:DeleteBucketEncryption "
    "s3:DeleteBucketLifecycle s3:DeleteObject kms:*ableKey kms:ScheduleKeyDeletion "
    "logs:*ssociateKmsKey "
    "*LogDelivery logs:*DataProtection* logs:*IndexPolicy *BearerTokenAuthentication "
    "*DeletionProtection "
    "lambda:Associate* *CodeSigning* *CapacityProvider *PublishVersion *ScalingConfig "
    "*RuntimeManagementConfig "
    "iam:DeleteRolePermissionsBoundary iam:*Group* iam:*User* *UpdateRestApiPolicy "
)
"""Writes with which CloudFormation makes what this template lacks, or which it tries without
need."""


@cache
def list_needed(kind: str, phase: str) -> tuple[str, ...]:
    """List the actions that CloudFormation calls for a type in a phase, such as `create`."""
    service = kind.split("::")[1].lower()
    actions = read_schema(kind)["handlers"].get(phase, {}).get("permissions", ())
    return tuple(
        action
        for action in actions
        if action.startswith(f"{service}:")
        and not any(fnmatch(action, one) for one in UNUSED.split())
    )


def name_arn(kind: str, name: str, action: str) -> str:
    """Return the ARN on which IAM decides about an action for a resource of a type."""
    of = "AWS::IAM::Role" if action.endswith("RolePolicy") else kind
    service = kind.split("::")[1].lower()
    return f"arn:aws:{ARNS.get(of, f'{service}:::x').replace('NAME', name)}"


def read_schema(kind: str) -> dict[str, Any]:
    """Return CloudFormation's own schema of a type."""
    # its import takes half a second, and each worker imports this module
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    return PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
