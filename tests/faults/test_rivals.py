"""What shares faces, groups or observations, done by two processes at once: before each call of one
the other does all.

So conditions fail that really do not hold. What is stored agrees with itself afterwards.
"""

from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.errors import RegularsError
from tests.faults.agreement import Endings, Errors, disagreeing, is_success
from tests.faults.conftest import Points
from tests.support.examples import rest
from tests.support.faults.shop import Box, Shop
from tests.support.faults.use_cases import USE_CASES

pytestmark = rest

Do = Callable[[Box], Any]


def _row(name: str) -> Do:
    return next(case.do for case in USE_CASES if str(case) == name)


def _forget(box: Box) -> Any:
    fields = {"group_name": "regular", "num": "1", "faceid_list": f'["{box.ids["eva"]}"]'}
    return box.camera.call("deleteFace", fields)


OF_VISITS: dict[str, Do] = {
    "merge": _row("POST /v1/faces/{id}/merge"),
    "merge the other way": _row("POST /v1/faces/{id}/merge the other way"),
    "undo": _row("POST /v1/merges/{id}/undo (merged)"),
    "reject": _row("POST /v1/faces/{id}/sightings/{sighting}/reject"),
    "see late": _row("ingest late, which moves a promotion"),
    "see both": _row("ingest who is promoted, and somebody new"),
    "forget": _forget,
    "change the model": _row("reembed"),
    "sweep": _row("sweep (unwanted)"),
}
OF_THE_GALLERY: dict[str, Do] = {
    "enrol": _row("POST /openapi/face/addFace"),
    "move": _row("POST /openapi/face/updateFace"),
    "delete": _row("POST /openapi/face/deleteFace"),
    "rename a group": _row("POST /openapi/face/updateGroup"),
    "delete a group": _row("POST /openapi/face/deleteGroup"),
    "make a group": _row("POST /icredit/face/manage 0 a new group"),
    "let in less": lambda box: box.services.tenants.change_settings(
        "shop", {"faces": 10_200, "groups": 6}
    ),
    "add a photo": _row("POST /v1/faces/{id}/pictures"),
    "change the model": _row("reembed"),
}
PAIRS = [
    *(
        (shop, one, OF_VISITS[one], OF_VISITS)
        for shop in ("shop", "merging")
        for one in ("merge", "see late")
    ),
    *(
        (shop, one, OF_VISITS[one], OF_VISITS)
        for shop in ("merged", "undoing")
        for one in ("undo", "see late")
    ),
    *(
        ("shop", one, OF_VISITS[one], OF_VISITS)
        for one in ("reject", "see both", "merge the other way")
    ),
    ("shop", "forget", _forget, OF_VISITS),
    *(("shop", one, do, OF_THE_GALLERY) for one, do in OF_THE_GALLERY.items()),
]


@pytest.mark.parametrize(
    ("shop", "name", "do", "rivals"),
    [pytest.param(*one, id=f"{one[1]} ({one[0]})") for one in PAIRS],
)
def test_another_process_comes_between_any_two_calls_and_all_agrees(
    shop: str,
    name: str,
    do: Do,
    rivals: dict[str, Do],
    shops: dict[str, Shop],
    tmp_path: Path,
    points: Points,
) -> None:
    with shops[shop].copied(tmp_path) as box:
        box.calls.names.clear()
        assert is_success(answer := do(box)), answer
        calls = len(box.calls.names)
    every = [(at, rival) for at in range(1, calls + 1) for rival in rivals]
    chosen, tried, wrong, heard = points.chosen(every, f"{name} ({shop})"), 0, [], Errors()
    endings = Endings(shops[shop].texts())
    for at, rival in chosen:
        with (
            heard.listening(),
            shops[shop].copied(tmp_path) as box,
            closing(Box(box.folder, shops[shop])) as other,
        ):
            box.calls.let(at, partial(_tried, rivals[rival], other))
            _tried(do, box)
            tried += len(box.calls.names) >= at
            found = [*endings.wrong(box, partial(disagreeing, box)), *heard.told()]
            wrong += [f"{rival} before call {at}: {what}" for what in found]
    points.told(len(every), tried, len(chosen) - tried, len(endings))
    assert not wrong, "\n".join(wrong)


def _tried(do: Do, box: Box) -> None:
    """One of the two may be refused, or be told to try again."""
    with suppress(RegularsError):
        do(box)
