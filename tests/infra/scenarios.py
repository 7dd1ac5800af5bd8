"""What the functions do in a shop's life, the rare included: each path by which they call AWS."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

from chalicelib.api.promise import equip_tenant
from chalicelib.book.commit import INDEX_EVERY
from chalicelib.domain.captures import captured_ms
from chalicelib.domain.model import (
    RESTRICTED,
    Credentials,
    Decision,
    Labels,
    Negative,
    Profile,
    Tenant,
)
from chalicelib.domain.observations import (
    NearFace,
    Observation,
    ObservationKind,
    Review,
    ReviewKind,
)
from chalicelib.domain.pictures import BoundingBox
from chalicelib.domain.rules.templates import make_template
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.privacy.makers import Maker, make_maker_put
from chalicelib.storage import keys
from chalicelib.storage.aws.clients import open_aws_client
from chalicelib.storage.aws.items import DynamoItemStore
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Put, Update, exists
from chalicelib.storage.records.observations import review_item
from chalicelib.storage.values import moment
from tests.infra.account import Account
from tests.support.api.devices import asked, device, sign_in, with_passkey
from tests.support.api.function_url import event_of
from tests.support.api.gateway import send
from tests.support.api.icredit.client import MarketClient
from tests.support.api.rekognition import signed
from tests.support.api.sunmi.client import CameraClient
from tests.support.api.sunmi.samples import SAMPLES, furnish
from tests.support.api.v1.client import V1Client, offer_of
from tests.support.book.people import ANN as IN_POOR_LIGHT
from tests.support.book.people import good, poor
from tests.support.book.tenants import CHOICE
from tests.support.fakes import Person, embedding_of, picture
from tests.support.hooks.receiver import Receiver, a_good_stage, answers, receiving
from tests.support.storage.emulated import PREFIX

ANN, BOB, CLEO, DAN = (picture(Person(number)) for number in (1, 2, 3, 4))


# A browser's subscription (RFC 8291, Appendix A).
BROWSER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
BROWSERS_SECRET = "BTBZMqHH6r4Tts7J_aSIgg"


class Shop:
    """A tenant of the account, and its clients."""

    def __init__(self, account: Account, name: str) -> None:
        self.account = account
        self.name = name
        self.credentials: Credentials = account.services.tenants.add(
            name, Profile.CLOUD, TenantSettings(**CHOICE, time_zone="UTC", deletes_erase=False)
        )
        self.camera = CameraClient(
            account.api, self.credentials.app_id, self.credentials.app_key, account.clock
        )
        self.market = MarketClient(account.api, self.credentials.appcode)
        self.v1 = V1Client(account.api, self.credentials.api_key)
        account.secrets += [
            self.credentials.app_key,
            self.credentials.appcode,
            self.credentials.api_key,
        ]

    @property
    def tenant(self) -> Tenant:
        return self.account.services.tenants.get_by_name(self.name)

    @property
    def items(self) -> DynamoItemStore:
        """For what the test does by its own hand."""
        return DynamoItemStore(self.account.aws.client("dynamodb"), PREFIX)

    def put(self, data: bytes, minutes_ago: float = 0, camera: str = "door") -> str:
        """Offer and put a capture; returns its key."""
        at = self.account.clock.now() - timedelta(minutes=minutes_ago)
        [upload] = self.v1.offer(offer_of(data, at, camera))
        key = keys.capture_picture(self.name, camera, upload["id"])
        self.account.services.ports.storage.uploads.put_if_absent(key, data, "image/jpeg")
        return key

    def see(self, data: bytes, minutes_ago: float = 0, camera: str = "door") -> dict[str, Any]:
        """A capture is put, and its event told; its first sighting, {} where there is none."""
        key = self.put(data, minutes_ago, camera)
        self.account.message("ingest", self.account.stored(key))
        capture = self.v1.done("GET", f"/v1/captures/{key.rpartition('/')[2]}", camera=camera)
        return {} if not capture["sightings"] else dict(capture["sightings"][0])


def play(account: Account) -> None:
    """All of it, one after the other: time only goes on."""
    for part in (
        camera_api,
        cloud_api,
        keys_and_sessions,
        dialects_keys,
        captures_and_visits,
        hooks,
        messages,
        searches_from_anywhere,
        schedules,
        left_accesses,
        usual_weeks,
        kept_no_longer,
        counted,
        withdrawn,
        pictures_off,
        readiness,
        merges,
        joins,
        seen_before,
        people,
        erasures,
        collections,
        expiries,
        failures,
    ):
        part(account)
        account.clear()


def camera_api(account: Account) -> None:
    shop = Shop(account, "camera-shop")
    furnish(shop.camera)
    last = ("removeFaceInfoItem", "updateFace", "deleteFace", "deleteGroup", "updateGroup")
    for endpoint in sorted(SAMPLES, key=lambda name: last.index(name) if name in last else -1):
        # An earlier one put face 7 elsewhere.
        changed = {"group_name": "regular"} if endpoint == "deleteFace" else None
        signed = SAMPLES[endpoint].signed(shop.camera, endpoint, changed)
        assert signed.answer()["code"] == 0, endpoint
        assert signed.answer()["code"] == 0, endpoint  # a retry is answered as before
    assert shop.camera.call("addFace", {"group_name": "nowhere", "faceid": "9"}, ANN)["code"] != 0
    _mistaken(shop, "8")
    assert shop.camera.call("deleteFace", _one_of("svip", "8"))["code"] == 0
    _next_commit_is_announced(shop)
    assert shop.camera.add_face("svip", CLEO, faceid="10")["code"] == 0
    assert account.work_off("build_index")
    assert shop.camera.call("getFaceByPicture", pic=DAN)["code"] == 283


def keys_and_sessions(account: Account) -> None:
    """Keys are made, changed, used and deleted; a browser signs in and out; so does a person, who
    is removed."""
    shop = Shop(account, "with-keys")
    made = shop.v1.done("POST", "/v1/keys", {"name": "Ann", "role": "admin"})
    place = f"/v1/keys/{made['id']}"
    account.secrets.append(made["api_key"])
    account.secrets.append(shop.v1.done("POST", f"{place}/renew")["api_key"])
    shop.v1.done("PATCH", place, {"name": "Anna"})
    shop.v1.done("GET", "/v1/keys")
    signed_in = shop.v1.with_key(None).send("POST", "/v1/session", {"api_key": account.secrets[-1]})
    cookie = signed_in.headers["set-cookie"].partition(";")[0]
    account.secrets.append(cookie.partition("=")[2])
    headers = {
        "Cookie": cookie,
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/json",
    }
    browser = shop.v1.with_key(None)
    assert browser.send("GET", "/v1/session", headers=headers).status == 200
    assert browser.send("DELETE", "/v1/session", headers=headers).status == 204
    repeated = {"Idempotency-Key": "once"}
    for _ in range(2):
        assert shop.v1.send("DELETE", place, headers=repeated).status == 204
    own, words = device(1), "four words that fit"
    member, passkey = with_passkey(shop.v1, "Maria", own, words)
    assert sign_in(shop.v1, {"passkey": own.sign(asked(shop.v1))}).status == 201
    assert sign_in(shop.v1, {"tenant": shop.name, "name": "Maria", "password": words}).status == 201
    shop.v1.done("PATCH", f"/v1/members/{member}", {"role": "viewer"})
    assert len(shop.v1.done("GET", "/v1/members")["members"]) == 1
    shop.v1.done_without_body("DELETE", f"/v1/members/{member}/passkeys/{passkey}")
    shop.v1.done("DELETE", f"/v1/members/{member}")


def dialects_keys(account: Account) -> None:
    """Keys that clients share are renewed, twice; a day later nothing is left of the older ones."""
    shop = Shop(account, "with-shared-keys")
    for dialect in ("sunmi", "icredit", "icredit"):
        account.secrets.append(shop.v1.done("POST", f"/v1/dialects/{dialect}/key", {})["secret"])
    MarketClient(account.api, account.secrets[-2]).query()  # the one before the newest holds
    account.later(days=1, minutes=1)
    account.tick("sweep")
    stored = shop.items.get(keys.TENANTS, keys.tenant_item(shop.name)) or {}
    assert not [name for name in stored if name.startswith("old_")]


def cloud_api(account: Account) -> None:
    shop = Shop(account, "cloud-shop")
    account.services.tenants.change_settings(shop.name, {"requests_a_day": 100_000})
    both = picture(Person(1, 90), Person(2, 80))
    [ann, bob] = [one["PERSON_TOKEN"] for one in shop.market.enrol("vip", both)["PERSON_ENTITY"]]
    shop.v1.done("PATCH", f"/v1/faces/{ann}", {"name": "Ann Lee"})
    token = {"IMAGE_TYPE": "3", "PERSON_GROUP_LABEL": "gold"}
    assert shop.market.manage(CONTROL_TYPE="0", IMAGE=ann, **token)["PERSON_TOKEN_STATUS"] == "0"
    assert shop.market.manage(
        CONTROL_TYPE="1", IMAGE=bob, **{**token, "PERSON_GROUP_LABEL": "vip"}
    )["PERSON_ENTITY"]
    assert shop.market.search("vip", ANN, LABLE_A="door")["PERSON_ENTITY"]
    _observe(shop, account.clock.now() - timedelta(days=3), count=40)
    account.tick("sweep")  # seals the day
    _observe(shop, account.clock.now() - timedelta(days=3), count=3)  # late
    for statistical in ("0", "1", "2", "3"):
        shop.market.analysis(statistical)
        shop.market.analysis(statistical, LABLE_A="door")
        shop.market.analysis(statistical, DISTINCT="1")
    shop.market.query(PAGE_SIZE="2")
    shop.market.query(PAGE_SIZE="2", LABLE_A="door")
    account.tick("sweep")
    for statistical in ("0", "1"):
        shop.market.analysis(statistical)
        shop.market.analysis(statistical, DISTINCT="1")
    account.later(days=2)
    account.tick("sweep")
    account.later(days=-2)
    account.tick("sweep")  # whose clock is right: what the other one sealed is undone
    shop.v1.done("GET", f"/v1/faces/{ann}/everything")
    assert any(one["hour"] for one in shop.v1.done("GET", "/v1/audit")["entries"]), (
        "an hour is closed"
    )
    assert shop.market.delete("vip", bob)["PERSON_TOKEN_STATUS"] == "0"


def readiness(account: Account) -> None:
    ready = send(account.api, "/ready", method="GET", content_type=None)
    assert ready.json == {
        "ready": True,
        "pack": "fake-pack",
        "storage": "ok",
        "models": "ok",
        "gallery": "ok",
    }


def captures_and_visits(account: Account) -> None:
    shop = Shop(account, "visited-shop")
    shop.v1.add_camera("door", id="door")
    shop.v1.add_camera("till", id="till")
    shop.v1.add_camera("Back door")
    once = offer_of(BOB, account.clock.now())
    shop.v1.offer({**once, "size": once["size"] + 1})
    shop.v1.offer(once)  # what was said of a picture that never came is corrected
    own = shop.v1.with_key(shop.v1.done("POST", "/v1/cameras/till/key")["api_key"])
    account.secrets.append(str(own.api_key))
    own.done("POST", "/v1/cameras/till/heartbeat", {"status": {"disk": 3}})
    shop.v1.done("PATCH", "/v1/cameras/till", {"labels": {"a": "x"}, "name": "The till"})
    shop.v1.done("PATCH", "/v1/settings", {"enrol_quality": 20, "period_days": 20})
    shop.v1.done("GET", "/v1/usage")
    shop.v1.done("GET", "/v1/cameras")
    shop.v1.done("GET", "/v1/cameras/door")
    assert shop.camera.call("updateMigration", {"arrive_times": "3", "period": "20"})["code"] == 0
    with _told(shop):
        # new, still there, again, promoted, again, and before that
        for minutes_ago in (600, 590, 400, 300, 200, 500):
            shop.see(ANN, minutes_ago)
        shop.see(ANN, 101 * 24 * 60)  # too old to be an arrival
        _next_commit_is_announced(shop)
        shop.see(CLEO, 150)
        _mistaken(shop, shop.camera.faceids("stranger")[0])
        shop.see(CLEO, 149)
        shop.see(picture(), 100)
        shop.see(picture(Person(5, 90), Person(1, 80), Person(6, 70, quality=12.0)), 90)
        shop.see(b"no picture", 80)
        _full_of_strangers(shop)
    nowhere = account.stored("visited-shop/door/0000000000000-" + "0" * 24)
    account.message("ingest", nowhere, waited_s=60)
    account.work_off("ingest")
    answer = account.message("ingest", "no event", '{"Event": "s3:TestEvent"}', nowhere)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-0"}]}  # it is to come again
    assert account.message("deliver", "no event")["batchItemFailures"]
    [face] = shop.camera.call("getFaceList", {"group_name": "regular"})["data"]["faceid_list"]
    shop.v1.done("GET", f"/v1/faces/{face['faceid']}")
    shop.v1.done("GET", f"/v1/faces/{face['faceid']}/sightings")
    assert shop.v1.done("GET", "/v1/arrivals", **{"from": "2020-01-01T00:00:00Z"})["arrivals"]
    captures = shop.v1.done("GET", "/v1/captures", camera="door")["captures"]
    shop.v1.done("GET", "/v1/captures")
    shop.v1.done("GET", f"/v1/captures/{captures[0]['id']}", camera="door")
    [parked] = shop.v1.done("GET", "/v1/captures", camera="door", state="parked")["captures"]
    shop.v1.done("POST", f"/v1/captures/{parked['id']}/redrive", {"camera": "door"})
    shop.v1.offer(offer_of(ANN, account.clock.now() - timedelta(minutes=600)))
    shop.v1.send("POST", "/v1/captures", CLEO, query={"camera": "door"}, content_type="image/jpeg")
    shop.v1.done("GET", "/v1/captures", camera="door", state="resolved", to="2030-01-01T00:00:00Z")
    assert shop.camera.call("deleteFace", _one_of("regular", face["faceid"]))["code"] == 0
    assert shop.v1.send("DELETE", "/v1/cameras/till").status == 204


def hooks(account: Account) -> None:
    shop = Shop(account, "told-shop")
    shop.v1.add_camera("door", id="door")
    with receiving(answers(200)) as receiver:
        made = shop.v1.done("POST", "/v1/hooks", {"url": receiver.url})
        hook = made["id"]
        account.secrets.append(made["secret"])
        shop.v1.done("GET", "/v1/hooks")
        shop.v1.done("GET", f"/v1/hooks/{hook}")
        shop.v1.done("PATCH", f"/v1/hooks/{hook}", {"events": None})
        account.secrets.append(shop.v1.done("POST", f"/v1/hooks/{hook}/secret")["secret"])
        shop.see(ANN, 10)
        _deliver_all(account)
        assert receiver.heard
        _failing(account, shop, receiver, hook)
        shop.v1.done("GET", f"/v1/hooks/{hook}/deliveries")
        receiver.answer_from_now_on(answers(200))
        assert shop.v1.done("POST", f"/v1/hooks/{hook}/redeliver")["redelivered"]
        _deliver_all(account)
        receiver.answer_from_now_on(answers(410))
        shop.see(CLEO, 5)
        _deliver_all(account)
        shop.v1.done("POST", f"/v1/hooks/{hook}/redeliver")
        shop.see(DAN, 4)
        assert shop.v1.send("DELETE", f"/v1/hooks/{hook}").status == 204
        _deliver_all(account)  # nobody wants it any more


def messages(account: Account) -> None:
    """People are told by a phone and a browser: with a name, a camera and a picture, and not of who
    is restricted."""
    shop = Shop(account, "telling-shop")
    shop.v1.add_camera("door", id="door")
    with receiving(answers(200)) as receiver:
        ntfy = {"way": "ntfy", "url": receiver.url, "token": "tk_of_the_shop"}
        browser = {"way": "push", "url": receiver.url, "p256dh": BROWSER, "auth": BROWSERS_SECRET}
        account.secrets += [
            shop.v1.done("GET", "/v1/push-key")["key"],
            ntfy["token"],
            BROWSERS_SECRET,
        ]
        hook = shop.v1.done(
            "POST", "/v1/hooks", {"url": None, "channel": ntfy, "picture": True, "pause_s": 1}
        )["id"]
        shop.v1.done("POST", "/v1/hooks", {"url": None, "channel": browser, "template": "{who}"})
        ann = shop.see(ANN, 10)["face"]
        _deliver_all(account)
        assert {one.headers["Content-Encoding"] for one in receiver.heard} == {None, "aes128gcm"}
        shop.v1.done("PATCH", f"/v1/hooks/{hook}", {"people": [ann]})
        shop.v1.send("DELETE", f"/v1/faces/{ann}", query={"erase": "true"})
        while account.work_off("build_index"):
            pass
        assert shop.v1.done("GET", f"/v1/hooks/{hook}")["people"] == []


def searches_from_anywhere(account: Account) -> None:
    """Warm, cold from a snapshot, over a gap in the journal, and with the snapshot lost."""
    shop = Shop(account, "searched-shop")
    assert shop.camera.create_group("vip")["code"] == 0
    _enrol(shop, *range(10, 14))
    account.message("build_index", f'{{"tenant": "{shop.name}"}}')
    _forget_and_build(account, shop, "10")
    account.restart()
    assert shop.camera.call("getFaceByPicture", pic=picture(Person(11)))["code"] == 0
    account.restart(near_faces=100)  # so small that who asks loads it
    assert shop.camera.call("getFaceByPicture", pic=picture(Person(11)))["code"] == 0
    account.restart(near_faces=100)
    for seen_by in (shop, Shop(account, "near-shop")):  # which has no snapshot
        seen_by.v1.add_camera("door", id="door")
        for nth, person in enumerate((ANN, BOB, picture(Person(11)))):
            seen_by.see(person, minutes_ago=3 - nth)
    account.restart()
    account.later(hours=2)
    _forget_and_build(account, shop, "12")
    account.later(hours=2)
    # trims, and drops the snapshot before
    account.message("build_index", f'{{"tenant": "{shop.name}"}}')
    _enrol(shop, 14)
    account.restart()
    _lose_snapshots(account, shop)
    assert shop.camera.call("getFaceByPicture", pic=picture(Person(13)))["code"] == 0
    account.restart(near_faces=100)
    shop.see(picture(Person(13)))
    account.restart()
    account.tick("sweep")  # mends it
    for function in ("build_index", "sweep"):  # each loads it by itself
        account.restart()
        _build(account, shop, function)


def schedules(account: Account) -> None:
    shop = Shop(account, "watched-shop")
    shop.v1.add_camera("door", id="door", silent_after_s=600)
    with receiving(answers(500)) as receiver:
        shop.v1.done("POST", "/v1/hooks", {"url": receiver.url})
        shop.put(ANN)  # and its event is lost
        heartbeat = {"status": {"box": "b1", "pictures": 1}}
        shop.v1.done("POST", "/v1/cameras/door/heartbeat", heartbeat)
        shop.v1.done("PUT", "/v1/fleet", {"settings": {"kib_per_s": 200}})
        account.tick("watch")  # the settings reach the box
        assert shop.v1.done("GET", "/v1/fleet")["state"] == "done"
        account.later(minutes=16)
        account.tick("watch")  # the camera is silent, the capture is sent again
        assert account.work_off("ingest")
        _deliver_all(account)
        account.later(minutes=30)
        account.tick("watch")  # what is overdue is announced
        shop.see(picture(Person(1, 90)), 5)  # who is learnt
        account.services.tenants.change_settings(shop.name, {"learnt_days": 2})
        shop.put(BOB)
        _orphan(account, shop)
        _at_hour(account, 3)
        account.tick("sweep")  # looks through all captures
        _consent_for_a_day(account, shop)
        account.later(days=3)
        account.tick("sweep")  # and forgets what was learnt, and whose consent has expired


def left_accesses(account: Account) -> None:
    """A night ends what a member left whose removal did not know who had made it."""
    shop = Shop(account, "left-shop")
    phone = {"way": "ntfy", "url": "https://8.8.8.8/leaver"}
    hook = shop.v1.done("POST", "/v1/hooks", {"url": None, "channel": phone})["id"]
    leaver = Maker("Ann (manager), member 7", "member 7", account.clock.now())
    account.services.items.transact([make_maker_put(shop.name, f"hook {hook}", leaver)])
    account.later(days=1)
    _at_hour(account, 3)
    account.tick("sweep")
    assert shop.v1.done("GET", "/v1/hooks")["hooks"] == []


def usual_weeks(account: Account) -> None:
    """A night learns what is usual for a camera that sends captures alone."""
    shop = Shop(account, "usual-shop")
    shop.v1.add_camera("door", id="door")
    shop.see(ANN, 5)
    for day in range(1, 21):
        _observe(shop, account.clock.now() - timedelta(days=day), 3, camera="door")
    _at_hour(account, 3)
    account.tick("sweep")
    assert account.services.cameras.get(shop.tenant, "door").usual


def kept_no_longer(account: Account) -> None:
    shop = Shop(account, "forgetting-shop")
    shop.v1.add_camera("door", id="door")
    shop.see(BOB, 160 * 24 * 60)
    shop.see(ANN, 5)
    account.tick("sweep")  # seals the day of the first
    days = {"capture_days": 1, "sighting_days": 1, "stranger_days": 1, "observation_days": 150}
    shop.v1.done("PATCH", "/v1/settings", days)
    assert [
        one["now"]
        for one in shop.v1.done("GET", "/v1/retention")["kinds"]
        if one["kind"] == "observations"
    ] == [1]
    account.later(days=2)
    _at_hour(account, 3)
    account.tick("sweep")
    told = shop.v1.done("GET", "/v1/retention")["kinds"]
    left = [one["kind"] for one in told if one["now"] and one["kind"] != "captures"]
    assert left == [], "S3 alone has a clock of its own"
    assert shop.v1.done("GET", "/v1/faces")["faces"] == []


def counted(account: Account) -> None:
    """A camera counts people, a place gets full, and minutes become hours."""
    shop = Shop(account, "counting-shop")
    shop.v1.add_camera("door", id="door")
    place = shop.v1.done("POST", "/v1/places", {"name": "Hall", "doors": ["door"], "full_at": 2})
    at = account.clock.now().replace(second=0, microsecond=0).isoformat()
    minutes = [{"at": at, "seconds": 60, "in": 3, "out": 0, "faces": 1}]
    for _ in range(2):
        shop.v1.done("PUT", "/v1/cameras/door/counts", {"minutes": minutes})
    path = f"/v1/places/{place['id']}"
    assert shop.v1.done("GET", path)["full"]
    shop.v1.done("PUT", f"{path}/inside", {"inside": 1})
    shop.v1.done("PATCH", path, {"full_at": None})
    shop.v1.done_without_body("DELETE", path)
    partitions = [keys.counted_minutes(shop.name), keys.counted_hours(shop.name)]
    account.later(days=32)
    account.tick("sweep")
    assert [len(shop.items.query(keys.SUMMARIES, one).items) for one in partitions] == [0, 1]
    assert shop.v1.done("GET", "/v1/statistics", entries="true")["entries"] is None


def withdrawn(account: Account) -> None:
    """Somebody takes the consent back whose face was cut out of a capture."""
    shop = Shop(account, "withdrawing-shop")
    shop.v1.add_camera("door", id="door")
    face = f"/v1/faces/{shop.see(ANN, 5)['face']}"
    record = {"basis": "consent", "given_at": account.clock.now().isoformat()}
    shop.v1.done("PUT", f"{face}/consent", record)
    [capture] = shop.v1.done("GET", "/v1/captures")["captures"]
    crop = f"/v1/captures/{capture['id']}/crops/0"
    assert shop.v1.send("GET", crop, query={"camera": "door"}).status == 302
    shop.v1.done_without_body("DELETE", f"{face}/consent")
    assert shop.v1.send("GET", crop, query={"camera": "door"}).status == 409


def pictures_off(account: Account) -> None:
    shop = Shop(account, "templates-shop")
    box = shop.v1.with_key(shop.v1.add_camera("door", id="door")["api_key"])
    ann, bob = (shop.see(data, minutes)["face"] for data, minutes in ((ANN, 9), (BOB, 7)))
    shop.v1.done("POST", f"/v1/faces/{ann}/merge", {"other": bob})
    shop.v1.done("PATCH", "/v1/settings", {"no_pictures_of": ["stranger"]})
    shop.see(picture(Person(88)), 5)
    account.tick("sweep")
    shop.v1.done("POST", "/v1/cameras/door/still")
    given = box.send(
        "PUT", "/v1/cameras/door/still", {"picture": base64.b64encode(b"\xff\xd8\xff").decode()}
    )
    assert given.status < 300, given
    shop.v1.done("PATCH", "/v1/settings", {"keeps_pictures": False})
    shop.see(picture(Person(89)), 3)
    account.tick("sweep")
    assert list(account.services.ports.storage.uploads.walk(keys.capture_pictures(shop.name))) == []
    assert list(account.services.ports.storage.blobs.walk(keys.face_pictures(shop.name))) == []


def _consent_for_a_day(account: Account, shop: Shop) -> None:
    """Somebody with a name whose consent expires tomorrow, and with it the face."""
    assert shop.camera.add_face("regular", picture(Person(77)), faceid="77")["code"] == 0
    shop.v1.done("PATCH", "/v1/faces/77", {"name": "Ann Lee"})
    now = account.clock.now()
    record = {
        "basis": "consent",
        "given_at": now.isoformat(),
        "expires_at": (now + timedelta(days=1)).isoformat(),
    }
    shop.v1.done("PUT", "/v1/faces/77/consent", record)
    assert [one["face"] for one in shop.v1.done("GET", "/v1/consents")["consents"]] == ["77"]
    account.services.tenants.change_settings(shop.name, {"ended_days": 0})


def _is_restricted(shop: Shop) -> bool:
    item = shop.items.get(keys.FACES, (shop.name, "77"))
    return item is None or item["group"] == RESTRICTED


def merges(account: Account) -> None:
    shop = Shop(account, "merging-shop")
    shop.v1.add_camera("door", id="door")
    assert shop.camera.call("updateMigration", {"arrive_times": "10", "period": "20"})["code"] == 0
    old = shop.see(BOB, 102 * 24 * 60)
    for minutes_ago, data in (
        (3000, ANN),
        (2990, BOB),
        (600, ANN),
        (500, BOB),
        (40, picture(Person(1, 90))),
    ):
        lookalike = shop.see(data, minutes_ago)
    too_old = shop.see(picture(Person(2, 90)), 101 * 24 * 60)
    account.tick("sweep")  # seals the first of these days
    ann, bob = lookalike["face"], old["face"]
    rejected = shop.v1.done("POST", f"/v1/faces/{ann}/sightings/{lookalike['id']}/reject")
    assert rejected["sighting"]["face"] != ann
    # A sighting that was never an arrival may be rejected at any age, and is somebody else's then.
    account.services.tenants.change_settings(
        shop.name, {"review_margin": 0.5}
    )  # what he is then taken for is for review
    # else this one absorbs him
    account.services.tenants.change_settings(shop.name, {"learns": False})
    assert shop.camera.add_face("regular", picture(Person(2, 85)), faceid="8")["code"] == 0
    account.services.tenants.change_settings(shop.name, {"learns": True})
    shop.v1.done("POST", f"/v1/faces/{bob}/sightings/{too_old['id']}/reject")
    assert shop.v1.done("GET", "/v1/reviews")["reviews"] == []  # its picture is not kept any more
    merge = shop.v1.done("POST", f"/v1/faces/{ann}/merge", {"other": bob})["merge"]
    shop.v1.done("GET", "/v1/merges")
    assert shop.v1.done("POST", f"/v1/merges/{merge}/undo")["state"] == "undone"
    shop.v1.done("PATCH", "/v1/settings", {"audit_days": 399})
    acts = shop.v1.done("GET", "/v1/done")["acts"]
    setting = next(act["id"] for act in acts if act["kind"] == "settings")
    assert shop.v1.done("POST", f"/v1/done/{setting}/undo")["taken_back_at"]
    merge = shop.v1.done("POST", f"/v1/faces/{ann}/merge", {"other": bob})["merge"]
    account.later(minutes=30)
    # by who had found him before
    _observe(shop, account.clock.now() - timedelta(minutes=40), count=1, faceid=bob)
    account.tick("sweep")
    _cut_off(shop, ann, merge)
    account.tick("sweep")  # goes on with it
    shop.v1.done("POST", f"/v1/faces/{ann}/merge", {"other": rejected["sighting"]["face"]})
    for name in ("Ann", ""):  # a stranger who has a name does not go
        shop.v1.done("PATCH", f"/v1/faces/{ann}", {"name": name})
    _full_of_strangers(shop)  # Ann, who was merged, goes
    _strangers_may_be(shop, 100)
    for person in range(30, 34):
        shop.see(picture(Person(person)), 30)
    first, second, third, fourth = shop.camera.faceids("stranger")[-4:]
    shop.v1.done("POST", f"/v1/faces/{first}/merge", {"other": second})
    assert shop.camera.call("deleteFace", _one_of("stranger", first))["code"] == 0
    shop.v1.done("POST", f"/v1/faces/{third}/merge", {"other": fourth})
    account.later(days=100)
    account.tick("sweep")  # it can be undone no more


def joins(account: Account) -> None:
    """People who were taken for two are joined by the sweep, and of others somebody is asked."""
    shop = Shop(account, "joining-shop")
    shop.v1.add_camera("door", id="door")
    with receiving(answers(200)) as receiver:
        shop.v1.done("POST", "/v1/hooks", {"url": receiver.url})
        _, suggested = _two_strangers(shop, IN_POOR_LIGHT)
        account.tick("sweep")
        _with_good_picture(shop, suggested, IN_POOR_LIGHT)
        older, younger = _two_strangers(shop, 24)
        shop.v1.done("PATCH", f"/v1/faces/{older}", {"group": "regular"})
        _with_good_picture(shop, younger, 24)
        shop.v1.done("PATCH", f"/v1/faces/{younger}", {"name": "Ann"})
        doubted = shop.see(picture(poor(24, 3)), 100)
        shop.v1.done("POST", f"/v1/faces/{younger}/sightings/{doubted['id']}/reject")
        _two_strangers(shop, 22)
        account.tick("sweep")
    assert [one["joined"] for one in shop.v1.done("GET", "/v1/merges")["merges"]] == [True, True]
    for one in shop.v1.done("GET", "/v1/duplicates")["duplicates"]:
        shop.v1.done_without_body("POST", f"/v1/duplicates/{one['id']}/done")
    _at_hour(account, 3)
    account.tick("sweep")  # forgets pairs that are over


def seen_before(account: Account) -> None:
    """People are enrolled whom a camera saw before, one of them surely so only by a second
    picture."""
    shop = Shop(account, "seen-before-shop")
    shop.v1.add_camera("door", id="door")
    shop.see(picture(poor(24)), 300)
    assert shop.camera.add_face("regular", picture(good(24)), faceid="9")["code"] == 0
    shop.see(picture(poor(IN_POOR_LIGHT)), 300)
    portrait = base64.b64encode(picture(poor(IN_POOR_LIGHT, 1))).decode()
    new, key = {"group": "regular", "picture": portrait, "id": "8"}, {"Idempotency-Key": "a"}
    assert shop.v1.send("POST", "/v1/faces", new, headers=key).json["absorbed"] == []
    account.tick("sweep")  # asks somebody about the two
    _with_good_picture(shop, "8", IN_POOR_LIGHT)
    assert len(shop.v1.send("POST", "/v1/faces", new, headers=key).json["absorbed"]) == 1
    assert [one["joined"] for one in shop.v1.done("GET", "/v1/merges")["merges"]] == [True, True]


def _two_strangers(shop: Shop, seed: int) -> tuple[str, str]:
    first, second = (
        shop.see(picture(poor(seed, which)), 300 - 60 * which)["face"] for which in range(2)
    )
    return first, second


def _with_good_picture(shop: Shop, faceid: str, seed: int) -> None:
    trusted = {"picture": base64.b64encode(picture(good(seed))).decode(), "trust": True}
    shop.v1.done("POST", f"/v1/faces/{faceid}/pictures", trusted)


def people(account: Account) -> None:
    shop = Shop(account, "people-shop")
    shop.v1.add_camera("door", id="door")
    group = shop.v1.done(
        "POST", "/v1/groups", {"name": "vip", "capacity": 9, "attributes": ["seat"]}
    )["id"]
    shop.v1.done(
        "PATCH", f"/v1/groups/{group}", {"name": "VIP", "capacity": 10, "attributes": ["row"]}
    )
    shop.v1.done("GET", f"/v1/groups/{group}")
    for id_, data in (("1", ANN), ("2", BOB), ("3", CLEO)):
        new = {
            "id": id_,
            "group": "VIP",
            "picture": base64.b64encode(data).decode(),
            "name": "Lee \u738b\u660e",
        }
        shop.v1.done("POST", "/v1/faces", {**new, "if_known": "refuse"})
    arrived = {"group": "VIP", "order": "arrived", "desc": "true"}
    for query in ({"order": "id"}, arrived, {"name": "lee"}, {"ids": ["1"]}):
        assert shop.v1.done("GET", "/v1/faces", **query)["faces"]
    shop.v1.done("GET", "/v1/face-ids")
    shop.v1.done("GET", "/v1/signing-key")
    shop.v1.done("PATCH", "/v1/faces/1", {"name": "Ann", "group": "regular"})
    shop.v1.done("POST", "/v1/face-changes", {"ids": ["1", "2"], "group": "VIP"})
    lookalike = shop.see(picture(Person(1, 90)), 30)
    shop.v1.done("POST", f"/v1/faces/1/sightings/{lookalike['id']}/reject")
    assert shop.v1.done("GET", "/v1/faces/1/rejections")["rejections"]
    shop.v1.done_without_body("DELETE", f"/v1/faces/1/rejections/{lookalike['id']}")
    assert (
        len(shop.v1.done("POST", "/v1/face-changes", {"ids": ["1", "2"], "delete": True})["done"])
        == 2
    )
    shop.v1.done("POST", "/v1/hooks", {"url": None})
    # an event with the name waits in the mailbox
    assert shop.see(picture(Person(3, 90)), 20)["face"] == "3"
    shop.v1.done_without_body("DELETE", "/v1/faces/3")
    shop.v1.done_without_body("DELETE", f"/v1/groups/{group}")
    account.later(minutes=3)
    account.tick("sweep")  # takes the name out of it
    assert "\u738b" not in str(
        [one["payload"] for one in walk_items(shop.items, keys.OUTBOX, shop.name)]
    )


def erasures(account: Account) -> None:
    """Somebody is erased who came alone and beside another, was taken for another, merged and
    suggested."""
    shop = Shop(account, "erasing-shop")
    shop.v1.add_camera("door", id="door")
    shop.v1.done("POST", "/v1/hooks", {"url": None})
    days = (3 * 24 * 60, 2 * 24 * 60, 60)
    alone = [shop.see(ANN, minutes_ago) for minutes_ago in days]
    for minutes_ago in days:
        shop.see(picture(Person(2, 95), Person(1, 85)), minutes_ago - 30)
    account.tick("sweep")  # seals days
    ann = alone[0]["face"]
    other = shop.see(DAN, 55)["face"]
    shop.v1.done("POST", f"/v1/faces/{ann}/merge", {"other": other})
    bob = next(one["id"] for one in shop.v1.done("GET", "/v1/faces")["faces"] if one["id"] != ann)
    known = [account.services.faces.get(shop.tenant, one) for one in (ann, bob)]
    account.services.merges.duplicates.suggest_pair(
        shop.tenant, *known, Decision(0.4, 0.5, 9, 0.02)
    )
    taken_for_bob = Negative(alone[1]["id"], (make_template("fake", embedding_of(1)),), "door")
    shop.items.transact(
        [account.services.recognition.negatives.make_put(shop.name, bob, taken_for_bob)]
    )
    account.services.tenants.change_settings(shop.name, {"time_zone": "Asia/Shanghai"})
    again = {"Idempotency-Key": "once"}
    shop.v1.send("PATCH", f"/v1/faces/{ann}", {"name": "Ann"}, headers=again)
    shop.v1.send(
        "POST",
        "/v1/face-changes",
        {"ids": [ann], "group": "regular"},
        headers={"Idempotency-Key": "2nd"},
    )
    account.services.items.transact(
        [Put(keys.REVIEWS, review_item(shop.name, _compared_with(ann, bob, alone[2]["id"])))]
    )
    query = {"erase": "true"}
    id_ = shop.v1.send(
        "DELETE", f"/v1/faces/{ann}", query=query, headers={"Idempotency-Key": "3rd"}
    ).json["id"]
    shop.v1.done("GET", "/v1/erasures")
    _build_all(account)
    account.later(minutes=3)
    account.tick("sweep")
    assert shop.v1.done("GET", f"/v1/erasures/{id_}")["receipt"]


def collections(account: Account) -> None:
    """A collection is deleted with its faces, by Rekognition's dialect."""
    shop = Shop(account, "collecting-shop")
    own, now = shop.credentials, account.clock.now()
    photo = picture(Person(1, 95), Person(2, 85))
    for operation, members in (
        ("CreateCollection", {}),
        ("IndexFaces", {"Image": {"Bytes": photo}}),
        ("DeleteCollection", {}),
    ):
        asked = {"CollectionId": "staff", **members}
        reply = signed.call(
            account.api, own.access_key_id, own.secret_access_key, operation, asked, now, operation
        )
        assert reply.status == 200, reply.body
    assert shop.tenant.gone
    _build_all(account)
    assert not shop.tenant.gone
    account.secrets.append(own.secret_access_key)


