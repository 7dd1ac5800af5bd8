"""Charts lie inside a page: they are XML, load nothing, and are coloured by its style sheet."""

import re
from statistics import NormalDist
from xml.etree import ElementTree

import numpy as np
import pytest

from regulars_lab.evaluate import chart

SVG = "{http://www.w3.org/2000/svg}"
CURVE = (np.array([0.0, 1e-4, 0.5, 1.0]), np.array([1.0, 0.2, 1e-3, 0.0]))


@pytest.fixture(params=["trade-off", "densities"])
def drawn(request: pytest.FixtureRequest) -> str:
    if request.param == "trade-off":
        return chart.trade_off(
            "a title", "FPIR", "FNIR", {"a <b> & c": CURVE, "none": (np.array([]), np.array([]))}
        )
    return chart.densities(
        "a title", {"a <b> & c": np.arange(100), "none": np.zeros(100, int)}, [(0.4, "a mark")]
    )


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_its_title_and_labels_are_text(drawn: str) -> None:
    assert ElementTree.fromstring(drawn).findtext(f"{SVG}title") == "a title"
    assert {"a <b> & c", "none"} <= set(texts(drawn))


def test_it_loads_nothing(drawn: str) -> None:
    links = re.findall(r'href="([^"]*)', drawn) + re.findall(r"url\(([^)]*)", drawn)
    assert links
    assert all(link.startswith("#") for link in links)
    assert "<image" not in drawn


def test_its_colours_are_the_style_sheets(drawn: str) -> None:
    named = set(re.findall(r"var\(--(\w+)\)", drawn))
    assert {"one", "two", "line", "soft", "ink"} == named
    assert not re.search(r":\s*#[0-9a-f]{6}", drawn)


def test_it_is_drawn_alike_each_time() -> None:
    assert chart.trade_off("t", "x", "y", {"a": CURVE}) == chart.trade_off(
        "t", "x", "y", {"a": CURVE}
    )


def test_two_charts_of_a_page_share_no_clip() -> None:
    clips = [
        set(re.findall(r'<clipPath id="(\w+)"', chart.trade_off(title, "x", "y", {"a": CURVE})))
        for title in "ab"
    ]
    assert clips[0]
    assert clips[0].isdisjoint(clips[1])


def test_axes_of_rates_are_normal_deviates() -> None:
    svg = ElementTree.fromstring(chart.trade_off("t", "x", "y", {"a": CURVE}))
    ticks = list(svg.iter(f"{SVG}text"))[: len(chart.RATES)]
    assert [text.text for text in ticks] == [f"{rate:g}" for rate in chart.RATES]
    places = np.array([float(text.get("x", "")) for text in ticks])
    deviates = np.array([NormalDist().inv_cdf(rate) for rate in chart.RATES])
    assert np.corrcoef(places, deviates)[0, 1] == pytest.approx(1, abs=1e-9)


def test_what_lies_beyond_an_axis_is_drawn_at_its_end() -> None:
    """A rate of 0 or 1 has no deviate."""
    svg = chart.trade_off("t", "x", "y", {"a": CURVE})
    (path,) = re.findall(
        r'<path d="([^"]*)" clip-path="[^"]*" style="fill: none; stroke: var\(--one\)', svg
    )
    points = re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)
    ticks = [text.get("x") for text in ElementTree.fromstring(svg).iter(f"{SVG}text")][
        : len(chart.RATES)
    ]
    assert (points[0][0], points[-1][0]) == (ticks[0], ticks[-1])
