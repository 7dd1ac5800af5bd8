"""A network of one's own: what is wrong is told, and a good one becomes a pack, measured beside the
program's."""

import hashlib
import json
import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.manifest import Network
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.packs.session import session_of
from chalicelib.book.vision.pipeline import FacePipeline
from regulars.cli import main
from regulars.errors import OperatorError, UnusableNetwork
from regulars.folder import hold_lock
from regulars_lab.measuring.looking import ANY_PICTURE, MEMORY, digest_vision
from regulars_lab.measuring.memory import Memory, PictureResult
from regulars_lab.measuring.pairs import Faces
from regulars_lab.own_network.build import (
    ADDING,
    FEWEST_PERSONS,
    LOCK,
    Measured,
    copy_pack,
    make_draft,
    place_pack,
)
from regulars_lab.own_network.network import (
    MOST_BYTES,
    OF_A_PACK,
    USUAL_PIXELS,
    check_file,
    read_offer,
    vary_network,
)
from regulars_lab.own_network.trial import measure_separation
from tests.support import onnx_files
from tests.support.pictures import photos as at_hand

FILE = "mobilefacenet.onnx"
GOOD = f"""
pack = "theirs"
licence = "Vendor Ltd, contract 4711, for commercial use"
upstream = "Vendor Ltd, faces.onnx of 2026"

[[network]]
file = "{FILE}"
output = "output0"
dimensions = 128
channels = "RGB"
size_px = 112
points = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]]
"""
Captured = pytest.CaptureFixture[str]


def write_network(folder: Path) -> Path:
    """Write a network of the program's, as if it were a stranger's."""
    folder.mkdir()
    shutil.copyfile(packs.read_pack().find_path(FILE), folder / FILE)
    (folder / "manifest.toml").write_text(GOOD)
    return folder


def write_command(network: Path, folder: Path) -> list[str]:
    """Return the command that adds a network, by folders that are made, without a picture."""
    for name in ("people", "others", "models"):
        (folder / name).mkdir()
    folders = {"images": "people", "population": "others", "models": "models", "out": "out"}
    options = [
        word for option, name in folders.items() for word in (f"--{option}", str(folder / name))
    ]
    return ["models", "add", str(network), *options]


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return write_network(tmp_path / "network")


@pytest.fixture
def command(network: Path, tmp_path: Path) -> list[str]:
    words = write_command(network, tmp_path)
    (tmp_path / "people" / "ann").mkdir()
    (tmp_path / "people" / "ann" / "1.jpg").write_bytes(b"no picture")
    (tmp_path / "others" / "bo.jpg").write_bytes(b"no picture either")
    return words


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            'licence = "Vendor Ltd, contract 4711, for commercial use"\n',
            "",
            "names no licence: say by which right",
        ),
        (
            'licence = "Vendor Ltd, contract 4711, for commercial use"',
            'licence = " "',
            "names no licence",
        ),
        ('upstream = "Vendor Ltd, faces.onnx of 2026"\n', "", "missing required field `upstream`"),
        ('pack = "theirs"', 'pack = "../theirs"', "a pack's name has up to 40 of a-z, 0-9 and -"),
        ('pack = "theirs"', 'pack = "face-pack-2"', "there is a pack face-pack-2 already"),
        (
            "size_px = 112",
            "size_px = 128",
            "takes input0 ['faces', 3, 112, 112] of tensor(float): it has to take one",
        ),
        ('"output0"', '"embedding"', "has no output embedding: its outputs are output0"),
        (
            "dimensions = 128",
            "dimensions = 512",
            "gives [1, 128] at output0: its manifest has dimensions = 512",
        ),
        (
            "[38.3, 51.7], [73.5, 51.5]",
            "[73.5, 51.5], [38.3, 51.7]",
            "these are of no upright face",
        ),
        (", [70.7, 92.2]]", "]", "points are the places of 5 landmarks, not of 4"),
        ('channels = "RGB"', 'channels = "GBR"', "channels is RGB or BGR, not GBR"),
        ("size_px = 112", "size_px = 112\ndeviation = [0.0]", "a deviation is above 0"),
        (
            f'file = "{FILE}"',
            'file = "lost.onnx"',
            "names lost.onnx, and there is no such file beside it",
        ),
        (f'file = "{FILE}"', 'file = "../network/a.onnx"', "and there is no such file beside it"),
        (f'file = "{FILE}"', f'file = "{"a" * 300}"', "and there is no such file beside it"),
        (
            "size_px = 112",
            "size_px = 112\ndeviation = [nan]",
            "mean and deviation are finite numbers",
        ),
        ("size_px = 112", "size_px = 112\nmean = [-inf]", "mean and deviation are finite numbers"),
        (
            "size_px = 112",
            "size_px = 112\nweight = nan",
            "weight is a finite number above 0, not nan",
        ),
        (
            "size_px = 112",
            "size_px = 112\nweight = inf",
            "weight is a finite number above 0, not inf",
        ),
        ("size_px = 112", "size_px = 112\nweight = 0", "weight is a finite number above 0, not 0"),
        (
            "size_px = 112",
            "size_px = 112\nweight = -0.5",
            "weight is a finite number above 0, not -0.5",
        ),
        ("size_px = 112", "size_px = 0", "size_px is 1 to 1024, not 0"),
        ("size_px = 112", "size_px = 1025", "size_px is 1 to 1024, not 1025"),
        ("dimensions = 128", "dimensions = 0", "dimensions is 1 to 4096, not 0"),
        ("dimensions = 128", "dimensions = 4097", "dimensions is 1 to 4096, not 4097"),
        (GOOD, "pack = [", "manifest.toml is wrong"),
    ],
)
def test_what_is_wrong_is_one_line_and_adds_nothing(
    before: str,
    after: str,
    says: str,
    command: list[str],
    network: Path,
    tmp_path: Path,
    capsys: Captured,
) -> None:
    assert before in GOOD
    (network / "manifest.toml").write_text(GOOD.replace(before, after))
    assert main(command) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("name", [*OF_A_PACK, "Centre.npy", "LICENSE.mine.txt"])
