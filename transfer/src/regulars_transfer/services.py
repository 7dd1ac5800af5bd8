"""People from other face services: CompreFace and immich by their APIs, pictures in S3 with or
without a collection of Rekognition.

CompreFace: its REST API description 1.2.0. immich: its OpenAPI document, 1.106 and newer.
Rekognition: its service model `rekognition/2016-06-27`; it keeps no pictures, so that those come
from the bucket that they were indexed from.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from regulars_client.clutter import name_clutter
from regulars_client.errors import NotConfigured, OperatorError
from regulars_client.keys import read_secret

from regulars_transfer.sources import SUFFIXES, Person, Photo, Source, escape_name

_PAGE = 1000
"""Rows of a page that is asked of the other service."""
_MOST_BYTES = 64 * 2**20
"""Bytes of an answer or a picture that is read."""


class Api:
    """GET requests to a service with its key.

    Raises OperatorError if it is away or refuses, OSError for a 404.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._http = urllib3.PoolManager(
            4,
            headers={"x-api-key": key},
            timeout=urllib3.Timeout(connect=5, read=60),
            retries=urllib3.Retry(
                3, backoff_factor=0.5, redirect=0, status_forcelist=(429, 502, 503, 504)
            ),
        )

    def get(self, path: str, **query: Any) -> bytes:
        """Return the body of an answer.

        Raises FileNotFoundError if it is 404, OperatorError if none comes.
        """
        address = f"{self._url}{path}{'?' if query else ''}{urlencode(query)}"
        try:
            answer = self._http.request("GET", address, preload_content=False)
            data = answer.read(_MOST_BYTES)
        except urllib3.exceptions.HTTPError as error:
            raise OperatorError(f"{self._url} does not answer: {error}") from error
        if answer.status == 404:
            raise FileNotFoundError(f"{path} is not there any more")
        if answer.status != 200:
            answer_text = escape_name(data[:200].decode(errors="replace"))
            raise OperatorError(
                f"{address} answers {answer.status}, {answer_text!r}: check the address and "
                "--from-key-file"
            )
        return data

    def get_json(self, path: str, **query: Any) -> Any:
        """Return an answer in JSON."""
        try:
            return json.loads(self.get(path, **query))
        except (OSError, ValueError, RecursionError) as error:
            raise OperatorError(
                f"{self._url}{path} is not in the form that was asked for: {error}"
            ) from error


def list_compreface_people(api: Api) -> Iterator[Person]:
    """Yield the subjects of a recognition service, with their examples."""
    faces = "/api/v1/recognition/faces"
    subjects: dict[str, list[str]] = {
        name: [] for name in api.get_json("/api/v1/recognition/subjects")["subjects"]
    }
    pages = (api.get_json(faces, page=number, size=_PAGE)["faces"] for number in itertools.count())
    for item in _list_items(pages, "image_id"):
        subjects.setdefault(item["subject"], []).append(item["image_id"])
    for name, ids in subjects.items():
        photos = (
            Photo(
                f"{escape_name(name)}/{image_id}",
                partial(api.get, f"{faces}/{quote(image_id, safe='')}/img"),
            )
            for image_id in ids
        )
        yield Person(key=name, name=name, photos=tuple(photos))


def list_immich_people(api: Api) -> Iterator[Person]:
    """Yield the people who have a name, each with the face that immich shows for them."""

    def read_pages() -> Iterator[Any]:
        answer, number = {"hasNextPage": True}, 0
        while answer.get("hasNextPage"):
            number += 1
            answer = api.get_json("/api/people", page=number, size=_PAGE, withHidden="false")
            yield answer["people"]

    for item in _list_items(read_pages(), "id"):
        if item["name"]:
            read = partial(api.get, f"/api/people/{quote(item['id'], safe='')}/thumbnail")
            yield Person(
                key=item["id"],
                name=item["name"],
                photos=(Photo(f"{escape_name(item['name'])}/{item['id']}", read),),
            )


def _list_items(pages: Iterable[Any], id_: str) -> Iterator[Any]:
    """Yield the items of the pages, each once.

    A page with nothing new is the last: some services give one for ever.
    """
    known_ids = set[str]()
    for page in pages:
        fresh = {item[id_]: item for item in page if item[id_] not in known_ids}
        if not fresh:
            return
        known_ids.update(fresh)
        yield from fresh.values()


