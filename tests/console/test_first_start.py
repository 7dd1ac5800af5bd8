"""A new user gets from an empty folder to people who are recognised in under five minutes, without
reading."""

import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, expect
from regulars_client import Regulars

from regulars.serve.service import stop
from regulars.tenants import credentials
from tests.console.conftest import PHONE, Book, Visitor, settle, shoot
from tests.support.noon import zone_at_noon
from tests.support.pictures.photos import FOLDER, PAIRS

LINK = re.compile(r"console of tenant (\S+): (http\S+?)/console(#code=\S+)")
PEOPLE = dict(zip(("Ann Lee", "Ben Okafor", "Chloé Dubois"), PAIRS, strict=False))


@contextmanager
def started_by_a_person(data: Path) -> Iterator[tuple[str, str, str]]:
    """Start the service in a terminal, which it prints links to; give the first one's tenant, URL
    and code."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "regulars", "serve", "--data", str(data), "--port", "0"]
    around = {**os.environ, "TZ": zone_at_noon()}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=its, text=True, start_new_session=True, env=around
    )
    os.close(its)
    try:
        with os.fdopen(ours, encoding="utf-8") as terminal:
            tenant, url, code = next(filter(None, map(LINK.search, terminal))).groups()
            assert process.stdout.readline().startswith("ready ")
            yield tenant, url, code
    finally:
        stop(process)


def test_somebody_who_has_read_nothing_drops_a_folder_and_sees_everybody_in_it_recognised(
    browser: Browser, tmp_path: Path
) -> None:
    for name, (picture, _) in PEOPLE.items():
        (tmp_path / "people" / name).mkdir(parents=True)
        shutil.copy(FOLDER / picture, tmp_path / "people" / name)
    began = time.monotonic()
    data = tmp_path / "shop"
    with started_by_a_person(data) as (tenant, url, code):
        visitor = Visitor(
            browser.new_context(viewport=PHONE, has_touch=True, locale="en-GB"),
            Book(url, data, "", ""),
        )
        page = visitor.open(code)
        page.get_by_role("button", name="Not now").tap()
        page.get_by_role("link", name="Add people").tap()
        page.get_by_label("Choose a folder").set_input_files(tmp_path / "people")
        page.get_by_role("button", name=f"Add {len(PEOPLE)} people").click(timeout=60_000)
        expect(page.get_by_text(f"{len(PEOPLE)} people added")).to_be_visible(timeout=60_000)
        page.get_by_role("link", name="Visits").tap()
        with Regulars(url, api_key=credentials.read_credentials(data)[tenant].api_key) as client:
            client.add_camera(id="door", name="Front door", labels={})
            for _, picture in PEOPLE.values():
                client.take_capture(
                    picture=FOLDER / picture, camera="door", captured_at=datetime.now(UTC)
                )
        for name in PEOPLE:
            expect(page.locator(".visit").get_by_role("link", name=name)).to_be_visible(
                timeout=60_000
            )
        settle(page)
        print(
            f"from an empty folder to {len(PEOPLE)} people recognised: "
            f"{time.monotonic() - began:.0f} s"
        )
        shoot(page, "first-start")
        visitor.check()
        visitor.context.close()
