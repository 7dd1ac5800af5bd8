"""A furnished shop, and for each endpoint one request that succeeds in it."""

from collections.abc import Mapping

from msgspec import Struct, field

from tests.support.api.gateway import Part
from tests.support.api.sunmi.client import CameraClient, Signed
from tests.support.fakes import Person, picture

ANN, BOB = picture(Person(1)), picture(Person(2))


class Sample(Struct, frozen=True):
    fields: dict[str, str] = field(default_factory=dict)
    pic: bytes | None = None

    def signed(
        self, camera: CameraClient, endpoint: str, changes: Mapping[str, str | None] | None = None
    ) -> Signed:
        """The request, with some fields changed; None: left out."""
        fields = {**self.fields, **(changes or {})}
        pairs = [(name, value) for name, value in fields.items() if value is not None]
        return camera.signed(endpoint, pairs, [] if self.pic is None else [jpeg(self.pic)])


def jpeg(data: bytes, name: str = "pic") -> Part:
    return Part(name, data, "11024.jpg", ("Content-Type: image/jpeg",))


SAMPLES: Mapping[str, Sample] = {
    "createGroup": Sample(
        {"name": "gold", "capacity": "10", "description": "Customers with gold card."}
    ),
    "updateGroup": Sample(
        {"old_name": "vip", "name": "svip", "capacity": "20", "description": "platinum"}
    ),
    "updateMigration": Sample({"arrive_times": "5", "period": "20"}),
    "deleteGroup": Sample({"name": "empty"}),
    "getGroupList": Sample(),
    "addFaceInfoItem": Sample({"num": "1", "group_name": "vip", "name_list": '["hobby"]'}),
    "removeFaceInfoItem": Sample({"num": "1", "group_name": "vip", "name_list": '["weight"]'}),
    "getFaceInfoItem": Sample({"group_name": "vip"}),
    "addFace": Sample(
        {"group_name": "vip", "faceid": "8", "age": "21", "gender": "1", "item1": "60"}, BOB
    ),
    "deleteFace": Sample({"num": "1", "group_name": "vip", "faceid_list": '["7"]'}),
    "updateFace": Sample(
        {
            "group_name": "vip",
            "faceid": "7",
            "new_group_name": "regular",
            "age": "10",
            "gender": "1",
            "item1": "61",
        }
    ),
    "getFace": Sample({"faceid": "7"}),
    "getFaceList": Sample({"group_name": "vip", "page_num": "1", "page_size": "10"}),
    "getFaceIDList": Sample({"group_name": "vip", "page_num": "1", "page_size": "10"}),
    "getFaceByArrival": Sample({"group_name": "vip", "num": "2"}),
    "getFaceByPicture": Sample({}, ANN),
}

MUTATIONS = (
    *(
        "createGroup",
        "updateGroup",
        "updateMigration",
        "deleteGroup",
        "addFaceInfoItem",
        "removeFaceInfoItem",
    ),
    *("addFace", "deleteFace", "updateFace"),
)


def furnish(camera: CameraClient) -> None:
    """Group `vip` with attribute `weight` and face 7, who is Ann; group `empty`."""
    codes = [
        camera.create_group("vip")["code"],
        camera.create_group("empty", 10)["code"],
        camera.call(
            "addFaceInfoItem", {"num": "1", "group_name": "vip", "name_list": '["weight"]'}
        )["code"],
        camera.add_face("vip", ANN, faceid="7", weight="59")["code"],
    ]
    assert codes == [0] * len(codes)