def expiries(account: Account) -> None:
    """Each function works for a shop in which somebody's consent has just expired, of whom an event
    waits.

    Who may not write what a restriction writes leaves the person to `build_index`.
    """
    for function, (work, restricts) in WORK_AFTER_EXPIRY.items():
        account.clear()
        shop = Shop(account, f"expiry-{function.replace('_', '-')}")
        shop.v1.add_camera("door", id="door")
        shop.v1.done("POST", "/v1/hooks", {"url": None})
        with receiving(answers(500)) as receiver:
            shop.v1.done("POST", "/v1/hooks", {"url": receiver.url})
            _consent_for_a_day(account, shop)
            shop.see(picture(Person(77)))
            _deliver_all(account)
            shop.put(picture(Person(77)))  # whose event is late
            account.later(days=2)
            work(account, shop)
            assert _is_restricted(shop) is restricts, function
            _build_all(account)
            assert _is_restricted(shop) is (function not in SEND_NOBODY), function
            account.tick("sweep")
            assert _is_restricted(shop)


def _capture_after_expiry(account: Account, shop: Shop) -> None:
    """It waits until the person is put away, and is of a stranger then."""
    uploads = account.services.ports.storage.uploads
    events = [account.stored(one.key) for one in uploads.walk(keys.capture_pictures(shop.name))]
    assert account.message("ingest", *events)["batchItemFailures"]
    assert not _is_restricted(shop)
    _build_all(account)
    assert not account.message("ingest", *events)["batchItemFailures"]


