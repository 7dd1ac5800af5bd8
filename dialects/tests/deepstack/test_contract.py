"""What DeepStack's and CodeProject.AI's clients send is answered as they read it. Statements:
docs/deepstack.md."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import numpy as np
import pytest
from chalice.app import Chalice
from msgspec.structs import replace
from numpy.typing import NDArray
from regulars_dialects.deepstack import KeylessClients
from regulars_dialects.deepstack.routes import OPERATIONS, STATUS_PATHS

from chalicelib.api.service_keys import add_service_key
from chalicelib.auth.rate_limits import Rates
from chalicelib.bootstrap import build
from chalicelib.domain.errors import Busy, RegularsError, StorageUnavailable
from chalicelib.domain.model import Profile
from chalicelib.domain.pictures import PictureRules
from chalicelib.services import Services
from chalicelib.settings import SettingError, Settings
from chalicelib.version import VERSION
from tests.support.api.deepstack.client import FACE, Client
from tests.support.api.gateway import FORM, Reply, send
from tests.support.api.stage import Failing, Stage, make_stage
from tests.support.book.book_with import book_with
from tests.support.fakes import UNHURRIED, FakeClock, FakeVision, Person, picture

ANN, BOB, EVA = Person(1), Person(2), Person(3)
NO_SUCH = "11111111-2222-4333-8444-555555555555"


def photo(person: Person, number: int = 0) -> bytes:
    """One of a person's photos."""
    return picture(Person(person.seed, side_px=100.0 + number))


def key_of(services: Services, tenant_name: str, group_name: str) -> str:
    tenant = services.tenants.get_by_name(tenant_name)
    services.groups.create(tenant, group_name, None, "")
    return add_service_key(
        services, tenant, "Viseron", "deepstack", services.groups.get_by_name(tenant, group_name).id
    )


@pytest.fixture
def home(app: Chalice, services: Services) -> Client:
    services.tenants.add("home", Profile.CLOUD)
    return Client(app, key_of(services, "home", "family"))


def refused(reply: Reply, status: int, error: str) -> None:
    assert (reply.status, reply.json) == (
        status,
        {"success": False, "error": error, "code": status},
    )


# --- keys
# --------------------------------------------------------------------------------------------------


def test_a_call_without_the_right_key_is_refused_in_their_words(
    home: Client, services: Services
) -> None:
    tenant = services.tenants.get_by_name("home")
    other = add_service_key(services, tenant, "sdk", "detection")
    for key in (None, "", "no key", NO_SUCH, other):
        for one in OPERATIONS:
            refused(home.with_key(key).call(one.path.removeprefix(FACE)), 401, "Incorrect api key")
    assert home.with_key(home.key.upper()).names() == []


def test_who_asks_first_whether_the_server_lives_is_told_so_without_a_key(home: Client) -> None:
    for path in STATUS_PATHS:
        reply = send(home.app, path, b"", method="GET")
        assert (reply.status, reply.json["success"], reply.json["message"]) == (200, True, VERSION)
        assert reply.json["updateAvailable"] is False
        assert [(one["moduleId"], one["status"]) for one in reply.json["statuses"]] == [
            ("FaceProcessing", "Started")
        ]
        assert (
            ".".join(str(reply.json["version"][part]) for part in ("major", "minor", "patch"))
            == VERSION
        )


def test_answers_about_pictures_say_how_long_it_took(home: Client) -> None:
    for path, more in (("", {}), ("/recognize", {}), ("/register", {"userid": "Ann"})):
        found = home.call(path, {"image": photo(ANN)}, **more).json
        assert 0 <= found["inferenceMs"] <= found["processMs"] == found["analysisRoundTripMs"]
    assert "processMs" not in home.call("/list").json


def test_a_face_that_the_tenants_limits_turn_down_is_unknown(
    home: Client, services: Services
) -> None:
    home.register("Ann", photo(ANN))
    services.tenants.change_settings("home", {"least_liveness": 0.5, "min_age": 13.0})
    for refused_picture in (picture(Person(1, liveness=0.1)), picture(Person(1, age=5.0))):
        assert home.named(refused_picture) == [("unknown", 0)]
        for files in ((refused_picture, photo(ANN)), (photo(ANN), refused_picture)):
            assert (
                home.call("/match", dict(zip(("one", "other"), files, strict=True))).json[
                    "similarity"
                ]
                == 0.0
            )


