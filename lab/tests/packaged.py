"""The package, called by boto3 as it is through a function URL: `python -m lab.tests.packaged`.

The package for this machine's processor runs as in Lambda (bench/lambda_runtime.py), with the
environment that the template gives its function, on an emulated account in a process of its own.
boto3 is told the endpoint and the keys, and nothing else; each answer is held against its model of
the service. Without Python 3.13 it is skipped.
"""

import sys
import time
from typing import Any

import boto3
from botocore.exceptions import ClientError

from chalicelib import bootstrap
from chalicelib.api.http import MAX_BODY_BYTES
from chalicelib.book.recognition.stored_pictures import FAILS_AFTER_S
from chalicelib.domain.model import Profile
from chalicelib.settings import Settings
from infra import package
from infra.dependencies import Failed
from regulars_lab.bench.lambda_account import account
from regulars_lab.bench.lambda_package import unpack_package
from regulars_lab.rigs.stand_ins import portraits
from tests.support.api.function_url import function_url, rekognition

_BUCKET = "photos-of-staff"


def main() -> int:
    """Return 0 if the calls are answered as they should be, or the check is skipped."""
    try:
        made = unpack_package()
        with account() as aws:
            services = bootstrap.build(Settings.from_environment(made.environ(aws, "Search")))
            keys = services.tenants.add("shop", Profile.CLOUD)
            with (
                made.make_function("Search", made.environ(aws, "Search")) as search,
                made.searching(aws, search) as environ,
                made.make_function("APIHandler", environ) as api,
                function_url(lambda event: api.call(event)[0]) as url,
            ):
                _play(rekognition(url, keys), *portraits()[:2])
                services.tenants.change_settings("shop", {"picture_buckets": {_BUCKET}})
                _look_into_s3(rekognition(url, keys), portraits()[0])
                _refused(
                    rekognition(url, keys), rekognition(url, keys, aws_secret_access_key="x" * 40)
                )
    except package.NoInterpreter as error:
        print(f"packaged: skipped: {error}")
        return 0
    except (Failed, ClientError, AssertionError) as error:
        print(f"packaged: FAILED: {error}")
        return 1
    print("packaged: boto3 was answered through a function URL")
    return 0


def _play(faces: Any, ann: bytes, bob: bytes) -> None:
    """Enrol and find two people, and forget one. Raises AssertionError."""
    faces.create_collection(CollectionId="staff", Tags={"town": "Köln"})
    indexed = {
        name: faces.index_faces(
            CollectionId="staff", Image={"Bytes": one}, ExternalImageId=name, MaxFaces=1
        )
        for name, one in (("ann", ann), ("bob", bob))
    }
    ids = {name: answer["FaceRecords"][0]["Face"]["FaceId"] for name, answer in indexed.items()}
    found = faces.search_faces_by_image(CollectionId="staff", Image={"Bytes": ann})["FaceMatches"]
    _require([one["Face"]["ExternalImageId"] for one in found] == ["ann"], found)
    _require(found[0]["Similarity"] > 95, found)
    _require(
        faces.search_faces(CollectionId="staff", FaceId=ids["ann"])["FaceMatches"] == [],
        "ann is like bob",
    )
    looked = faces.detect_faces(Image={"Bytes": bob}, Attributes=["ALL"])["FaceDetails"]
    _require(looked[0]["AgeRange"]["Low"] > 0, looked)
    compared = faces.compare_faces(SourceImage={"Bytes": ann}, TargetImage={"Bytes": bob})
    _require(compared["FaceMatches"] == [], compared)
    again = faces.index_faces(
        CollectionId="staff", Image={"Bytes": ann}, ExternalImageId="ann", MaxFaces=1
    )
    _require(again["FaceRecords"][0]["Face"]["FaceId"] == ids["ann"], again)
    deleted = faces.delete_faces(CollectionId="staff", FaceIds=[ids["ann"]])
    _require(deleted["DeletedFaces"] == [ids["ann"]], deleted)
    listed = faces.list_faces(CollectionId="staff")["Faces"]
    _require([face["FaceId"] for face in listed] == [ids["bob"]], listed)


def _look_into_s3(faces: Any, ann: bytes) -> None:
    """Read a picture from S3, and versions that are and are not there. Raises AssertionError."""
    s3 = boto3.client("s3")
    s3.create_bucket(
        Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    s3.put_bucket_versioning(Bucket=_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=_BUCKET, Key="staff/ann +1.jpg", Body=ann)["VersionId"]
    stored = {"Bucket": _BUCKET, "Name": "staff/ann +1.jpg"}
    for one in (stored, {**stored, "Version": version}):
        _require(len(faces.detect_faces(Image={"S3Object": one})["FaceDetails"]) == 1, one)
    for one in (
        {**stored, "Version": "none"},
        {**stored, "Name": "absent"},
        {**stored, "Bucket": f"{_BUCKET}2"},
    ):
        began = time.monotonic()
        try:
            answer = faces.detect_faces(Image={"S3Object": one})
        except ClientError as error:
            _require(error.response["Error"]["Code"] == "InvalidS3ObjectException", error.response)
            _require(time.monotonic() - began >= FAILS_AFTER_S, f"{one}: sooner than others")
        else:
            _require(False, answer)


def _refused(faces: Any, forger: Any) -> None:
    """Make calls that fail. Raises AssertionError unless each has its error."""
    too_long = {"Bytes": bytes(MAX_BODY_BYTES * 3 // 4 + 1)}
    for call, members, code, text in (
        (faces.describe_collection, {"CollectionId": "none"}, "ResourceNotFoundException", "none"),
        (faces.detect_labels, {"Image": {"Bytes": b"x"}}, "AccessDeniedException", "DetectLabels"),
        (faces.detect_faces, {"Image": {"Bytes": b"x"}}, "InvalidImageFormatException", "format"),
        (faces.detect_faces, {"Image": too_long}, "ImageTooLargeException", str(MAX_BODY_BYTES)),
        (faces.detect_faces, {"Image": {"Bytes": bytes(5_000_000)}}, "413", ""),
        (forger.list_collections, {}, "InvalidSignatureException", "secret"),
    ):
        try:
            answer = call(**members)
        except ClientError as error:
            said = error.response["Error"]
            _require(said["Code"] == code and text in (said.get("Message") or ""), said)
        else:
            _require(False, answer)


def _require(holds: bool, otherwise: object) -> None:
    if not holds:
        raise AssertionError(otherwise)


if __name__ == "__main__":
    sys.exit(main())