def test_a_network_has_no_name_of_the_packs_own_files(
    name: str, command: list[str], network: Path, tmp_path: Path, capsys: Captured
) -> None:
    if name != "manifest.toml":
        (network / FILE).rename(network / name)
    (network / "manifest.toml").write_text(GOOD.replace(FILE, name))
    assert main(command) == 1
    assert (
        f"{name} is the name of a file that the pack will have of its own"
        in capsys.readouterr().err
    )
    assert list((tmp_path / "models").iterdir()) == []


def test_a_file_that_is_too_large_is_told_unread(
    command: list[str], network: Path, capsys: Captured
) -> None:
    os.truncate(network / FILE, MOST_BYTES + 1)
    assert main(command) == 1
    assert (
        f"{FILE} has 2,000,000,001 bytes: a network's file has 2,000,000,000 at most"
        in capsys.readouterr().err
    )


def test_a_file_that_is_no_network_is_told(
    command: list[str], network: Path, capsys: Captured
) -> None:
    (network / FILE).write_bytes(b"no network")
    assert main(command) == 1
    assert f"{FILE} is no ONNX file that onnxruntime can run" in capsys.readouterr().err


def test_a_folder_without_a_manifest_is_told(
    command: list[str], network: Path, capsys: Captured
) -> None:
    (network / "manifest.toml").unlink()
    assert main(command) == 1
    assert "has no manifest.toml, which describes the network" in capsys.readouterr().err


def test_a_folder_for_packs_is_asked_for(command: list[str], capsys: Captured) -> None:
    at = command.index("--models")
    assert main([*command[:at], *command[at + 2 :]]) == 1
    assert "name the folder of your packs" in capsys.readouterr().err


def test_too_few_people_are_told_and_nothing_is_added(
    command: list[str], tmp_path: Path, capsys: Captured
) -> None:
    assert main(command) == 1
    assert (
        f"a face was found of 0 persons in {tmp_path / 'people'}: a pack needs {FEWEST_PERSONS}"
        in (capsys.readouterr().err)
    )
    assert list((tmp_path / "models").iterdir()) == []


def test_too_few_others_make_no_population(network: Path, tmp_path: Path, capsys: Captured) -> None:
    command = write_command(network, tmp_path)
    write_crowd(tmp_path, make_seeing(network, tmp_path / "draft"))
    for picture in sorted((tmp_path / "others").iterdir())[149:]:
        picture.unlink()
    assert main(command) == 1
    assert (
        "a face was found of 149 persons; a population needs 150 or more" in capsys.readouterr().err
    )


