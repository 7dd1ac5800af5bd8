"""Signature Version 4: the contract's golden values, botocore as the peer that signs, and what is
refused."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from regulars_dialects.rekognition.signature import SignedRequest, parse_signature, verify_signature

from chalicelib.api.http import Failure

KEY, SECRET = "RKEXAMPLE2345ABCDEFG", "exampleSecretExampleSecretExampleSecret0"
NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
TOLERANCE = timedelta(seconds=300)
JSON = "application/x-amz-json-1.1"


def signed(headers: dict[str, str], names: str, signature: str, region: str) -> dict[str, str]:
    claim = (
        f"Credential={KEY}/20260115/{region}/rekognition/aws4_request, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    return {
        "x-amz-date": "20260115T093000Z",
        "authorization": f"AWS4-HMAC-SHA256 {claim}",
        **headers,
    }


FIRST = SignedRequest(
    "/",
    signed(
        {
            "host": "regulars.example",
            "content-type": JSON,
            "x-amz-target": "RekognitionService.CreateCollection",
        },
        "content-type;host;x-amz-date;x-amz-target",
        "3b1cd920f8740a0bb9ad9b073fdf1166005d9bdfad278b2893299580bd6fb061",
        "eu-central-1",
    ),
    b'{"CollectionId": "staff"}',
)
SECOND = SignedRequest(
    "/api/",
    signed(
        {
            "host": "127.0.0.1:8000",
            "content-type": JSON,
            "x-amz-target": "RekognitionService.ListCollections",
            "amz-sdk-invocation-id": "1482f7a0-7e4e-4475-95b7-9ea854d6dc25",
            "amz-sdk-request": "attempt=1; max=3",
            "content-length": "2",
            "x-amz-content-sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",  # noqa: E501
            "x-amz-user-agent": "aws-sdk-js/3.1141.0",
        },
        "amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;x-amz-content-"
        "sha256;x-amz-date;"
        "x-amz-target;x-amz-user-agent",
        "6bb92f9c8193a9a322ae9eb44dc38dad165d00895ada193c316a5eedc6b3df15",
        "us-east-1",
    ),
    b"{}",
)


def check(
    request: SignedRequest,
    secret: str = SECRET,
    now: datetime = NOW,
    hosts: tuple[str, ...] = (),
    prefix: str = "",
) -> None:
    verify_signature(
        parse_signature(request.headers),
        request,
        secret,
        now,
        tolerance=TOLERANCE,
        hosts=hosts,
        prefix=prefix,
    )


def refusal(request: SignedRequest, secret: str = SECRET, now: datetime = NOW) -> Failure:
    with pytest.raises(Failure) as caught:
        check(request, secret, now)
    return caught.value


def changed(request: SignedRequest, **headers: str | None) -> SignedRequest:
    sent = {**request.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return SignedRequest(
        request.path,
        {name: value for name, value in sent.items() if value is not None},
        request.body,
    )


@pytest.mark.parametrize("request_", [FIRST, SECOND])
def test_the_contracts_golden_values_verify(request_: SignedRequest) -> None:
    check(request_)
    assert refusal(request_, SECRET[::-1]).code == "InvalidSignatureException"


@pytest.mark.parametrize("path", ["/api", "/api/"])
def test_the_last_slash_of_the_path_makes_no_difference(path: str) -> None:
    check(SignedRequest(path, SECOND.headers, SECOND.body))


def test_the_host_that_the_client_called_may_stand_in_a_setting() -> None:
    behind = changed(FIRST, host="10.0.0.7:8000")
    assert "Host arrived as '10.0.0.7:8000'" in refusal(behind).text
    check(behind, hosts=("other.example", "regulars.example"))


@pytest.mark.parametrize("path", ["/", ""])
def test_a_path_before_ours_may_be_taken_off_by_a_proxy(path: str) -> None:
    arrived = SignedRequest(path, SECOND.headers, SECOND.body)
    assert refusal(arrived).code == "InvalidSignatureException"
    check(arrived, prefix="/api")


@pytest.mark.parametrize("request_", [FIRST, SECOND])
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_changed_bit_of_anything_signed_is_noticed(
    request_: SignedRequest, at: int, bit: int
) -> None:
    names = request_.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    name = names[at % len(names)]
    value = bytearray(request_.headers[name].encode())
    value[at % len(value)] ^= 1 << bit
    flipped = changed(request_, **{name: value.decode("latin-1")})
    if flipped.headers[name].strip() != request_.headers[name]:
        assert refusal(flipped).code in {
            "InvalidSignatureException",
            "IncompleteSignatureException",
        }
    body = bytearray(request_.body)
    body[at % len(body)] ^= 1 << bit
    assert (
        refusal(SignedRequest(request_.path, request_.headers, bytes(body))).code
        == "InvalidSignatureException"
    )


@given(
    secret=st.text("abcXYZ019+/", min_size=1, max_size=40),
    path=st.sampled_from(["/", "/x", "/x/", "/a%20b/c", "/api/v1", "/~me", "/gr%C3%BCn"]),
    region=st.sampled_from(["us-east-1", "cn-north-1", "box"]),
    body=st.binary(max_size=100),
    extra=st.dictionaries(
        st.sampled_from(["x-one", "x-two", "amz-sdk-request", "x-amz-security-token"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30),
    ),
)
def test_what_botocore_signs_verifies(
    secret: str, path: str, region: str, body: bytes, extra: dict[str, str]
) -> None:
    sent = AWSRequest("POST", f"https://regulars.example:8443{path}", data=body)
    for name, value in {
        "X-Amz-Target": "RekognitionService.ListFaces",
        "Content-Type": JSON,
        **extra,
    }.items():
        sent.headers[name] = value
    SigV4Auth(Credentials(KEY, secret), "rekognition", region).add_auth(sent)
    headers = {name.lower(): str(value) for name, value in sent.headers.items()}
    request = SignedRequest(path, {"host": "regulars.example:8443", **headers}, body)
    now = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    claim = parse_signature(request.headers)
    verify_signature(claim, request, secret, now, tolerance=TOLERANCE, hosts=())
    assert (claim.access_key_id, claim.region) == (KEY, region)


@pytest.mark.parametrize(
    ("headers", "name", "text"),
    [
        (
            {"authorization": None},
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ),
        (
            {"authorization": "Bearer rk_1"},
            "IncompleteSignatureException",
            "must begin with AWS4-HMAC-SHA256",
        ),
        (
            {"authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d/e"},
            "IncompleteSignatureException",
            "'SignedHeaders'",
        ),
        (
            {"authorization": "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b"},
            "IncompleteSignatureException",
            "<access key>/<yyyymmdd>/<region>/rekognition/aws4_request",
        ),
        (
            {"x_amz_date": "yesterday"},
            "IncompleteSignatureException",
            "20260115T093000Z, not 'yesterday'",
        ),
        (
            {"x_amz_security_token": "stale"},
            "IncompleteSignatureException",
            "must name x-amz-security-token",
        ),
    ],
)
def test_what_cannot_be_read_is_named(headers: dict[str, str | None], name: str, text: str) -> None:
    failure = refusal(changed(FIRST, **headers))
    assert (failure.code, failure.status) == (name, 400)
    assert text in failure.text


def test_a_scope_of_another_service_or_day_is_refused() -> None:
    for old, new in (("/rekognition/", "/s3/"), ("/20260115/", "/20260114/")):
        asked = changed(FIRST, authorization=FIRST.headers["authorization"].replace(old, new))
        assert (
            "should be scoped to <access key>/20260115/<region>/rekognition/aws4_request"
            in refusal(asked).text
        )
