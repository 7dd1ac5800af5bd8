"""The AWS command line, as it comes from PyPI, against one box."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import photos
from tests.api.rekognition.client import environment
from tests.faults.server import Server

ANN, ANN_AGAIN, BEN = (f"fileb://{photos.FOLDER / name}" for name in (*photos.PAIRS[0], photos.OTHER))
Aws = Callable[..., Any]


@pytest.fixture(scope="module")
def aws(box: Server, tmp_path_factory: pytest.TempPathFactory) -> Aws:
    """Run `aws rekognition` with the endpoint and the keys in the environment, as a user has them."""
    home = tmp_path_factory.mktemp("home")
    keys = environment(box.url, box.credentials("cloud"))

    def aws(*words: str, **changed: str) -> Any:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("aws")), "rekognition", *words],
            env={**keys, "HOME": str(home), **changed},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return json.loads(done.stdout or "null") if done.returncode == 0 else done.stderr.strip()

    return aws


def test_a_collection_is_made_filled_searched_and_deleted(aws: Aws) -> None:
    made = aws("create-collection", "--collection-id", "staff", "--tags", "site=north")
    assert "staff" in aws("list-collections")["CollectionIds"]
    staff = ("--collection-id", "staff")
    records = aws("index-faces", *staff, "--image-bytes", ANN, "--external-image-id", "ann", "--max-faces", "1")
    face = records["FaceRecords"][0]["Face"]["FaceId"]
    aws("index-faces", *staff, "--image-bytes", BEN, "--external-image-id", "ben")
    assert aws("describe-collection", *staff)["FaceCount"] == 2
    assert [one["ExternalImageId"] for one in aws("list-faces", *staff, "--page-size", "1")["Faces"]] == ["ann", "ben"]

    found = aws("search-faces-by-image", *staff, "--image-bytes", ANN_AGAIN)["FaceMatches"]
    assert [match["Face"]["FaceId"] for match in found] == [face]
    assert found[0]["Similarity"] >= 80
    assert aws("search-faces", *staff, "--face-id", face, "--face-match-threshold", "0")["SearchedFaceId"] == face

    assert aws("delete-faces", *staff, "--face-ids", face)["DeletedFaces"] == [face]
    assert [one["ExternalImageId"] for one in aws("list-faces", *staff)["Faces"]] == ["ben"]

    arn = ("--resource-arn", made["CollectionArn"])
    aws("tag-resource", *arn, "--tags", "floor=2")
    aws("untag-resource", *arn, "--tag-keys", "site")
    assert aws("list-tags-for-resource", *arn)["Tags"] == {"floor": "2"}

    assert aws("delete-collection", *staff)["StatusCode"] == 200
    assert "staff" not in aws("list-collections")["CollectionIds"]


def test_a_user_is_made_of_faces_and_taken_apart(aws: Aws) -> None:
    people, ann = ("--collection-id", "people"), ("--user-id", "ann")
    aws("create-collection", *people)
    faces = [
        aws("index-faces", *people, "--image-bytes", one)["FaceRecords"][0]["Face"]["FaceId"]
        for one in (ANN, ANN_AGAIN, BEN)
    ]
    aws("create-user", *people, *ann)
    aws("associate-faces", *people, *ann, "--face-ids", faces[0])
    joined = aws("associate-faces", *people, *ann, "--face-ids", *faces)
    assert [one["FaceId"] for one in joined["AssociatedFaces"]] == faces[1:2]
    assert [one["FaceId"] for one in joined["UnsuccessfulFaceAssociations"]] == faces[2:]
    assert aws("list-users", *people)["Users"] == [{"UserId": "ann", "UserStatus": "ACTIVE"}]
    assert sorted(one["FaceId"] for one in aws("list-faces", *people, *ann)["Faces"]) == sorted(faces[:2])
    found = aws("search-users-by-image", *people, "--image-bytes", ANN_AGAIN)
    assert [one["User"]["UserId"] for one in found["UserMatches"]] == ["ann"]
    assert aws("search-users", *people, "--face-id", faces[2])["UserMatches"] == []
    assert aws("disassociate-faces", *people, *ann, "--face-ids", *faces[:2])["UserStatus"] == "CREATED"
    aws("delete-user", *people, *ann)
    assert aws("list-users", *people)["Users"] == []


def test_pictures_are_looked_at_and_compared(aws: Aws) -> None:
    (face,) = aws("detect-faces", "--image-bytes", ANN, "--attributes", "ALL")["FaceDetails"]
    assert {"BoundingBox", "AgeRange", "Emotions"} <= set(face)
    same, other = (
        aws("compare-faces", "--source-image-bytes", ANN, "--target-image-bytes", one) for one in (ANN_AGAIN, BEN)
    )
    assert (len(same["FaceMatches"]), len(same["UnmatchedFaces"])) == (1, 0)
    assert (len(other["FaceMatches"]), len(other["UnmatchedFaces"])) == (0, 1)


@pytest.mark.parametrize(
    ("words", "changed", "error"),
    [
        (
            ("describe-collection", "--collection-id", "nobody"),
            {},
            "An error occurred (ResourceNotFoundException) when calling the DescribeCollection operation: "
            "The collection id: nobody does not exist",
        ),
        (
            ("list-collections",),
            {"AWS_SECRET_ACCESS_KEY": "x" * 40},
            "An error occurred (InvalidSignatureException) when calling the ListCollections operation: "
            "The request signature we calculated does not match the signature you provided.",
        ),
        (
            ("list-stream-processors",),
            {},
            "An error occurred (AccessDeniedException) when calling the ListStreamProcessors operation: "
            "Regulars has no ListStreamProcessors: it answers the face operations of Amazon Rekognition",
        ),
    ],
)
def test_an_error_is_told_by_its_name_and_text(
    aws: Aws, words: tuple[str, ...], changed: dict[str, str], error: str
) -> None:
    assert error in aws(*words, **changed)
