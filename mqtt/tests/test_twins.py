"""Two shops of which a broker is told without names: who reads it tells nobody from another but by
the number of a visit, and nothing of who is shown no more."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from regulars_client import Regulars

from tests.support.box.box import serving
from tests.support.fakes import Person, picture
from tests.support.mqtt.mosquitto import listening, mosquitto
from tests.support.mqtt.shop import Shop, told
from tests.support.twins import list_said
from tests.support.waiting import until

ANN, BO, CID = 1, 2, 3
NOW = datetime.now(UTC)
TODAY, AVAILABLE = "regulars/shop/today", "regulars/shop/available"
RANDOM = re.compile(r'\d{13}-[0-9a-f-]+|http://[^"]*|"(?:configuration_url|sw_version)": "[^"]*"')


@contextmanager
def opened(folder: Path) -> Iterator[Shop]:
    with serving(folder) as box:
        shop = Shop(box)
        with shop.client:
            yield shop


def hear(folder: Path, who: Sequence[int], leave: Callable[[Regulars, str], object]) -> list[str]:
    """Return all that a broker is told of a shop to which these come, an hour after each other."""
    with (
        opened(folder / "data") as shop,
        mosquitto(folder / "mosquitto") as broker,
        listening(broker) as listener,
    ):
        for number, one in enumerate((ANN, BO)):
            shop.enrol(f"Person {number}", one)
        leave(shop.client, "Cid")
        for number, one in enumerate(who):
            shop.sees(one, NOW - timedelta(hours=len(who) - number), "door")
        with told(shop, broker):
            until(lambda: shop.waiting() == 0 and TODAY in listener.retained)
        until(lambda: listener.retained[AVAILABLE] == "offline")
        return sorted({RANDOM.sub("#", " ".join(one)) for one in listener.heard})


def never_came(_client: Regulars, _name: str) -> None: ...


def test_the_broker_is_told_nobody_from_another_but_by_the_number_of_a_visit(
    tmp_path: Path,
) -> None:
    visits = {"one": (ANN, BO, ANN), "other": (ANN, BO, BO), "more": (ANN, ANN, ANN)}
    heard = {name: hear(tmp_path / name, who, never_came) for name, who in visits.items()}
    assert heard["one"] == heard["other"]
    assert any('"visit": 2' in line for line in heard["one"])
    assert any('"visit": 3' in line for line in heard["more"])
    [point] = [one for one in list_said() if "broker" in one]
    assert "visit number" in point


def enrol_cid(client: Regulars, name: str) -> str:
    return client.enrol_face(group="regular", picture=picture(Person(CID)), name=name).id


def erase(client: Regulars, name: str) -> None:
    client.delete_face(enrol_cid(client, name), erase=True)


def withdraw(client: Regulars, name: str) -> None:
    face = enrol_cid(client, name)
    client.set_consent(face, basis="consent", given_at=NOW - timedelta(days=1), evidence="signed")
    client.withdraw_consent(face)


def restrict(client: Regulars, name: str) -> None:
    client.change_restriction(enrol_cid(client, name), restricted=True, reason="asked")


@pytest.mark.parametrize(
    ("leave", "as_if_came"),
    [(erase, (ANN, CID)), (restrict, (ANN, CID)), (withdraw, (ANN,))],
)
def test_the_broker_is_told_of_who_is_shown_no_more_as_of_a_stranger_or_nobody(
    tmp_path: Path, leave: Callable[[Regulars, str], object], as_if_came: Sequence[int]
) -> None:
    heard = hear(tmp_path / "without", as_if_came[::-1], never_came)
    assert hear(tmp_path / "with", (CID, ANN), leave) == heard
