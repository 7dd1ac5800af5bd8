"""What running the functions takes, derived from those that there are and from the storage, so that none is left out:
logs, traces, concurrency, and a customer's own key where one is asked for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Template = dict[str, Any]

_CONFIG = Path(__file__).resolve().parents[1] / ".chalice" / "config.json"
_LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 180, 365)
# Chalice's own names for what app.py calls `api_handler`.
_API, _API_ROLE = "APIHandler", "ApiHandlerRole"
TRACED = (_API, "Search")
"""Those that a caller's request passes; the others would be sampled by Lambda itself, at a rate that nobody can set."""

HAS_KEY = "HasCustomerKey"


def functions() -> dict[str, str]:
    """Return the functions' names in the template, by those of .chalice/config.json."""
    stages = json.loads(_CONFIG.read_text(encoding="utf-8"))["stages"].values()
    names = [name for stage in stages for name in stage["lambda_functions"]]
    return {name: _API if name == "api_handler" else _camel(name) for name in names}


def role(name: str) -> str:
    """Return the name of a function's role in the template."""
    return _API_ROLE if name == "api_handler" else f"{_camel(name)}Role"


def operations(overlay: Template) -> Template:
    """Make a template of all that this module defines; `overlay` is functions.yaml."""
    parts = [_logs(), _tracing(), _concurrency(overlay), _key_use(), _names()]
    whole: Template = {}
    for part in parts:
        whole = joined(whole, part)
    return whole


def with_customer_key(storage: Template) -> Template:
    """Encrypt each table and bucket of the storage by the customer's key if the parameter names one."""
    resources = {name: _keyed(resource) for name, resource in storage["Resources"].items()}
    return {**storage, "Resources": resources}


def joined(one: Template, other: Template, path: str = "") -> Template:
    """Two templates as one. Raises ValueError where both say something of one entry."""
    whole = dict(one)
    for name, entry in other.items():
        here = f"{path}.{name}" if path else name
        if name not in whole:
            whole[name] = entry
        elif _may_be_joined(whole[name]) and _may_be_joined(entry):
            whole[name] = joined(whole[name], entry, here)
        else:
            raise ValueError(f"two templates say what {here} is")
    return whole


def _may_be_joined(entry: Any) -> bool:
    return isinstance(entry, dict) and not any(key == "Ref" or key.startswith("Fn::") for key in entry)


def _logs() -> Template:
    """Make a log group for each function; Lambda itself would make one that keeps logs for ever."""
    groups = {
        f"{function}Logs": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "LogGroupName": {"Fn::Sub": f"/aws/lambda/${{AWS::StackName}}/{name}"},
                "RetentionInDays": {"Ref": "LogDays"},
            },
        }
        for name, function in functions().items()
    }
    pointed = {
        function: {"Properties": {"LoggingConfig": {"LogGroup": {"Ref": f"{function}Logs"}}}}
        for function in functions().values()
    }
    days = {"Type": "Number", "Default": 30, "AllowedValues": list(_LOG_DAYS), "Description": "Days that logs are kept"}
    return {"Parameters": {"LogDays": days}, "Resources": {**groups, **pointed}}


def _tracing() -> Template:
    """X-Ray, decided by the gateway: a request is traced through all that it passes, or nowhere."""
    rate = {
        "Type": "Number",
        "Default": 0.01,
        "MinValue": 0,
        "MaxValue": 1,
        "Description": "Share of the API's requests that are traced (AWS X-Ray)",
    }
    rule = {
        "Type": "AWS::XRay::SamplingRule",
        "Properties": {
            "SamplingRule": {
                "RuleName": {"Fn::Sub": "${AWS::StackName}-api"},
                "Version": 1,
                "Priority": 1000,
                "FixedRate": {"Ref": "TracingRate"},
                "ReservoirSize": 0,
                "ServiceName": {"Fn::Sub": "${AWS::StackName}/api"},
                "ServiceType": "AWS::ApiGateway::Stage",
                "Host": "*",
                "HTTPMethod": "*",
                "URLPath": "*",
                "ResourceARN": "*",
            }
        },
    }
    writing = {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": "write-traces",
            "Roles": [{"Ref": role(name)} for name, function in functions().items() if function in TRACED],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "WriteTraces",
                        "Effect": "Allow",
                        "Action": ["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
                        "Resource": "*",  # X-Ray has no resource that a segment belongs to
                    }
                ],
            },
        },
    }
    traced: Template = {name: {"Properties": {"Tracing": "Active"}} for name in TRACED}
    traced["RestAPI"] = {"Properties": {"TracingEnabled": True}}
    return {
        "Parameters": {"TracingRate": rate},
        "Resources": {"TracingRule": rule, "WriteTraces": writing, **traced},
    }


