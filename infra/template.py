"""The CloudFormation that is merged into what `chalice package` writes: functions.yaml, what holds
state (storage.py), and what follows from both: alarms (alarms.py), answers of the gateway, and
needs of each function.

These are a log group, a parameter for its concurrency, outputs of its settings, its role's
boundary, and the use of a customer's key. They are derived from the functions and the storage, so
that none is left out.

`python -m infra.template` prints it, without packaging anything.
"""

from __future__ import annotations

import json
import sys
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from chalicelib.api.dialects import DIALECTS
from chalicelib.api.http import JSON
from chalicelib.api.v1 import errors as v1
from chalicelib.domain.errors import Busy, InvalidInput, NotFound, RegularsError, StorageUnavailable
from chalicelib.storage.aws import spread
from infra.alarms import make_alarms
from infra.storage import make_storage

FOLDER = Path(__file__).resolve().parent
FUNCTIONS = FOLDER / "functions.yaml"


def load_template(path: Path) -> dict[str, Any]:
    """Read a template that uses the long forms of CloudFormation's functions, so that it is plain
    YAML."""
    template: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return template


def join_parts() -> dict[str, Any]:
    """Join all parts into one template. Raises ValueError if two parts define one entry."""
    overlay = load_template(FUNCTIONS)
    functions, search_functions = list_functions().values(), list_search_functions()
    alarms = make_alarms([*functions, *search_functions[1:]], search_functions)
    derived = (derive_from_functions(overlay), alarms, make_gateway_answers())
    return reduce(join_templates, (make_storage(), overlay, *derived))


def write_merged(path: Path) -> None:
    path.write_text(json.dumps(join_parts(), indent=2), encoding="utf-8")


def write_shipped(packaged: Path, shipped: Path) -> None:
    """Write what `chalice package` made as CloudFormation gets it: each path's methods as one, and
    no spaces.

    All methods of a path invoke one function, which answers 405 itself. As one they are a seventh
    of the template, which may have a million bytes, and of the API's 300 resources. The search
    function comes several times, with one role and one log: Chalice would want each by name, and
    give it a role of its own.
    """
    template = json.loads(packaged.read_text(encoding="utf-8"))
    template["Resources"] |= dict.fromkeys(list_search_functions(), template["Resources"][SEARCH])
    paths = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    for name, methods in paths.items():
        first_method, *other_methods = methods.values()
        if any(method != first_method for method in other_methods):
            raise ValueError(f"the methods of {name} are not the same, so they cannot be one")
        paths[name] = {"x-amazon-apigateway-any-method": first_method}
    shipped.write_text(json.dumps(template, separators=(",", ":")), encoding="utf-8")


Template = dict[str, Any]

_CONFIG = Path(__file__).resolve().parents[1] / ".chalice" / "config.json"
SEARCH = "Search"
# Chalice's own names for what app.py calls `api_handler`.
_API, _API_ROLE = "APIHandler", "ApiHandlerRole"

_SETTING = "REGULARS_"
_RUNS = {"Ingest": 10, "Deliver": 5, "BuildIndex": 5}
"""Most runs at first of functions that queues feed. Their pollers have the limit: turned away, they
use up receives."""


def list_functions() -> dict[str, str]:
    """Return the functions' names in the template, by those of .chalice/config.json."""
    stages = json.loads(_CONFIG.read_text(encoding="utf-8"))["stages"].values()
    names = [name for stage in stages for name in stage["lambda_functions"]]
    return {name: _API if name == "api_handler" else _to_camel_case(name) for name in names}


def list_search_functions() -> list[str]:
    """Return the search functions' names in the template: that of .chalice/config.json, and its
    copies."""
    return [SEARCH, *(f"{SEARCH}{number}" for number in range(2, spread.FUNCTIONS + 1))]


def name_role(name: str) -> str:
    """Return the name of a function's role in the template."""
    return _API_ROLE if name == "api_handler" else f"{_to_camel_case(name)}Role"


