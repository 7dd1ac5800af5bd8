"""`regulars models` as an operator types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.vision.packs import packs
from chalicelib.vision.packs.packs import Pack
from regulars.cli import main
from regulars.models import models


@pytest.fixture
def copied(at_hand: Pack, tmp_path: Path) -> Path:
    """A folder of models that holds the pack at hand, and no other place is looked in first."""
    inside = tmp_path / "models" / at_hand.manifest.name
    inside.mkdir(parents=True)
    for file in at_hand.files:
        (inside / file.name).write_bytes(at_hand.content(file.name))
    return inside.parent


def test_list_names_every_pack_and_file(at_hand: Pack, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    said = capsys.readouterr().out
    for file in at_hand.files:
        assert file.name in said
    assert "registry 2.0  embedding dlib_resnet_v1_on_sphere" in said


def test_verify_of_whole_packs(copied: Path, at_hand: Pack, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify", "--models", str(copied), "--pack", at_hand.manifest.name]) == 0
    (files,) = (len(list(folder.iterdir())) for folder in copied.iterdir())
    assert f"{files} of {files} files are complete" in capsys.readouterr().out


def test_a_damaged_copy_of_a_file_that_is_whole_elsewhere_is_named(
    at_hand: Pack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embedding = at_hand.file(at_hand.manifest.embedding.file)
    broken = tmp_path / embedding.name
    broken.write_bytes(bytes(embedding.size_bytes))
    whole = next(path for path in at_hand.candidates(embedding) if path.stat().st_size == embedding.size_bytes)

    assert main(["models", "verify", "--models", str(tmp_path), "--pack", at_hand.manifest.name]) == 1
    said = capsys.readouterr()
    lines = [line.split() for line in said.out.splitlines()]
    assert ["ok", embedding.name, str(whole)] in lines
    assert any(line[0] == "damaged" and line[-1] == str(broken) for line in lines)
    assert "remove the damaged copies" in said.err

    assert main(["models", "list", "--models", str(tmp_path), "--pack", at_hand.manifest.name]) == 0
    said = capsys.readouterr()
    assert str(whole) in said.out
    assert str(broken) not in said.out


class TestAPackThatWasBegun:
    """Some of its files are missing, none is damaged."""

    @pytest.fixture
    def begun(self, copied_registry: Path, registry: Pack) -> str:
        """The name of a file of the registry pack, which alone is missing there."""
        lost = registry.manifest.embedding.file
        (copied_registry / "registry" / lost).unlink()
        return lost

    def test_is_at_fault_if_it_was_named(
        self, begun: str, copied_registry: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert models.check([copied_registry], "registry") == 1
        assert f"missing  {begun}" in capsys.readouterr().out

    def test_is_at_fault_if_no_other_is_whole(
        self, begun: str, copied_registry: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert models.check([copied_registry], None) == 1
        assert "regulars models pull --pack registry" in capsys.readouterr().err

    def test_is_not_at_fault_if_another_is_whole_and_used(
        self, copied_registry: Path, registry: Pack, capsys: pytest.CaptureFixture[str]
    ) -> None:
        began = copied_registry / packs.DEFAULT_PACK
        began.mkdir()
        shared = "age_gender_tinyxception.onnx"
        (began / shared).write_bytes(registry.content(shared))
        assert models.check([copied_registry], None) == 0
        said = capsys.readouterr()
        assert "face-pack-1 is not at hand; another pack is, and is used" in said.out
        assert said.err == ""

    def test_is_at_fault_if_a_file_of_it_is_damaged(
        self, copied_registry: Path, registry: Pack, capsys: pytest.CaptureFixture[str]
    ) -> None:
        began = copied_registry / packs.DEFAULT_PACK
        began.mkdir()
        (began / "age_gender_tinyxception.onnx").write_bytes(b"x")
        assert models.check([copied_registry], None) == 1
        assert "get what is wrong with face-pack-1" in capsys.readouterr().err


def test_a_damaged_optional_file_is_at_fault_and_the_pack_whole(
    copied: Path, at_hand: Pack, capsys: pytest.CaptureFixture[str]
) -> None:
    optional = [file for file in at_hand.files if file.optional]
    if not optional:
        pytest.skip("all files of the pack at hand are needed")
    (copied / at_hand.manifest.name / optional[0].name).write_bytes(bytes(optional[0].size_bytes))
    assert models.check([copied], at_hand.manifest.name) == 1
    said = capsys.readouterr()
    assert f"without {optional[0].name}, {optional[0].without}" in said.out
    assert "get what is wrong with" in said.err


def test_what_is_at_hand_is_not_pulled(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "--any", "--models", str(copied)]) == 0
    assert capsys.readouterr().out == ""


def test_build_gives_the_packs_own_bytes(
    given_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "build", "--models", str(given_models.parent), "--out", str(tmp_path)]) == 0
    assert "5 of 5 converted files are, byte for byte, those of face-pack-1" in capsys.readouterr().out


def test_an_unknown_pack_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "--pack", "nope"]) == 1
    assert capsys.readouterr().err == ("regulars: there is no model pack 'nope': the packs are face-pack-1, registry\n")


def test_a_pack_that_is_chosen_and_does_not_exist_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGULARS_PACK", "nope")
    assert main(["tenants", "add", "shop", "--data", str(tmp_path)]) == 1
    assert "there is no model pack 'nope'" in capsys.readouterr().err
