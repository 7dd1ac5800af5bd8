"""What is handed on with a release beside our own, of which the makers' metadata do not say all."""

import re
from importlib.metadata import PackageNotFoundError, distribution

import pytest

from infra import sbom
from infra.dependencies import EDGE, FUNCTIONS, ROOT, SERVICE, read_versions

PAGE = (ROOT / "infra/licences/AV-LICENCES.md").read_text()
SHIPPED = sorted({name for lock in (SERVICE, EDGE, FUNCTIONS) for name, _ in read_versions(lock)})
OF_GPL = re.compile(r"lib(x264|x265|xvidcore|vidstab|postproc|rubberband|fdk-aac|kvazaar)\b")
"""FFmpeg asks for --enable-gpl with these, or more; kvazaar is another encoder of HEIC."""


def libraries(name: str) -> set[str]:
    """Return the libraries in a distribution that is installed here, without their versions."""
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        return set()
    found = (re.fullmatch(r"(lib[\w-]+?)(-[0-9a-f]{8})?\.so[.\d]*", file.name) for file in files)
    return {match[1] for match in found if match}


@pytest.mark.parametrize("name", SHIPPED)
def test_only_wheels_that_are_named_hold_libraries_under_the_gpl(name: str) -> None:
    held = {library for library in libraries(name) if OF_GPL.match(library)}
    assert not held or name in sbom.WHOLE, (
        f"{name} holds {held}: NOTICE, infra/licences and the bill have to say so"
    )


def test_the_page_says_what_the_wheel_av_holds_in_the_version_that_is_locked() -> None:
    assert f"av {dict(read_versions(EDGE))['av']}, lies in" in PAGE, (
        "a new version: look at its libraries, and read the page again"
    )
    if distribution("av").version != dict(read_versions(EDGE))["av"]:
        pytest.skip(
            "the page is about the locked version of av, and another one is installed: `make lock "
            "UPGRADE=1`"
        )
    assert len(held := libraries("av")) > 20
    assert {library for library in held if not re.search(rf"\b{library}\b", PAGE)} == set()


def test_the_notice_names_what_is_under_the_gpl() -> None:
    notice = (ROOT / "NOTICE").read_text()
    for name in sbom.WHOLE:
        assert f"the wheel {name} " in notice
