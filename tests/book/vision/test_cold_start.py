"""A function loads models before its first picture has come, and collects garbage after its first
answer."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chalicelib.book.vision.packs.packs import MissingModel, Pack
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.bootstrap import build
from chalicelib.cold_start import LOADER_THREAD, VisionAhead
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.ports import Vision
from tests.support.fakes import FakeVision
from tests.support.pictures.album import Album
from tests.support.pictures.photos import PORTRAIT

LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "ingest"}


class Provided:
    """A provider that counts its calls."""

    def __init__(self, folder: Path, vision: Callable[[], Vision]) -> None:
        self.services, self.calls = build(Settings(storage=folder), vision=vision), 0

    def __call__(self) -> Services:
        self.calls += 1
        return self.services


def ended() -> None:
    for thread in threading.enumerate():
        if thread.name == LOADER_THREAD:
            thread.join()


@pytest.mark.parametrize("describes", [True, False])
def test_it_loads_what_the_first_picture_needs(
    pack: Pack, album: Album, tmp_path: Path, describes: bool
) -> None:
    folder = tmp_path / pack.manifest.name
    folder.mkdir()
    for file in pack.files:
        (folder / file.name).write_bytes(pack.read_content(file.name))
    pipeline = FacePipeline(Pack(pack.manifest, folder))
    VisionAhead(Provided(tmp_path / "data", lambda: pipeline), LAMBDA).begin_loading(
        describes=describes
    )
    ended()
    shutil.rmtree(folder)
    seen = album.seen(PORTRAIT)
    assert pipeline.detect(seen.image) == seen.faces
    assert np.array_equal(pipeline.embed(seen.image, seen.faces), seen.embeddings)
    if describes:
        assert pipeline.describe(seen.image, seen.faces) == seen.estimates
    else:
        with pytest.raises(MissingModel, match="missing"):
            pipeline.describe(seen.image, seen.faces)


def test_a_run_that_does_nothing_else_waits_for_the_models(tmp_path: Path) -> None:
    """Lambda stops a function's threads between its runs."""
    loaded = threading.Event()

    def slow() -> Vision:
        assert not loaded.wait(0.05)
        loaded.set()
        return FakeVision()

    VisionAhead(Provided(tmp_path, slow), LAMBDA).begin_loading(describes=True, waits=True)
    assert loaded.is_set()


def test_a_fault_is_told_to_the_request_that_needs_the_models(tmp_path: Path) -> None:
    def missing() -> Vision:
        raise MissingModel("a file is missing")

    provide = Provided(tmp_path, missing)
    VisionAhead(provide, LAMBDA).begin_loading(describes=True)
    ended()
    with pytest.raises(MissingModel, match="a file is missing"):
        provide.services.tenant_vision.choose_vision("any")


def test_it_happens_once_and_only_in_a_function(tmp_path: Path) -> None:
    def missing() -> Vision:
        raise MissingModel("a file is missing")

    provide = Provided(tmp_path, missing)
    for environ, calls in (({}, 0), (LAMBDA, 1)):
        ahead = VisionAhead(provide, environ)
        for _ in range(2):
            ahead.begin_loading(describes=True)
            ended()
        assert provide.calls == calls


COLLECTS = """
import gc
from chalicelib import cold_start

def answer(fails):
    during.append(gc.isenabled())
    return 1 / (not fails)

during = [gc.isenabled()]
for fails in (True, False):
    try:
        cold_start.delay_garbage_collection(fails, answer)
    except ZeroDivisionError:
        print("failed")
print(during, gc.isenabled())
"""


@pytest.mark.parametrize(("environ", "during"), [({}, [True] * 3), (LAMBDA, [False, False, True])])
def test_garbage_is_collected_from_a_functions_first_answer_on(
    environ: dict[str, str], during: list[bool]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECTS],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"failed\n{during} True\n"
