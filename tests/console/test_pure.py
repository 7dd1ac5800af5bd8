"""Rules of the console that need no page, in the Node that Playwright brings; and the shape of its
modules."""

import json
import random
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from regulars_edge.config import parse_config
from regulars_edge.count.line import parse_line

from chalicelib.api.console_files import locate_folder
from chalicelib.domain.channels import OF_ALL
from chalicelib.domain.counts import require_line
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.events import list_samples
from chalicelib.domain.local_time import LocalTime
from chalicelib.storage.values import milliseconds
from tests.console.spoken import LANGUAGES
from tests.support.node import node

HERE, OURS = Path(__file__).parent, locate_folder()

ZONES = (
    *("UTC", "Asia/Shanghai", "Africa/Cairo", "America/Sao_Paulo"),
    *("Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe"),
)
MOST_COLUMNS, MOST_LINES = 120, 60

_BEGUN = re.compile(
    r"( *)(?:export )?(?:default )?(?:async )?(?:function|const \w+ = .*=> [({]$|[#\w]+\(.*\) {$)"
)


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.js")), ids=lambda file: file.name)
def test_the_rules_hold(file: Path) -> None:
    assert "# pass 0" not in node("--test", "--test-reporter=tap", str(file))


def test_page_service_and_uploader_take_the_same_lines() -> None:
    """Any ends, and many near the picture's edge."""
    chance, levels = random.Random(5), (0.0, 0.04, 0.099, 0.1, 0.12, 0.5, 0.88, 0.9, 0.95, 1.0)
    drawn = [[[chance.random() for _ in "xy"] for _ in "ab"] for _ in range(200)]
    drawn += [[[chance.choice(levels) for _ in "xy"] for _ in "ab"] for _ in range(300)]
    lines = [line for line in drawn if line[0] != line[1]]
    program = f"""
        const {{ isUsable }} = await import("{OURS.as_uri()}/admin/counting.js");
        console.log(JSON.stringify({json.dumps(lines)}.map(isUsable)));
    """
    of_page = json.loads(node("--input-type=module", "--eval", program))
    of_uploader = [is_taken(parse_line, line, ValueError) for line in lines]
    of_service = [is_taken(require_line, line, InvalidInput) for line in lines]
    assert of_page == of_uploader == of_service
    assert 0.2 < of_page.count(True) / len(lines) < 0.8


def is_taken(judge: Callable[[Any], object], line: object, error: type[Exception]) -> bool:
    try:
        judge(line)
    except error:
        return False
    return True


def test_the_uploader_reads_the_file_of_each_kind_of_camera() -> None:
    place = '/srv/"x"\\'
    written = node(
        "--input-type=module",
        "--eval",
        f"""
        const {{ edgeFile, KINDS }} = await import("{OURS.as_uri()}/admin/kinds.js");
        const kinds = Object.keys(KINDS).filter((kind) => KINDS[kind].by === "edge");
        const given = {{ id: "door", address: "https://a.example", place: {json.dumps(place)} }};
        console.log(JSON.stringify(kinds.map((kind) => edgeFile(kind, given))));
        """,
    )
    cameras = [
        one for file in json.loads(written) for one in parse_config(tomllib.loads(file)).cameras
    ]
    assert [(one.source, one.place) for one in cameras] == [
        (source, place) for source in ("rtsp", "folder", "rtsp", "usb")
    ]
    assert [one.choice for one in cameras] == ["best_shot", "all", "best_shot", "best_shot"]


def test_all_fields_of_messages_have_words_of_their_own_in_each_language() -> None:
    fields = sorted({*OF_ALL, *list_samples()})
    text = " ".join(f"{{{field}}}" for field in fields)
    program = f"""
        const {{ language }} = await import("{OURS.as_uri()}/store.js");
        const {{ load, loadMore }} = await import("{OURS.as_uri()}/words.js");
        const {{ told, written }} = await import("{OURS.as_uri()}/shared/fields.js");
        const said = [];
        for (const one of {json.dumps(LANGUAGES)}) {{
          language.set(one);
          await load();
          await loadMore("shared");
          said.push([told({json.dumps(text)}), written(told({json.dumps(text)}))]);
        }}
        console.log(JSON.stringify(said));
        """
    for said, back in json.loads(node("--input-type=module", "--eval", program)):
        assert "{" not in said
        assert back == text


def test_days_begin_by_the_clocks_of_the_tenants_zone() -> None:
    days = [date(year, 1, 1) + timedelta(days=n) for year in (2017, 2026) for n in range(365)]
    asked = json.dumps([ZONES, [str(day) for day in days]])
    begun = node(
        "--input-type=module",
        "--eval",
        f"""
        const {{ session }} = await import("{OURS.as_uri()}/store.js");
        const {{ begin }} = await import("{OURS.as_uri()}/shared/days.js");
        const [zones, days] = {asked};
        console.log(JSON.stringify(zones.map((zone) => {{
          session.set({{ time_zone: zone }});
          return days.map(begin);
        }})));
        """,
    )
    for zone, found in zip(ZONES, json.loads(begun), strict=True):
        noons = [datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)) for day in days]
        assert found == [milliseconds(LocalTime(zone).begin_of_day(noon)) for noon in noons], zone


def too_long(path: Path) -> Iterator[str]:
    """Yield the long lines and functions of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    yield from (
        f"line {n} has {len(line)} characters"
        for n, line in enumerate(lines, 1)
        if len(line) > MOST_COLUMNS
    )
    for n, line in enumerate(lines):
        begun = _BEGUN.match(line)
        if begun and path.suffix == ".js":
            end = next(
                (at for at in range(n, len(lines)) if re.match(begun[1] + r"[})]", lines[at])), n
            )
            if end - n >= MOST_LINES:
                yield f"the function of line {n + 1} has {end - n + 1} lines"


NAMES = {
    path.relative_to(OURS).as_posix() for path in OURS.rglob("*") if path.suffix in (".js", ".css")
}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_lines_and_functions_are_short(name: str) -> None:
    assert [*too_long(OURS / name)] == []
