"""However the network cuts a request, the application sees what was sent, and each request gets its
own answer.

Each is cut at every byte of its head and at a hundred of its body. `make test` tries all of these
cuts of the hostile request without a proxy, and some of all others; `make slow` tries all.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.domain.model import Profile
from tests.regulars.serve.dialects import DIALECTS, Client
from tests.regulars.serve.framing import (
    VARIANTS,
    Recorder,
    Sent,
    Traffic,
    caddy,
    hostile_request,
    nginx,
    of_request,
    serve_recorder,
)
from tests.support.box.box import serving
from tests.support.examples import sample

CUTS, CUTS_BEHIND_A_PROXY = 60, 20
"""So many of each case in the gate, without and behind a proxy."""


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sent]:
    """One of each dialect, as its clients send it, and a hostile one."""
    with serving(tmp_path_factory.mktemp("box")) as box:
        client = Client(box, box.services.tenants.add("mall", Profile.CLOUD))
        return {
            "hostile": hostile_request(),
            **{name: make(client) for name, (make, _) in DIALECTS.items()},
        }


@pytest.fixture(scope="module", params=["direct", "Caddy", "nginx"])
def way(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Traffic]]:
    recorder, name = Recorder(), request.param
    proxies = {"Caddy": caddy, "nginx": nginx}
    with serve_recorder(recorder) as address:
        if name == "direct":
            yield name, Traffic(recorder, address)
        else:
            with proxies[name](address, tmp_path_factory.mktemp(name)) as front:
                yield name, Traffic(recorder, front)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", ["hostile", *DIALECTS])
def test_a_request_is_seen_as_it_was_sent_however_it_is_cut(
    way: tuple[str, Traffic], requests: dict[str, Sent], name: str, variant: str
) -> None:
    where, traffic = way
    case = VARIANTS[variant](requests[name])
    cuts = CUTS_BEHIND_A_PROXY if where != "direct" else CUTS if name != "hostile" else None
    assert traffic.wrong(case, case.cuts if cuts is None else sample(case.cuts, cuts)) == []


def test_a_head_that_a_proxy_writes_in_two_pieces_takes_nothing_of_its_body(
    way: tuple[str, Traffic],
) -> None:
    """Caddy writes at most 4,096 bytes at first: so the last line end of these heads may come with
    the body."""
    _, traffic = way
    assert traffic.wrong(of_request(hostile_request()), [0]) == []
    for beyond in (1, 2, 3):
        padding = 4096 + beyond - traffic.recorder.head_bytes
        for _ in range(50):  # one at a time, else the server is busy until both pieces are there
            assert traffic.wrong(of_request(hostile_request(padding)), [0]) == []
        assert traffic.recorder.head_bytes == 4096 + beyond
        traffic.recorder.head_bytes -= padding
