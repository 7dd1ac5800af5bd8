import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from regulars_edge import config
from regulars_edge.capture import make_chooser
from regulars_edge.choose.chooser import Areas, ChangeFirst, Moving, Prepared
from regulars_edge.choose.faces import Area, Face, FaceFinder
from regulars_edge.clock import Clock, Moment
from regulars_edge.config import CameraConfig
from regulars_edge.errors import Misconfigured
from regulars_edge.frames import EncodedFrame, Frame, Pixels
from regulars_edge.sources.folder import FolderSource
from regulars_edge.sources.video import DecodedFrame
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Stamp
from rig.film import decoded
from rig.spooled import capture_of
from rig.standin import StandIn
from rig.uploader import upload

STAMP = Stamp(Moment("boot", 0, 0))
LEFT_HALF = Areas((((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),))
share = st.floats(0, 1)


def split(left: str = "red", right: str = "lime") -> Image.Image:
    """A secret on the left, and what may be seen on the right."""
    picture = Image.new("RGB", (120, 60), right)
    ImageDraw.Draw(picture).rectangle((0, 0, 59, 59), left)
    return picture


def data(picture: Image.Image, form: str, **more: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, quality=95, **more)
    return out.getvalue()


def is_hidden(encoded: bytes) -> bool:
    """Nothing of the secret's red is left, and the rest is seen."""
    picture = Image.open(io.BytesIO(encoded)).convert("RGB")
    reds = max(picture.getpixel((x, y))[0] for x in range(55) for y in range(60))  # type: ignore[index,arg-type]
    return reds < 20 and picture.getpixel((90, 30))[1] > 230  # type: ignore[index,operator]


@given(st.lists(st.tuples(share, share), min_size=3, max_size=6), share, share)
def test_what_is_inside_a_mask_is_painted(
    corners: list[tuple[float, float]], x: float, y: float
) -> None:
    areas = Areas((tuple(corners),))
    if areas.contain(x, y):
        assert (
            areas.make_stencil((64, 48)).getpixel((min(63, int(x * 64)), min(47, int(y * 48))))
            == 255
        )


@pytest.mark.parametrize("kind", ["decoded", "JPEG", "PNG"])
def test_a_masked_part_is_black_whatever_is_made_of_the_frame(kind: str) -> None:
    frame: Frame = (
        decoded(split(), STAMP) if kind == "decoded" else EncodedFrame(data(split(), kind), STAMP)
    )
    masked = Prepared(frame, LEFT_HALF)
    assert is_hidden(masked.encode_picture())
    assert is_hidden(data(masked.image(), "PNG"))
    assert masked.grey((12, 6)).getpixel((2, 3)) == 0
    if isinstance(frame, DecodedFrame):
        assert frame.image().getpixel((10, 10)) == (255, 0, 0), (
            "another one's picture stays as it is"
        )


def test_no_exif_data_stays_that_may_show_the_picture() -> None:
    exif = Image.Exif()
    exif[0x010E] = "the till"
    exif.get_ifd(0x8769).update({0x9003: "2026:03:04 05:06:07", 0x927C: b"a thumbnail"})
    masked = Prepared(
        EncodedFrame(data(split(), "JPEG", exif=exif, comment=b"secret"), STAMP), LEFT_HALF
    ).encode_picture()
    assert not any(
        word in masked for word in (b"Exif", b"till", b"thumbnail", b"secret", b"2026:03:04")
    )


def test_masks_are_meant_for_the_picture_as_it_is_seen() -> None:
    """The camera hangs upside down and says so."""
    exif = Image.Exif()
    exif[0x0112] = 3
    upside_down = data(split().transpose(Image.Transpose.ROTATE_180), "JPEG", exif=exif)
    assert is_hidden(Prepared(EncodedFrame(upside_down, STAMP), LEFT_HALF).encode_picture())


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("kind", ["decoded", "JPEG"])
def test_a_camera_that_is_mounted_sideways_is_turned_and_its_masks_are_meant_for_that(
    kind: str, degrees: int
) -> None:
    lying = split().rotate(degrees, expand=True)
    frame: Frame = (
        decoded(lying, STAMP) if kind == "decoded" else EncodedFrame(data(lying, kind), STAMP)
    )
    shown = list(make_chooser(camera(send="all", rotate=degrees)).choose([frame]))
    (turned,) = shown
    assert is_hidden(turned.encode_picture())
    assert is_hidden(data(turned.image(), "PNG"))
    assert (turned.image().size, turned.grey((12, 6)).size) == ((120, 60), (12, 6))
    assert turned.size == (120, 60)


def camera(**more: object) -> CameraConfig:
    row = {
        "name": "yard",
        "source": "rtsp",
        "url": "rtsp://cam/live",
        "masks": [[0.0, 0.0, 0.5, 1.0]],
        **more,
    }
    return config.parse_config(
        {
            "server": {"url": "https://regulars.example"},
            "camera": [{key: row[key] for key in row if row[key] is not None}],
        }
    ).cameras[0]


@pytest.mark.parametrize("send", ["all", "motion", "faces", "best_shot"])
def test_whatever_is_chosen_was_masked_before(send: str) -> None:
    frames = [decoded(split(right="lime" if number else "black"), STAMP) for number in range(2)]
    chosen = list(make_chooser(camera(send=send)).choose(frames))
    assert len(chosen) == {"all": 2, "motion": 1}.get(send, 0)
    assert all(is_hidden(frame.encode_picture()) for frame in chosen[-1:])


def test_files_are_spooled_without_what_is_masked_and_a_broken_one_stays(tmp_path: Path) -> None:
    drop, stop = tmp_path / "drop", threading.Event()
    drop.mkdir()
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0x9003: "2026:03:04 05:06:07", 0x9011: "+00:00"})
    (drop / "a.jpg").write_bytes(data(split(), "JPEG", exif=exif))
    (drop / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture at all \xff\xd9")
    source = FolderSource(drop, Clock())
    with spools.open_spool(tmp_path / "spool") as spool:
        masking = make_chooser(camera())
        capture = capture_of(spool, source, masking, camera="yard", waits=True)
        for _ in range(3):
            for frame in masking.choose(source.look()):
                capture.take_picture(frame, stop)
        (entry,) = spool.list_next("yard", 10, 10**9)
        with spool.open_picture(entry) as copy:
            assert is_hidden(copy.read())
    assert entry.captured_at_ms == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp() * 1000
    assert [path.name for path in drop.iterdir()] == ["b.jpg"], (
        "it cannot be masked, so it is not sent"
    )
    assert list(source.look()) == [], "and it is not tried again"


def test_motion_counts_in_zones_only() -> None:
    def moving(x: int) -> Iterator[Frame]:
        for number in range(6):
            picture = Image.new("RGB", (160, 120), "gray")
            ImageDraw.Draw(picture).rectangle((x, 10 * number, x + 30, 10 * number + 30), "white")
            yield decoded(picture, STAMP)

    assert len(list(Moving(0.01, LEFT_HALF).choose(moving(10)))) == 5
    assert list(Moving(0.01, LEFT_HALF).choose(moving(110))) == []


def test_faces_count_if_their_middle_is_in_a_zone() -> None:
    class Two:
        def find_faces_in(self, pixels: Pixels, area: Area) -> list[Face]:
            return [Face((x, 10.0, 40.0, 40.0), (), 0.9) for x in (30.0, 45.0)]

    frame = decoded(split(), STAMP)
    assert [face.box_xywh[0] for face in FaceFinder(Two(), 40, LEFT_HALF).find_faces(frame)] == [
        30.0
    ]
    assert FaceFinder(Two(), 41, LEFT_HALF).find_faces(frame) == []


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"masks": [[0.5, 0.0, 0.5, 1.0]]}, "is no area: write"),
        ({"masks": [[0, 0, 100, 100]]}, "from 0.0 to 1.0"),
        ({"masks": [[[0, 0], [1, 1]]]}, "three or more corners"),
        ({"masks": [[[0, 0], [1, 1], [1]]]}, "three or more corners"),
        ({"masks": [0.0, 0.0, 0.5, 0.5]}, "is no area"),
        ({"masks": "left"}, "should be of type list"),
        ({"zones": [[0.0, 0.0, 0.5, 0.5]]}, "set `send`"),
        (
            {"source": "folder", "url": None, "folder": "/in", "after": "move:/out"},
            "would show what the masks hide",
        ),
    ],
)
def test_a_wrong_area_is_told(more: dict[str, object], complaint: str) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        camera(**more)


