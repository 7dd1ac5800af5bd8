"""A legal hold preserves: whatever a dialect says, nothing of a held face is removed or
replaced."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.privacy.subject_access import Subject, read_holdings
from chalicelib.storage import keys
from chalicelib.storage.in_process import SystemClock
from chalicelib.storage.items import walk_items
from tests.support.api.icredit.client import MarketClient
from tests.support.api.rekognition.client import client
from tests.support.api.stage import make_stage
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.v1.client import V1Client
from tests.support.book.book import Book, Shot
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import Person, photo, picture
from tests.support.later import later

EVA, FINN, GUS, MAX = 11, 12, 13, 14
HOUR = timedelta(hours=1)
CONSENT = {"basis": "consent", "given_at": "2026-02-28T09:00:00.000Z", "evidence": "drawer 3"}
FORGETFUL = {
    **dict.fromkeys(
        ("capture_days", "sighting_days", "stranger_days", "regular_days", "learnt_days"), 30
    ),
    "observation_days": 150,
    "keeps_pictures": False,
    "ended_days": 0,
    "deletes_erase": True,
}


@dataclass
class Shop:
    """A shop whose regular Eva has all that a face may have, and is held."""

    book: Book

    def __post_init__(self) -> None:
        book, clock = self.book, self.book.clock
        credentials = book.services.tenants.rotate_keys("shop")
        app = make_stage(book.services).app
        self.v1 = V1Client(app, credentials.api_key)
        self.market = MarketClient(app, credentials.appcode)
        self.sunmi = CameraClient(app, credentials.app_id, credentials.app_key, clock)
        clock.advance(SystemClock().now() - clock.now())  # boto3 signs by this machine's clock
        self.rekognition = client(app, credentials)
        self.v1.done("POST", "/v1/groups", {"name": "vip", "attributes": ["hobby"]})
        self.other = self.enrolled(FINN, "7")
        # without an end, at which the person would be restricted (tests/privacy/consents)
        consent = CONSENT
        said = {
            "name": "Eva",
            "note": "theremin",
            "age": 30,
            "attributes": {"hobby": "chess"},
            "consent": consent,
        }
        self.eva = self.enrolled(EVA, "21", **said)
        self.v1.done(
            "PATCH", f"/v1/faces/{self.eva}", {"labels": {"a": "north"}, "gender": "female"}
        )
        self.sightings = [self.seen(EVA, hours) for hours in (9, 5, 2)]
        added = {"picture": photo(EVA, side_px=55.0)}
        self.picture = self.v1.done("POST", f"/v1/faces/{self.eva}/pictures", added)["id"]
        self.mistaken = self.seen(EVA, 1, side_px=91.0)
        self.v1.done("POST", f"/v1/faces/{self.eva}/sightings/{self.mistaken}/reject")
        self.twin = self.v1.done("GET", f"/v1/captures/{self.seen(GUS, 7)[:-2]}", camera="door")[
            "sightings"
        ][0]["face"]
        self.merge = self.v1.done("POST", f"/v1/faces/{self.eva}/merge", {"other": self.twin})[
            "merge"
        ]
        self.rekognition.create_user(CollectionId="vip", UserId="eva")
        self.rekognition.associate_faces(
            CollectionId="vip", UserId="eva", FaceIds=[self.eva], UserMatchThreshold=0
        )
        [self.group] = [
            one["id"] for one in self.v1.done("GET", "/v1/groups")["groups"] if one["name"] == "vip"
        ]
        self.v1.done("PUT", f"/v1/faces/{self.eva}/hold", {"held": True, "reason": "case 7"})

    def enrolled(self, who: int, id_: str, **more: Any) -> str:
        return str(
            self.v1.done(
                "POST", "/v1/faces", {"group": "vip", "id": id_, "picture": photo(who), **more}
            )["id"]
        )

    def seen(self, who: int, hours_ago: float, **looks: float) -> str:
        """Have a camera see somebody; return the sighting's id."""
        [capture] = self.book.see(
            Shot(self.book.clock.now() - hours_ago * HOUR, (Person(who, **looks),))
        )
        return f"{capture.id}-0"

    def kept(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """All that is stored of her but what is told and noted of calls; and her pictures."""
        book, items = self.book, self.book.storage.items
        face = book.services.faces.get(book.tenant, self.eva)
        observations = list(book.services.merges.mover.list_observations(book.tenant, self.eva))
        merges = book.services.merges.records.list_below(book.tenant.name, self.eva)
        about = read_holdings(Subject(items, book.tenant, face, observations, merges, []))
        told = ("audit", "done", "journal", "outbox", "requests", "reviews", "duplicates")
        stored = {
            name: found
            for name, found in about.items()
            if name not in told and not name.startswith("blobs")
        }
        own = (
            f"/faces/{self.eva}/",
            f"/faces/{self.twin}/",
            *(f"/{one[:-2]}" for one in self.sightings),
        )
        files = {
            str(one): one.read_bytes()
            for one in book.folder.rglob("*")
            if any(part in str(one) for part in own)
        }
        return {**stored, "merges": list(walk_items(items, keys.MERGES, "shop"))}, files


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    book = Book(tmp_path_factory.mktemp("held"))
    yield Shop(book)
    book.services.close()


@later
def v1(shop: Shop, method: str, path: str, body: Any = None) -> Any:
    filled = json.loads(json.dumps(body).replace("{other}", shop.other).replace("{eva}", shop.eva))
    reply = shop.v1.send(method, path.format(**vars(shop), first=shop.sightings[0]), filled)
    return reply.status, reply.json["code"], reply.json["detail"]


@later
def sunmi(shop: Shop, endpoint: str, pic: bytes | None = None, **fields: str) -> Any:
    sent = {name: text.replace("{eva}", shop.eva) for name, text in fields.items()}
    answer = shop.sunmi.call(endpoint, {"group_name": "vip", **sent}, pic)
    return answer["code"], answer["msg"]


@later
def icredit(shop: Shop, **fields: str) -> Any:
    sent = {name: text.replace("{eva}", shop.eva) for name, text in fields.items()}
    answer = shop.market.manage(PERSON_GROUP_LABEL="vip", **sent)
    return answer["ERROR_CODE"], answer["ERROR_MSG"]


@later
def amazon(shop: Shop, operation: str, **members: Any) -> Any:
    with pytest.raises(ClientError) as caught:
        getattr(shop.rekognition, operation)(CollectionId="vip", **members)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


HELD, SAYS = (409, "FaceHeld"), "face '21' is under legal hold since "

WAYS: list[tuple[Callable[[Shop], Any], tuple[Any, ...]]] = [
    (v1("DELETE", "/v1/faces/{eva}"), HELD),
    (v1("PATCH", "/v1/faces/{eva}", {"name": "Somebody"}), HELD),
    (v1("PATCH", "/v1/faces/{eva}", {"name": ""}), HELD),
    (v1("PATCH", "/v1/faces/{eva}", {"note": ""}), HELD),
    (v1("PATCH", "/v1/faces/{eva}", {"age": None}), HELD),
    (v1("PATCH", "/v1/faces/{eva}", {"gender": "male"}), HELD),
    (v1("PATCH", "/v1/faces/{eva}", {"attributes": {"hobby": ""}}), HELD),
    (v1("PATCH", "/v1/faces/{eva}", {"labels": {"a": "south"}}), HELD),
    (v1("PATCH", "/v1/faces/{eva}", {"group": "regular"}), HELD),
    (v1("POST", "/v1/face-changes", {"ids": ["{other}", "{eva}"], "delete": True}), HELD),
    (v1("DELETE", "/v1/faces/{eva}/pictures/{picture}"), HELD),
    (v1("POST", "/v1/faces/{eva}/sightings/{first}/reject"), HELD),
    (v1("POST", "/v1/faces/{eva}/sightings/{first}/reject", {"other": "{other}"}), HELD),
    (v1("DELETE", "/v1/faces/{eva}/rejections/{mistaken}"), HELD),
    (v1("PUT", "/v1/faces/{eva}/consent", {**CONSENT, "evidence": "burnt"}), HELD),
    (v1("POST", "/v1/faces/{other}/merge", {"other": "{eva}"}), HELD),
    (v1("POST", "/v1/merges/{merge}/undo"), HELD),
    (v1("PATCH", "/v1/groups/{group}", {"attributes": []}), HELD),
    (sunmi("deleteFace", num="1", faceid_list='["{eva}"]'), (2,)),
    (sunmi("updateFace", picture(Person(MAX)), faceid="{eva}"), (2,)),
    (sunmi("updateFace", faceid="{eva}", new_group_name="regular"), (2,)),
    (sunmi("updateFace", faceid="{eva}", hobby="go"), (2,)),
    (sunmi("updateFace", faceid="{eva}", age="31"), (2,)),
    (sunmi("removeFaceInfoItem", num="1", name_list='["hobby"]'), (2,)),
    (icredit(CONTROL_TYPE="3", IMAGE_TYPE="3", IMAGE="{eva}"), ("TOKEN_HELD",)),
    (icredit(CONTROL_TYPE="0", IMAGE_TYPE="0", IMAGE=photo(EVA), LABLE_A="south"), ("TOKEN_HELD",)),
    (amazon("delete_collection"), ("AccessDeniedException",)),
    (amazon("disassociate_faces", UserId="eva", FaceIds=["21"]), ("AccessDeniedException",)),
    (amazon("delete_user", UserId="eva"), ("AccessDeniedException",)),
]


@pytest.mark.parametrize(("call", "refused"), WAYS, ids=range(len(WAYS)))
def test_what_would_take_something_from_a_held_face_is_refused_and_changes_nothing(
    shop: Shop, call: Callable[[Shop], Any], refused: tuple[Any, ...]
) -> None:
    before = shop.kept()
    *found, says = call(shop)
    assert (tuple(found), says[: len(SAYS)]) == (refused, SAYS)
    assert says.endswith("lift the hold first, if you may")
    assert shop.kept() == before


def test_no_job_takes_anything_from_a_held_face_and_what_adds_goes_on(tmp_path: Path) -> None:
    with closing(Book(tmp_path)) as book:
        shop = Shop(book)
        before, files = shop.kept()
        assert len(files) == 11, (
            "three captures; three pictures, and the twin's own, with their thumbnails"
        )
        book.services.tenants.change_settings("shop", FORGETFUL)
        shop.v1.done("PATCH", f"/v1/groups/{shop.group}", {"unseen_days": 30})
        book.clock.advance(timedelta(days=400))
        for _ in range(26):
            book.clock.advance(HOUR)
            book.sweep()
        assert shop.v1.failed(404, "GET", f"/v1/faces/{shop.other}")["code"] == "FaceNotFound"
        assert shop.kept() == (before, files)
        assert not list_disagreements(book.services, "shop")

        book.services.tenants.change_settings("shop", {"keeps_pictures": True})
        shop.seen(EVA, 0)
        added = {"picture": photo(EVA, side_px=57.0), "trust": True}
        shop.v1.done("POST", f"/v1/faces/{shop.eva}/pictures", added)
        after, pictures = shop.kept()
        assert len(after["observations"]) == len(before["observations"]) + 1
        assert after["faces"][0]["arrive_count"] == before["faces"][0]["arrive_count"] + 1
        assert files.items() < pictures.items()
