"""Reports of API Gateway, Lambda and S3, from users of Chalice, SAM, CDK, powertools and boto3.

A request goes to the box and to a stage, which answer alike (tests/api/test_same_answers.py has
more). The page: docs/reported.md.
"""

import json
import re
from urllib.parse import quote

import boto3
import pytest

from chalicelib.api.http import MAX_BODY_BYTES
from chalicelib.book.cameras import CameraSettings
from chalicelib.storage.aws.blobs import S3BlobStore, S3UploadStore
from chalicelib.storage.aws.clients import make_client_config
from chalicelib.storage.ports import Upload
from testing.reported import replays
from tests.support.api.compreface.client import RECOGNITION
from tests.support.api.gateway import MULTIPART, Call, make_event
from tests.support.api.whole_gateway import Answer, answer_call
from tests.support.fakes import FakeClock
from tests.support.hooks.receiver import answers, receiving
from tests.support.house import House, photo

FACES, SUBJECTS = f"{RECOGNITION}/faces", f"{RECOGNITION}/subjects"


def asked(
    box: House, method: str, target: str, body: str = "", **headers: str
) -> tuple[int, bytes]:
    """Ask the box and a stage, which give the same status; return it, and the box's body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = box.http(method, target, body.encode() or None, **headers)
    path, _, query = target.partition("?")
    stage = answer_call(box.app, Call(method, path, query, tuple(named.items()), body.encode()))
    assert stage.status == reply.status, (stage.body, reply.body)
    return reply.status, reply.body


@replays(47, "chalice 511", "aws-sam-cli 771", "serverless 5037")
def test_a_sign_that_is_escaped_in_a_path_is_that_sign(box: House) -> None:
    box.services.cameras.add(box.tenant, "front-door.1", "Front", CameraSettings())
    for id_ in ("front-door.1", "front%2Ddoor.1", "%66ront-door%2e1"):
        status, body = asked(
            box, "GET", f"/v1/cameras/{id_}", Authorization=f"Bearer {box.credentials.api_key}"
        )
        assert (status, json.loads(body)["id"]) == (200, "front-door.1")


@replays(48, "serverless-java-container 200", "aws-sam-cli 3524")
def test_a_slash_that_is_escaped_in_a_path_is_part_of_a_name(box: House) -> None:
    status, body = asked(
        box, "GET", "/v1/cameras/a%2Fb", Authorization=f"Bearer {box.credentials.api_key}"
    )
    assert (status, json.loads(body)["code"]) == (404, "CameraNotFound")
    assert b"'a/b'" in body


@replays(49, "powertools-lambda-python 1736", "powertools-lambda-python 3006")
@pytest.mark.parametrize("name", ["bXl0b2tlbg==", "a+b", "a&b", "$x"])
def test_signs_that_may_stand_in_a_path_stand_for_themselves(box: House, name: str) -> None:
    client = box.compreface()
    client.add(quote(name), photo(4701))
    headers = {"x_api_key": str(client.key), "Content_Type": "application/json"}
    for renamed in (name, quote(name)):
        assert (
            asked(box, "PUT", f"{SUBJECTS}/{renamed}", json.dumps({"subject": name}), **headers)[0]
            == 200
        )


@replays(50, "opennextjs-aws 770", "hono 4358")
def test_what_was_escaped_twice_is_read_once(box: House) -> None:
    client = box.compreface()
    client.add("100%2525", photo(4801))
    assert client.subjects() == ["100%25"]
    for target, found in (("100%2525", 1), ("100%25", 0)):
        status, body = asked(box, "GET", f"{FACES}?subject={target}", x_api_key=str(client.key))
        assert (status, len(json.loads(body)["faces"])) == (200, found)


@replays(51, "sveltekit-adapter-aws 175", "ed-donner/production 166")
def test_a_page_asks_for_few_files_at_first(box: House) -> None:
    """That it comes although each of them is refused once, tests/console/test_flows.py tries in a
    browser."""
    page = box.http("GET", "/console").body.decode()
    main, *others = re.findall(r'(?:data-main|href)="\./(console/[^"]+)"', page)
    assert len(others) == 4, "icon, that of a home screen, manifest and stylesheet"
    assert not re.search("^import ", box.http("GET", f"/{main}").body.decode(), re.MULTILINE), (
        "it needs no other file"
    )


@replays(52, "chalice 391", "chalice 1095")
def test_a_browser_gets_a_picture_from_a_stage_by_the_first_type_that_it_accepts(
    box: House,
) -> None:
    client = box.compreface()
    path = f"{FACES}/{client.add('Ann', photo(4901))}/img"

    def answered(accept: str) -> Answer:
        return answer_call(
            box.app, Call("GET", path, headers=(("x-api-key", str(client.key)), ("Accept", accept)))
        )

    picture = box.http("GET", path, x_api_key=str(client.key), Accept="text/html,*/*").body
    assert answered("image/jpeg,*/*;q=0.8").body == picture
    assert answered("text/html,*/*;q=0.8").status == 200
    assert answered("text/html,*/*;q=0.8").body != picture


@replays(53, "caddy-lambda 36", "dynamic-image-transformation 282")
def test_the_largest_body_that_is_taken_fits_an_event_in_base64(box: House) -> None:
    largest_headers = tuple((f"X-Header-{number}", "x" * 1000) for number in range(10))
    call = Call(
        "POST",
        FACES,
        headers=(("Content-Type", MULTIPART), *largest_headers),
        body=b"\xff" * MAX_BODY_BYTES,
    )
    event = make_event(box.app, call, call.path)
    assert event["isBase64Encoded"]
    assert len(json.dumps(event)) < 6_291_456


@replays(54, "boto3 421", "boto3 1982", "boto3 2728")
@pytest.mark.parametrize("region", ["af-south-1", "me-south-1", "us-east-2"])
def test_a_signed_url_names_the_buckets_region_so_nobody_is_redirected(region: str) -> None:
    session = boto3.session.Session("AKIDEXAMPLE", "secret", None, region)
    client = session.client("s3", config=make_client_config("s3"))
    store = S3UploadStore(client, "shop", session.get_credentials, FakeClock().now)
    begin = f"https://shop.s3.{region}.amazonaws.com/"
    assert store.presigned_put("a/b", Upload("0" * 64, 9, "image/jpeg"), 900).url.startswith(begin)
    assert store.signed_get("a/b").startswith(begin)


@replays(55, "aws-sam-cli 1495")
def test_a_slash_at_the_end_of_a_path_is_none(box: House) -> None:
    headers = {"Authorization": f"Bearer {box.credentials.api_key}"}
    assert asked(box, "GET", "/v1/groups/", **headers) == asked(box, "GET", "/v1/groups", **headers)


@replays(56, "aws-cdk 15568")
def test_json_and_texts_are_no_base64_beside_pictures(box: House) -> None:
    kinds = (
        "application/json",
        "application/problem+json",
        "text/html",
        "text/javascript",
        "text/css",
        "image/svg+xml",
    )
    assert not {*kinds} & {*box.app.api.binary_types}
    event = make_event(
        box.app,
        Call("POST", "/v1/groups", headers=(("Content-Type", kinds[0]),), body=b"{}"),
        "/v1/groups",
    )
    assert (event["body"], event["isBase64Encoded"]) == ("{}", False)


@replays(118, "home-assistant/core 143995", "storj/gateway-st 89")
def test_a_store_that_knows_no_checksums_of_s3_is_sent_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    session = boto3.session.Session("AKIDEXAMPLE", "secret", None, "eu-central-1")
    with receiving(answers(200, b"")) as receiver:
        client = session.client("s3", config=make_client_config("s3"), endpoint_url=receiver.origin)
        S3BlobStore(client, "heads").put_if_absent("a.json", b"{}", "application/json")
    [heard] = receiver.heard
    names = {name.lower() for name in heard.headers}
    assert not [name for name in names if "checksum" in name or "trailer" in name]
    assert (heard.path, heard.body) == ("/heads/a.json", b"{}")