def test_a_key_reaches_its_own_group_only(home: Client, services: Services) -> None:
    home.register("Ann", photo(ANN))
    other = home.with_key(key_of(services, "home", "guests"))
    services.tenants.add("stranger", Profile.CLOUD)
    for one in (other, home.with_key(key_of(services, "stranger", "family"))):
        assert one.names() == []
        assert one.named(photo(ANN, 1)) == [("unknown", 0)]
        assert one.call("/delete", userid="Ann").json == {"success": True}
    assert home.names() == ["Ann"]


def test_the_key_of_a_group_that_is_gone_or_a_tenant_that_is_disabled_is_no_key(
    home: Client, services: Services
) -> None:
    tenant = services.tenants.get_by_name("home")
    services.groups.delete(tenant, "family")
    refused(home.call("/list"), 401, "Incorrect api key")
    second = home.with_key(key_of(services, "home", "guests"))
    services.tenants.disable("home")
    refused(second.call("/list"), 401, "Incorrect api key")


@contextmanager
def keyless(folder: Path, clock: FakeClock, tenant: str | None, *networks: str) -> Iterator[Client]:
    settings = Settings(
        storage=folder,
        of_dialects={
            "deepstack": KeylessClients(tenant, tuple(ip_network(one) for one in networks))
        },
        public_url="https://box.example",
        **UNHURRIED,
    )
    vision = FakeVision()
    services = build(settings, clock=clock, vision=lambda: vision)
    try:
        services.tenants.add("home", Profile.CLOUD)
        services.tenants.add("bare", Profile.CLOUD)
        key_of(services, "home", "family")
        yield Client(make_stage(services).app, None)
    finally:
        services.close()


@pytest.mark.parametrize(
    ("tenant", "networks", "status"),
    [
        ("home", ("203.0.113.0/24",), 200),
        ("home", ("10.0.0.0/8", "203.0.113.7"), 200),
        ("home", ("10.0.0.0/8", "2001:db8::/32"), 401),
        (None, (), 401),
        ("bare", ("0.0.0.0/0",), 401),
        ("nobody", ("0.0.0.0/0",), 401),
    ],
)
def test_a_call_without_a_key_is_the_named_tenants_if_it_comes_from_its_networks(
    tenant: str | None, networks: tuple[str, ...], status: int, tmp_path: Path, clock: FakeClock
) -> None:
    with keyless(tmp_path / "data", clock, tenant, *networks) as client:
        assert client.call("/list").status == status
        assert client.with_key("").call("/list").status == status
        assert client.with_key(NO_SUCH).call("/list").status == 401, (
            "a wrong key is no key that lacks"
        )


def test_a_key_whose_end_has_come_lets_nobody_in_without_it_either(
    home: Client, services: Services, clock: FakeClock
) -> None:
    tenant = services.tenants.get_by_name("home")
    [own] = [one for one in services.access.keys.list_all(tenant) if one.service == "deepstack"]
    services.access.keys.change(tenant, own.id, {"expires_at": clock.now() + timedelta(hours=1)})
    keyless = KeylessClients("home", (ip_network("203.0.113.0/24"),))
    settings = replace(services.settings, of_dialects={"deepstack": keyless})
    app = make_stage(book_with(services, settings=settings)).app
    assert Client(app, None).call("/list").status == 200
    clock.advance(timedelta(hours=2))
    refused(home.call("/list"), 401, "Incorrect api key")
    refused(Client(app, None).call("/list"), 401, "Incorrect api key")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "LOCALHOST"}, 200),
        ({"Host": f"{socket.gethostname()}:8000"}, 200),
        ({"Host": "regulars:8000"}, 401),
        ({"Host": ""}, 401),
        ({"Host": f"{socket.gethostname()}.local"}, 200),
        ({"Host": "box.example"}, 200),
        ({"Host": "evil.example"}, 401),
        ({"Host": "127.0.0.1.evil.example"}, 401),
        ({"Origin": "http://127.0.0.1:8000"}, 200),
        ({"Origin": "https://box.example"}, 200),
        ({"Origin": "http://127.0.0.1:8001"}, 401),
        ({"Origin": "http://evil.example"}, 401),
        ({"Origin": "null"}, 401),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 401),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8000"}, 401),
        ({"X-Forwarded-For": "198.51.100.1"}, 401),
        ({"X-Real-IP": "198.51.100.1"}, 401),
        ({"Forwarded": "for=198.51.100.1"}, 401),
        ({"Via": "1.1 proxy"}, 401),
    ],
)
def test_a_call_without_a_key_comes_straight_from_a_program_that_knows_this_machine(
    headers: dict[str, str], status: int, tmp_path: Path, clock: FakeClock
) -> None:
    sent = {"Host": "127.0.0.1:8000", **headers}
    with keyless(tmp_path / "data", clock, "home", "203.0.113.0/24") as client:
        assert send(client.app, f"{FACE}/list", headers=sent).status == status
    with keyless(tmp_path / "other", clock, "home", "203.0.113.8") as client:
        refused(send(client.app, f"{FACE}/list", headers=sent), 401, "Incorrect api key")


