"""What an account would refuse is found before anything is packaged, each with the parameter that
mends it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from infra import template
from regulars import cli
from regulars.deploy.package import read_parameters
from regulars.deploy.preflight import WITHOUT_TYPE, Wanted, check_account, read_defaults
from regulars.deploy.stack import Account
from regulars.findings import Level
from tests.regulars.deploy.cloud import REGION, Answering, Lambda, Session, refused

STACK = "regulars-test"
ACCOUNT = "123456789012"
RULES = template.join_parts()["Parameters"]
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:shop"


@pytest.fixture
def session() -> Iterator[Session]:
    with mock_aws():
        yield Session(cloudformation=Answering(Session().client("s3")))


def found(
    session: Session, present: dict[str, str] | None = None, **given: str
) -> dict[str, list[tuple[str, str]]]:
    """Level and text of what is not well, by its subject."""
    wanted = Wanted(STACK, given, present, read_defaults(RULES))
    by_subject: dict[str, list[tuple[str, str]]] = {}
    for level, subject, text in check_account(Account(session), wanted):
        if level is not Level.OK:
            by_subject.setdefault(subject, []).append((level, text))
    return by_subject


def test_the_parameters_are_known_without_a_package() -> None:
    assert read_parameters() == RULES


def test_an_empty_account_refuses_nothing(session: Session) -> None:
    assert found(session) == {}


@pytest.mark.parametrize("region", WITHOUT_TYPE["AWS::Lambda::Url"].split())
def test_a_region_without_function_urls_takes_no_new_stack(region: str) -> None:
    with mock_aws():
        [(level, text)] = found(Session(region))["region"]
        assert (level, f"AWS::Lambda::Url in {region}" in text) == ("failed", True)
        assert "--parameter FunctionUrl=off" in text
        assert "region" not in found(Session(region), FunctionUrl="off")
        assert "region" in found(Session(region), {"FunctionUrl": "off"}, FunctionUrl="on")
        assert "region" not in found(Session(region), {}), (
            "a stack that is there shows that it can be"
        )


def test_the_record_of_a_stack_that_was_never_made_shows_nothing(session: Session) -> None:
    session.region_name = "il-central-1"
    session.clients["cloudformation"].stacks[STACK] = {
        "StackName": STACK,
        "StackStatus": "ROLLBACK_COMPLETE",
    }
    account = Account(session)
    wanted = Wanted(STACK, {}, account.read_parameters(STACK), read_defaults(RULES))
    assert "failed" in {
        level for level, subject, _ in check_account(account, wanted) if subject == "region"
    }


def test_a_region_of_which_only_the_guide_says_so_is_warned_of() -> None:
    with mock_aws():
        assert found(Session("eu-south-2"))["region"][0][0] == "warning"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"AlarmTopic": f"arn:aws:sns:us-east-1:{ACCOUNT}:shop"},
            "is of us-east-1, and AWS takes one of eu-central-1",
        ),
        ({"AlarmTopic": TOPIC}, "is no topic that there is: `aws sns create-topic --name shop`"),
        ({"CustomerKey": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"}, "is of us-east-1"),
        ({"CustomerKey": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"}, "is not there"),
        (
            {"CertificateArn": f"arn:aws:acm:{REGION}:210987654321:certificate/1"},
            "is of the account 210987654321",
        ),
        ({"RoleBoundary": "arn:aws-cn:iam::123456789012:policy/b"}, "is of the partition aws-cn"),
        ({"RoleBoundary": f"arn:aws:iam::{ACCOUNT}:policy/b"}, "is no policy that there is"),
        ({"AccessLog": "on"}, "API Gateway has no role"),
        ({"Witness": "no-such-bucket/heads"}, "nobody has a bucket no-such-bucket"),
        ({"PictureBuckets": "no-such-bucket/a,no-such-bucket/b"}, "nobody has a bucket"),
    ],
)
def test_what_aws_would_refuse_later_is_named(
    session: Session, given: dict[str, str], text: str
) -> None:
    [name] = given
    [(level, says)] = found(session, **given)[name]
    assert (level, text in says) == ("failed", True), says
    # A stack that has it already goes on: what is asked of it may be the remedy.
    assert [level for level, _ in found(session, given)[name]] == ["warning"]


def test_buckets_that_are_there_and_a_boundary_that_is_are_taken(session: Session) -> None:
    session.client("s3").create_bucket(
        Bucket="witness", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    session.client("iam").create_policy(PolicyName="b", PolicyDocument=json.dumps(document))
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/b"
    assert found(session, Witness="witness/heads", RoleBoundary=boundary) == {}


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("UPDATE_ROLLBACK_FAILED", f"continue-update-rollback --stack-name {STACK}`"),
        ("UPDATE_IN_PROGRESS", f"cancel-update-stack --stack-name {STACK}`"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "wait for its end"),
        ("DELETE_IN_PROGRESS", "wait for its end"),
        ("CREATE_IN_PROGRESS", "wait for its end"),
        ("UPDATE_COMPLETE", None),
        ("UPDATE_ROLLBACK_COMPLETE", None),
        ("REVIEW_IN_PROGRESS", None),
    ],
)
def test_a_stack_that_takes_no_change_is_told_with_the_way_out(
    session: Session, status: str, says: str | None
) -> None:
    stack = {"StackName": STACK, "StackStatus": status}
    session.clients["cloudformation"].stacks[STACK] = stack
    told = found(session, {}).get("stack", [])
    assert [level for level, _ in told] == ["failed"] * bool(says)
    assert says is None or says in told[0][1]


def test_a_domain_of_another_api_is_refused_and_an_own_one_is_not(session: Session) -> None:
    gateway, domain = session.client("apigateway"), "faces.shop.example"
    gateway.create_domain_name(domainName=domain)
    given = {"DomainName": domain, "CertificateArn": ""}
    [(level, says)] = found(session, **given)["DomainName"]
    assert (level, f"another API of this account has {domain}" in says) == ("failed", True)
    assert "DomainName" not in found(session, {"DomainName": domain}, **given)


@pytest.mark.parametrize(("status", "is_taken"), [("DELETE_FAILED", 0), ("DELETE_COMPLETE", 1)])
def test_a_domain_that_the_own_failed_deployment_left_goes_with_its_record(
    session: Session, status: str, is_taken: int
) -> None:
    domain, formation = "faces.shop.example", session.clients["cloudformation"]
    session.client("apigateway").create_domain_name(domainName=domain)
    formation.stacks[STACK] = {"StackName": STACK, "StackStatus": "ROLLBACK_FAILED"}
    left = {"LogicalResourceId": "Domain", "ResourceType": "AWS::ApiGateway::DomainName"}
    formation.summaries = [{**left, "PhysicalResourceId": domain, "ResourceStatus": status}]
    told = found(session, DomainName=domain, CertificateArn="").get("DomainName", [])
    assert len(told) == is_taken


def test_a_new_stage_has_no_hyphen(session: Session) -> None:
    def find_levels(present: dict[str, str] | None) -> list[Level]:
        wanted = Wanted("regulars-prod-2", {}, present, read_defaults(RULES))
        findings = check_account(Account(session), wanted)
        return [level for level, subject, _ in findings if subject == "stage"]

    assert find_levels(None) == ["failed"]
    assert find_levels({}) == [], "one that is there goes on"


def test_a_boundary_of_aws_itself_is_taken(session: Session) -> None:
    assert found(session, RoleBoundary="arn:aws:iam::aws:policy/PowerUserAccess") == {}


def test_a_topic_of_another_account_has_to_allow_this_one(session: Session) -> None:
    class Topics:
        def get_topic_attributes(self, *, TopicArn: str) -> dict[str, Any]:  # noqa: N803 -- boto3's names
            return {"Attributes": {}}

    session.clients["sns"] = Topics()
    other = TOPIC.replace(ACCOUNT, "210987654321")
    [(level, text)] = found(session, AlarmTopic=other)["AlarmTopic"]
    assert (level, f"allow {ACCOUNT}" in text) == ("warning", True)


def make_topic(session: Session, **attributes: str) -> None:
    topics = session.client("sns")
    topics.create_topic(Name="shop")
    for name, value in attributes.items():
        topics.set_topic_attributes(TopicArn=TOPIC, AttributeName=name, AttributeValue=value)


def test_a_topic_that_no_alarm_can_write_to_is_refused_and_one_of_an_own_key_warned_of(
    session: Session,
) -> None:
    make_topic(session)
    assert found(session, AlarmTopic=TOPIC) == {}
    make_topic(session, KmsMasterKeyId="alias/aws/sns")
    [(level, text)] = found(session, AlarmTopic=TOPIC)["AlarmTopic"]
    assert (level, "so no alarm arrives" in text) == ("failed", True)
    make_topic(session, KmsMasterKeyId=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1")
    [(level, text)] = found(session, AlarmTopic=TOPIC)["AlarmTopic"]
    assert (level, "has to allow cloudwatch.amazonaws.com" in text) == ("warning", True)


def test_a_key_is_enabled_and_symmetric(session: Session) -> None:
    keys = session.client("kms")
    good, pair = (
        keys.create_key(**how)["KeyMetadata"]
        for how in ({}, {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})
    )
    assert found(session, CustomerKey=good["Arn"]) == {}
    assert "is RSA_2048" in found(session, CustomerKey=pair["Arn"])["CustomerKey"][0][1]
    keys.disable_key(KeyId=good["KeyId"])
    assert "is Disabled" in found(session, CustomerKey=good["Arn"])["CustomerKey"][0][1]


def test_a_domain_without_a_certificate_is_refused(session: Session) -> None:
    [(level, text)] = found(session, DomainName="faces.shop.example")["domain"]
    assert (level, "covers faces.shop.example" in text) == ("failed", True)


@pytest.mark.parametrize(
    ("free", "present", "given", "refused"),
    [
        (1_000, None, {"APIHandlerConcurrency": "900"}, False),
        (1_000, None, {"APIHandlerConcurrency": "901"}, True),
        (1_000, None, {"SearchConcurrency": "112"}, False),  # of each of eight functions
        (1_000, None, {"SearchConcurrency": "113"}, True),
        (1_000, None, {"SearchConcurrency": "100", "APIHandlerConcurrency": "101"}, True),
        (1_000, {"SearchConcurrency": "50"}, {"SearchConcurrency": "160"}, False),
        # what one gives back, another may want before: AWS changes one after the other
        (
            500,
            {"SearchConcurrency": "-1", "APIHandlerConcurrency": "500"},
            {"SearchConcurrency": "60", "APIHandlerConcurrency": "-1"},
            True,
        ),
        (1_000, None, {"IngestConcurrency": "1000"}, False),  # a queue's limit reserves nothing
        (10, None, {"SearchConcurrency": "0"}, False),
        (10, None, {}, False),
    ],
)
def test_aws_keeps_a_hundred_runs_for_others(
    session: Session,
    free: int,
    present: dict[str, str] | None,
    given: dict[str, str],
    refused: bool,
) -> None:
    session.clients["lambda"] = Lambda(free)
    assert ("concurrency" in found(session, present, **given)) is refused


def test_names_that_a_deleted_stack_left_are_told(session: Session) -> None:
    session.client("cloudwatch").put_dashboard(DashboardName=STACK, DashboardBody='{"widgets": []}')
    for name in (
        f"/aws/lambda/{STACK}/ingest",
        f"/aws/apigateway/{STACK}",
        f"/aws/apigateway/{STACK}2",
    ):
        session.client("logs").create_log_group(logGroupName=name)
    [(level, text)] = found(session)["names"]
    assert level == "failed"
    assert (
        f"by the dashboard {STACK}, the log group /aws/lambda/{STACK}/ingest, the log group "
        f"/aws/apigateway/{STACK}:" in text
    )
    assert "names" not in found(session, {}), "they are the stack's own"
    session.client("dynamodb").create_table(
        TableName=f"{STACK}-faces",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert "there are its tables regulars-test-faces" in found(session)["names"][0][1]


def test_a_check_that_the_role_may_not_make_names_the_right(session: Session) -> None:
    class Denied:
        def __getattr__(self, name: str) -> Any:
            if name == "exceptions":
                return session_of_topics.exceptions
            raise refused(name, "no identity-based policy allows it", code="AccessDenied")

    session_of_topics = Session().client("sns")
    for service in ("sns", "apigateway", "lambda", "logs"):
        session.clients[service] = Denied()
    told = found(session, AlarmTopic=TOPIC, AccessLog="on")
    assert {*told} == {"topic", "access_log", "concurrency", "names"}
    assert {level for lines in told.values() for level, _ in lines} == {"warning"}
    assert told["topic"][0][1] == "not checked, since the role lacks sns:GetTopicAttributes"


def test_nothing_is_packaged_if_the_account_would_refuse_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9")
    with mock_aws():
        assert cli.main(["deploy", "--stage", "prod", "--region", "il-central-1"]) == 1
        said = capsys.readouterr()
        assert (
            "failed   region   CloudFormation does not know AWS::Lambda::Url in il-central-1"
            in said.out
        )
        assert "nothing was packaged or made" in said.err
        assert cli.main(["deploy", "--stage", "prod", "--region", "eu-west-1", "--preflight"]) == 0
        said = capsys.readouterr()
        assert "package" not in said.out
        assert "as arn:aws:sts::123456789012:" in said.out
    assert cli.main(["deploy", "--stage", "prod", "--preflight", "--dry-run"]) == 2
    assert (
        cli.main(["deploy", "--stage", "prod", "--preflight", "--parameter", "AlarmTopic=my-topic"])
        == 2
    )
    assert "AlarmTopic is not 'my-topic': ARN of an SNS topic" in capsys.readouterr().err
