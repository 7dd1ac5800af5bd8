"""The operations query and analysis: persons observed, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.api.icredit import wire
from chalicelib.api.icredit.operation import Call
from chalicelib.api.icredit.request import Parameters
from chalicelib.core.errors import InvalidInput
from chalicelib.core.local_time import Granularity

if TYPE_CHECKING:
    from chalicelib.core.observations import ObservationFilter

_GRANULARITIES: Mapping[str, Granularity] = {
    "0": Granularity.MONTH,
    "1": Granularity.WEEK,
    "2": Granularity.DAY,
    "3": Granularity.HOUR,
}


def query(call: Call) -> wire.Body:
    """Return a page of the observations that match the filters, newest first."""
    from chalicelib.services.statistics.statistics import PAGE_SIZES  # keeps the other routes' cold starts short

    parameters = call.parameters
    start, end = _span(parameters)
    page = call.services.statistics.observations.query(
        call.tenant,
        _filter(parameters),
        start,
        end,
        page_size=parameters.number("PAGE_SIZE", PAGE_SIZES, default=PAGE_SIZES[-1]),
        page_token=parameters.text("PAGE_TOKEN"),
    )
    return wire.queried(page)


def analysis(call: Call) -> wire.Body:
    """Count observations, or persons, by month, week, day or hour."""
    parameters = call.parameters
    statistical = parameters.required("STATISTICAL")
    granularity = _GRANULARITIES.get(statistical)
    if granularity is None:
        raise InvalidInput(f"STATISTICAL is 0 (month), 1 (week), 2 (day) or 3 (hour), not {statistical[:40]!r}")
    start, end = _span(parameters)
    fill, distinct = parameters.flag("FILL"), parameters.flag("DISTINCT")
    buckets = call.services.statistics.analysis(
        call.tenant, _filter(parameters), start, end, granularity, fill=fill, distinct=distinct
    )
    return wire.analysed(buckets, granularity)


def _span(parameters: Parameters) -> tuple[int, int]:
    start, end = parameters.seconds("START_TIME"), parameters.seconds("END_TIME")
    if end < start:
        raise InvalidInput(f"END_TIME ({end}) lies before START_TIME ({start}): swap them")
    return start, end


def _filter(parameters: Parameters) -> ObservationFilter:
    """Read the filter. Raises InvalidInput for a token that no face can have.

    A token that no face has now is no mistake, because observations outlive faces.
    """
    from chalicelib.core.observations import ObservationFilter
    from chalicelib.services.faces import is_faceid

    token = parameters.text("PERSON_TOKEN")
    if token is not None and not is_faceid(token := token.strip()):
        raise InvalidInput(f"a PERSON_TOKEN has 1 to 64 letters, digits, `_` or `-`: no face is called {token[:70]!r}")
    return ObservationFilter(parameters.labels(), parameters.text("PERSON_GROUP_LABEL"), token)
