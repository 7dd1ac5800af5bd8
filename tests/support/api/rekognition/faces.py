"""A picture as an operation is sent it, and the ids of the faces that it is answered."""

from typing import Any

from tests.support.fakes import Person, picture


def image(*people: Person) -> dict[str, bytes]:
    return {"Bytes": picture(*people)}


def ids(answer: dict[str, Any]) -> list[str]:
    return [one["Face"]["FaceId"] for one in answer["FaceRecords"]]
