"""The SDK for JavaScript 3, as it comes from npm, against one box, also behind a proxy that takes
off part of the path.

Playwright brings the Node that runs it.
"""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.api.rekognition.client import environment
from tests.support.box.server import Server
from tests.support.npm import NODE, installed
from tests.support.pictures import photos

PROGRAM = Path(__file__).with_name("javascript")

ANN, ANN_AGAIN, BEN = (
    {"Bytes": str(photos.FOLDER / name)} for name in (*photos.PAIRS[0], photos.OTHER)
)
Calls = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def calls(box: Server) -> Calls:
    """Make calls by one client of the SDK, whose clock is `off_ms` fast; `settings` are its
    constructor's."""
    packages = installed(PROGRAM, "rekognition-javascript") / "node_modules"

    def calls(
        *made: tuple[str, dict[str, Any]], off_ms: int = 0, **settings: Any
    ) -> list[dict[str, Any]]:
        done = subprocess.run(
            [str(NODE), str(PROGRAM / "calls.cjs")],
            input=json.dumps({"settings": settings, "calls": made, "off_ms": off_ms}),
            env={**environment(box.url, box.credentials("shop")), "NODE_PATH": str(packages)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return calls


def test_a_collection_is_made_filled_searched_and_deleted(calls: Calls) -> None:
    staff = {"CollectionId": "staff"}
    made, listed, ann, _, described, page = calls(
        ("CreateCollection", {**staff, "Tags": {"site": "north"}}),
        ("ListCollections", {}),
        ("IndexFaces", {**staff, "Image": ANN, "ExternalImageId": "ann"}),
        ("IndexFaces", {**staff, "Image": BEN, "ExternalImageId": "ben"}),
        ("DescribeCollection", staff),
        ("ListFaces", {**staff, "MaxResults": 1}),
    )
    assert listed["CollectionIds"] == ["staff"]
    assert (described["FaceCount"], described["CollectionARN"]) == (2, made["CollectionArn"])
    assert described["CreationTimestamp"].endswith("Z")  # the SDK made a Date of it
    face = ann["FaceRecords"][0]["Face"]["FaceId"]
    of_ann = {**staff, "FaceId": face, "FaceMatchThreshold": 0}
    arn = {"ResourceArn": made["CollectionArn"]}
    rest, found, others, deleted, _, _, tags, gone, again = calls(
        ("ListFaces", {**staff, "NextToken": page["NextToken"]}),
        ("SearchFacesByImage", {**staff, "Image": ANN_AGAIN}),
        ("SearchFaces", of_ann),
        ("DeleteFaces", {**staff, "FaceIds": [face, face]}),
        ("TagResource", {**arn, "Tags": {"floor": "2"}}),
        ("UntagResource", {**arn, "TagKeys": ["site"]}),
        ("ListTagsForResource", arn),
        ("DeleteCollection", staff),
        ("DeleteCollection", staff),
    )
    assert [one["ExternalImageId"] for one in page["Faces"] + rest["Faces"]] == ["ann", "ben"]
    assert [match["Face"]["FaceId"] for match in found["FaceMatches"]] == [face]
    assert face not in [match["Face"]["FaceId"] for match in others["FaceMatches"]]
    assert deleted["DeletedFaces"] == [face]
    assert tags["Tags"] == {"floor": "2"}
    assert (gone["StatusCode"], again["error"]) == (200, "ResourceNotFoundException")


def test_an_error_is_the_sdks_own_and_is_not_tried_again(calls: Calls) -> None:
    assert calls(
        ("DescribeCollection", {"CollectionId": "nobody"}), ("DetectLabels", {"Image": ANN})
    ) == [
        {
            "error": "ResourceNotFoundException",
            "message": "The collection id: nobody does not exist",
            "attempts": 1,
        },
        {
            "error": "AccessDeniedException",
            "message": "Regulars has no DetectLabels: it answers the face operations of Amazon "
            "Rekognition",
            "attempts": 1,
        },
    ]


@pytest.mark.parametrize("off_ms", [3_600_000, -3_600_000])
def test_a_client_whose_clock_is_wrong_sets_it_by_the_refusal(calls: Calls, off_ms: int) -> None:
    first, second = calls(("ListCollections", {}), ("ListCollections", {}), off_ms=off_ms)
    assert (first["attempts"], second["attempts"]) == (2, 1)


class _TakesOff(BaseHTTPRequestHandler):
    """A proxy before a box: `/faces/x` is the box's `/x`."""

    box = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with closing(HTTPConnection(self.box)) as behind:
            behind.request(
                "POST", self.path.removeprefix("/faces") or "/", body, dict(self.headers)
            )
            answer = behind.getresponse()
            told = answer.read()
        self.send_response(answer.status)
        for name in ("Content-Type", "x-amzn-ErrorType"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Server]]:
    """The URL of a proxy, and the box behind it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _TakesOff) as front:
        url = f"http://127.0.0.1:{front.server_port}/faces"
        monkeypatch.setenv("REGULARS_PUBLIC_URL", url)
        server = Server(tmp_path / "shop")
        _TakesOff.box = urlsplit(server.url).netloc
        threading.Thread(target=front.serve_forever, daemon=True).start()
        yield url, server
        front.shutdown()
        assert server.stop() == 0


def test_an_endpoint_may_have_a_path_that_a_proxy_takes_off(
    calls: Calls, proxy: tuple[str, Server]
) -> None:
    url, server = proxy
    keys = server.credentials("shop")
    mine = {"accessKeyId": keys.access_key_id, "secretAccessKey": keys.secret_access_key}
    for endpoint in (url, f"{url}/"):
        (answer,) = calls(("ListCollections", {}), endpoint=endpoint, credentials=mine)
        assert answer == {"CollectionIds": [], "FaceModelVersions": [], "attempts": 1}
