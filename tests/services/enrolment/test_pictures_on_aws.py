"""Photos added over v1 on DynamoDB and S3, emulated: merged, undone, taken away, and gone with the face."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.core.model import MAX_PICTURES
from tests.adapters.emulated import Aws, storage_stack
from tests.api.conftest import make_stage
from tests.api.v1.client import V1Client
from tests.fakes import Person, picture
from tests.faults.recount import disagreements
from tests.services.sightings.book import Book, shot
from tests.services.sightings.test_on_aws import storage_on


@pytest.fixture
def aws() -> Iterator[Aws]:
    with storage_stack(stack="pictures") as aws:
        yield aws


def test_pictures_on_aws_are_the_faces_and_nobody_elses(aws: Aws, tmp_path: Path) -> None:
    with closing(Book(tmp_path / "data", kept=storage_on(aws))) as book:
        v1 = V1Client(make_stage(book.services).app, book.services.tenants.rotate("shop").api_key)
        one, other = (capture.sightings[0].faceid or "" for capture in book.see(shot(0, 1), shot(60, 2)))

        def add(faceid: str, seed: int, number: int) -> dict[str, str]:
            data = base64.b64encode(picture(Person(seed, side_px=40.0 + number))).decode()
            return v1.done("POST", f"/v1/faces/{faceid}/pictures", {"picture": data})

        def listed(faceid: str) -> list[str]:
            return [each["id"] for each in v1.done("GET", f"/v1/faces/{faceid}/pictures")["pictures"]]

        added = add(one, 1, 0)
        assert add(one, 1, 0) == added
        for number in range(1, MAX_PICTURES - 2):
            add(one, 1, number)
        for number in range(3):
            add(other, 2, number)
        ones, others = listed(one), listed(other)
        assert (len(ones), len(others)) == (MAX_PICTURES - 1, 4)
        assert disagreements(book.services, book.tenant) == []

        merge = v1.done("POST", f"/v1/faces/{one}/merge", {"other": other})["merge"]
        assert listed(one) == [*ones, others[0]], "there is room for one"
        assert disagreements(book.services, book.tenant) == []
        v1.done("POST", f"/v1/merges/{merge}/undo")
        assert (listed(one), listed(other)) == (ones, others)

        v1.done_without_body("DELETE", f"/v1/faces/{one}/pictures/{ones[0]}")
        assert listed(one) == ones[1:]
        assert disagreements(book.services, book.tenant) == []
        book.services.erasure.deletion.of_group(book.tenant, "stranger", [one])
        assert len(list(book.storage.blobs.walk("shop/faces/"))) == 2 * len(others)
