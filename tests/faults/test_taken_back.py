"""An act that is taken back, cut off behind each of its writes and asked again, is so whole."""

import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults.shop import Box, Shop, furnished
from tests.support.hooks.receiver import answers, receiving
from tests.support.storage.failing import KILLED, Killed

VISIT = "/v1/faces/{eva}/sightings/{sighting}/reject"
ACTS = [
    pytest.param("POST", VISIT, {"instead": "stranger", "visit": True}, id="a visit"),
    pytest.param("POST", VISIT, {"instead": "new", "name": "Gail", "visit": True}, id="of a name"),
    pytest.param("POST", VISIT, {"other": "{finn}", "visit": True}, id="a visit of another"),
    pytest.param("POST", VISIT, {"instead": "stranger"}, id="a sighting"),
    pytest.param("POST", "/v1/faces/{eva}/merge", {"other": "{finn}"}, id="a merge"),
    pytest.param(
        "PATCH", "/v1/settings", {"time_zone": "Asia/Tokyo", "arrive_times": 7}, id="settings"
    ),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with receiving(answers(200)) as receiver:
        yield furnished(tmp_path_factory.mktemp("shop") / "shop", receiver)


def look(box: Box) -> dict[str, Any]:
    [*acts] = box.services.done.list_all(box.tenant)
    tenant, promotion = box.services.account.read_settings(box.tenant)
    return {
        **box.state(),
        "settings": (tenant.time_zone, promotion),
        "acts": sorted((act.kind, bool(act.takes_back), bool(act.taken_back_at)) for act in acts),
    }


def do(box: Box, method: str, path: str, body: dict[str, Any]) -> str:
    """The act's id; of a visit that was given by a name, the visit's."""
    known = {act.id for act in box.services.done.list_all(box.tenant)}
    box.v1.done(method, path, body)
    made = [act for act in box.services.done.list_all(box.tenant) if act.id not in known]
    [id_] = [act.id for act in made if len(made) == 1 or act.kind == "rejection"]
    return id_


@pytest.mark.parametrize(("method", "path", "body"), ACTS)
@pytest.mark.parametrize("key", ["", "the-same"])
def test_cut_off_behind_a_write_and_asked_again_it_is_whole(
    method: str, path: str, body: dict[str, Any], key: str, shop: Shop, tmp_path: Path
) -> None:
    headers = {"Idempotency-Key": key} if key else {}
    sent = {
        name: value.format(**shop.ids) if isinstance(value, str) else value
        for name, value in body.items()
    }

    def take_back(box: Box) -> None:
        box.clock.advance(timedelta(minutes=1))
        reply = box.v1.send("POST", f"/v1/done/{id_}/undo", headers=headers)
        assert reply.status == 200, reply

    ground = Path(shutil.copytree(shop.folder, tmp_path / "ground"))
    with closing(shop.opened(ground)) as box:
        id_ = do(box, method, path.format(**box.ids), sent)
    with closing(shop.opened(Path(shutil.copytree(ground, tmp_path / "whole")))) as box:
        box.calls.names.clear()
        take_back(box)
        writes = box.calls.names.count("items.transact")
        right = look(box)
    assert writes
    for at in range(2, writes + 1):
        place = Path(shutil.copytree(ground, tmp_path / f"cut-{at}"))
        with closing(shop.opened(place)) as box:
            box.calls.fail(at, KILLED, of="items.transact")
            with suppress(Killed):
                take_back(box)
        with closing(shop.opened(place)) as box:
            take_back(box)
            assert look(box) == right, f"cut off before write {at} of {writes}"


SET = [
    pytest.param(
        "/v1/settings", {"time_zone": "Asia/Tokyo"}, {"time_zone": "Asia/Seoul"}, id="own"
    ),
    pytest.param("/v1/settings", {"arrive_times": 7}, {"arrive_times": 8}, id="promotion"),
    pytest.param(
        "/v1/settings", {"no_pictures_of": ["vip"]}, {"no_pictures_of": ["silver"]}, id="groups"
    ),
    pytest.param("/v1/hooks/{hook}", {"name": "till"}, {"name": "door"}, id="hook"),
    pytest.param("/v1/cameras/till", {"gap_s": 60}, {"gap_s": 90}, id="camera"),
    pytest.param("/v1/faces/{eva}", {"note": "tea"}, {"note": "milk"}, id="face"),
]


@pytest.mark.parametrize(("path", "mine", "theirs"), SET)
def test_what_somebody_else_sets_at_that_moment_stands(
    path: str, mine: dict[str, Any], theirs: dict[str, Any], shop: Shop, tmp_path: Path
) -> None:
    ground = Path(shutil.copytree(shop.folder, tmp_path / "ground"))
    with closing(shop.opened(ground)) as box:
        path = path.format(**box.ids)
        id_ = do(box, "PATCH", path, mine)
    with closing(shop.opened(Path(shutil.copytree(ground, tmp_path / "whole")))) as box:
        box.calls.names.clear()
        box.v1.done("POST", f"/v1/done/{id_}/undo")
        calls = box.calls.names.index("items.transact") + 1
    for at in range(1, calls + 1):
        place = Path(shutil.copytree(ground, tmp_path / f"at-{at}"))
        with closing(shop.opened(place)) as box:
            box.clock.advance(timedelta(minutes=1))
            other = box.v1
            box.calls.let(at, partial(other.done, "PATCH", path, theirs))
            refused = box.v1.failed(409, "POST", f"/v1/done/{id_}/undo")
            found = box.v1.done("GET", path)
            assert {name: found[name] for name in theirs} == theirs, f"at call {at} of {calls}"
            assert (refused["code"], len(refused["acts"])) == ("InTheWay", 1)
        shutil.rmtree(place)
