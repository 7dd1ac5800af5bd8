"""Who is on which picture, as other face services say it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import boto3
import pytest
from moto import mock_aws
from regulars_client.errors import OperatorError
from regulars_transfer import services
from regulars_transfer.command import open_source
from regulars_transfer.sources import Source

from regulars.cli import main
from tests.support.box.box import Box
from tests.support.fakes import Person, picture
from tests.support.web.other_service import KEY, answering

ANN, BO = picture(Person(1)), picture(Person(2))

COMPREFACE = {
    "/api/v1/recognition/subjects": {"subjects": ["Ann Lee", "Bo/Chen", "Cy"]},
    "/api/v1/recognition/faces?page=0&size=1000": {
        "faces": [{"image_id": "6b135f5b", "subject": "Ann Lee"},
            {"image_id": "a0a1", "subject": "Bo/Chen"}],
        "page_number": 0, "page_size": 1000, "total_pages": 2, "total_elements": 3,
    },
    "/api/v1/recognition/faces?page=1&size=1000": {
        "faces": [{"image_id": "6b135f5c", "subject": "Ann Lee"}],
        "page_number": 1, "page_size": 1000, "total_pages": 2, "total_elements": 3,
    },
    "/api/v1/recognition/faces?page=2&size=1000": {
        "faces": [], "page_number": 2, "page_size": 1000, "total_pages": 2, "total_elements": 3,
    },
    "/api/v1/recognition/faces/6b135f5b/img": ANN,
    "/api/v1/recognition/faces/a0a1/img": BO,
}  # fmt: skip
"""What its REST API description shows; one of the pictures was not kept."""

IMMICH = {
    "/api/people?page=1&size=1000&withHidden=false": {
        "people": [{"id": "p1", "name": "Ann Lee", "birthDate": None, "thumbnailPath": "",
            "isHidden": False}],
        "total": 3, "hidden": 0, "hasNextPage": True,
    },
    "/api/people?page=2&size=1000&withHidden=false": {
        "people": [{"id": "p2", "name": ""}, {"id": "p3", "name": "Bo"}], "total": 3, "hidden": 0,
        "hasNextPage": False,
    },
    "/api/people/p1/thumbnail": ANN,
    "/api/people/p3/thumbnail": BO,
}  # fmt: skip


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    return file


def people(source: Source) -> dict[str, list[str]]:
    return {person.name: [photo.name for photo in person.photos] for person in source.people}


def test_the_subjects_of_compreface_come_in_and_who_has_no_picture_is_named(
    box: Box,
    tmp_path: Path,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGULARS_API_KEY", box.key)
    with answering(COMPREFACE) as url:
        command = [
            "import",
            url,
            "--from",
            "compreface",
            "--from-key-file",
            str(key_file),
            "--group",
            "regular",
        ]
        for added in (
            "2 people with 2 pictures added",
            "0 people with 0 pictures added, 2 people were in already",
        ):
            assert main([*command, "--url", box.url]) == 1
            said = capsys.readouterr().out.splitlines()
            assert "  Cy: : no picture of this person was kept" in said
            assert any(line.startswith("  Ann Lee: Ann Lee/6b135f5c: ") for line in said)
            assert said[-1].startswith(f"{url}, compreface's people: {added}")
            assert said[-1].endswith(", 1 refused")
    with box.client() as client:
        assert {face.name for face in client.list_faces()} == {"Ann Lee", "Bo/Chen"}
    assert [path.name for path in tmp_path.glob("http-*")] == [
        f"http-127.0.0.1-{url.rpartition(':')[2]}.refused.csv"
    ]


def test_the_people_of_immich_who_have_a_name(key_file: Path) -> None:
    with answering(IMMICH) as url:
        source = services.read_service("immich", url, key_file)
        assert people(source) == {"Ann Lee": ["Ann Lee/p1"], "Bo": ["Bo/p3"]}
        assert [photo.read() for person in source.people for photo in person.photos] == [ANN, BO]


def test_a_service_that_gives_the_same_page_for_ever_comes_to_an_end(key_file: Path) -> None:
    class Same(dict[str, object]):
        """Answers that do not depend on the page."""

        def get(self, asked: str, default: object = None) -> object:
            return super().get(re.sub(r"page=\d+", "page=1", asked), default)

    immich = {**IMMICH, "/api/people?page=1&size=1000&withHidden=false": {
        "people": [{"id": "p1", "name": "Ann Lee"}, {"id": "p3", "name": "Bo"}],
        "hasNextPage": True,
    }}  # fmt: skip
    for service, answers, expected in (
        ("compreface", COMPREFACE, {"Ann Lee": ["Ann Lee/6b135f5c"], "Bo/Chen": [], "Cy": []}),
        ("immich", immich, {"Ann Lee": ["Ann Lee/p1"], "Bo": ["Bo/p3"]}),
    ):
        with answering(Same(answers)) as url:
            assert people(services.read_service(service, url, key_file)) == expected


@pytest.mark.parametrize(
    ("answers", "key", "says"),
    [
        (COMPREFACE, "another", "answers 401, .*: check the address and --from-key-file"),
        ({}, KEY, "is not in the form that was asked for"),
        ({"/api/v1/recognition/subjects": b"<html>"}, KEY, "is not in the form that was asked for"),
        (
            {"/api/v1/recognition/subjects": {"names": []}},
            KEY,
            "is no compreface: its answer has another form",
        ),
    ],
)
def test_a_service_that_is_another_or_refuses_is_told(
    key_file: Path, answers: Mapping[str, object], key: str, says: str
) -> None:
    key_file.write_text(key)
    with answering(answers) as url, pytest.raises(OperatorError, match=says):
        services.read_service("compreface", url, key_file)


def test_a_service_that_is_away_or_a_key_that_others_may_read_is_told(key_file: Path) -> None:
    with pytest.raises(OperatorError, match=r"http://127\.0\.0\.1:1 does not answer"):
        services.read_service("immich", "http://127.0.0.1:1", key_file)
    key_file.chmod(0o644)
    with pytest.raises(OperatorError, match=r"others may read .*, which holds a secret: chmod 600"):
        services.read_service("immich", "http://127.0.0.1:1", key_file)


@pytest.mark.parametrize(
    "command",
    [
        ["http://x"],
        ["http://x", "--from", "immich"],
        ["people", "--from", "immich", "--from-key-file", "x"],
        ["people", "--collection", "staff"],
    ],
)
def test_a_service_needs_its_url_its_kind_and_its_key(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", *command, "--group", "regular"]) == 2
    assert "--from" in (said := capsys.readouterr().err) or "s3://BUCKET/PREFIX" in said


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="photos")
        for key in (
            "people/Ann Lee/1.jpg",
            "people/Ann Lee/2.png",
            "people/bo_1.jpg",
            "people/notes.txt",
            "x/y.jpg",
        ):
            s3.put_object(Bucket="photos", Key=key, Body=key.encode())
        yield


@pytest.mark.usefixtures("bucket")
def test_pictures_in_s3_are_a_folder_a_person() -> None:
    with open_source("s3://photos/people/") as source:
        assert people(source) == {
            "Ann Lee": ["people/Ann Lee/1.jpg", "people/Ann Lee/2.png"],
            "bo": ["people/bo_1.jpg"],
        }
        assert source.people[0].photos[0].read() == b"people/Ann Lee/1.jpg"
    with pytest.raises(OperatorError, match=r"s3://photos/nobody has no pictures"):
        open_source("s3://photos/nobody")
    with pytest.raises(OperatorError, match=r"s3://none/: .*NoSuchBucket"):
        open_source("s3://none/")


def test_a_collection_says_by_user_or_external_image_id_who_is_on_the_pictures() -> None:
    """Faces as ListFaces answers them in Amazon's documentation."""
    keys = [
        PurePosixPath(key)
        for key in ("p/ann-1.jpg", "p/ann-2.jpg", "p/Bo/1.jpg", "p/Bo/2.jpg", "p/x.png")
    ]
    faces = [
        {"FaceId": "f1", "ImageId": "i1", "ExternalImageId": "ann-1.jpg", "UserId": "ann"},
        {"FaceId": "f2", "ImageId": "i2", "ExternalImageId": "ann-2", "UserId": "ann"},
        {"FaceId": "f3", "ImageId": "i3", "ExternalImageId": "Bo"},
        {"FaceId": "f4", "ImageId": "i4", "ExternalImageId": "Bo"},
        {"FaceId": "f5", "ImageId": "i5"},
    ]
    found = services.pair_with_collection(faces, keys)
    assert found == {"ann": {*keys[:2]}, "Bo": {*keys[2:4]}, "f5": set()}
