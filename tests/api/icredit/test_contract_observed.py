"""docs/contract/icredit.md, "Query and analysis": each rule by its words."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chalicelib.core.model import Labels, Tenant
from chalicelib.core.observations import Observation, ObservationKind
from tests.api.icredit.client import amounts, failure, persons, tokens
from tests.api.icredit.contract import Rules, Shop
from tests.fakes import Person, picture

RULES = Rules()
rule = RULES.rule

ANN, BOB = picture(Person(1)), picture(Person(2))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""When the fake clock begins: Sunday, 20:00 in Shanghai."""
DAY_OF = {"0": 6, "1": 8, "2": 8, "3": 10}


def second(at: datetime) -> str:
    return str(int(at.timestamp()))


def tenant(shop: Shop) -> Tenant:
    return next(one for one in shop.services.tenants.all() if one.name == "shop")


def observe(shop: Shop, *moments: datetime, faceid: str = "7", label: str = "", group: str = "vip") -> None:
    """Observations of any time, written now, in the order given."""
    made = [
        Observation(at, f"{place}.{at.timestamp()}", faceid, group, Labels(a=label), ObservationKind.SIGHTING)
        for place, at in enumerate(moments)
    ]
    shop.services.statistics.recorder.record("shop", made)


# --- what is observed -------------------------------------------------------------------------------------------------


@rule("Both run over observations: each enrolment and each search hit is one observation of a token,")
def _(shop: Shop) -> None:
    ann, bob = tokens(shop.market.enrol("vip", picture(Person(1, 90), Person(2, 80))))
    shop.market.search("vip", picture(Person(1), Person(3)))
    shop.market.search("vip", picture(Person(3)))
    shop.market.search("gold", ANN)
    shop.camera.call("getFaceByPicture", pic=BOB)
    assert Counter(tokens(shop.market.query())) == {ann: 2, bob: 2}
    assert sum(amounts(shop.market.analysis("0")).values()) == 4


@rule("at the time of the call, with the labels and the group of the call;")
def _(shop: Shop) -> None:
    shop.market.enrol("vip", ANN, LABLE_A="stored")
    shop.clock.advance(timedelta(hours=3))
    shop.market.search("vip", ANN, LABLE_A="of the call", LABEL_D="d")
    newest, oldest = persons(shop.market.query())
    assert (newest["TIME"], oldest["TIME"]) == (second(NOON + timedelta(hours=3)), second(NOON))
    assert (newest["LABLE_A"], newest["LABLE_D"], newest["PERSON_GROUP_LABEL"]) == ("of the call", "d", "vip")
    assert (oldest["LABLE_A"], oldest["PERSON_GROUP_LABEL"]) == ("stored", "vip")


