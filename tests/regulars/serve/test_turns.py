"""Whose proof waits for whose: a signed call waits for no crowd that signs nothing, whatever the
crowd claims."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib import bootstrap
from chalicelib.api.http import URLENCODED
from chalicelib.api.service_keys import add_service_key
from chalicelib.domain.model import Profile
from chalicelib.services import Services
from chalicelib.settings import Settings
from regulars.serve.callers import Tenants
from regulars.serve.messages import Request, Response, make_message
from regulars.serve.site import STRANGERS_PLACES, STRANGERS_THREADS, Site
from tests.regulars.serve.calls import Call, rekognition, sunmi
from tests.support.box.apps import serving
from tests.support.waiting import PATIENCE_S, until

CROWD = 40
HERE, ELSEWHERE = "127.0.0.1", "127.0.9.1"
NOBODYS = b"nobody's"


class Counter:
    """A part of the server whose answers to nobody's requests are counted, and each takes until it
    is let go."""

    copies = 1

    def __init__(self) -> None:
        self.came = self.begun = self.forgotten = 0
        self.let_go = threading.Semaphore(0)

    def admit(self, _head: Request) -> int:
        self.came += 1
        return 1_000_000

    def answer(self, request: Request) -> Response:
        if NOBODYS in request.body:
            self.begun += 1
            if not self.let_go.acquire(timeout=PATIENCE_S):
                self.forgotten += 1
        return make_message(200, "done")

    def answer_error(self, _head: Request, error: Exception) -> Response:
        return make_message(503, str(error))


class Street:
    """A server with two tenants, and crowds before it."""

    def __init__(self, services: Services, part: Counter, port: int) -> None:
        self.services, self.part, self._port = services, part, port
        self.shop, self.other = (
            services.tenants.add(name, Profile.CLOUD) for name in ("shop", "other")
        )
        self._crowd: list[threading.Thread] = []

    def status(self, call: Call, address: str = HERE) -> int:
        client = http.client.HTTPConnection(
            HERE, self._port, timeout=PATIENCE_S, source_address=(address, 0)
        )
        with closing(client):
            client.request("POST", call.path, call.body, call.headers)
            return client.getresponse().status

    def crowd(self, calls: list[Call], *addresses: str, held: int) -> None:
        """Send calls whose answers take until they are let go; wait until `held` of them have all
        their places."""
        for place, call in enumerate(calls):
            address = addresses[place % len(addresses)]
            self._crowd.append(threading.Thread(target=self.status, args=(call, address)))
            self._crowd[-1].start()
        until(lambda: self.part.begun == held)

    def wait_until_all_is_read(self) -> None:
        """Return once the server has read what came before: it reads in the order in which things
        come."""
        for _ in range(2):
            assert self.status(Call("/_blobs/shop/door/1", {})) == 200

    def close(self) -> None:
        self.part.let_go.release(len(self._crowd) or 1)
        for one in self._crowd:
            one.join(PATIENCE_S)


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    part = Counter()
    with closing(bootstrap.build(Settings(storage=tmp_path))) as services:
        site = Site(part, read_caller=Tenants(services).parse_credential)
        with serving(site) as (_, port, _), closing(Street(services, part, port)) as street:
            yield street
    assert part.forgotten == 0, "a call waited for nobody's answers, which end after a minute"


DIALECTS = pytest.mark.parametrize("signed", [sunmi, rekognition])
Signed = Callable[..., Call]


@DIALECTS
@pytest.mark.parametrize(
    "addresses", [[HERE], [f"127.0.9.{host}" for host in range(1, 13)]], ids=["same", "others"]
)
def test_who_was_proved_before_waits_for_nobodys_forms(
    street: Street, signed: Signed, addresses: list[str]
) -> None:
    assert street.status(signed(street.shop)) == 200
    held = STRANGERS_PLACES if len(addresses) == 1 else STRANGERS_THREADS
    street.crowd([Call("/openapi/face/addFace", {}, NOBODYS)] * CROWD, *addresses, held=held)
    for _ in range(3):
        assert street.status(signed(street.shop)) == 200
    assert street.part.begun == held


def test_a_form_with_a_known_key_waits_for_nobodys_forms_no_more(street: Street) -> None:
    tenant = street.services.tenants.get_by_name("shop")
    street.services.groups.create(tenant, "family", None, "")
    group = street.services.groups.get_by_name(tenant, "family").id
    key = add_service_key(street.services, tenant, "Viseron", "deepstack", group)
    call = Call("/v1/vision/face/list", {"Content-Type": URLENCODED}, f"api_key={key}".encode())
    assert street.status(call) == 200
    street.crowd([Call("/v1/vision/face/list", {}, NOBODYS)] * CROWD, HERE, held=STRANGERS_PLACES)
    assert street.status(call) == 200
    assert street.part.begun == STRANGERS_PLACES


@DIALECTS
def test_who_only_claims_the_id_beside_its_owner_has_two_places(
    street: Street, signed: Signed
) -> None:
    by_key = Call("/v1/groups", {"Authorization": f"Bearer {street.shop.api_key}"})
    for call in (signed(street.shop), signed(street.other), by_key):
        assert street.status(call) == 200
    claims = [signed(street.shop, NOBODYS, is_signed=False)] * CROWD
    street.crowd(claims, HERE, held=STRANGERS_PLACES)
    assert street.status(signed(street.other)) == 200, "of the same address"
    assert street.status(by_key) == 200
    assert street.part.begun == STRANGERS_PLACES


@DIALECTS
def test_a_signed_call_waits_for_no_others_that_name_its_id_from_its_own_address(
    street: Street, signed: Signed
) -> None:
    assert street.status(signed(street.shop)) == 200
    street.crowd(
        [signed(street.shop, NOBODYS, is_signed=False)] * CROWD, HERE, held=STRANGERS_PLACES
    )
    for _ in range(3):
        assert street.status(signed(street.shop)) == 200
    assert street.part.begun == STRANGERS_PLACES


@DIALECTS
def test_a_call_that_is_signed_by_a_renewed_secret_is_proved_again(
    street: Street, signed: Signed
) -> None:
    assert street.status(signed(street.shop)) == 200
    renewed = street.services.tenants.rotate_keys("shop")
    for _ in range(2):
        assert street.status(signed(renewed)) == 200


@DIALECTS
def test_a_short_call_waits_for_no_long_ones_that_only_claim_its_id(
    street: Street, signed: Signed
) -> None:
    claims = [signed(street.shop, NOBODYS * 1000, is_signed=False)] * CROWD
    assert street.status(signed(street.shop)) == 200
    street.crowd(claims, HERE, held=STRANGERS_PLACES)
    assert street.status(signed(street.shop)) == 200
    assert street.part.begun == STRANGERS_PLACES


@DIALECTS
def test_who_claims_an_id_from_elsewhere_has_nothing_by_it(street: Street, signed: Signed) -> None:
    assert street.status(signed(street.shop)) == 200
    claims = [signed(street.shop, NOBODYS, is_signed=False)] * CROWD
    street.crowd(claims, *(f"127.0.9.{host}" for host in range(1, 13)), held=STRANGERS_THREADS)
    assert street.status(signed(street.shop)) == 200
    assert street.part.begun == STRANGERS_THREADS


@DIALECTS
def test_the_first_call_of_an_id_has_the_next_turn_of_its_address(
    street: Street, signed: Signed
) -> None:
    street.crowd(
        [signed(street.other, NOBODYS, is_signed=False)] * CROWD, HERE, held=STRANGERS_PLACES
    )
    statuses: list[int] = []
    first = threading.Thread(target=lambda: statuses.append(street.status(signed(street.shop))))
    first.start()
    until(lambda: street.part.came > CROWD)
    street.wait_until_all_is_read()
    street.part.let_go.release()
    first.join(PATIENCE_S)
    assert statuses == [200]
    assert street.part.begun <= STRANGERS_PLACES + 1