def test_a_key_is_good_from_anywhere(home: Client) -> None:
    sent = {"Host": "evil.example", "Via": "1.1 proxy", "Origin": "http://evil.example"}
    assert (
        send(home.app, f"{FACE}/list", f"api_key={home.key}".encode(), headers=sent).status == 200
    )


def test_a_tenant_for_calls_without_a_key_is_given_with_networks(
    tmp_path: Path, clock: FakeClock
) -> None:
    for tenant, networks in (("home", ()), (None, ("127.0.0.0/8",))):
        with (
            pytest.raises(SettingError, match="given together"),
            keyless(tmp_path, clock, tenant, *networks),
        ):
            pass


def test_a_key_may_send_as_much_as_one_of_v1(home: Client, services: Services) -> None:
    now = [0.0]
    services.access.__dict__["rates"] = Rates(100, 10, lambda: now[0])
    looks = [home.call(path, {"image": photo(ANN)}) for path in ("", "/recognize") * 15]
    assert [one.status for one in looks] == [200] * 20 + [429] * 10
    assert (looks[-1].json["code"], looks[-1].headers["retry-after"]) == (429, "1")
    lists = [home.call("/list").status for _ in range(210)]
    assert lists == [200] * 200 + [429] * 10
    now[0] += 1
    assert home.call("/recognize", {"image": photo(ANN)}).status == 200


# --- what is known
# --------------------------------------------------------------------------------------------------


def test_faces_are_registered_listed_recognised_and_deleted(home: Client) -> None:
    assert home.register("Ann", photo(ANN)) == "face added"
    assert home.register("Bob", photo(BOB), photo(BOB, 1)) == "face added"
    assert home.register("Ann", photo(ANN, 1)) == "face updated"
    assert home.names() == ["Ann", "Bob"]
    (name, confidence), *others = home.named(photo(ANN, 2))
    assert (name, others) == ("Ann", [])
    assert 0.9 < confidence <= 1
    assert home.named(photo(EVA)) == [("unknown", 0)]
    assert home.call("/delete", userid="Ann").json == {"success": True}
    assert home.call("/delete", userid="Ann").json == {"success": True}
    assert home.names() == ["Bob"]
    assert home.named(photo(ANN, 2)) == [("unknown", 0)]


