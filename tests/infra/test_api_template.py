"""What the template says of the way in: a domain of one's own, throttles, traces, and how many runs
queues start."""

import json
import re
from typing import Any

import pytest

from chalicelib.domain.pictures import require_buckets
from tests.infra.template import actions, resources, statements


@pytest.fixture
def api(packaged: dict[str, Any]) -> dict[str, Any]:
    return packaged["Resources"]["RestAPI"]["Properties"]


def test_a_domain_serves_the_api_at_its_root_in_its_own_region(
    packaged: dict[str, Any], api: dict[str, Any]
) -> None:
    assert api["EndpointConfiguration"] == "REGIONAL"
    domain, mapping = packaged["Resources"]["Domain"], packaged["Resources"]["DomainMapping"]
    assert packaged["Conditions"]["HasDomain"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "DomainName"}, ""]}]
    }
    assert {
        domain["Condition"],
        mapping["Condition"],
        packaged["Outputs"]["DomainTarget"]["Condition"],
    } == {"HasDomain"}
    assert domain["Properties"] == {
        "DomainName": {"Ref": "DomainName"},
        "RegionalCertificateArn": {"Ref": "CertificateArn"},
        "EndpointConfiguration": {"Types": ["REGIONAL"]},
        "SecurityPolicy": "TLS_1_2",
    }
    # Without a BasePath: clients that take a host and nothing more find their paths.
    assert mapping["Properties"] == {
        "DomainName": {"Ref": "Domain"},
        "RestApiId": {"Ref": "RestAPI"},
        "Stage": {"Ref": "RestAPI.Stage"},
    }


def test_every_method_is_throttled_by_parameters(
    packaged: dict[str, Any], api: dict[str, Any]
) -> None:
    assert api["MethodSettings"] == [
        {
            "ResourcePath": "/*",
            "HttpMethod": "*",
            "ThrottlingRateLimit": {"Ref": "ApiRate"},
            "ThrottlingBurstLimit": {"Ref": "ApiBurst"},
        }
    ]
    assert (
        packaged["Parameters"]["ApiRate"]["Default"],
        packaged["Parameters"]["ApiBurst"]["Default"],
    ) == (50, 100)


@pytest.mark.parametrize("role", ["ApiHandlerRole", "SearchRole"])
def test_a_function_that_is_traced_has_a_role_that_may_write_traces_from_the_first_moment(
    packaged: dict[str, Any], role: str
) -> None:
    """Lambda makes no traced function whose role may not; a policy beside the role may come after
    the function."""
    assert "xray:PutTraceSegments" in [
        action for s in statements(packaged, role) for action in actions(s)
    ]
    beside = [
        r
        for r in packaged["Resources"].values()
        if r["Type"] == "AWS::IAM::Policy" and "xray" in json.dumps(r)
    ]
    assert beside == []


