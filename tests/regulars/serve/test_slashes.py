import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chalicelib.domain.model import Profile
from tests.regulars.serve.dialects import DIALECTS, Client
from tests.support.box.box import Box, serving


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with serving(tmp_path) as box:
        yield box


@pytest.mark.parametrize("slashes", ["/{}", "//{}", "{}/"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_signed_call_with_a_body_succeeds_with_a_slash_too_many(
    box: Box, dialect: str, slashes: str
) -> None:
    make, has_succeeded = DIALECTS[dialect]
    path, headers, body = make(Client(box, box.services.tenants.add("mall", Profile.CLOUD)))
    with closing(http.client.HTTPConnection(urlsplit(box.url).netloc, timeout=60)) as connection:
        connection.request("POST", slashes.format(path), body, dict(headers))
        answer = connection.getresponse()
        told = json.loads(answer.read())
    assert has_succeeded(answer.status, told), (answer.status, told)