def derive_from_functions(overlay: Template) -> Template:
    """Make a template of all that this module derives; `overlay` is functions.yaml."""
    key_roles = {
        "CustomerKeyUse": {
            "Properties": {"Roles": [{"Ref": name_role(name)} for name in list_functions()]}
        }
    }
    return reduce(
        join_templates,
        (
            _make_log_groups(),
            _make_concurrency_limits(),
            _make_outputs(overlay),
            _make_role_boundaries(),
            _name_search_functions(overlay),
            {"Resources": key_roles},
        ),
    )


def join_templates(template: Template, other: Template, path: str = "") -> Template:
    """Join two templates. Raises ValueError if both define one entry."""
    joined = dict(template)
    for name, entry in other.items():
        here = f"{path}.{name}" if path else name
        if name not in joined:
            joined[name] = entry
        elif _may_be_joined(joined[name]) and _may_be_joined(entry):
            joined[name] = join_templates(joined[name], entry, here)
        else:
            raise ValueError(f"two templates say what {here} is")
    return joined


def _may_be_joined(entry: Any) -> bool:
    return isinstance(entry, dict) and not any(
        key == "Ref" or key.startswith("Fn::") for key in entry
    )


def _make_log_groups() -> Template:
    """Make a log group for each function. Lambda itself would make one that keeps logs for ever.

    Of Lambda's own lines, only those about a failure are kept. START, END and REPORT of each run
    cost more than our own line about it, and their figures are metrics, too.
    """
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
        for name, function in list_functions().items()
    }
    levels = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "WARN"}
    functions_with_logs = {
        function: {
            "Properties": {"LoggingConfig": {"LogGroup": {"Ref": f"{function}Logs"}, **levels}}
        }
        for function in list_functions().values()
    }
    return {"Resources": {**groups, **functions_with_logs}}


def _make_role_boundaries() -> Template:
    """Bound each function's role by the policy that the operator names: some companies let no other
    role be made."""
    boundary = {"Fn::If": ["HasRoleBoundary", {"Ref": "RoleBoundary"}, {"Ref": "AWS::NoValue"}]}
    roles = {
        name_role(name): {"Properties": {"PermissionsBoundary": boundary}}
        for name in list_functions()
    }
    return {"Resources": roles}


def _name_search_functions(overlay: Template) -> Template:
    """Tell each function that has the name of the search function those of its copies, too.

    In a variable of its own: code and variables of a function are updated one after the other, so
    an earlier version may read it, and a later one may have to do without.
    """
    copies = {"Fn::Join": [",", [{"Ref": name} for name in list_search_functions()[1:]]]}
    variables = {"Environment": {"Variables": {f"{_SETTING}MORE_SEARCH_FUNCTIONS": copies}}}
    return {
        "Resources": {
            name: {"Properties": variables}
            for name, resource in overlay["Resources"].items()
            if f"{_SETTING}SEARCH_FUNCTION" in _parse_own_variables(resource)
        }
    }


def _parse_own_variables(resource: Template) -> Template:
    variables: Template = resource["Properties"].get("Environment", {}).get("Variables", {})
    return variables


def _make_outputs(overlay: Template) -> Template:
    """Output the settings that all functions have, for commands with --stage
    (regulars/deploy/stage.py)."""
    variables: Template = overlay["Globals"]["Function"]["Environment"]["Variables"]
    outputs = {
        _to_camel_case(name.removeprefix(_SETTING).lower()): {"Value": value}
        for name, value in variables.items()
        if name.startswith(_SETTING) and "Fn::If" not in value
    }
    return {"Outputs": outputs}


def _make_concurrency_limits() -> Template:
    """Make a parameter for the concurrent runs of each function.

    It is a limit if a queue feeds the function, and a reservation, which takes runs from the
    others, if not.
    """
    parameters: Template = {}
    conditions, resources = {}, {}
    for function in list_functions().values():
        parameter, reserved = f"{function}Concurrency", f"{function}IsReserved"
        if function in _RUNS:
            parameters[parameter] = {
                "Type": "Number",
                "Default": _RUNS[function],
                "MinValue": 2,
                "MaxValue": 1000,
                "Description": f"Most concurrent runs of {function}, which a queue feeds",
            }
            limit = {"Properties": {"ScalingConfig": {"MaximumConcurrency": {"Ref": parameter}}}}
            resources[function] = {"Properties": {"Events": {f"{function}SqsEventSource": limit}}}
            continue
        parameters[parameter] = {
            "Type": "Number",
            "Default": -1,
            "MinValue": -1,
            "Description": f"Concurrent runs reserved for {_describe_function(function)}, its "
            "most, too; 0 stops it, "
            "-1 shares all",
        }
        conditions[reserved] = {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, -1]}]}
        reserved_runs = {"Fn::If": [reserved, {"Ref": parameter}, {"Ref": "AWS::NoValue"}]}
        resources[function] = {"Properties": {"ReservedConcurrentExecutions": reserved_runs}}
    return {"Parameters": parameters, "Conditions": conditions, "Resources": resources}


