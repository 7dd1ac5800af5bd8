"""People come in by every way, live there, and go by every way: then all that is kept is searched,
whatever wrote it.

It knows no table and no file: what it looks for are the names, ids, notes, templates and pictures
of each person, in the data folder, in the broker's file and in the log. The ways in are those of
tests/support/api/ways_in.py.
"""

import hashlib
import logging
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from chalicelib.domain.tenant_settings import FORGET
from chalicelib.privacy.retention import Kind
from chalicelib.settings import Settings
from regulars.backup.backup import backup
from regulars.cli import commands
from tests.support.api.compreface.client import Client as CompreFace
from tests.support.api.deepstack.client import Client as DeepStack
from tests.support.api.remains import found, kept_in, live, needles
from tests.support.api.ways_in import (
    BRING_NOBODY,
    IN,
    TRIED,
    House,
    Somebody,
    open_house,
    tell_broker,
)
from tests.support.book.book import MINUTE, MONDAY, Shot
from tests.support.examples import is_long
from tests.support.fakes import RULES, Person, photo
from tests.support.faults.shop import Box
from tests.support.faults.use_cases import everything

# --- out
# --------------------------------------------------------------------------------------------------


def _erased(box: Box, one: Somebody) -> None:
    box.v1.done("DELETE", f"/v1/faces/{one.faceid}", erase="true")


def _deleted(box: Box, one: Somebody) -> None:
    assert box.v1.send("DELETE", f"/v1/faces/{one.faceid}").status in (202, 204)


def _deleted_then_erased(box: Box, one: Somebody) -> None:
    """Delete it; it is erased hours later, by its id."""
    _deleted(box, one)


def _several(box: Box, one: Somebody) -> None:
    box.v1.done("PATCH", "/v1/settings", {"deletes_erase": True})
    box.v1.done("POST", "/v1/face-changes", {"ids": [one.faceid], "delete": True})
    box.v1.done("PATCH", "/v1/settings", {"deletes_erase": False})


def _own_dialect(box: Box, one: Somebody) -> None:
    """The deletion of the way in: of v1 if that has none."""
    box.v1.done("PATCH", "/v1/settings", {"deletes_erase": True})
    if one.way_in in ("sunmi", "updated"):
        fields = {"num": "1", "group_name": one.group, "faceid_list": f'["{one.faceid}"]'}
        assert box.camera.call("deleteFace", fields)["code"] == 0
    elif one.way_in == "icredit":
        assert box.market.delete(one.group, one.faceid)["PERSON_TOKEN_STATUS"] == "0"
    elif one.way_in in ("rekognition", "user"):
        if one.way_in == "user":
            assert (
                box.rekognition("DeleteUser", CollectionId=one.group, UserId=f"user-{one.name}")[
                    "status"
                ]
                == 200
            )
        assert box.rekognition("DeleteFaces", CollectionId=one.group, FaceIds=[one.faceid])[
            "DeletedFaces"
        ]
    elif one.way_in == "compreface":
        client = CompreFace(box.app, box.ids[f"recognition of {one.group}"])
        assert client.delete(f"/api/v1/recognition/subjects/{one.name}").status == 200
    elif one.way_in == "deepstack":
        assert (
            DeepStack(box.app, box.ids[f"deepstack of {one.group}"])
            .call("/delete", userid=one.name)
            .status
            == 200
        )
    else:
        _deleted(box, one)
    box.v1.done("PATCH", "/v1/settings", {"deletes_erase": False})


def _command(box: Box, one: Somebody) -> None:
    box.services.deletion.delete_faces(box.tenant, [one.faceid], by="operator", erase=True)


def _group(box: Box, one: Somebody) -> None:
    box.v1.done("PATCH", "/v1/settings", {"deletes_erase": True})
    assert box.rekognition("DeleteCollection", CollectionId=one.group)["StatusCode"] == 200
    box.v1.done("PATCH", "/v1/settings", {"deletes_erase": False})


def _consent(box: Box, one: Somebody) -> None:
    ends = (box.clock.now() + timedelta(hours=1)).isoformat()
    body = {
        "basis": "consent",
        "given_at": "2026-03-01T00:00:00Z",
        "expires_at": ends,
        "evidence": one.note,
    }
    box.v1.done("PUT", f"/v1/faces/{one.faceid}/consent", body)


def _retention(box: Box, one: Somebody) -> None:
    assert one.group == "unseen"  # which keeps nobody unseen for a day; `gone` waits for it


def _merged(box: Box, one: Somebody) -> None:
    sent = photo(one.seed + 9_000, side_px=140.0)
    other = box.v1.done(
        "POST", "/v1/faces", {"picture": sent, "group": "regular", "name": f"{one.name}-second"}
    )
    box.v1.done("POST", f"/v1/faces/{other['id']}/merge", {"other": one.faceid})
    box.v1.done("DELETE", f"/v1/faces/{other['id']}", erase="true")


OUT: dict[str, Callable[[Box, Somebody], None]] = {
    "erased": _erased,
    "deleted": _deleted,
    "deleted then erased": _deleted_then_erased,
    "several": _several,
    "own dialect": _own_dialect,
    "command": _command,
    "group": _group,
    "consent": _consent,
    "retention": _retention,
    "merged": _merged,
}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as made:
        yield made


def list_ways() -> list[tuple[str, str]]:
    """Return each way in with a way out, so that every way out is among them.

    `make slow` tries several ways out with each way in.
    """
    if is_long():
        return [(one, out) for place, one in enumerate(IN) for out in [*OUT][place % 4 :: 4]]
    return [(one, [*OUT][place % len(OUT)]) for place, one in enumerate(IN)]


