"""Each closed hour's head goes to a witness by itself, and what the witness has finds a chain that
was made anew."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from chalicelib.bootstrap import build
from chalicelib.domain.errors import Busy, StorageUnavailable, Unusable
from chalicelib.domain.model import Profile
from chalicelib.privacy.standing import KIND
from chalicelib.services import Services
from chalicelib.settings import SettingError, Settings
from regulars.cli import main
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client
from tests.support.audit.desk import desk
from tests.support.fakes import UNHURRIED, FakeClock, FakeVision
from tests.support.hooks.receiver import answers, receiving

HOUR = timedelta(hours=1)


@contextmanager
def shop(folder: Path, witness: str) -> Iterator[tuple[Services, Callable[[str], None]]]:
    """A service with this witness, and what makes a change and lets an hour end, as the sweep
    does."""
    clock = FakeClock()
    settings = Settings(
        storage=folder, **UNHURRIED, witness=witness, hook_networks=(ip_network("127.0.0.0/8"),)
    )
    with closing(build(settings, clock=clock, vision=FakeVision)) as services:
        credentials = services.tenants.add("shop", Profile.CLOUD)
        v1 = V1Client(make_stage(services).app, credentials.api_key)

        def hour(name: str) -> None:
            v1.done("POST", "/v1/groups", {"name": name})
            clock.advance(2 * HOUR)
            # the sweep says so if the witness did not take one, and does all else
            with suppress(Busy):
                services.sweep.sweep_tenant(services.tenants.get_by_name("shop"), clock.now())

        yield services, hour


def test_heads_go_to_a_folder_of_another_machine_each_once_and_verify_the_chain(
    tmp_path: Path,
) -> None:
    elsewhere, data = tmp_path / "elsewhere", tmp_path / "data"
    elsewhere.mkdir()
    with shop(data, str(elsewhere)) as (services, hour):
        hour("a")
        hour("b")
        given = sorted((elsewhere / "shop").iterdir())
        heads = [dict(one.document) for one in services.audit.chain.list_elements("shop")]
        assert [json.loads(one.read_text()) for one in given] == heads
        assert (
            main(
                [
                    "audit",
                    "verify",
                    "--tenant",
                    "shop",
                    "--data",
                    str(data),
                    "--head",
                    str(given[-1]),
                ]
            )
            == 0
        )
        hour("c")
        assert len(list((elsewhere / "shop").iterdir())) == len(given) + 1


def test_a_folder_that_is_not_mounted_stops_nothing_and_gets_all_heads_once_it_is(
    tmp_path: Path,
) -> None:
    elsewhere = tmp_path / "elsewhere"
    with shop(tmp_path / "data", str(elsewhere)) as (services, hour):
        hour("a")
        assert not elsewhere.exists()
        with pytest.raises(StorageUnavailable, match="is it mounted"):
            _ = services.ports.witness
        elsewhere.mkdir()
        hour("b")
        assert (
            len(list((elsewhere / "shop").iterdir()))
            == len(list(services.audit.chain.list_elements("shop")))
            >= 2
        )


def test_a_url_gets_each_head_until_it_says_that_it_has_it(tmp_path: Path) -> None:
    with (
        receiving(answers(500), answers(200)) as receiver,
        shop(tmp_path / "data", receiver.url) as (services, hour),
    ):
        hour("a")
        hour("b")
        heads = [dict(one.document) for one in services.audit.chain.list_elements("shop")]
        kept = [json.loads(one) for one in receiver.bodies]
        assert [one for one in kept if one["statement"].get("kind") != KIND] == [heads[0], *heads]


def test_what_was_cut_off_comes_again_and_a_chain_made_anew_lies_beside_the_first() -> None:
    class Elsewhere:
        def __init__(self) -> None:
            self.kept: dict[str, bytes] = {}
            self.fails = 0

        def keep(self, name: str, head: bytes) -> None:
            if self.fails:
                self.fails -= 1
                raise Unusable("not now")
            self.kept.setdefault(name, head)

    with desk() as made:
        elsewhere = Elsewhere()
        chain = made.chain
        for hour in range(3):
            made.act(f"face-{hour}")
            made.clock.advance(2 * HOUR)
            made.close()
        elsewhere.fails = 1
        with pytest.raises(Unusable):
            chain.send_heads("shop", elsewhere)
        assert chain.send_heads("shop", elsewhere) == 3
        assert chain.send_heads("shop", elsewhere) == 0
        first = dict(elsewhere.kept)
        made.act("another")
        made.clock.advance(2 * HOUR)
        made.close()
        assert chain.send_heads("shop", elsewhere) == 1
        assert first.items() < elsewhere.kept.items()


@pytest.mark.parametrize("place", ["elsewhere", "s3://", "ftp://x/y", "s3://B!/x"])
def test_a_place_that_is_none_is_said(place: str) -> None:
    with pytest.raises(SettingError, match="is as /mnt/witness"):
        Settings.from_environment({"REGULARS_DATA": "/srv", "REGULARS_WITNESS": place})