def _ask_as_canary(account: Account, shop: Shop) -> None:
    with receiving(a_good_stage) as api:
        account.canary(api.origin, shop.name)


def _search_elsewhere(account: Account, shop: Shop) -> None:
    """It knows galleries by their names, and no tenants: who asks it has restricted before."""
    assert shop.camera.call("getFaceByPicture", pic=picture(Person(77)))["code"] == 283


WORK_AFTER_EXPIRY: Mapping[str, tuple[Callable[[Account, Shop], object], bool]] = {
    "api": (lambda _account, shop: shop.v1.done("GET", "/v1/faces"), True),
    "search": (_search_elsewhere, True),
    "canary": (_ask_as_canary, False),
    "ingest": (_capture_after_expiry, True),
    "deliver": (lambda account, _shop: _deliver_all(account), False),
    "watch": (lambda account, _shop: account.tick("watch"), False),
    "build_index": (
        lambda account, shop: account.message("build_index", f'{{"tenant": "{shop.name}"}}'),
        True,
    ),
    "sweep": (lambda account, _shop: account.tick("sweep"), True),
}
"""By each function, what it does in such a shop, and whether the person is restricted then."""

SEND_NOBODY = {"canary", "deliver"}
"""Functions that neither restrict nor have it done: they find and name nobody until it is."""