@pytest.mark.slow
def test_whoever_came_by_any_way_and_went_by_any_is_found_nowhere(
    house: House, caplog: pytest.LogCaptureFixture, record_property: Callable[[str, object], None]
) -> None:
    caplog.set_level(logging.INFO)
    box = house.box
    ways = list_ways()
    mailbox = box.v1.done("POST", "/v1/hooks", {"url": None, "events": ["face.arrived"]})["id"]
    everybody = [Somebody(*one) for one in ways]
    for one in everybody:
        one.faceid = IN[one.way_in].go(house, one)
    for one, beside in zip(everybody, [*everybody[1:], everybody[0]], strict=True):
        live(box, one, beside)
    for one in everybody:
        one.wanted = needles(box, one)
    told(house, mailbox, everybody)
    before = found(kept_in(box.folder), everybody)
    assert {line.partition(":")[0] for line in before} == {
        f"{one.way_in}, {one.way_out}" for one in everybody
    }
    for one in everybody:
        OUT[one.way_out](box, one)
    box.settle()
    for one in everybody:
        box.v1.done("DELETE", f"/v1/faces/{one.also}", erase="true")
        if one.way_out == "deleted then erased":
            _erased(box, one)
    leave(box)
    told(house, mailbox, everybody, are_gone=True)
    house.broker.rest()
    log = "\n".join(
        caplog.handler.format(one) for one in caplog.records if not one.name.startswith("httpx")
    )
    log += (house.broker.folder / "log").read_text()
    kept = {**kept_in(box.folder), **kept_in(house.broker.folder), "the log": log.encode()}
    left = found(kept, everybody)

    points = sum(len(one.wanted) for one in everybody)
    record_property("nothing_left", (len(everybody), points, len(kept)))
    print(
        f"{len(everybody)} people, {len(IN)} ways in, {len(OUT)} out: {points} things in "
        f"{len(kept)} files"
    )
    assert min(points, len(log)) > 0, "nothing was tried"
    assert any(name.endswith("mosquitto.db") for name in kept)
    assert left == [], f"{len(left)} of {len(everybody)} people in {len(kept)} files"
    assert ({one for one, _ in ways}, {one for _, one in ways}) == ({*IN}, {*OUT})


def test_nobodies_whom_a_shop_forgets_are_in_no_backup_and_at_no_broker(
    house: House, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody who is known comes between them and is told of, so the broker and the backup have
    what they should."""
    caplog.set_level(logging.INFO)
    box, known = house.box, Somebody("v1", "erased")
    known.faceid = IN["v1"].go(house, known)
    box.services.tenants.change_settings("shop", {"strangers": FORGET})
    mailbox = box.v1.done("POST", "/v1/hooks", {"url": None, "events": ["face.arrived"]})["id"]
    nobodies = [Somebody("camera", "forgotten") for _ in range(200)]
    for place, one in enumerate(nobodies):
        box.see(
            Shot(MONDAY + timedelta(days=6) + place * MINUTE, (Person(one.seed, side_px=140.0),))
        )
        one.wanted = _needles_of_nobody(box, one)
    at = MONDAY + timedelta(days=6, hours=5)
    beside = Person(nobodies[0].seed, side_px=80.0)
    box.see(
        Shot(at, (Person(known.seed),)),
        Shot(at + MINUTE, (Person(known.seed, side_px=99.0), beside)),
    )
    known.wanted = needles(box, known)
    told(house, mailbox, [known])
    tar = backup(Settings(storage=box.folder), tmp_path / "shop.tar")
    house.broker.rest()
    log = "\n".join(
        caplog.handler.format(one) for one in caplog.records if not one.name.startswith("httpx")
    )
    kept = {
        **kept_in(box.folder),
        **kept_in(house.broker.folder),
        tar.name: tar.read_bytes(),
        "the log": (log + (house.broker.folder / "log").read_text()).encode(),
    }
    assert {path for line in found(kept, [known]) for path in [line.rpartition(" in ")[2]]} >= {
        tar.name
    }
    assert found(kept, nobodies) == []


def _needles_of_nobody(box: Box, one: Somebody) -> dict[str, bytes]:
    image = box.vision.read_picture(one.photo, RULES)
    [template] = box.vision.embed(image, box.vision.detect(image))
    shown = {
        "a picture": f'"seed": {one.seed}'.encode(),
        "its hash": hashlib.sha256(one.photo).digest(),
    }
    return {"template": template.astype(np.float16).tobytes(), **shown}


def test_each_way_in_is_a_route_a_function_or_a_command_and_no_command_is_left_out() -> None:
    """The walk of all routes fails if one is left out (tests/faults/test_every_call.py)."""
    assert {*commands.commands} <= BRING_NOBODY | TRIED  # the lab's are there if the lab is
    assert {*everything(), *commands.commands} >= TRIED


def told(
    house: House, mailbox: str, everybody: Collection[Somebody], *, are_gone: bool = False
) -> None:
    """Tell the broker who came, by name, and who is gone, until all that it retains says so: ids of
    topics, too."""
    tell_broker(
        house, mailbox, lambda retained: bool(found(retained, [*everybody])), are_gone=are_gone
    )


def leave(box: Box) -> None:
    """Two days pass: consents end, nobody of the group `unseen` is seen, and all that was begun is
    done."""
    for _ in range(2):
        box.clock.advance(timedelta(days=1))
        box.settle()
        box.services.erasure.retention.sweep_tenant(
            box.tenant, swept_kinds=(Kind.CONSENTS,), is_confirmed=True
        )
        box.v1.done("PATCH", "/v1/settings", {"deletes_erase": True})
        box.services.erasure.retention.sweep_tenant(box.tenant, is_confirmed=True)
        box.v1.done("PATCH", "/v1/settings", {"deletes_erase": False})
        box.clock.advance(timedelta(minutes=5))
        box.settle()
