"""16 callers at once who add, move, change and delete: what is counted afterwards is what is there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from chalicelib.services import Services
from tests.api.sunmi.client import CameraClient
from tests.fakes import Person, picture
from tests.faults.recount import disagreements

THREADS = 16
CALLS = 20
GROUPS = ("vip", "empty", "stranger", "regular")
ADDED, MOVED, DELETED = {0, 206, 208}, {0, 207, 208}, {0}


def calls_of(camera: CameraClient, thread: int) -> Iterator[tuple[str, int]]:
    """What one caller does, each with its code; the 16 share 24 faceids, and `empty` has room for 10."""
    dice = random.Random(thread)
    for _ in range(CALLS):
        faceid, group, other = str(dice.randrange(24)), dice.choice(GROUPS), dice.choice(GROUPS)
        person = picture(Person(100 + int(faceid)))
        match dice.randrange(4):
            case 0 | 1:
                yield "addFace", camera.add_face(group, person, faceid=faceid)["code"]
            case 2:
                fields = {"group_name": group, "faceid": faceid, "new_group_name": other}
                pic = person if dice.random() < 0.3 else None
                yield "updateFace", camera.call("updateFace", fields, pic)["code"]
            case _:
                fields = {"group_name": group, "num": "1", "faceid_list": f'["{faceid}"]'}
                yield "deleteFace", camera.call("deleteFace", fields)["code"]


def test_adds_moves_and_deletes_of_16_threads_leave_counts_equal_to_a_recount(
    shop_front: CameraClient, furnished_services: Services
) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        done = [one for each in pool.map(lambda n: list(calls_of(shop_front, n)), range(THREADS)) for one in each]
    listed = {"addFace": ADDED, "updateFace": MOVED, "deleteFace": DELETED}
    assert [one for one in done if one[1] not in listed[one[0]]] == []
    counted = Counter(done)
    assert all(counted[endpoint, 0] for endpoint in listed), counted
    assert disagreements(furnished_services, furnished_services.tenants.all()[0]) == []
    assert shop_front.groups()["empty"]["count"] <= 10
    found = {faceid for group in GROUPS for faceid in shop_front.faceids(group)}
    for faceid in found - {"7"}:  # which may still be Ann
        looked_for = shop_front.call("getFaceByPicture", pic=picture(Person(100 + int(faceid), 130)))
        assert looked_for["data"]["faceid"] == faceid
