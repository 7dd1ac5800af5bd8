"""The tenant of the canary is made by the deployment: so the next one has its alarm among those
that roll it back."""

from contextlib import closing

import pytest

from chalicelib.domain.events import EventKind
from chalicelib.domain.model import Profile
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.storage.keys import TENANTS
from regulars.deploy.canary import choose_canary_limit, find_canary
from regulars.options import choose_settings, open_services
from regulars.tenants.canary import add_canary
from tests.support.storage.emulated import Aws

URL = "https://a1b2.execute-api.eu-central-1.amazonaws.com/api/"


def canaries(aws: Aws) -> int:
    items = aws.client("dynamodb").scan(TableName=f"{aws.prefix}{TENANTS.name}")["Items"]
    return sum(item["kind"]["S"] == "tenant" for item in items)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({}, ""),
        ({"CanaryTenant": ""}, ""),
        ({"CanaryTenant": "canary", "APIHandlerConcurrency": "0"}, ""),
        ({"CanaryTenant": "canary", "APIHandlerConcurrency": "500"}, "canary"),
        ({"CanaryTenant": "canary"}, "canary"),
    ],
)
def test_a_stage_has_the_canary_that_its_parameters_name_unless_it_is_stopped(
    parameters: dict[str, str], name: str
) -> None:
    assert find_canary(parameters) == name


def test_a_deployment_makes_the_canarys_tenant_once(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    for made in (canaries(aws) == 0, False):
        add_canary("test", "canary", URL)
        assert canaries(aws) == 1
        said = capsys.readouterr().out
        assert "warning" not in said
        assert ("added the tenant canary" in said) == made
        assert ("added a camera and a hook to canary" in said) == made


def test_a_tenant_of_an_earlier_version_is_given_what_it_lacks(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_services(choose_settings())) as services:
        services.tenants.add("older", Profile.CAMERA, TenantSettings(time_zone="UTC"))
        for said in ("added a camera and a hook to older", ""):
            add_canary("test", "older", URL)
            assert capsys.readouterr().out.startswith(said)
        [camera] = services.cameras.list_all(services.tenants.get_by_name("older"))
        [hook] = services.webhooks.hooks.list_all("older")
    assert (camera.gap_s, hook.kinds) == (60, (EventKind.FACE_ARRIVED,))


@pytest.mark.parametrize(
    ("times_s", "present_s", "limit"),
    [
        ([3.0] * 11, 0.0, None),  # less than an hour
        ([3.0] * 12, 0.0, 5),
        ([3.0] * 12, 5.0, None),
        ([3.0] * 12, 20.0, 5),
        ([3.0] * 6 + [30.0] * 5 + [3.0], 0.0, 5),  # cold starts are no usual time
        ([50.0] * 12, 0.0, 60),
    ],
)
def test_a_picture_may_take_half_as_long_again_as_it_took_the_day_before(
    times_s: list[float], present_s: float, limit: int | None
) -> None:
    assert choose_canary_limit(times_s, present_s) == limit
