"""People come in by every way, live there, and go by every way: then the whole folder is searched, whatever wrote it.

It knows no table and no file: what it looks for are the names, ids, notes, templates and pictures of each person.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from chalicelib.bootstrap import build
from chalicelib.core.access import SERVICES
from chalicelib.core.retention import Kind
from chalicelib.settings import Settings
from regulars.cli import main
from regulars.serve.server import Front, listening, site
from tests.api.compreface.client import Client as CompreFace
from tests.api.conftest import make_stage
from tests.api.deepstack.client import Client as DeepStack
from tests.api.icredit.client import tokens
from tests.fakes import UNHURRIED, Person, picture
from tests.faults.shop import Box, furnished
from tests.services.sightings.book import MINUTE, MONDAY, Shot
from tests.services.webhooks.receiver import answers, receiving

_SEEDS = count(50_001)


@dataclass
class Somebody:
    """A person of this test. `also`: the face that a rejection made of the person, and nobody knows whose it is."""

    way_in: str
    way_out: str
    seed: int = field(default_factory=lambda: next(_SEEDS))
    faceid: str = ""
    also: str = ""
    wanted: dict[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"Zora{self.seed}"

    @property
    def note(self) -> str:
        return f"theremin-{self.seed}"

    @property
    def photo(self) -> bytes:
        return picture(Person(self.seed, side_px=140.0))

    @property
    def group(self) -> str:
        """Where it is enrolled; who leaves with a group is in one of its own."""
        return {"group": "leaving-" + self.way_in, "retention": "unseen"}.get(self.way_out, "people")


# --- in ---------------------------------------------------------------------------------------------------------------


def _v1(box: Box, one: Somebody) -> str:
    body = {"picture": base64.b64encode(one.photo).decode(), "group": one.group, "name": one.name, "note": one.note}
    return str(box.v1.done("POST", "/v1/faces", body)["id"])


def _camera(box: Box, one: Somebody) -> str:
    [capture] = box.see(Shot(MONDAY + timedelta(days=5), (Person(one.seed, side_px=140.0),)))
    faceid = capture.sightings[0].faceid or ""
    box.v1.done("PATCH", f"/v1/faces/{faceid}", {"name": one.name, "note": one.note, "group": one.group})
    return faceid


def _sunmi(box: Box, one: Somebody) -> str:
    answer = box.camera.add_face(one.group, one.photo, faceid=f"77{one.seed}")
    assert answer["code"] == 0, answer
    return f"77{one.seed}"


def _icredit(box: Box, one: Somebody) -> str:
    [token] = tokens(box.market.enrol(one.group, one.photo))
    return token


def _rekognition(box: Box, one: Somebody) -> str:
    image = {"Bytes": one.photo}
    answer = box.rekognition("IndexFaces", CollectionId=one.group, Image=image, ExternalImageId=one.name)
    return str(answer["FaceRecords"][0]["Face"]["FaceId"])


def _user(box: Box, one: Somebody) -> str:
    faceid = _rekognition(box, one)
    box.rekognition("CreateUser", CollectionId=one.group, UserId=f"user-{one.name}")
    box.rekognition("AssociateFaces", CollectionId=one.group, UserId=f"user-{one.name}", FaceIds=[faceid])
    return faceid


def _compreface(box: Box, one: Somebody) -> str:
    CompreFace(box.app, box.ids[f"recognition of {one.group}"]).add(one.name, one.photo)
    return _of_subject(box, one)


def _deepstack(box: Box, one: Somebody) -> str:
    DeepStack(box.app, box.ids[f"deepstack of {one.group}"]).register(one.name, one.photo)
    return _of_subject(box, one)


def _of_subject(box: Box, one: Somebody) -> str:
    group = box.services.groups.named(box.tenant, one.group)
    [faceid] = box.services.subjects.get(box.tenant, group, one.name).faceids
    return faceid


def _import(box: Box, one: Somebody) -> str:
    source = box.folder.parent / f"source-{one.seed}" / one.name
    source.mkdir(parents=True)
    (source / "0.jpg").write_bytes(one.photo)
    stop = threading.Event()
    settings = Settings(storage=box.folder, **UNHURRIED)
    beside = build(settings, clock=box.clock, vision=lambda: box.vision)
    with closing(beside) as services, listening("127.0.0.1", 0) as sock:
        front = Front(site(make_stage(services).app, services), sock)
        thread = threading.Thread(target=front.run, args=(stop,))
        thread.start()
        try:
            assert main(["import", str(source.parent), "--url", front.url, "--group", one.group]) == 0
        finally:
            stop.set()
            thread.join(20)
    [face] = box.v1.done("GET", "/v1/faces", name=one.name)["faces"]
    return str(face["id"])


IN: dict[str, Callable[[Box, Somebody], str]] = {
    "v1": _v1,
    "camera": _camera,
    "sunmi": _sunmi,
    "icredit": _icredit,
    "rekognition": _rekognition,
    "user": _user,
    "compreface": _compreface,
    "deepstack": _deepstack,
    "import": _import,
}


# --- out --------------------------------------------------------------------------------------------------------------


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
    if one.way_in == "sunmi":
        fields = {"num": "1", "group_name": one.group, "faceid_list": f'["{one.faceid}"]'}
        assert box.camera.call("deleteFace", fields)["code"] == 0
    elif one.way_in == "icredit":
        assert box.market.delete(one.group, one.faceid)["PERSON_TOKEN_STATUS"] == "0"
    elif one.way_in in ("rekognition", "user"):
        if one.way_in == "user":
            assert box.rekognition("DeleteUser", CollectionId=one.group, UserId=f"user-{one.name}")["status"] == 200
        assert box.rekognition("DeleteFaces", CollectionId=one.group, FaceIds=[one.faceid])["DeletedFaces"]
    elif one.way_in == "compreface":
        client = CompreFace(box.app, box.ids[f"recognition of {one.group}"])
        assert client.delete(f"/api/v1/recognition/subjects/{one.name}").status == 200
    elif one.way_in == "deepstack":
        assert DeepStack(box.app, box.ids[f"deepstack of {one.group}"]).call("/delete", userid=one.name).status == 200
    else:
        _deleted(box, one)
    box.v1.done("PATCH", "/v1/settings", {"deletes_erase": False})


def _command(box: Box, one: Somebody) -> None:
    box.services.erasure.deletion.of_faces(box.tenant, [one.faceid], by="operator", erase=True)


def _group(box: Box, one: Somebody) -> None:
    box.v1.done("PATCH", "/v1/settings", {"deletes_erase": True})
    assert box.rekognition("DeleteCollection", CollectionId=one.group)["StatusCode"] == 200
    box.v1.done("PATCH", "/v1/settings", {"deletes_erase": False})


def _consent(box: Box, one: Somebody) -> None:
    ends = (box.clock.now() + timedelta(hours=1)).isoformat()
    body = {"basis": "consent", "given_at": "2026-03-01T00:00:00Z", "expires_at": ends, "evidence": one.note}
    box.v1.done("PUT", f"/v1/faces/{one.faceid}/consent", body)


def _retention(box: Box, one: Somebody) -> None:
    assert one.group == "unseen"  # which keeps nobody unseen for a day; `gone` waits for it


def _merged(box: Box, one: Somebody) -> None:
    photo = base64.b64encode(picture(Person(one.seed + 9_000, side_px=140.0))).decode()
    other = box.v1.done("POST", "/v1/faces", {"picture": photo, "group": "regular", "name": f"{one.name}-second"})
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


# --- what is kept of them, and what is found --------------------------------------------------------------------------


def live(box: Box, one: Somebody, beside: Somebody) -> None:
    """Be seen alone and beside another, searched for in three dialects, looked at, mistaken, and told of."""
    at = MONDAY + timedelta(days=6) + one.seed % 1_000 * 3 * MINUTE
    alone, both, wrong = (
        box.see(Shot(at, (Person(one.seed),)))[0],
        box.see(Shot(at + MINUTE, (Person(one.seed, side_px=99.0), Person(beside.seed, side_px=80.0))))[0],
        box.see(Shot(at + 2 * MINUTE, (Person(one.seed, side_px=91.0),)))[0],
    )
    for capture in (alone, both):
        box.services.captures.crops.thumbnail(box.tenant, "door", capture.id)
        box.services.captures.crops.url(box.tenant, "door", capture.id, 0)
    sent = base64.b64encode(picture(Person(one.seed, side_px=141.0))).decode()
    box.v1.done("POST", "/v1/identify", {"picture": sent, "record": True})
    box.camera.call("getFaceByPicture", {}, picture(Person(one.seed, side_px=142.0)))
    box.market.search(one.group, picture(Person(one.seed, side_px=143.0)))
    box.v1.done("PATCH", f"/v1/faces/{one.faceid}", {"note": one.note})
    box.services.sightings.rejection.reject(box.tenant, one.faceid, f"{wrong.id}-0")
    one.also = box.services.captures.get(box.tenant, "door", wrong.id).sightings[0].faceid or ""
    box.v1.done("GET", f"/v1/faces/{one.faceid}/everything")


def needles(box: Box, one: Somebody) -> dict[str, bytes]:
    face = box.services.faces.get(box.tenant, one.faceid)
    templates = {f"template {n}": one.vector for n, one in enumerate(face.templates)}
    encoded = {f"{name} in base64": base64.b64encode(data) for name, data in templates.items()}
    texts = {"name": one.name.lower(), "Name": one.name, "note": one.note, "id": one.faceid}
    shown = {
        "a picture": f'"seed": {one.seed}',
        f"its own picture{' of a camera' * (one.way_in == 'camera')}": f'"seed": {one.seed}, "side_px": 140.0',
    }
    return {**templates, **encoded, **{name: text.encode() for name, text in {**texts, **shown}.items()}}


STAYS = {"id", "a picture", "its own picture of a camera"}
"""What a plain deletion leaves: the id with observations and entries of the audit, and captures' pictures."""