def test_the_function_url_is_open_to_all_by_both_permissions_and_is_two_outputs(
    packaged: dict[str, Any],
) -> None:
    condition = {"Condition": "HasFunctionUrl"}
    of_url = [one for one in packaged["Resources"].values() if one.items() >= condition.items()]
    assert len(of_url) == 3
    (url,) = resources(packaged, "AWS::Lambda::Url").values()
    function = {"Fn::GetAtt": ["APIHandler", "Arn"]}
    assert url == {"TargetFunctionArn": function, "AuthType": "NONE"}
    public = [
        one
        for one in resources(packaged, "AWS::Lambda::Permission").values()
        if one["Principal"] == "*"
    ]
    asked = {"FunctionName": {"Ref": "APIHandler"}, "Principal": "*"}
    assert public == [
        {**asked, "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
        # Without the condition, everybody could invoke the function past the URL.
        {**asked, "Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True},
    ]
    address = {"Fn::GetAtt": ["RekognitionUrl", "FunctionUrl"]}
    outputs = packaged["Outputs"]
    assert outputs["RekognitionEndpoint"].items() >= {**condition, "Value": address}.items()
    name, here, otherwise = outputs["CameraEndpoint"]["Value"]["Fn::If"]
    assert (name, here) == ("HasFunctionUrl", address)
    assert f"{otherwise['Fn::Sub']}/" == outputs["EndpointURL"]["Value"]["Fn::Sub"].replace(
        "amazonaws.com", "${AWS::URLSuffix}"
    )
    hosts = packaged["Resources"]["APIHandler"]["Properties"]["Environment"]["Variables"][
        "REGULARS_ENDPOINT_HOSTS"
    ]
    assert hosts == {"Ref": "EndpointHosts"}


def resolved(value: Any, parameters: dict[str, str]) -> Any:
    """As CloudFormation resolves the intrinsics that the policy of picture buckets uses."""
    match value:
        case {"Ref": name}:
            return parameters[name]
        case {"Fn::Split": [sign, text]}:
            return resolved(text, parameters).split(sign)
        case {"Fn::Join": [sign, parts]}:
            return sign.join(resolved(parts, parameters))
        case {"Fn::Sub": [text, names]}:
            for name, one in names.items():
                text = text.replace(f"${{{name}}}", resolved(one, parameters))
            return text
    return value


def test_the_api_may_read_exactly_the_picture_buckets_and_none_without_the_parameter(
    packaged: dict[str, Any],
) -> None:
    use = packaged["Resources"]["PictureBucketsPolicy"]
    assert (use["Condition"], packaged["Parameters"]["PictureBuckets"]["Default"]) == (
        "HasPictureBuckets",
        "",
    )
    assert packaged["Conditions"]["HasPictureBuckets"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "PictureBuckets"}, ""]}]
    }
    assert use["Properties"]["Roles"] == [{"Ref": "ApiHandlerRole"}]
    (statement,) = use["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
    one, two = "arn:*:s3:::photos/*", "arn:*:s3:::archive/staff/*"
    assert resolved(statement["Resource"], {"PictureBuckets": "photos"}) == [one]
    assert resolved(statement["Resource"], {"PictureBuckets": "photos,archive/staff"}) == [one, two]


def test_the_function_that_closes_hours_may_only_add_to_the_witness(
    packaged: dict[str, Any],
) -> None:
    use = packaged["Resources"]["WitnessPolicy"]
    assert (use["Condition"], packaged["Parameters"]["Witness"]["Default"]) == ("HasWitness", "")
    assert use["Properties"]["Roles"] == [{"Ref": "BuildIndexRole"}]
    assert "BuildIndexRole" in packaged["Resources"]
    (statement,) = use["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == (
        "s3:PutObject",
        {"Fn::Sub": "arn:${AWS::Partition}:s3:::${Witness}/*"},
    )


def test_as_many_picture_buckets_as_the_parameter_takes_fit_into_a_policy_beside_the_roles_own(
    packaged: dict[str, Any],
) -> None:
    use = packaged["Resources"]["PictureBucketsPolicy"]
    longest = packaged["Parameters"]["PictureBuckets"]["MaxLength"]
    places = ",".join(f"bucket-{number:02}" for number in range(longest // 10))
    document = {**use["Properties"]["PolicyDocument"]}
    (statement,) = document["Statement"]
    document["Statement"] = [
        {**statement, "Resource": resolved(statement["Resource"], {"PictureBuckets": places})}
    ]
    assert use["Type"] == "AWS::IAM::ManagedPolicy"
    assert len(json.dumps(document, separators=(",", ":"))) < 6_144


@pytest.mark.parametrize(
    "places", ["", "photos", "photos,archive/2026/staff", "a-b.c1/d_e.f=g+h@i-j"]
)
def test_picture_buckets_are_as_tenants_have_them(packaged: dict[str, Any], places: str) -> None:
    assert re.fullmatch(packaged["Parameters"]["PictureBuckets"]["AllowedPattern"], places)
    require_buckets([place for place in places.split(",") if place])


@pytest.mark.parametrize(
    "places", ["*", "photos/*", "photos,", "photos/", "photos/a?", "${aws:username}", "a,b c"]
)
def test_a_picture_bucket_has_no_sign_that_a_policy_reads_as_more(
    packaged: dict[str, Any], places: str
) -> None:
    assert not re.fullmatch(packaged["Parameters"]["PictureBuckets"]["AllowedPattern"], places)


def test_the_root_takes_posts_that_the_gateway_does_not_authorise() -> None:
    import app

    assert {"GET", "HEAD", "POST"} <= app.app.routes["/"].keys()
    assert app.app.routes["/"]["POST"].authorizer is None