@pytest.mark.parametrize(
    ("kept", "settings"),
    [
        ({"crop_room": 0.5, "send": "faces"}, {"send": "all"}),
        ({"crop_room": 0.5, "send": "best_shot"}, {"send": "motion"}),
        ({"zones": [[0.0, 0.0, 0.5, 1.0]], "send": "motion"}, {"send": "all"}),
    ],
)
def test_the_services_settings_never_show_more_than_the_file_allows(
    kept: dict[str, object], settings: dict[str, object]
) -> None:
    with pytest.raises(Misconfigured, match=next(iter(kept))):
        camera(**kept).with_settings(settings)


def test_the_services_settings_leave_masks_zones_and_crops_as_they_are() -> None:
    before = camera(send="faces", crop_room=0.5, zones=[[0.0, 0.0, 0.5, 1.0]])
    asked = {
        "masks": [],
        "zones": [],
        "crop_room": None,
        "url": "http://10.0.0.1/",
        "send": "best_shot",
    }
    after = before.with_settings(asked)
    assert (after.masks, after.zones, after.crop_room, after.place) == (
        before.masks,
        before.zones,
        before.crop_room,
        before.place,
    )
    assert after.send == "best_shot"
    assert isinstance(make_chooser(camera().with_settings({"send": "motion"})), ChangeFirst)