def _describe_function(function: str) -> str:
    return f"each of the {spread.FUNCTIONS} functions {SEARCH}" if function == SEARCH else function


def _to_camel_case(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


_TEXT = "TEXT"
"""What stands for the sentence in an answer's fields."""
_NO_SUCH_ENDPOINT = (404, NotFound, v1.UNKNOWN)
_ANSWERS = {
    "MISSING_AUTHENTICATION_TOKEN": _NO_SUCH_ENDPOINT,
    # On a path that it does not know, the gateway takes any Authorization for a signature of AWS's.
    # No path wants one.
    "INVALID_SIGNATURE": _NO_SUCH_ENDPOINT,
    "REQUEST_TOO_LARGE": (
        413,
        InvalidInput,
        "The request is too large: up to 4 MiB pass here, of which base64 takes a quarter. Send a "
        "smaller picture, or "
        "upload it as a capture (POST /v1/captures/uploads), which may have 20 MiB",
    ),
    "THROTTLED": (429, Busy, "Too many requests: send it again in a moment"),
    "INTEGRATION_FAILURE": (502, Busy, "The service is busy: send it again in a moment"),
    "INTEGRATION_TIMEOUT": (504, Busy, "The service took too long: send it again in a moment"),
    "API_CONFIGURATION_ERROR": (500, RegularsError, "The service is not set up as it should be"),
    "DEFAULT_4XX": (None, InvalidInput, None),
    "DEFAULT_5XX": (None, StorageUnavailable, None),
}
"""By the gateway's name of the failure: HTTP status (None: the gateway's own), the error whose
codes the dialects have, the sentence (None: the gateway's own). Without authorizers and usage plans
nothing else comes to be."""


def make_gateway_answers() -> dict[str, Any]:
    """Make the answers that the gateway gives without a function, in a form that callers of each
    dialect can read.

    The gateway's answer is the same for all paths. So one body has the fields of v1's problem
    details, those of each dialect that has some, and the `message` that the gateway would send. A
    dialect's `code` replaces v1's.
    """
    answers = {name: _make_gateway_answer(*answer) for name, answer in _ANSWERS.items()}
    definition = {"x-amazon-apigateway-gateway-responses": answers}
    return {"Resources": {"RestAPI": {"Properties": {"DefinitionBody": definition}}}}


def _make_gateway_answer(
    status: int | None, error: type[RegularsError], sentence: str | None
) -> dict[str, Any]:
    """Make one answer of the gateway, from a line of _ANSWERS."""
    code = v1.name_code(status) if status else "Refused"
    problem = v1.make_problem(status or 0, code, "")
    fields = {
        "type": problem["type"],
        "title": problem["title"],
        **({"status": status} if status else {}),
        "detail": _TEXT,
        "code": code,
        **{
            field: value
            for dialect in DIALECTS
            for field, value in dialect.views.make_gateway_fields(error, _TEXT).items()
        },
        "message": _TEXT,
    }
    # which comes with its quotes
    message = json.dumps(sentence) if sentence else "$context.error.messageString"
    body = json.dumps(fields, separators=(",", ":")).replace(json.dumps(_TEXT), message)
    media_type = v1.PROBLEM if fields["code"] == code else JSON
    return {
        **({"statusCode": str(status)} if status else {}),
        "responseParameters": {
            "gatewayresponse.header.Content-Type": f"'{media_type}; charset=utf-8'",
            **({"gatewayresponse.header.Retry-After": "'1'"} if status == 429 else {}),
        },
        "responseTemplates": {"application/json": body},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(join_parts()))