class Added(NamedTuple):
    """A pack that the command has added once, for several tests."""

    command: list[str]
    draft: Pack
    """The network alone, as it was measured."""
    models: Path
    said: str


def write_crowd(folder: Path, seeing: list[Pack]) -> None:
    """Write made-up pictures of 300 people, two each, and of 160 others, and what each pack has
    seen in them."""
    random = np.random.default_rng(0)
    names = [
        f"people/{person:03d}/{picture}.jpg"
        for person in range(FEWEST_PERSONS)
        for picture in range(2)
    ]
    names += [f"others/{other:03d}.jpg" for other in range(160)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    for pack in seeing:
        dimensions = pack.manifest.embedding.dimensions
        persons = {str(Path(name).parent) if "people" in name else name for name in names}
        own = {person: random.standard_normal(dimensions) for person in sorted(persons)}
        seen = []
        for name in names:
            owner = str(Path(name).parent) if "people" in name else name
            turned = own[owner] + random.standard_normal(dimensions) * 0.6
            row = np.asarray(turned / np.linalg.norm(turned), np.float32)
            seen.append(
                (
                    hashlib.sha256(name.encode()).hexdigest(),
                    PictureResult("", 1, 80.0, {"embed": 8.0}, row),
                )
            )
        memory = Memory(folder / "out" / MEMORY, digest_vision(pack))
        memory.keep(seen)
        memory.close()


def make_seeing(network: Path, folder: Path) -> list[Pack]:
    """Return the packs that look at the crowd: the network's draft, and the program's."""
    folder.mkdir()
    return [make_draft(network, read_offer(network), folder), packs.find(None)]


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Added:
    folder = tmp_path_factory.mktemp("added")
    network = write_network(folder / "network")
    command = write_command(network, folder)
    seeing = make_seeing(network, folder / "draft")
    write_crowd(folder, seeing)
    with redirect_stdout(StringIO()) as out:
        assert main(command) == 0
    return Added(command, seeing[0], folder / "models", out.getvalue())


def test_a_good_network_becomes_a_pack_beside_the_programs_figures(
    added: Added, capsys: Captured
) -> None:
    lines = added.said.splitlines()
    begin = next(
        number for number, line in enumerate(lines) if line.split() == ["face-pack-4", "theirs"]
    )
    assert (
        "600 pictures of 300 persons; thresholds are the service's, for an FPIR of 0.003"
        in lines[begin - 1]
    )
    rates = {" ".join(line.split()[:-2]): line.split()[-2:] for line in lines[begin + 1 :]}
    assert rates["one photo: FNIR, people who are missed"] == ["0.0000", "0.0000"]
    assert float(rates["one photo: FPIR, strangers who are taken for somebody"][1]) < 0.02
    assert rates["milliseconds of a core to embed a face"] == ["8.0", "8.0"]
    assert main(["models", "--models", str(added.models)]) == 0
    listed = capsys.readouterr().out
    assert "theirs 1.0, of " in listed
    assert "Vendor Ltd, contract 4711, for commercial use" in listed
    made = packs.find(added.models, "theirs")
    assert made.manifest.embedding.number == 100
    assert made.manifest.quality == packs.read_pack().manifest.quality
    assert made.manifest.crops.keys() == packs.read_pack().manifest.crops.keys()
    assert np.linalg.norm(embed(made)) == pytest.approx(1, abs=1e-5)
    assert sorted(path.name for path in (added.models.parent / "out").iterdir()) == [MEMORY]


def embed(pack: Pack) -> NDArray[np.float32]:
    vision = FacePipeline(pack)
    image = vision.read_picture((at_hand.FOLDER / at_hand.PORTRAIT).read_bytes(), ANY_PICTURE)
    return np.asarray(vision.embed(image, vision.detect(image))[0])


def test_the_pack_embeds_as_it_was_measured(added: Added) -> None:
    """What the draft sees of a picture, less the centre, is what the pack sees."""
    made = packs.find(added.models, "theirs")
    centre = np.load(made.folder / "centre.npy")
    moved = embed(added.draft) - centre
    assert embed(made) == pytest.approx(moved / np.linalg.norm(moved), abs=1e-5)


def test_a_name_that_is_taken_stays_as_it_is(added: Added, capsys: Captured) -> None:
    pack = added.models / "theirs"
    before = {path.name: path.stat().st_mtime_ns for path in pack.iterdir()}
    assert main(added.command) == 1
    assert "there is a pack theirs already" in capsys.readouterr().err
    assert {path.name: path.stat().st_mtime_ns for path in pack.iterdir()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_models_that_may_not_be_written_is_one_line(
    network: Path, tmp_path: Path, capsys: Captured
) -> None:
    command = write_command(network, tmp_path)
    write_crowd(tmp_path, make_seeing(network, tmp_path / "draft"))
    (tmp_path / "models").chmod(0o500)
    assert main(command) == 1
    assert "models may not be written: run this as its owner" in capsys.readouterr().err


def test_the_licences_of_the_programs_other_models_come_along(added: Added) -> None:
    program = {path.name for path in (packs.PACKS / packs.DEFAULT_PACK).glob("LICENSE.*")}
    assert program <= {path.name for path in (added.models / "theirs").iterdir()}


def measure_nothing() -> Measured:
    """Return numbers as they might be measured: the program's curve, and a population at random."""
    role = packs.read_pack().manifest.embedding
    rows = np.random.default_rng(0).standard_normal((200, 128))
    entry = json.loads((packs.PACKS / packs.DEFAULT_PACK / packs.CALIBRATION).read_bytes())[
        role.model
    ]
    faces = Faces(np.zeros((0, 128), np.float32), np.zeros(0, np.bool_), np.zeros(0, np.intp))
    return Measured(np.zeros(128, np.float32), None, np.asarray(rows, np.float32), entry, faces)


def place(network: Path, models: Path) -> Path:
    """Add the network as if it had been measured."""
    offer = read_offer(network)
    draft = models.parent / f"draft-{len(list(models.parent.iterdir()))}"
    draft.mkdir(mode=0o700)
    place_pack(
        make_draft(network, offer, draft), offer, measure_nothing(), "pictures", models / offer.pack
    )
    return models / offer.pack


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_that_comes_second_leaves_the_first_pack(network: Path, models: Path) -> None:
    """Both were measured before either was added."""
    target = place(network, models)
    before = contents(target)
    with pytest.raises(OperatorError, match="there is a pack theirs already"):
        place(network, models)
    with pytest.raises(OSError, match="not empty"):
        copy_pack(packs.find(models, "theirs"), target)
    assert contents(target) == before
    assert {path.name for path in models.iterdir()} == {"theirs", LOCK}


def test_packs_that_are_added_at_once_have_numbers_of_their_own(
    network: Path, models: Path, tmp_path: Path
) -> None:
    folders = [shutil.copytree(network, tmp_path / name) for name in ("first", "second", "third")]
    drafts = [tmp_path / f"draft-of-{folder.name}" for folder in folders]
    for folder, draft in zip(folders, drafts, strict=True):
        (folder / "manifest.toml").write_text(GOOD.replace("theirs", folder.name))
        draft.mkdir()

    def add(folder: Path, draft: Path) -> None:
        offer = read_offer(folder)
        made = make_draft(folder, offer, draft)
        place_pack(made, offer, measure_nothing(), "pictures", models / offer.pack)

    with ThreadPoolExecutor() as threads:
        with hold_lock(models / LOCK):
            runs = [threads.submit(add, *both) for both in zip(folders, drafts, strict=True)]
        for run in runs:
            run.result()
    numbers = [packs.read_pack(models, folder.name).manifest.embedding.number for folder in folders]
    assert sorted(numbers) == [100, 101, 102]


def test_another_user_may_read_the_pack(network: Path, models: Path) -> None:
    """The service runs as another user than the operator, whose measuring is private."""
    mask = os.umask(0o022)
    try:
        target = place(network, models)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in target.iterdir()} == {0o644}


def test_what_a_killed_run_left_is_removed(network: Path, models: Path) -> None:
    (models / ADDING / "theirs").mkdir(parents=True)
    (models / ADDING / "theirs" / "manifest.toml").write_text("half a mani")
    assert packs.list_names(models) == packs.list_names(None)
    assert set(packs.verify(packs.find(place(network, models).parent, "theirs")).values()) == {
        packs.State.OK
    }
    assert {path.name for path in models.iterdir()} == {"theirs", LOCK}


def test_a_folder_of_somebody_elses_stays(network: Path, models: Path) -> None:
    (models / "theirs").mkdir()
    (models / "theirs" / "calibration.json").write_text("a curve")
    with pytest.raises(
        OperatorError, match=r"is no pack, since it has no manifest.toml: move it away"
    ):
        place(network, models)
    assert contents(models / "theirs") == {"calibration.json": b"a curve"}


def test_every_character_of_a_licence_is_read_again(network: Path, models: Path) -> None:
    licence = "".join(map(chr, [*range(1, 0x250), 0x2028, 0xFFFE, 0x1F600]))
    written = "".join(f"\\U{ord(letter):08x}" for letter in licence)
    (network / "manifest.toml").write_text(GOOD.replace("Vendor Ltd, contract 4711", written))
    assert licence in packs.find(place(network, models).parent, "theirs").manifest.licence


def test_a_draft_that_is_not_read_as_it_was_meant_is_not_added(
    network: Path, models: Path, tmp_path: Path
) -> None:
    offer, draft = read_offer(network), tmp_path / "draft"
    draft.mkdir()
    made = make_draft(network, offer, draft)
    (draft / FILE).write_bytes(b"half a netw")
    with pytest.raises(
        OperatorError, match=f"theirs came out wrong, and is not added: {FILE} changed meanwhile"
    ):
        place_pack(made, offer, measure_nothing(), "pictures", models / "theirs")
    entry = {"usual": 0.1}
    with pytest.raises(OperatorError, match=r"theirs came out wrong.*calibration.json is damaged"):
        place_pack(
            made, offer, replace(measure_nothing(), entry=entry), "pictures", models / "theirs"
        )
    assert {path.name for path in models.iterdir()} == {LOCK}


def test_each_other_way_differs_in_one_thing() -> None:
    network = next(one for one in packs.read_pack().manifest.embedding.networks if one.file == FILE)
    ways = dict(vary_network(network))
    assert len(ways) == 1 + (len(USUAL_PIXELS) - 1) + 1, (
        "its own pixels are left out, and points as near as its own"
    )
    for other in ways.values():
        changed = [
            name
            for name in network.__struct_fields__
            if getattr(network, name) != getattr(other, name)
        ]
        assert changed in (["channels"], ["deviation"], ["mean", "deviation"], ["points"])


def test_people_are_the_further_apart_the_better_a_network_is() -> None:
    random = np.random.default_rng(0)
    owners = np.repeat(np.arange(20), 2)
    own, noise = random.standard_normal((20, 64))[owners], random.standard_normal((40, 64))
    good, poor = (own + share * noise for share in (0.3, 2.0))
    rows = [
        np.asarray(each / np.linalg.norm(each, axis=1, keepdims=True), np.float32)
        for each in (good, poor)
    ]
    assert measure_separation(rows[0], owners) > 2 * measure_separation(rows[1], owners)


OURS = Network(
    file="n.onnx",
    output="y",
    dimensions=128,
    size_px=112,
    channels="RGB",
    mean=(127.5,),
    deviation=(127.5,),
    points=((38.3, 51.7), (73.5, 51.5), (56.0, 71.7), (41.5, 92.4), (70.7, 92.2)),
)


def test_a_network_has_all_its_weights_in_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").write_bytes(b"rk_0123456789abcdef".ljust(4 * 128))
    monkeypatch.chdir(tmp_path)
    check_file(OURS, onnx_files.network())
    for place in ("weights", str(tmp_path / "weights"), "../weights"):
        with pytest.raises(UnusableNetwork, match="has weights in another file"):
            check_file(OURS, onnx_files.network(onnx_files.weights_in(place)))
        with pytest.raises(Exception, match="weights"):
            session_of(onnx_files.network(onnx_files.weights_in(place)))


def test_a_network_that_never_ends_is_ended() -> None:
    with pytest.raises(UnusableNetwork, match="did not answer within 5 s"):
        check_file(OURS, onnx_files.network(is_endless=True), limit_s=5)
