from pathlib import Path

import pytest

from chalicelib.book.vision.packs import packs
from regulars.cli import main
from tests.support.pictures.own_pack import NAME, own_pack


def test_the_programs_pack_is_listed_with_licences_and_is_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pack = packs.read_pack()
    assert main(["models"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    model = pack.manifest.embedding.model
    assert first.startswith(
        f"face-pack-4 {pack.manifest.version}, of {pack.folder}  embedding {model}  ("
    )
    assert [line.split()[:2] for line in rest[: len(pack.files)]] == [
        ["ok", file.name] for file in pack.files
    ]
    assert rest[len(pack.files)].startswith("face-pack-2 ")
    assert {line.split()[0] for line in rest if line.startswith(" ")} == {"ok"}


def test_ones_own_packs_are_listed_behind_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_pack(tmp_path)
    assert main(["models", "--models", str(tmp_path)]) == 0
    heads = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert [line.split()[0] for line in heads] == [
        "face-pack-4",
        "face-pack-2",
        NAME,
    ]


def test_a_missing_and_a_damaged_file_are_told_and_the_exit_code_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = own_pack(tmp_path)
    lost, broken = (folder / file.name for file in packs.read_pack().files[:2])
    size = broken.stat().st_size
    for file in (lost, broken):
        file.unlink()
    broken.write_bytes(bytes(size))
    assert main(["models", "--models", str(tmp_path)]) == 1
    said = capsys.readouterr()
    states = [line.split()[:2] for line in said.out.splitlines()]
    assert ["missing", lost.name] in states
    assert ["damaged", broken.name] in states
    assert said.err == f"{NAME} is not complete. Copy it there again\n"


def test_a_curve_that_was_measured_here_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = tmp_path / packs.DEFAULT_PACK / packs.CALIBRATION
    curve.parent.mkdir()
    curve.write_bytes((packs.PACKS / packs.DEFAULT_PACK / packs.CALIBRATION).read_bytes())
    assert main(["models", "--models", str(tmp_path)]) == 0
    assert f"its curve is the one that you measured, {curve}" in capsys.readouterr().out


def test_a_pack_that_is_chosen_and_does_not_exist_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGULARS_PACK", "nope")
    assert main(["tenants", "add", "shop", "--strangers", "forget", "--data", str(tmp_path)]) == 1
    assert (
        capsys.readouterr().err
        == "regulars: there is no model pack 'nope': the packs are face-pack-4, "
        "face-pack-2\n"
    )