@rule("a search hit without labels in the call carries the stored ones.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN, LABLE_A="a", LABLE_C="c"))
    shop.market.search("vip", ANN)
    by_token = {"CONTROL_TYPE": "1", "IMAGE_TYPE": "3", "IMAGE": token, "PERSON_GROUP_LABEL": "vip"}
    shop.market.manage(**by_token)
    shop.market.manage(**by_token, LABLE_B="b")
    seen = [(one["LABLE_A"], one["LABLE_B"], one["LABLE_C"]) for one in persons(shop.market.query())]
    assert sorted(seen) == [("", "b", ""), *[("a", "", "c")] * 3]


@rule("An enrolment that finds the face known is an observation too.")
def _(shop: Shop) -> None:
    shop.market.enrol("vip", ANN)
    shop.market.enrol("vip", ANN)
    assert len(set(tokens(shop.market.query()))) == 1
    assert shop.market.query()["TOTAL"] == "2"


@rule("Deleting a face keeps its observations, until they are erased.")
def _(shop: Shop) -> None:
    (token,) = tokens(shop.market.enrol("vip", ANN))
    assert shop.market.delete("vip", token) == {"PERSON_TOKEN_STATUS": "0"}
    assert tokens(shop.market.query(PERSON_TOKEN=token)) == [token]
    assert amounts(shop.market.analysis("0")) == {"202603": 1}


# --- filters ----------------------------------------------------------------------------------------------------------


@rule("All filters that are sent must hold.")
def _(shop: Shop) -> None:
    labels = {"LABLE_A": "a", "LABLE_B": "b", "LABLE_C": "c", "LABLE_D": "d"}
    (token,) = tokens(shop.market.enrol("vip", ANN, **labels))
    shop.market.enrol("gold", BOB, **labels)
    wanted = labels | {"PERSON_GROUP_LABEL": "vip", "PERSON_TOKEN": token}
    assert tokens(shop.market.query(**wanted)) == [token]
    for name in wanted:
        assert shop.market.query(**wanted | {name: "other"})["TOTAL"] == "0", name
        assert amounts(shop.market.analysis("0", **wanted | {name: "other"})) == {}, name
        assert amounts(shop.market.analysis("0", **{name: wanted[name]})) == {"202603": 1 if "PERSON" in name else 2}


@rule("START_TIME and END_TIME are UNIX seconds, both included.")
def _(shop: Shop) -> None:
    observe(shop, *(NOON + timedelta(milliseconds=ms) for ms in (-1, 0, 999, 1000)))
    for start, end, count in ((0, 0, 2), (-1, 0, 3), (0, 1, 3), (1, 1, 1), (2, 9, 0)):
        span = {
            "START_TIME": second(NOON + timedelta(seconds=start)),
            "END_TIME": second(NOON + timedelta(seconds=end)),
        }
        assert shop.market.query(**span)["TOTAL"] == str(count), (start, end)
        assert sum(amounts(shop.market.analysis("3", **span)).values()) == count
    for name in ("START_TIME", "END_TIME"):
        for wrong in ("", "x", "-1", "1.5", "1e9", "1573441871000", "2026-03-01", "١", " 1", "9" * 5000):
            for answer in (shop.market.query(**{name: wrong}), shop.market.analysis("0", **{name: wrong})):
                assert failure(answer) == "INVALID_PARAMETER", wrong
                assert name in answer["ERROR_MSG"]


@rule("END_TIME before START_TIME is an error.")
def _(shop: Shop) -> None:
    span = {"START_TIME": "1573441871", "END_TIME": "1573441870"}
    for answer in (shop.market.query(**span), shop.market.analysis("0", **span)):
        assert failure(answer) == "INVALID_PARAMETER"
        assert "END_TIME (1573441870) lies before START_TIME (1573441871)" in answer["ERROR_MSG"]


# --- query ------------------------------------------------------------------------------------------------------------


@rule("There is one entity per observation, newest first, at most 1000.")
def _(shop: Shop) -> None:
    observe(shop, *(NOON - timedelta(minutes=7 * n) for n in range(1003)))
    answer = shop.market.query()
    times = [int(person["TIME"]) for person in persons(answer)]
    assert len(times) == 1000
    assert times == sorted(times, reverse=True)
    assert times[0] == int(second(NOON))


@rule(
    "PAGE_SIZE (1 to 1000, default 1000) and PAGE_TOKEN go in, NEXT_PAGE_TOKEN and TOTAL come out; ... A page "
    "token goes with the filters that it was answered to."
)
def _(shop: Shop) -> None:
    observe(shop, *(NOON - timedelta(hours=n) for n in range(7)))
    first = shop.market.query(PAGE_SIZE="4")
    second_page = shop.market.query(PAGE_SIZE="4", PAGE_TOKEN=first["NEXT_PAGE_TOKEN"])
    assert [len(persons(page)) for page in (first, second_page)] == [4, 3]
    assert {first["TOTAL"], second_page["TOTAL"]} == {"7"}
    assert second_page["NEXT_PAGE_TOKEN"] == ""
    assert persons(first) + persons(second_page) == persons(shop.market.query())
    for wrong in ("0", "1001", "-1", "x", "1.5", "9" * 30):
        answer = shop.market.query(PAGE_SIZE=wrong)
        assert failure(answer) == "INVALID_PARAMETER"
        assert "PAGE_SIZE is a whole number from 1 to 1000" in answer["ERROR_MSG"]
    token = first["NEXT_PAGE_TOKEN"]
    for fields in (
        {"PAGE_TOKEN": token[:-2]},
        {"PAGE_TOKEN": "会"},
        {"PAGE_TOKEN": "x"},
        {"PAGE_TOKEN": token, "LABLE_A": "of another query"},
        {"PAGE_TOKEN": token, "END_TIME": "9999999998"},
    ):
        answer = shop.market.query(**fields)
        assert failure(answer) == "INVALID_PARAMETER"
        assert "token" in answer["ERROR_MSG"]


@rule("TIME is when it was observed.")
def _(shop: Shop) -> None:
    observe(shop, NOON + timedelta(milliseconds=999))
    assert persons(shop.market.query())[0]["TIME"] == second(NOON)


# --- analysis ---------------------------------------------------------------------------------------------------------


@rule("STATISTICAL is 0 for months, 1 for weeks, 2 for days, 3 for hours.")
@rule("TIME_UNIT is 月, 周, 日 or 小时.")
@rule("TIME is `YYYYMM`, the Monday `YYYYMMDD`, `YYYYMMDD` or `YYYYMMDDHH`, in the tenant's time zone.")
def _(shop: Shop) -> None:
    observe(shop, NOON, NOON + timedelta(hours=3, minutes=59), NOON + timedelta(hours=4))
    expected = {
        "0": ("月", {"202603": 3}),
        "1": ("周", {"20260223": 2, "20260302": 1}),
        "2": ("日", {"20260301": 2, "20260302": 1}),
        "3": ("小时", {"2026030120": 1, "2026030123": 1, "2026030200": 1}),
    }
    for statistical, (unit, counted) in expected.items():
        answer = shop.market.analysis(statistical)
        assert amounts(answer) == counted
        assert {tuple(one) for one in answer["PERSON_TOKEN_ENEITY"]} == {("TIME_UNIT", "TIME", "AMOUNT")}
        assert {one["TIME_UNIT"] for one in answer["PERSON_TOKEN_ENEITY"]} == {unit}
    for wrong in ("", "4", "-1", "x", "00", "月"):
        answer = shop.market.analysis(wrong)
        assert failure(answer) == "INVALID_PARAMETER"
        assert "STATISTICAL" in answer["ERROR_MSG"]


@rule("That is an IANA name, Asia/Shanghai until another is set; daylight saving is handled.")
def _(shop: Shop) -> None:
    shop.services.tenants.change("shop", {"time_zone": "Europe/Berlin"})
    night = datetime(2025, 10, 26, 0, 30, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    observe(shop, *(night + timedelta(hours=n) for n in range(26)))
    hours = amounts(shop.market.analysis("3"))
    assert (hours["2025102601"], hours["2025102602"], hours["2025102603"]) == (1, 2, 1)
    assert amounts(shop.market.analysis("2")) == {"20251026": 25, "20251027": 1}


@rule("AMOUNT is the observations in the bucket.")
@rule('Empty buckets are left out; with `FILL=1` they come as "0".')
def _(shop: Shop) -> None:
    observe(shop, NOON, NOON + timedelta(days=2), NOON + timedelta(days=2, seconds=1))
    span = {"START_TIME": second(NOON), "END_TIME": second(NOON + timedelta(days=3))}
    full = {"20260301": 1, "20260302": 0, "20260303": 2, "20260304": 0}
    assert amounts(shop.market.analysis("2", **span, FILL="1")) == full
    for fields in ({}, {"FILL": "0"}, {"FILL": ""}):
        assert amounts(shop.market.analysis("2", **span, **fields)) == {"20260301": 1, "20260303": 2}
    answer = shop.market.analysis("2", **span, FILL="yes")
    assert failure(answer) == "INVALID_PARAMETER"
    assert "FILL" in answer["ERROR_MSG"]


@rule("With `DISTINCT=1`, persons are counted in place of observations.")
def _(shop: Shop) -> None:
    observe(shop, NOON, NOON + timedelta(hours=1), NOON + timedelta(days=1), faceid="7")
    observe(shop, NOON + timedelta(minutes=1), faceid="8")
    assert amounts(shop.market.analysis("2", DISTINCT="1")) == {"20260301": 2, "20260302": 1}
    assert amounts(shop.market.analysis("0", DISTINCT="1")) == {"202603": 2}
    assert amounts(shop.market.analysis("0", DISTINCT="0")) == {"202603": 4}
    assert failure(shop.market.analysis("0", DISTINCT="2")) == "INVALID_PARAMETER"


@rule("A bucket that is cut by START_TIME or END_TIME counts only what lies inside.")
def _(shop: Shop) -> None:
    observe(shop, *(NOON + timedelta(minutes=n) for n in (0, 10, 20, 30)))
    span = {
        "START_TIME": second(NOON + timedelta(minutes=10)),
        "END_TIME": second(NOON + timedelta(minutes=20)),
    }
    for statistical in "0123":
        assert list(amounts(shop.market.analysis(statistical, **span)).values()) == [2]


@rule("Buckets ascend by time.")
def _(shop: Shop) -> None:
    observe(shop, *(NOON + timedelta(days=n) for n in (9, -40, 3, -400, 0)))
    for statistical in "0123":
        times = list(amounts(shop.market.analysis(statistical)))
        assert times == sorted(times)
        assert {len(time) for time in times} == {DAY_OF[statistical]}


@rule("FILL over 10,000 buckets is an error.")
def _(shop: Shop) -> None:
    def hours(count: int) -> dict[str, str]:
        return {"START_TIME": "0", "END_TIME": str(3600 * count - 1)}

    assert len(amounts(shop.market.analysis("3", FILL="1", **hours(10_000)))) == 10_000
    answer = shop.market.analysis("3", FILL="1", **hours(10_001))
    assert failure(answer) == "INVALID_PARAMETER"
    assert "10000 buckets" in answer["ERROR_MSG"]
    assert amounts(shop.market.analysis("3", **hours(10_001))) == {}


@rule("A failed analysis carries both statistics keys as `[]`.")
def _(shop: Shop) -> None:
    for answer in (shop.market.analysis("x"), shop.market.analysis("0", START_TIME="x")):
        assert (answer["PERSON_ TOKEN_ENEITY"], answer["PERSON_TOKEN_ENEITY"]) == ([], [])
        assert failure(answer) == "INVALID_PARAMETER"


@rule("The amounts always equal a recount of the raw observations, whatever arrived late, twice or out of order.")
def _(shop: Shop) -> None:
    """The property is held against random histories in tests/services/statistics; here, by what query shows."""
    shanghai = ZoneInfo("Asia/Shanghai")
    for step in range(4):
        observe(shop, *(NOON + timedelta(hours=7 * n - 30 * step) for n in range(12)), label=str(step % 2))
        shop.services.statistics.sealing.tenant(tenant(shop))
        shop.clock.advance(timedelta(days=1))
        for fields in ({}, {"LABLE_A": "1"}):
            raw = [int(person["TIME"]) for person in persons(shop.market.query(**fields))]
            recount = Counter(f"{datetime.fromtimestamp(at, shanghai):%Y%m%d}" for at in raw)
            assert amounts(shop.market.analysis("2", **fields)) == dict(sorted(recount.items()))


@pytest.mark.parametrize("words", RULES.checks)
def test_contract(floor: Shop, words: str) -> None:
    RULES.checks[words](floor)