# --- parts
# --------------------------------------------------------------------------------------------------


def _compared_with(near: str, faceid: str, sighting_id: str) -> Review:
    """Somebody may look at a match of one face, to which another was near."""
    at, box = moment(captured_ms(sighting_id)), BoundingBox(1.0, 1.0, 9.0, 9.0)
    nearest = (NearFace(near, 0.4), NearFace(faceid, 0.3))
    return Review(ReviewKind.UNCERTAIN, at, faceid, "door", sighting_id, box=box, near=nearest)


def _cut_off(shop: Shop, survivor: str, merge: str) -> None:
    """As if whoever moves the observations had been killed on the way."""
    known = (exists("there"),)
    begun = Update(keys.MERGES, (shop.name, merge), known, set={"state": "moving"})
    word = Update(keys.FACES, (shop.name, survivor), known, set={"moving": merge})
    shop.items.transact([begun, word])


def _observe(shop: Shop, at: Any, count: int, faceid: str | None = None, camera: str = "") -> None:
    """Written by what is no function here: the tests' own hand."""
    made = [
        Observation(
            at + timedelta(minutes=number),
            f"{count}-{number}",
            faceid or f"face-{number % 5}",
            "vip",
            Labels(a="door"),
            ObservationKind.SIGHTING,
            camera,
        )
        for number in range(count)
    ]
    shop.account.services.statistics.store_observations(shop.name, made)


