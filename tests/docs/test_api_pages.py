"""The pages of the dialects and of the client do what they print, against a real server, and name
what is served."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
import yaml
from regulars_dialects.deepstack import routes as deepstack
from regulars_dialects.rekognition import requests
from regulars_edge.setup import onvif
from regulars_mqtt import frigate
from regulars_transfer import tables, workbooks

import app
from chalicelib.api import forms, multipart
from chalicelib.api.http import MAX_BODY_BYTES
from chalicelib.api.v1 import errors as v1
from chalicelib.api.v1.wire import MAX_BYTES
from chalicelib.auth.access import MAX_KEYS
from chalicelib.book.cameras import MAX_CAMERAS
from chalicelib.book.vision.pictures import image
from chalicelib.book.vision.pictures.image import MOST
from chalicelib.book.webhooks import MAX_HOOKS
from chalicelib.domain.model import LIMITS, MAX_PICTURES, Profile
from chalicelib.domain.pictures import MAX_PICTURE_BYTES, MOST_PIXELS
from chalicelib.domain.rules.decision import DEFAULT_FPIR, SMALLEST_GALLERY, rate_closeness
from tests.support.box.server import Server
from tests.support.box.session import DOCS, ROOT, Session, read, sees
from tests.support.closeness import CURVE
from tests.support.pictures import photos as at_hand

API, CLIENT, SUNMI, ICREDIT, REKOGNITION, COMPREFACE = (
    DOCS / f"{page}.md"
    for page in ("api", "client", "sunmi", "icredit", "rekognition", "compreface")
)


def test_the_first_calls_of_v1_work_as_printed(server: Server, photos: Path) -> None:
    answers = Session.of("First calls", API).answers(server, photos / at_hand.PORTRAIT)
    enrolled, looked_at, _, captured, arrivals = map(json.loads, answers)
    assert (enrolled["name"], enrolled["group"]) == ("Ann Lee", "regular")
    [face] = looked_at["faces"]
    assert face["match"]
    assert face["candidates"][0]["face"]["id"] == enrolled["id"]
    assert captured["camera"] == "door"
    assert [(one["name"], one["visit"]) for one in arrivals["arrivals"]] == [("Ann Lee", 1)]


def test_readmes_calls_of_v1_and_sunmi_find_the_same_person(server: Server, photos: Path) -> None:
    portrait, readme = photos / at_hand.PORTRAIT, ROOT / "README.md"
    v1, sunmi = Session.of("v1, the native API", readme), Session.of("SUNMI", readme)
    enrolled, _ = map(json.loads, v1.answers(server, portrait))
    (found,) = map(json.loads, sunmi.answers(server, portrait, "md5sum", "sed", "cut", "date"))
    assert found["data"]["faceid"] == enrolled["id"]


def test_the_limits_of_v1s_page_are_those_of_the_code() -> None:
    text, camera, cloud = read(API), LIMITS[Profile.CAMERA], LIMITS[Profile.CLOUD]
    assert f"{cloud.groups:,} and {cloud.faces:,}, with" in text
    assert f"`camera` {camera.groups} and {camera.faces:,}; its operator" in text
    assert f"| {MAX_CAMERAS:,}, {MAX_HOOKS}, {MAX_KEYS} |" in text
    assert re.search(rf"\| pictures of a face \| {MAX_PICTURES} \|", text)


def test_the_limits_of_files_are_those_of_the_code() -> None:
    def millions(pixels: int) -> str:
        return f"{pixels / 1e6:.1f} million"

    def mib(size: int) -> str:
        return f"{size // 2**20} MiB"

    rows = [
        ("JPEG", f"{millions(MOST['JPEG'].pixels)} pixels; of several scans"),
        ("JPEG", f"{millions(image.MOST_OF_SCANS)} in {image.SCANS_OF_LARGEST} scans"),
        ("JPEG", f"up to {image.MAX_SCANS} "),
        *(("PNG, BMP, GIF", millions(MOST[kind].pixels)) for kind in ("PNG", "BMP", "GIF")),
        ("WebP", f"{millions(MOST['WEBP'].pixels)} pixels, {mib(MOST['WEBP'].size)} "),
        ("HEIC", f"{millions(MOST['HEIC'].pixels)} pixels, "),
        ("HEIC", f"{millions(image.MOST_OF_TRANSPARENT_HEIC)} with transparency"),
        ("HEIC", f"{mib(MOST['HEIC'].size)} "),
        ("CSV", f"{mib(tables.MOST_BYTES)}, {tables.MOST_ROWS:,} rows"),
        ("CSV", f"{tables.MOST_COLUMNS:,} columns, {tables.MOST_CELLS:,} cells"),
        ("workbook", f"{mib(tables.MOST_BYTES)}; unpacked {mib(workbooks.MOST_BYTES)}"),
        (
            "workbook",
            f"{workbooks.MOST_SIGNS:,} signs and {workbooks.MOST_ATTRIBUTES:,} attributes",
        ),
        ("workbook", f"{workbooks.MOST_MERGED:,} merged cells, {workbooks.MOST_FORMATS:,} formats"),
        ("JSON", f"{forms.MAX_COMMAS:,} commas"),
        ("form", f"{multipart.MAX_PARTS} parts, or {forms.MAX_FIELDS} fields"),
        ("form", f"{forms.MAX_URLENCODED_BYTES // 2**10} KiB"),
        ("a camera's XML response", mib(onvif.LARGEST_ANSWER_BYTES)),
        ("Frigate's list", mib(frigate.MOST_LISTED_BYTES)),
    ]
    said = dict(re.findall(r"^\| ([^|]+) \| ([^|]+)\|$", read(API), re.MULTILINE))
    assert [(kind, limit) for kind, limit in rows if limit not in said[kind]] == []
    assert f"more than {millions(MOST_PIXELS)} pixels is reduced" in read(API)


def test_all_pages_and_sentences_say_the_largest_picture_that_the_code_takes() -> None:
    most = f"{MAX_PICTURE_BYTES // 2**20} MiB"
    assert f"| a capture | {most} |" in read(API)
    assert f"8192 pixels a side and {most};" in read(API)
    assert MOST["JPEG"].pixels == 8192 * 8192
    assert f"a call up to {most}, on AWS {MAX_BODY_BYTES // 2**20} MiB" in read(
        DOCS / "deepstack.md"
    )
    assert f"by signed URLs, up to {most} each" in read(DOCS / "operations.md")
    assert f"for pictures of {most}" in read(DOCS / "api/v1.yaml")
    too_long = (deepstack.VIEWS.body_too_long, most), (v1.TOO_LONG, "27 MiB")
    assert round(MAX_BYTES / 2**20) == 27, "that picture in base64, and what stands around it"
    assert [figure in str(refused) for refused, figure in too_long] == [True, True]


def test_the_client_enrols_searches_and_tells_who_came_as_the_page_prints_it(
    server: Server, photos: Path
) -> None:
    sees(server, photos / at_hand.OTHER)
    (block,) = re.findall(r"```python\n(.*?)```", read(CLIENT), re.DOTALL)
    folder = server.data.parent
    for name, file in (("ann.jpg", at_hand.PORTRAIT), ("door.jpg", at_hand.PORTRAIT_AGAIN)):
        shutil.copy(photos / file, folder / name)
    done = subprocess.run(
        [sys.executable, "-c", block.replace("http://127.0.0.1:8000", server.url)],
        cwd=folder,
        env={**os.environ, "REGULARS_API_KEY": server.credentials("shop").api_key, "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found, arrivals, refused = done.stdout.splitlines()
    assert refused.startswith("GroupNotFound: ")
    assert found == "['Ann Lee']"
    assert re.fullmatch(r"\[\('', 1, '\d\d:\d\d'\)\]", arrivals), arrivals


def test_the_session_of_sunmi_answers_what_it_shows(server: Server, photos: Path) -> None:
    tools = ("md5sum", "sort", "paste", "sed", "od")
    answers = Session.of("A session to paste", SUNMI).answers(
        server, photos / at_hand.OTHER, *tools
    )
    assert [json.loads(answer)["code"] for answer in answers] == [0] * 6


def test_the_session_of_icredit_answers_what_it_shows(server: Server, photos: Path) -> None:
    answers = Session.of("A session to paste", ICREDIT).answers(
        server, photos / at_hand.OTHER, "base64", "date"
    )
    enrolled, found, observed, counted = (json.loads(answer) for answer in answers)
    (token,) = (person["PERSON_TOKEN"] for person in enrolled["PERSON_ENTITY"])
    for answer in (enrolled, found, observed):
        (person,) = answer["PERSON_ENTITY"]
        assert (person["PERSON_TOKEN"], person["LABLE_A"]) == (token, "gold")
        assert person["PERSON_GROUP_LABEL"] == "VIP会员"
    assert observed["TOTAL"] == "2"
    assert observed["NEXT_PAGE_TOKEN"] != ""
    assert {bucket["AMOUNT"] for bucket in counted["PERSON_TOKEN_ENEITY"]} == {"1"}, (
        "one person, on each day of the call"
    )


def test_the_page_of_icredit_names_the_operations_that_there_are() -> None:
    served = {
        path.rsplit("/", 1)[1] for path in app.app.routes if path.startswith("/icredit/face/")
    }
    assert served == {"manage", "query", "analysis"}
    assert served == set(re.findall(r"`(\w+)`", read(ICREDIT).partition("\n## ")[0]))


def test_the_page_of_sunmi_names_the_endpoints_that_there_are() -> None:
    served = {
        path.rsplit("/", 1)[1] for path in app.app.routes if path.startswith("/openapi/face/")
    }
    named = {
        name
        for name in served | {"noSuchEndpoint"}
        if re.search(rf"\b{name}\b", read(SUNMI).partition("\n## ")[0])
    }
    assert served == named | {"getFaceIDList"} & served


def test_rekognitions_session_finds_the_person_on_the_second_photo(
    server: Server, photos: Path
) -> None:
    shutil.copyfile(photos / at_hand.PORTRAIT_AGAIN, server.data.parent / "second.jpg")
    session = Session.of("Move in ten minutes", REKOGNITION)
    (found,) = session.output(server, "sed", picture=photos / at_hand.PORTRAIT)
    name, similarity = found.split()
    assert name == "ann"
    assert float(similarity) >= 80


class _Bucket(BaseHTTPRequestHandler):
    """As much of S3 as the session asks: a list of the objects, and each of them."""

    objects: ClassVar[dict[str, Path]] = {}

    def do_GET(self) -> None:
        bucket, _, key = urlsplit(self.path).path.lstrip("/").partition("/")
        keys = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in self.objects)
        listed = f"<ListBucketResult><Name>{bucket}</Name>{keys}</ListBucketResult>".encode()
        told = self.objects[key].read_bytes() if key else listed
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)


@pytest.fixture
def s3(photos: Path) -> Iterator[dict[str, str]]:
    """The environment of a program that has a bucket with two portraits."""
    _Bucket.objects = {
        "people/ann.jpg": photos / at_hand.PORTRAIT,
        "people/ben.jpg": photos / at_hand.OTHER,
    }
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bucket) as front:
        threading.Thread(target=front.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{front.server_port}"
        yield {"AWS_ENDPOINT_URL_S3": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        front.shutdown()


def test_rekognitions_session_indexes_a_buckets_photos_and_may_be_run_again(
    server: Server, s3: dict[str, str]
) -> None:
    session = Session.of("Index again from S3", REKOGNITION)
    for _ in range(2):
        assert session.output(server, **s3) == ["2 faces"]


def test_the_page_of_rekognition_names_the_operations_that_are_answered_and_only_those() -> None:
    rows = re.findall(
        r"^\| (?:collections|faces|users|pictures) \| (.*) \|$", read(REKOGNITION), re.MULTILINE
    )
    named = {name for cell in rows for name in re.findall(r"\b[A-Z][a-z]+[A-Z]\w+", cell)} - {
        "S3Object"
    }
    assert named == requests.REQUESTS.keys()
    assert named <= set(requests.REQUESTS)


def test_every_call_of_v1_in_the_docs_is_served() -> None:
    """`/v1/vision` is DeepStack's."""
    paths = yaml.safe_load(read(DOCS / "api/v1.yaml"))["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    pages = [*DOCS.glob("*.md"), *DOCS.glob("tasks/*.md")]
    named = {
        call
        for page in pages
        for call in re.findall(
            r"`((?:GET|POST|PATCH|DELETE) /v1/(?!vision/)[\w/{}.-]+)", read(page)
        )
    }
    assert len(named) > 20
    assert named <= served


def test_the_session_of_compreface_answers_what_it_shows(server: Server, photos: Path) -> None:
    added, found = map(
        json.loads,
        Session.of("Switch it on", COMPREFACE).answers(server, photos / at_hand.PORTRAIT),
    )
    assert (set(added), added["subject"]) == ({"image_id", "subject"}, "Ann")
    (face,) = found["result"]
    assert face["subjects"] == [{"subject": "Ann", "similarity": 1.0}]
    assert {"age", "gender"} <= set(face)


def test_the_session_of_deepstack_answers_what_it_shows(server: Server, photos: Path) -> None:
    session = Session.of("Switch it on", DOCS / "deepstack.md")
    added, found = map(json.loads, session.answers(server, photos / at_hand.PORTRAIT))
    assert (added["success"], added["message"]) == (True, "face added")
    (face,) = found["predictions"]
    assert (face["userid"], face["confidence"]) == ("Ann", 1.0)
    assert 0 < face["x_min"] < face["x_max"]
    assert 0 < face["y_min"] < face["y_max"]


def test_the_page_of_compreface_has_the_thresholds_that_the_code_gives() -> None:
    shares = re.findall(r"([\d.]+) %", re.search(r"\| strangers named.*", read(COMPREFACE))[0])
    thresholds = re.findall(r"\d\.\d\d", re.search(r"\| your threshold.*", read(COMPREFACE))[0])
    for threshold, share in zip(thresholds, shares, strict=True):
        score = CURVE.threshold_at(1 - (1 - float(share) / 100) ** (1 / SMALLEST_GALLERY))
        assert rate_closeness(score, CURVE, SMALLEST_GALLERY, DEFAULT_FPIR) == pytest.approx(
            float(threshold), abs=1.1e-2
        )