APIS: dict[str, Callable[[Api], Iterable[Person]]] = {
    "compreface": list_compreface_people,
    "immich": list_immich_people,
}
"""Services whose people are read by their API, by the name that --from takes."""


def read_service(service: str, url: str, key_file: Path) -> Source:
    """Read the people of a service. Raises OperatorError, OperatorError if it has none."""
    try:
        people = read_people(service, Api(url, read_secret(key_file)))
    except NotConfigured as error:
        raise OperatorError(str(error)) from error
    if not people:
        raise OperatorError(f"{url} knows nobody with a name")
    return Source(f"{url}, {service}'s people", people)


def read_people(service: str, api: Api) -> list[Person]:
    """Read the people of a service by its answers.

    Raises OperatorError if these have another form.
    """
    try:
        return list(APIS[service](api))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise OperatorError(
            f"this is no {service}: its answer has another form ({error!r})"
        ) from error


def read_bucket(url: str, collection: str | None) -> Source:
    """Read the pictures below s3://BUCKET/PREFIX, and divide them by person.

    Without a `collection`, a folder is a person, or the part of a file's name before its last `_`
    is one. With a `collection`, its faces say who is one person: those of one UserId, else those of
    one ExternalImageId. That names a picture's file, with or without its ending, or the folder of
    the picture. Raises OperatorError, OperatorError.
    """
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError as error:
        raise OperatorError("pictures in S3 need boto3: pip install boto3") from error
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    try:
        s3 = boto3.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [PurePosixPath(entry["Key"]) for page in pages for entry in page.get("Contents", ())]
        below = PurePosixPath(prefix).parts
        pictures = [
            key
            for key in keys
            if key.suffix.lower() in SUFFIXES
            and not any(map(name_clutter, key.parts[len(below) :]))
        ]
        faces = []
        if collection is not None:
            listed = (
                boto3.client("rekognition")
                .get_paginator("list_faces")
                .paginate(CollectionId=collection)
            )
            faces = [face for page in listed for face in page["Faces"]]
    except (BotoCoreError, ClientError) as error:
        raise OperatorError(f"{url}: {error}") from error
    if not pictures:
        raise OperatorError(f"{url} has no pictures ({', '.join(sorted(SUFFIXES))})")

    def read_object(key: PurePosixPath) -> bytes:
        try:
            data: bytes = s3.get_object(Bucket=bucket, Key=str(key))["Body"].read(_MOST_BYTES)
        except (BotoCoreError, ClientError) as error:
            raise OSError(f"{key} cannot be read: {error}") from error
        return data

    people = (
        pair_with_collection(faces, pictures)
        if collection is not None
        else group_by_person(pictures, PurePosixPath(prefix))
    )
    about = (
        f"{url}, {'a folder a person' if collection is None else f'by the collection {collection}'}"
    )
    return Source(
        about,
        [
            Person(
                key=name,
                name=name,
                photos=tuple(Photo(str(key), partial(read_object, key)) for key in sorted(paths)),
            )
            for name, paths in people.items()
        ],
    )


People = dict[str, set[PurePosixPath]]


def group_by_person(pictures: Iterable[PurePosixPath], prefix: PurePosixPath) -> People:
    """Divide pictures by person, as their folders say, or their names."""
    people: People = {}
    for key in pictures:
        is_outside_folders = key.parent in (prefix, PurePosixPath("."))
        name = key.stem.rpartition("_")[0] or key.stem if is_outside_folders else key.parent.name
        people.setdefault(name, set()).add(key)
    return people


def pair_with_collection(
    faces: Iterable[dict[str, Any]], pictures: Iterable[PurePosixPath]
) -> People:
    """Give the faces of a collection their pictures.

    A face of which none is found has an empty set.
    """
    paths_by_name: dict[str, set[PurePosixPath]] = {}
    for key in pictures:
        for name in (key.name, key.stem, key.parent.name):
            paths_by_name.setdefault(name, set()).add(key)
    people: People = {}
    for face in faces:
        image = face.get("ExternalImageId") or face["FaceId"]
        people.setdefault(face.get("UserId") or image, set()).update(paths_by_name.get(image, ()))
    return people