@contextmanager
def _told(shop: Shop) -> Iterator[None]:
    with receiving(answers(200)) as receiver:
        hook = shop.v1.done("POST", "/v1/hooks", {"url": receiver.url})["id"]
        yield
        _deliver_all(shop.account)
        assert shop.v1.send("DELETE", f"/v1/hooks/{hook}").status == 204


def failures(account: Account) -> None:
    """The schedules find that all is well; then DynamoDB fails in each way, and callers are
    told."""
    shop = Shop(account, "canary")
    assert account.message("ingest") == {"batchItemFailures": []}
    with receiving(a_good_stage) as api:
        account.canary(api.origin, shop.name)  # its camera is not made yet
    _keep_promise(account, Shop(account, "promise"))
    for answer, code in (("AccessDeniedException", 211), ("ThrottlingException", 220), (None, 1)):
        with _dynamodb_answers(answer):
            told = shop.camera.call("getGroupList")
        assert told["code"] == code
        assert "arn:" not in told["msg"]


def _keep_promise(account: Account, shop: Shop) -> None:
    """The canary's picture goes by offer, upload, ingest and deliver to its hook, while it waits
    for the upload."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        heard = front.heard[-1]
        if handler.command == "PUT":
            with account.recorder.working("api"):  # whose leave a signed URL is
                account.services.ports.storage.uploads.put_if_absent(
                    heard.path[1:], picture(Person(55)), "image/jpeg"
                )
            account.message("ingest", account.stored(heard.path[1:]))
            with account.recorder.working("deliver"):  # whose role polls the queue
                _deliver_all(account)
            answers(200)(handler)
        elif handler.path.endswith("/uploads"):
            named = {name.lower(): value for name, value in heard.headers.items()}
            told = account.http(event_of("POST", handler.path, named, heard.body))
            body = json.loads(told["body"])
            for upload in body["uploads"]:
                key = keys.capture_picture(shop.name, camera.id, upload["id"])
                upload |= {"url": f"{front.origin}/{key}", "headers": {}}
            answers(told["statusCode"], json.dumps(body).encode())(handler)
        else:
            a_good_stage(handler)

    with receiving(behave) as front:
        assert equip_tenant(account.services, shop.name, f"{front.origin}/hook")
        [camera] = [
            one
            for one in account.services.cameras.list_all(shop.tenant)
            if one.id.startswith("promise-")
        ]
        account.canary(front.origin, shop.name)
        assert [one.path for one in front.heard].count("/hook") == 1


@contextmanager
def _dynamodb_answers(code: str | None) -> Iterator[None]:
    """To queries; None: a bug of ours."""
    refused = {
        "Error": {
            "Code": code,
            "Message": "User: arn:aws:sts::123456789012:assumed-role/api may not",
        }
    }

    def answer(**_: Any) -> Any:
        if code is None:
            raise RuntimeError("a bug")
        return SimpleNamespace(status_code=400), refused

    events = open_aws_client("dynamodb").meta.events
    events.register("before-call.dynamodb.Query", answer, unique_id="answer")
    try:
        yield
    finally:
        events.unregister("before-call.dynamodb.Query", unique_id="answer")


def _full_of_strangers(shop: Shop) -> None:
    """The next stranger takes the place of the one who was last seen longest ago."""
    _strangers_may_be(shop, len(shop.camera.faceids("stranger")) + 1)
    for person in (20, 21):
        shop.see(picture(Person(person)), 70)


def _strangers_may_be(shop: Shop, count: int) -> None:
    fields = {
        "old_name": "stranger",
        "name": "stranger",
        "capacity": str(count),
        "description": "few",
    }
    assert shop.camera.call("updateGroup", fields)["code"] == 0


def _one_of(group: str, faceid: str) -> dict[str, str]:
    return {"group_name": group, "num": "1", "faceid_list": f'["{faceid}"]'}


def _deliver_all(account: Account) -> None:
    for _ in range(20):
        if not account.work_off("deliver"):
            return


def _build_all(account: Account) -> None:
    while account.work_off("build_index"):
        pass


def _failing(account: Account, shop: Shop, receiver: Receiver, hook: str) -> None:
    """Until the hook is known to fail, and its deliveries are given up."""
    receiver.answer_from_now_on(answers(500))
    shop.see(BOB, 9)
    _deliver_all(account)
    assert shop.v1.done("POST", f"/v1/hooks/{hook}/redeliver")["redelivered"]
    for _ in range(3):
        _deliver_all(account)
        account.later(hours=10)
        account.tick("watch")
    _deliver_all(account)
    assert shop.v1.done("GET", f"/v1/hooks/{hook}/deliveries", state="parked")["deliveries"]


def _enrol(shop: Shop, *people: int) -> None:
    for person in people:
        assert shop.camera.add_face("vip", picture(Person(person)), faceid=str(person))["code"] == 0


def _forget_and_build(account: Account, shop: Shop, faceid: str) -> None:
    """A deletion makes a new snapshot worth it."""
    _forget(shop, faceid)
    _build(account, shop, "build_index")


def _forget(shop: Shop, faceid: str) -> None:
    assert shop.camera.call("deleteFace", _one_of("vip", faceid))["code"] == 0


def _build(account: Account, shop: Shop, function: str) -> None:
    if function == "sweep":
        account.tick("sweep")
    else:
        account.message("build_index", f'{{"tenant": "{shop.name}"}}')


def _next_commit_is_announced(shop: Shop) -> None:
    """As if there had been 255 before it."""
    known = (exists("tenant-exists"),)
    key = (shop.name, keys.TENANT_ITEM)
    shop.items.transact([Update(keys.DIRECTORY, key, known, set={"seq": INDEX_EVERY - 1})])
    shop.account.restart()


def _mistaken(shop: Shop, faceid: str) -> None:
    """Somebody was taken for this face, and it was said that he is not."""
    template = make_template("fake", embedding_of(99))
    rejected = shop.account.services.recognition.negatives.make_put(
        shop.name, faceid, Negative(f"sighting-{faceid}", (template,))
    )
    counted = Update(keys.FACES, (shop.name, faceid), (exists("face"),), add={"negatives": 1})
    shop.items.transact([rejected, counted])


def _lose_snapshots(account: Account, shop: Shop) -> None:
    client, bucket = account.aws.client("s3"), account.aws.physical["DataBucket"]
    for entry in client.list_objects_v2(Bucket=bucket, Prefix=f"{shop.name}/index/")["Contents"]:
        client.delete_object(Bucket=bucket, Key=entry["Key"])


def _orphan(account: Account, shop: Shop) -> None:
    """A picture whose face was never made, and entries of an hour that was not closed: functions
    were cut off."""
    for key in (keys.face_picture(shop.name, "nobody", "0"), keys.audit_entries(shop.name, 1, "0")):
        account.aws.client("s3").put_object(
            Bucket=account.aws.physical["DataBucket"], Key=key, Body=b"x"
        )


def _at_hour(account: Account, hour: int) -> None:
    while account.clock.now().hour != hour:
        account.later(minutes=30)
