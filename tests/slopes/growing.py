"""Which acts grow with the book, and why they may."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import product

from chalicelib.domain.observations import OF_ARRIVALS, Split
from chalicelib.storage.items import FaceOrder
from tests.slopes.counted import MEASURES
from tests.slopes.pages import PAGE_READS

RATIOS = {**dict.fromkeys(MEASURES, 1.6), "bytes read": 2.0}
SLACK = {
    "rows": 110,
    "statements": 60,
    "VM steps": 6_000,
    "bytes read": 550_000,
    "read units": 60,
    "write units": 60,
}
"""How much more an act may cost at ten times as much: a page fills up, a list is looked through
for a hundred rows that it may show, a tree has another level, by which each row that is read by
itself takes four pages in place of three."""

_ALL_IDS = "answers the ids of all faces"
_IDS_OF_GROUP = "answers the ids of a group, or of all known faces"
_OF_LISTS, _BOOLS = ("hidden", "listed"), ("false", "true")
_SORTED = "sorts all faces for each page, 10,000 at most: no index has such an order"
_PAGE = "looks through a hundred rows at least"
_FILTERED = "looks through a thousand captures at most for what a filter takes"
_INSTANTS = "reads instants whole, 5,000 observations at most"
_PERSON = "answers all that is held of one person, whose visits these are"

MUST_GROW: Mapping[str, str] = {
    "GET /v1/retention strangers=forget": "counts the strangers whom a choice deletes, before it",
    "GET /v1/retention strangers=keep stranger_days=1": "as with strangers=forget",
    "GET /v1/retention strangers=undecided": "as with strangers=forget",
    **{f"GET /v1/face-ids order={order}": _ALL_IDS for order in FaceOrder},
    "GET /v1/face-ids desc=false": _ALL_IDS,
    "GET /v1/face-ids desc=true": _ALL_IDS,
    "GET /v1/face-ids known=false": _ALL_IDS,
    **{f"GET /v1/face-ids {name}={value}": _ALL_IDS for name, value in product(_OF_LISTS, _BOOLS)},
    "GET /v1/faces/{id}/everything": _PERSON,
    "GET /v1/faces/{id}/everything language=zh part={everything_token} shops=Elsewhere": _PERSON,
    "job reviews, night": "those of somebody who was deleted are gone within a day, so it looks at "
    "each review of the days whose pictures are kept",
    "reembed": "reads each picture",
}
"""Acts that are asked for everything, and answer, compare or delete it. All other acts are
constant, or grow to a bound."""

GROWS_TO_A_BOUND: Mapping[str, str] = {
    "GET /v1/faces order=name": _SORTED,
    "GET /v1/faces order=visits": _SORTED,
    "GET /v1/arrivals face={face}": _INSTANTS,
    "job periods, hour": "counts the visits of a day, a week or a month that it closes",
    "sweep of a month that has ended": "seals and counts each day of the month",
    "GET /v1/captures": f"{_PAGE} of each camera",
    "GET /v1/captures camera={camera} token={captures_token}": _PAGE,
    "GET /v1/captures faces=none": _FILTERED,
    "GET /v1/captures faces=skipped": _FILTERED,
    "GET /v1/captures state=parked": _FILTERED,
    "GET /v1/captures state=resolved": f"{_PAGE} of each camera",
    "GET /v1/captures state=stored": _FILTERED,
    "GET /v1/captures token={all_captures_token}": f"{_PAGE} of each camera",
    "GET /v1/faces/{id}/similar since=2026-01-01T00:00:00Z": "reads 200 strangers at most",
    "GET /v1/reviews kind=uncertain": _PAGE,
    "GET /v1/reviews kind=uncertain listed=true": _PAGE,
    "GET /v1/reviews listed=false": _PAGE,
    "GET /v1/reviews listed=true": _PAGE,
    "GET /v1/reviews token={reviews_token}": _PAGE,
}
"""What grows until a page is full: a year's shop is above that."""

GROWS_IN_A_YEAR: Mapping[str, str] = {
    "GET /v1/face-ids group={group} order=arrived desc=true": _IDS_OF_GROUP,
    "GET /v1/face-ids known=true": "answers the ids of all known faces",
    **{f"page {read}": _IDS_OF_GROUP for read in PAGE_READS if "/v1/face-ids" in read},
    "GET /v1/retention": "counts what is due, 2,000 things of a kind at most",
    "job lost captures, night": "looks at the captures of four days",
    "regulars retention --dry-run": "counts what is due, 2,000 things of a kind at most",
}
"""What grows too little to be seen in the gate's shops."""

_EACH_VISIT = "reads each visit of the time"

GROWS_WITH_VISITS: Mapping[str, str] = {
    "GET /v1/arrivals only=first": _EACH_VISIT,
    "GET /v1/arrivals only=first staff=false totals=true": _EACH_VISIT,
    "GET /v1/arrivals only=uncertain": "reads each review of the time",
    "GET /v1/arrivals totals=true": _EACH_VISIT,
    "GET /v1/statistics entries=true": _EACH_VISIT,  # who of those who came in is known
    "GET /v1/statistics group={group}": _EACH_VISIT,
    **{f"GET /v1/statistics split={split}": _EACH_VISIT for split in (*OF_ARRIVALS, Split.GROUP)},
    **{
        f"page {read}": _EACH_VISIT
        for read in PAGE_READS
        if any(part in read for part in ("measure=", "totals=", "entries="))
    },
    "regulars report": "reads each visit of a week",
    "today": "reads each visit of a day",
}
"""What grows with the visits of the time that is asked about, where no sealed day answers."""


OF_PRESENCES = ("GET /v1/statistics", "page /v1/statistics")
"""How the names begin of what reads from when to when each person was there, some 20 bytes a visit:
that may take more of BY_SIZE, and nothing else."""
BY_SIZE = {"bytes read", "read units"}


def find_growth(few: Counter[str], many: Counter[str]) -> dict[str, tuple[int, int]]:
    """Return the measures by which an act grows, with what it took of each."""
    return {
        measure: (few[measure], many[measure])
        for measure in MEASURES
        if many[measure] > RATIOS[measure] * few[measure]
        and many[measure] - few[measure] > SLACK[measure]
    }
