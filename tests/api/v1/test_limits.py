from chalicelib.auth.rate_limits import Rates
from chalicelib.services import Services
from tests.support.api.v1.client import V1Client


def test_a_key_may_send_its_burst_and_then_comes_again_when_it_is_told(
    v1: V1Client, services: Services
) -> None:
    now = 1000.0
    services.access.rates = Rates(5, 1, lambda: now)
    replies = [v1.send("GET", "/v1/session") for _ in range(11)]
    assert [reply.status for reply in replies] == [200] * 10 + [429]
    assert replies[0].headers["ratelimit"] == '"requests";r=9;t=1'
    assert replies[-1].json["code"] == "TooManyRequests"
    assert replies[-1].headers["retry-after"] == "1"
    assert replies[-1].headers["ratelimit-policy"] == '"requests";q=10;w=2'
    assert replies[-1].headers["ratelimit"] == '"requests";r=0;t=1'
    now += 1
    assert v1.send("GET", "/v1/session").status == 200


def test_each_key_and_each_camera_has_a_limit_of_its_own(v1: V1Client, services: Services) -> None:
    camera, ann = v1.add_camera("door"), v1.done("POST", "/v1/keys", {"name": "Ann"})
    services.access.rates = Rates(1, 1, lambda: 1000.0)
    for key in (v1.api_key, camera["api_key"], ann["api_key"]):
        assert [v1.with_key(key).send("GET", "/v1/session").status for _ in range(3)] == [
            200,
            200,
            429,
        ]


def test_requests_that_look_for_faces_have_a_lower_limit_and_leave_the_others_theirs(
    v1: V1Client, services: Services
) -> None:
    services.access.rates = Rates(100, 1, lambda: 1000.0)
    pictures = [v1.send("POST", "/v1/faces/nobody/pictures", {"picture": "AAAA"}) for _ in range(3)]
    assert [reply.status for reply in pictures] == [404, 404, 429]
    assert "2 requests of a key that look for faces" in pictures[-1].json["detail"]
    assert v1.send("GET", "/v1/session").status == 200


def test_a_refused_request_changes_nothing(v1: V1Client, services: Services) -> None:
    services.access.rates = Rates(1, 1, lambda: 1000.0)
    assert [v1.send("POST", "/v1/keys", {"name": "Ann"}).status for _ in range(4)] == [
        201,
        201,
        429,
        429,
    ]
    assert len(services.access.keys.list_all(services.tenants.get_by_name("shop"))) == 3