def found(folder: Path, everybody: list[Somebody]) -> tuple[int, list[str]]:
    """How many files were searched, and what is in which of them, or in its name."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")]
    held = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    left = [
        f"{one.way_in}, {one.way_out}: {what} in {path}"
        for one in everybody
        for what, needle in one.wanted.items()
        if one.way_out != "deleted" or what not in STAYS
        for path, data in held.items()
        if needle in data or needle in path.encode()
    ]
    return len(files), left


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    with receiving(answers(200)) as receiver:
        shop = furnished(tmp_path / "shop", receiver)
        monkeypatch.setenv("REGULARS_API_KEY", shop.credentials.api_key)
        with closing(shop.opened(tmp_path / "shop")) as made:
            for name in ("people", "unseen", *(f"leaving-{way}" for way in IN)):
                made.rekognition("CreateCollection", CollectionId=name)
                group = made.services.groups.named(made.tenant, name)
                for service in {*SERVICES} & {"recognition", "deepstack"}:
                    key = made.services.access.keys.add_for(made.tenant, f"{service} {name}", service, group.id)
                    made.ids[f"{service} of {name}"] = key
            unseen = made.services.groups.named(made.tenant, "unseen").id
            made.v1.done("PATCH", f"/v1/groups/{unseen}", {"unseen_days": 1})
            made.services.tenants.change("shop", {"expired_consent_erases": True, "deletes_erase": False})
            yield made


def test_whoever_came_by_any_way_and_went_by_any_is_found_nowhere(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    ways = [(way_in, way_out) for place, way_in in enumerate(IN) for way_out in [*OUT][place % 3 :: 3]]
    everybody = [Somebody(*one) for one in ways]
    for one in everybody:
        one.faceid = IN[one.way_in](box, one)
    for one, beside in zip(everybody, [*everybody[1:], everybody[0]], strict=True):
        live(box, one, beside)
    for one in everybody:
        one.wanted = needles(box, one)
    _, before = found(box.folder, everybody)
    assert {line.partition(":")[0] for line in before} == {f"{one.way_in}, {one.way_out}" for one in everybody}
    for one in everybody:
        OUT[one.way_out](box, one)
    box.settle()
    for one in everybody:
        box.v1.done("DELETE", f"/v1/faces/{one.also}", erase="true")
        if one.way_out == "deleted then erased":
            _erased(box, one)
    leave(box)
    files, left = found(box.folder, everybody)

    assert left == [], f"{len(left)} of {len(everybody)} people in {files} files"
    log = "\n".join(one.getMessage() for one in caplog.records if one.name.startswith(("chalicelib", "regulars")))
    assert log
    assert [one.name for one in everybody if one.name in log or one.note in log] == []
    assert ({one for one, _ in ways}, {one for _, one in ways}, len(ways)) == ({*IN}, {*OUT}, 30)


def leave(box: Box) -> None:
    """Two days pass: consents end, nobody of the group `unseen` is seen, and all that was begun is done."""
    for _ in range(2):
        box.clock.advance(timedelta(days=1))
        box.settle()
        box.services.erasure.retention.tenant(box.tenant, of=(Kind.CONSENTS,), yes=True)
        box.v1.done("PATCH", "/v1/settings", {"deletes_erase": True})
        box.services.erasure.retention.tenant(box.tenant, yes=True)
        box.v1.done("PATCH", "/v1/settings", {"deletes_erase": False})
        box.clock.advance(timedelta(minutes=5))
        box.settle()