def _concurrency(overlay: Template) -> Template:
    parameters, conditions, resources = {}, {}, {}
    for function in functions().values():
        if "Events" in overlay["Resources"].get(function, {}).get("Properties", {}):
            continue  # fed by a queue, whose poller has a limit of its own: turned away, it would use up receives
        parameter, reserved = f"{function}Concurrency", f"{function}IsReserved"
        parameters[parameter] = {
            "Type": "Number",
            "Default": -1,
            "MinValue": -1,
            "Description": f"Concurrent runs reserved for {function}, its most, too; 0 stops it, -1 shares all",
        }
        conditions[reserved] = {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, -1]}]}
        runs = {"Fn::If": [reserved, {"Ref": parameter}, {"Ref": "AWS::NoValue"}]}
        resources[function] = {"Properties": {"ReservedConcurrentExecutions": runs}}
    return {"Parameters": parameters, "Conditions": conditions, "Resources": resources}


def _key_use() -> Template:
    key = {
        "Type": "String",
        "Default": "",
        "AllowedPattern": "|arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+",
        "Description": "ARN of a KMS key of yours for tables and buckets; empty takes those that AWS manages",
    }
    using = {
        "Type": "AWS::IAM::Policy",
        "Condition": HAS_KEY,
        "Properties": {
            "PolicyName": "use-customer-key",
            "Roles": [{"Ref": role(name)} for name in functions()],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "UseCustomerKey",
                        "Effect": "Allow",
                        # what DynamoDB and S3 ask of their caller for a table or bucket under such a key
                        "Action": [
                            "kms:CreateGrant",
                            "kms:Decrypt",
                            "kms:DescribeKey",
                            "kms:Encrypt",
                            "kms:GenerateDataKey",
                            "kms:ReEncryptFrom",
                            "kms:ReEncryptTo",
                        ],
                        "Resource": {"Ref": "CustomerKey"},
                    }
                ],
            },
        },
    }
    return {
        "Parameters": {"CustomerKey": key},
        "Conditions": {HAS_KEY: {"Fn::Not": [{"Fn::Equals": [{"Ref": "CustomerKey"}, ""]}]}},
        "Resources": {"CustomerKeyUse": using},
    }


def _names() -> Template:
    """Name the API after its stack: two stages can stand side by side, and the sampling rule knows which is meant."""
    name = {"Fn::Sub": "${AWS::StackName}"}
    return {"Resources": {"RestAPI": {"Properties": {"DefinitionBody": {"info": {"title": name}}}}}}


def _keyed(resource: Template) -> Template:
    properties = resource.get("Properties", {})
    key = {"Ref": "CustomerKey"}
    match resource["Type"]:
        case "AWS::DynamoDB::Table":
            own = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
            changed = {"SSESpecification": {"Fn::If": [HAS_KEY, own, properties["SSESpecification"]]}}
        case "AWS::S3::Bucket":
            # With a key of the bucket's own, made from the customer's: KMS is asked once for many objects.
            by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
            own = {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": by_key}
            (managed,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            rules = [{"Fn::If": [HAS_KEY, own, managed]}]
            changed = {"BucketEncryption": {"ServerSideEncryptionConfiguration": rules}}
        case _:
            return resource
    return {**resource, "Properties": {**properties, **changed}}


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
