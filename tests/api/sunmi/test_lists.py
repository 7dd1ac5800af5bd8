"""getFaceList and getFaceByArrival: which faces, in which order, and how they look."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.core import keys
from chalicelib.core.ports import Update, exists
from chalicelib.core.values import milliseconds
from chalicelib.services import Services
from tests.api.sunmi.client import CameraClient
from tests.api.sunmi.samples import BOB
from tests.api.sunmi.walk import call, walk
from tests.fakes import FakeClock, Person, picture


def arrive(services: Services, clock: FakeClock, faceid: str) -> None:
    """The face arrives now; nothing of the dialect lets a face arrive."""
    tenant = services.tenants.all()[0]
    face = services.faces.get(tenant, faceid)
    seen = {
        "arrive_count": face.arrive_count + 1,
        "last_arrival_at": milliseconds(clock.now()),
        "arrival_key": keys.arrival_key(face.group_id, clock.now(), faceid),
    }
    there = (exists("face-exists"),)
    services.requests._items.transact([Update(keys.FACES, (tenant.name, faceid), there, set=seen)])


class TestLists:
    @pytest.fixture
    def five(self, shop_front: CameraClient, clock: FakeClock) -> CameraClient:
        """Faces f0 to f4 in group `empty`, enrolled a minute apart."""
        for n in range(5):
            shop_front.add_face("empty", picture(Person(n)), faceid=f"f{n}")
            clock.advance(timedelta(minutes=1))
        return shop_front

    def longest_away(self, camera: CameraClient, num: str = "10") -> list[str]:
        data = camera.call("getFaceByArrival", {"group_name": "empty", "num": num})["data"]
        assert data["num"] == data["return_num"] == len(data["faceid_list"])
        return [face["faceid"] for face in data["faceid_list"]]

    @pytest.mark.parametrize("endpoint", ["getFaceList", "getFaceIDList"])
    def test_endpoint_13_a_list_is_in_the_order_of_enrolment_oldest_first(
        self, five: CameraClient, endpoint: str
    ) -> None:
        pages = [
            five.call(endpoint, {"group_name": "empty", "page_num": str(n), "page_size": "2"})["data"]
            for n in range(1, 5)
        ]
        listed = [[face["faceid"] for face in page["faceid_list"]] for page in pages]
        assert listed == [["f0", "f1"], ["f2", "f3"], ["f4"], []]
        assert [(page["total_num"], page["num"], page["return_num"]) for page in pages] == [
            (5, 2, 2),
            (5, 2, 2),
            (5, 1, 1),
            (5, 0, 0),
        ]

    def test_endpoint_14_faces_that_never_arrived_count_from_their_enrolment(self, five: CameraClient) -> None:
        assert self.longest_away(five) == ["f0", "f1", "f2", "f3", "f4"]
        assert self.longest_away(five, "") == ["f0"], "num is 1 where it is not sent"
        shown = five.call("getFaceByArrival", {"group_name": "empty"})["data"]["faceid_list"][0]
        assert (shown["arrive_time"], shown["arrive_count"]) == (None, 0)

    def test_endpoint_14_the_longest_away_come_first(
        self, five: CameraClient, furnished_services: Services, clock: FakeClock
    ) -> None:
        for faceid in ("f3", "f0", "f0"):
            arrive(furnished_services, clock, faceid)
            clock.advance(timedelta(hours=1))
        assert self.longest_away(five) == ["f1", "f2", "f4", "f3", "f0"]
        assert self.longest_away(five, "4") == ["f1", "f2", "f4", "f3"]
        seen = five.call("getFace", {"faceid": "f0"})["data"]
        assert seen["arrive_count"] == 2
        assert seen["arrive_time"] == int((clock.now() - timedelta(hours=1)).timestamp())

    def test_endpoint_11_a_move_keeps_the_arrivals(
        self, five: CameraClient, furnished_services: Services, clock: FakeClock
    ) -> None:
        arrive(furnished_services, clock, "f3")
        walk(
            five,
            [
                call("updateFace", group_name="empty", faceid="f3", new_group_name="regular", pic=BOB).gets(0),
                call("getFace", faceid="f3").gets(0, arrive_count=1, arrive_time=int(clock.now().timestamp())),
            ],
        )
        assert self.longest_away(five) == ["f0", "f1", "f2", "f4"]

    def test_endpoint_13_a_move_keeps_the_place_by_enrolment(self, five: CameraClient) -> None:
        for faceid in ("f4", "f1"):
            five.call("updateFace", {"group_name": "empty", "faceid": faceid, "new_group_name": "regular"})
        assert five.faceids("regular") == ["f1", "f4"]

    def test_endpoint_12_to_14_faces_carry_names_and_places_and_a_list_no_group_name(
        self, shop_front: CameraClient
    ) -> None:
        one = shop_front.call("getFace", {"faceid": "7"})["data"]
        assert one == {
            "faceid": "7",
            "group_name": "vip",
            "weight": "59",
            "item1": "59",
            "age": None,
            "age_range": 5,
            "gender": 2,
            "arrive_count": 0,
            "arrive_time": None,
        }
        del one["group_name"]
        for endpoint in ("getFaceList", "getFaceByArrival"):
            assert shop_front.call(endpoint, {"group_name": "vip"})["data"]["faceid_list"] == [one]