class Slow(FakeVision):
    """A vision that takes eight seconds for a picture."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def read_picture(self, picture: bytes, rules: PictureRules) -> NDArray[np.uint8]:
        self._clock.advance(timedelta(seconds=8))
        return super().read_picture(picture, rules)


def test_photos_that_a_call_has_no_time_for_are_named_and_taken_by_the_next_call(
    tmp_path: Path, clock: FakeClock
) -> None:
    vision = Slow(clock)
    with closing(
        build(Settings(storage=tmp_path, **UNHURRIED), clock=clock, vision=lambda: vision)
    ) as services:
        services.tenants.add("home", Profile.CLOUD)
        slow = Client(make_stage(services).app, key_of(services, "home", "family"))
        photos = {f"image{number}": photo(ANN, number) for number in range(4)}
        late = "the photos before it took all the time of this call: send it again"
        answer = slow.call("/register", photos, userid="Ann").json
        assert (answer["message"], answer["refused"]) == (
            "face added",
            [f"image2: {late}", f"image3: {late}"],
        )
        assert "refused" not in slow.call("/register", photos, userid="Ann").json


def test_a_list_and_a_deletion_come_as_urlencoded_forms_too_or_with_no_body_at_all(
    home: Client,
) -> None:
    home.register("Ann", photo(ANN))
    body = f"api_key={home.key}&userid=Ann".encode()
    assert send(home.app, f"{FACE}/list", body, content_type=FORM).json == {
        "success": True,
        "faces": ["Ann"],
    }
    assert send(home.app, f"{FACE}/delete", body, content_type=FORM).json == {"success": True}
    refused(send(home.app, f"{FACE}/list", content_type=None), 401, "Incorrect api key")


def test_predictions_have_boxes_in_whole_pixels_within_the_picture(home: Client) -> None:
    home.register("Ann", photo(ANN))
    for path, members in (("", {"confidence"}), ("/recognize", {"confidence", "userid"})):
        found = home.call(path, {"image": picture(ANN, BOB)}).json
        assert found["success"] is True
        assert len(found["predictions"]) == 2
        for one in found["predictions"]:
            assert set(one) == {*members, "x_min", "y_min", "x_max", "y_max"}
            places = [one[name] for name in ("x_min", "y_min", "x_max", "y_max")]
            assert all(isinstance(place, int) and place >= 0 for place in places)
            assert one["x_min"] < one["x_max"]


def test_a_picture_without_a_face_has_no_predictions(home: Client) -> None:
    for path in ("", "/recognize"):
        found = home.call(path, {"image": picture()}).json
        assert (found["success"], found["predictions"]) == (True, [])


def test_min_confidence_asks_for_more_and_below_a_half_nobody_is_named(home: Client) -> None:
    home.register("Ann", photo(ANN))
    assert home.named(photo(EVA), min_confidence="0") == [("unknown", 0)]
    ((_, confidence),) = home.named(photo(ANN, 1), min_confidence="0.9")
    assert home.named(photo(ANN, 1), min_confidence=str(confidence)) == [("Ann", confidence)]
    assert home.named(photo(ANN, 1), min_confidence="1") in ([("unknown", 0)], [("Ann", 1.0)])
    faces = home.call("", {"image": photo(ANN)}, min_confidence="0").json["predictions"]
    assert home.call("", {"image": photo(ANN)}, min_confidence="1").json["predictions"] in (
        [],
        faces,
    )
    for path in ("", "/recognize"):
        for text, error in (
            ("x", "Invalid value for min_confidence"),
            ("nan", "Invalid value for min_confidence"),
            ("1.1", "min_confidence cannot be greater than 1"),
        ):
            refused(home.call(path, {"image": photo(ANN)}, min_confidence=text), 400, error)


def test_two_pictures_are_compared(home: Client) -> None:
    same = home.call("/match", {"image1": photo(ANN), "image2": photo(ANN, 1)}).json
    other = home.call("/match", {"image1": photo(ANN), "image2": photo(BOB)}).json
    assert same["success"] is True
    assert other["similarity"] < 0.5 < same["similarity"] <= 1
    for count, error in (
        (0, "No valid image file found"),
        (1, "expected two image files, only one found"),
        (3, "only two images allowed"),
    ):
        refused(
            home.call("/match", {f"image{number}": photo(ANN) for number in range(count)}),
            400,
            error,
        )
    refused(
        home.call("/match", {"image1": photo(ANN), "image2": picture()}), 400, "no face detected"
    )


def test_what_is_missing_is_said_in_their_words(home: Client) -> None:
    refused(home.call("/register", {"image": photo(ANN)}), 400, "userid not specified")
    refused(home.call("/register", {"image": photo(ANN)}, userid=" "), 400, "userid not specified")
    refused(home.call("/delete"), 400, "userid not specified")
    for path in ("", "/recognize", "/register"):
        refused(home.call(path, userid="Ann"), 400, "No valid image file found")
    assert home.names() == []


def test_a_picture_that_shows_no_face_registers_nobody(home: Client) -> None:
    refused(home.call("/register", {"image": picture()}, userid="Ann"), 400, "no face detected")
    reply = home.call("/register", {"image": b"no picture"}, userid="Ann")
    assert (reply.status, reply.json["success"]) == (400, False)
    assert reply.json["error"].startswith("invalid image: ")
    assert home.names() == []
    files = {"image1": picture(), "image2": photo(ANN), "image3": picture(ANN, BOB)}
    reply = home.call("/register", files, userid="Ann")
    assert reply.json["message"] == "face added"
    assert [one.partition(":")[0] for one in reply.json["refused"]] == ["image1", "image3"]
    assert home.names() == ["Ann"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Busy("b"), 429),
        (StorageUnavailable("s"), 503),
        (RegularsError("s"), 500),
        (ZeroDivisionError("inside"), 500),
    ],
)
def test_a_failure_of_ours_says_when_to_try_again(
    stage: Stage, home: Client, error: Exception, status: int
) -> None:
    stage.services.items = Failing(error)
    reply = home.call("/list")
    assert (reply.status, reply.json["success"]) == (status, False)
    assert ("retry-after" in reply.headers) == (status in (429, 503))
    assert "inside" not in reply.json["error"]