def test_the_service_hides_more_than_the_file_and_never_less() -> None:
    left = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
    right = [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]
    file = camera(
        masks=[left], send="faces", crop_room=0.5, zone="UTC", capture_hours=["08:00-12:00"]
    )
    asked = {"masks": [right], "crop_room": 0.9, "capture_hours": ["10:00-20:00"], "zones": [left]}
    found = file.with_settings(asked)
    assert found.masks.contain(0.2, 0.5)
    assert found.masks.contain(0.8, 0.5)
    assert found.crop_room == 0.5
    assert file.with_settings({"crop_room": 0.2}).crop_room == 0.2
    hours = [9, 11, 13]
    assert [found.capture_hours.is_open_at(hour * 3_600_000) for hour in hours] == [
        False,
        True,
        False,
    ]
    assert (
        file.with_settings({"capture_hours": []}).capture_hours.is_open_at(13 * 3_600_000) is False
    )
    assert found.zones is not None
    assert found.with_settings({"zones": [right]}).zones == found.zones


@pytest.mark.parametrize(
    "settings",
    [
        {"masks": [[[0, 0], [2, 2], [0, 1]]]},
        {"interval_s": -1},
        {"early": "yes"},
        {"hardware": "abacus"},
    ],
)
def test_a_setting_of_the_service_that_is_wrong_is_told(settings: dict[str, object]) -> None:
    with pytest.raises(Misconfigured, match=next(iter(settings))):
        camera().with_settings(settings)


def test_what_a_newer_service_sets_is_left_alone() -> None:
    assert camera().with_settings({"smell": 3, "early": False, "send": "motion"}).send == "motion"


def test_areas_are_rectangles_and_polygons() -> None:
    found = camera(
        masks=[[0, 0, 0.5, 1], [[0.6, 0.1], [0.9, 0.1], [0.75, 0.4]]],
        zones=[[0, 0, 1, 1]],
        send="motion",
    )
    assert found.masks is not None
    assert [found.masks.contain(*point) for point in ((0.2, 0.9), (0.75, 0.2), (0.6, 0.4))] == [
        True,
        True,
        False,
    ]


def test_upload_refuses_a_camera_with_masks(tmp_path: Path, stand_in: StandIn) -> None:
    toml = tmp_path / "edge.toml"
    toml.write_text(
        f'[server]\nurl = "{stand_in.url}"\n[[camera]]\nname = "door"\nsource = "folder"\nfolder = '
        f'"{tmp_path}"\n'
        "masks = [[0.0, 0.0, 0.5, 1.0]]\n"
    )
    done = upload(tmp_path, stand_in.url, stand_in.key, tmp_path / "spool", "--config", str(toml))
    assert (done.returncode, stand_in.captures()) == (2, [])
    assert "door has masks" in done.stderr
