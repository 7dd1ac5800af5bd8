"""A zip that lacks something never reaches Lambda."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from infra import bundle, interpreter, package
from infra.bundle import BundleError

REQUIREMENTS = """
# what is shipped
numpy>=2.1
python-multipart>=0.0.20  # forms
Some.Thing[extra]==1; python_version > "3"
-r other.txt
"""
WHOLE = [
    "app.py",
    "chalicelib/bootstrap.py",
    "numpy/__init__.py",
    "numpy/core.cpython-313-aarch64-linux-gnu.so",
    "numpy-2.5.dist-info/METADATA",
    "python_multipart-0.0.34.dist-info/METADATA",
    "some_thing-1.dist-info/METADATA",
]


def zipped(folder: Path, names: list[str], content: bytes = b"x") -> Path:
    path = folder / "deployment.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def test_names_of_requirements_are_read_whatever_stands_around_them() -> None:
    assert bundle.required_names(REQUIREMENTS) == {"numpy", "python-multipart", "some-thing"}
    ours = bundle.required_names((package.ROOT / "requirements.txt").read_text())
    assert {"numpy", "onnxruntime", "pillow"} <= ours


def test_a_whole_bundle_tells_its_sizes(tmp_path: Path) -> None:
    sizes = bundle.checked(zipped(tmp_path, WHOLE), REQUIREMENTS)
    assert sizes.unzipped_bytes == len(WHOLE)
    assert sizes.zipped_bytes == (tmp_path / "deployment.zip").stat().st_size


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("app.py", "app.py"),
        ("chalicelib/bootstrap.py", "bootstrap"),
        ("numpy-2.5.dist-info/METADATA", "numpy"),
        ("python_multipart-0.0.34.dist-info/METADATA", "python-multipart"),
        ("some_thing-1.dist-info/METADATA", "some-thing"),
    ],
)
def test_a_bundle_without_a_part_is_refused(tmp_path: Path, lost: str, told: str) -> None:
    with pytest.raises(BundleError, match=told):
        bundle.checked(zipped(tmp_path, [name for name in WHOLE if name != lost]), REQUIREMENTS)


def test_libraries_of_another_processor_are_refused(tmp_path: Path) -> None:
    names = [*WHOLE, "PIL/_imaging.cpython-313-x86_64-linux-gnu.so"]
    with pytest.raises(BundleError, match="another processor"):
        bundle.checked(zipped(tmp_path, names), REQUIREMENTS)


def test_a_bundle_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path, WHOLE, bytes(bundle.MAX_UNZIPPED_BYTES // len(WHOLE) + 1))
    with pytest.raises(BundleError, match="unzips to"):
        bundle.checked(path, REQUIREMENTS)


def test_a_name_on_the_path_that_does_not_run_is_no_interpreter(tmp_path: Path) -> None:
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\necho 'not switched on' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert interpreter.output_of([str(shim), "--version"]) is None
    assert interpreter.output_of([str(tmp_path / "missing")]) is None
