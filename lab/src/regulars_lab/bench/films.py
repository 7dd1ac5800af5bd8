"""The edge uploader on films of people: whom the service recognises of those who came, and what a
visit costs.

    python -m regulars_lab.bench.films [NAME ...] [--write docs/lab/edge.md] [--json FILE]

Eight people whose portraits are at hand come nearer to a drawn camera: cut out, with a body, noise,
blur, and the bit rate of cameras. Five of them are enrolled by another photo, and passers-by
(FairFace) who never come. Each film goes by `regulars-edge run`, in a process of its own, to a
`regulars serve` that is new, with each way to choose.
"""

from __future__ import annotations

import math
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from regulars_edge.choose.faces import Detector

from chalicelib.api.sunmi.probe import DONE
from chalicelib.book.vision.packs.packs import read_pack
from chalicelib.book.vision.pipeline import FacePipeline
from regulars.clients import Connection
from regulars.serve.service import Service, run_service
from regulars.tenants import credentials
from regulars_lab import studio
from regulars_lab.bench.edge import EDGE, environment, key_of
from regulars_lab.bench.measuring import parser, write
from regulars_lab.v1 import V1
from tests.support.api.over_http import Sunmi
from tests.support.book.tenants import CHOICE
from tests.support.pictures import passages

CAMERA, GROUP = "film", "regular"
PEOPLE, ENROLLED, PASSERS_BY = 8, 5, 24
EMPTY_S, AFTER_S = 2.0, 1.9
"""Nobody is seen between two visits; a capture so long after one is of it."""
LONGEST_S = 300
WAYS = {
    "all, 1 s": 'send = "all"\ninterval_s = 1.0\n',
    "motion, 0.5 s": 'send = "motion"\ninterval_s = 0.5\n',
    "best_shot": 'send = "best_shot"\n',
    "best_shot, crops": 'send = "best_shot"\ncrop_room = 0.5\n',
}
BEGIN, END = "<!-- made by `make bench-films` -->\n", "<!-- end -->\n"
HEAD = (
    "film",
    "send",
    "captures a visit",
    "later of a track",
    "kB a visit",
    "below the best frame",
    "CPU s",
    "enrolled right",
    "strangers",
    "too many",
    "false names",
)


class Scene(Struct, frozen=True):
    """`far_px`, `near_px`: between a person's eyes, when they come and when they go.

    `light`: share of daylight. `kind`: how the frames of a passage differ
    (tests/support/pictures/passages.py); "": not much, and all else says what they show.
    """

    size_px: tuple[int, int] = (800, 448)
    rate: int = 6
    kbit_s: int = 500
    far_px: float = 8
    near_px: float = 24
    noise: float = 5
    light: float = 0.8
    blur_px: float = 0.8
    together: int = 1
    people: int = PEOPLE
    seconds: float = 4.5
    kind: str = ""


SCENES = {
    "good": Scene((1280, 720), kbit_s=2000, far_px=10, near_px=46, noise=3, light=1, blur_px=0),
    "typical": Scene(),
    "dark": Scene(kbit_s=350, noise=6, light=0.22),
    "crowd": Scene(
        kbit_s=600, far_px=10, near_px=26, noise=4, light=0.9, blur_px=0.4, together=4, seconds=7
    ),
    "4K, far": Scene(
        (3840, 2160),
        kbit_s=6000,
        far_px=18,
        near_px=18,
        noise=2,
        light=1,
        blur_px=0,
        together=6,
        people=6,
        rate=5,
    ),
    "counter": Scene(far_px=22, near_px=24, people=5, seconds=60),
    "in motion": Scene(passages.SIZE_PX, kind="slow"),
    "backlit": Scene(passages.SIZE_PX, kind="backlit"),
    "out of focus": Scene(passages.SIZE_PX, kind="out of focus"),
}


class Visit(Struct, frozen=True):
    """Some people are in view from one second of the film to another."""

    people: Sequence[str]
    from_s: float
    to_s: float


class Person(Struct, frozen=True):
    """A portrait, what of it is the person, and where: the middle of the eyes, and how far apart
    they are."""

    picture: Image.Image
    alpha: Image.Image
    eyes_xy: tuple[float, float]
    eyes_px: float


def main() -> None:
    options = parser("films", __doc__)
    options.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENES)} (default: all)"
    )
    options.add_argument(
        "--way", action="append", choices=WAYS, help="how to choose (default: each)"
    )
    options.add_argument(
        "--write", type=Path, help="put the table into this page, between its two marks"
    )
    arguments = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.names or SCENES:
            film = Path(folder) / "film.mp4"
            visits, began = draw_film(SCENES[name], film)
            for way in arguments.way or WAYS:
                rows.append(
                    {"film": name, "send": way, **play_film(film, began, visits, WAYS[way])}
                )
                print(rows[-1], flush=True)
    table = "\n".join(lines(rows)) + "\n"
    print(table)
    write(rows, arguments.json)
    if arguments.write:
        before, _, rest = arguments.write.read_text().partition(BEGIN)
        arguments.write.write_text(before + BEGIN + table + END + rest.partition(END)[2])


@cache
def photos() -> Mapping[str, tuple[Path, Path]]:
    """Return of each person who comes the photo that is enrolled, and the one that the film is
    drawn with."""
    people = studio.FOLDER / "people"
    found = {
        file.name[7:10]: (file, people / file.name.replace("neutral", "smiling"))
        for file in people.glob("london_*_neutral.jpg")
    }
    if len(found) < PEOPLE:
        raise SystemExit(
            f"bench.films: {people} has two photos of {len(found)} people, and {PEOPLE} are needed"
        )
    return dict(islice(sorted(found.items()), PEOPLE))


def cut_out(file: Path) -> Person:
    """Cut head and shoulders out of a portrait, by where the eyes are."""
    picture = Image.open(file).convert("RGB").resize((675, 675), Image.Resampling.BOX)
    ((left, right, *_),) = (face.landmarks for face in Detector().find_faces(picture)[:1])
    eyes = math.dist(left, right)
    x, y = (left[0] + right[0]) / 2, (left[1] + right[1]) / 2
    mask = Image.new("L", picture.size)
    draw = ImageDraw.Draw(mask)
    draw.ellipse((x - 1.25 * eyes, y - 1.6 * eyes, x + 1.25 * eyes, y + 2.1 * eyes), fill=255)
    draw.ellipse((x - 2.8 * eyes, y + 2.0 * eyes, x + 2.8 * eyes, y + 8.0 * eyes), fill=255)
    return Person(picture, mask.filter(ImageFilter.GaussianBlur(2)), (x, y), eyes)


def draw_film(scene: Scene, file: Path) -> tuple[list[Visit], datetime]:
    """Write the film; return who is in view when, and when it began, which is an hour ago."""
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    names = list(photos())[: scene.people]
    people = {name: cut_out(photos()[name][1]) for name in names}
    visits, at_s = [], 0.0
    with av.open(str(file), "w") as film:
        film.metadata["creation_time"] = began.isoformat()
        stream = film.add_stream("libx264", rate=scene.rate)
        (stream.width, stream.height), stream.pix_fmt = scene.size_px, "yuv420p"
        stream.options = {
            "preset": "veryfast", "bf": "0", "g": str(2 * scene.rate), "threads": "1",
            "b": f"{scene.kbit_s}k", "maxrate": f"{scene.kbit_s * 13 // 10}k",
            "bufsize": f"{scene.kbit_s}k",
        }  # fmt: skip
        for first in range(0, len(names), scene.together):
            group = names[first : first + scene.together]
            visits.append(Visit(group, at_s, at_s + scene.seconds))
            at_s += scene.seconds + EMPTY_S
            pictures = (
                pass_by(scene, names[first], first)
                if scene.kind
                else walk(scene, [people[name] for name in group], first)
            )
            for picture in pictures:
                for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                    film.mux(packet)
        for packet in stream.encode(None):
            film.mux(packet)
    return visits, began


def pass_by(scene: Scene, name: str, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Let one person come nearer, as the scene's kind says; then nobody is there for a while."""
    head = passages.cut_head(Image.open(photos()[name][1]).convert("RGB"))
    frames = round(scene.seconds * scene.rate)
    yield from map(np.asarray, passages.draw_passage(head, scene.kind, seed, frames))
    room = passages.draw_room(seed, is_bright=scene.kind == "backlit")
    yield from [np.asarray(room)] * round(EMPTY_S * scene.rate)


def walk(scene: Scene, people: Sequence[Person], seed: int) -> Iterator[NDArray[np.uint8]]:
    """Let people come nearer at constant speed, the hindmost drawn first; then nobody is there for
    a while."""
    chance = np.random.default_rng(seed)
    room = room_of(scene)
    grain = chance.normal(0, scene.noise, (3, *reversed(scene.size_px), 1)).astype(np.float32)
    shirts = [tuple(int(level) for level in chance.integers(30, 200, 3)) for _ in people]
    phases = chance.uniform(0, 2 * math.pi, len(people))
    begins = (
        chance.uniform(0.3, 0.7, len(people))
        if len(people) == 1
        else (np.arange(len(people)) + 0.7) / (len(people) + 0.4)
    )
    width, height = scene.size_px
    for number in range(round((scene.seconds + EMPTY_S) * scene.rate)):
        picture, at_s = room.copy(), number / scene.rate
        if at_s < scene.seconds:
            for place in reversed(range(len(people))):
                way = min(1.0, max(0.0, at_s / scene.seconds * (1 + 0.25 * place) - 0.1 * place))
                eyes_px = 1 / ((1 - way) / scene.far_px + way / scene.near_px)
                sway = math.sin(2 * math.pi * 0.5 * at_s + phases[place])
                x = width * begins[place] + 0.5 * eyes_px * sway
                if 1 < len(people) < PEOPLE and scene.far_px < scene.near_px:
                    x += 0.22 * width * math.sin(2 * math.pi * 0.15 * at_s + phases[place])
                y = max(
                    height * 0.42 - 1.1 * (scene.near_px - eyes_px) + 0.12 * eyes_px * sway,
                    2.6 * eyes_px,
                )
                paste(picture, people[place], eyes_px, (x, y), 6 * sway, shirts[place])
        picture = (
            picture.filter(ImageFilter.GaussianBlur(scene.blur_px)) if scene.blur_px else picture
        )
        pixels = (
            np.asarray(picture, np.float32) * scene.light
            + grain[number % 3]
            + chance.integers(-2, 3)
        )
        yield np.clip(pixels, 0, 255).astype(np.uint8)


def room_of(scene: Scene) -> Image.Image:
    width, height = scene.size_px
    room = Image.new("RGB", scene.size_px, (165, 158, 150))
    draw = ImageDraw.Draw(room)
    draw.rectangle((0, round(0.62 * height), width, height), fill=(112, 100, 90))
    chance = np.random.default_rng(1)
    for _ in range(26):
        x, y, wide, high = chance.uniform((0, 0, 0.02, 0.05), (1, 0.6, 0.2, 0.4)) * (
            width,
            height,
            width,
            height,
        )
        draw.rectangle(
            (x, y, x + wide, y + high),
            fill=tuple(int(level) for level in chance.integers(40, 220, 3)),
        )
    return room.filter(ImageFilter.GaussianBlur(1.2))


def paste(
    picture: Image.Image,
    person: Person,
    eyes_px: float,
    at_xy: tuple[float, float],
    roll: float,
    shirt: tuple[int, ...],
) -> None:
    """Paste a person so that the middle of the eyes is at a place, with a body below."""
    x, y = at_xy
    ImageDraw.Draw(picture).rectangle(
        (x - 2.6 * eyes_px, y + 3.6 * eyes_px, x + 2.6 * eyes_px, y + 12.6 * eyes_px), fill=shirt
    )
    scale = eyes_px / person.eyes_px
    side = max(1, round(person.picture.width * scale))
    centre = person.eyes_xy[0] * scale, person.eyes_xy[1] * scale
    figure, alpha = (
        one.resize((side, side), Image.Resampling.LANCZOS).rotate(
            roll, Image.Resampling.BICUBIC, center=centre
        )
        for one in (person.picture, person.alpha)
    )
    picture.paste(figure, (round(x - centre[0]), round(y - centre[1])), alpha)


def play_film(film: Path, began: datetime, visits: Sequence[Visit], way: str) -> dict[str, Any]:
    """Send the film in one way to a service that is new; return what came of it."""
    known = set(islice(photos(), ENROLLED))
    with tempfile.TemporaryDirectory() as folder, run_service(Path(folder) / "data") as service:
        enrol(service, known)
        config = Path(folder) / "edge.toml"
        config.write_text(
            f'[server]\nurl = "{service.url}"\nmake_cameras = true\n[metrics]\nport = 0\n'
            f'[[camera]]\nname = "{CAMERA}"\nsource = "video"\nfile = "{film}"\n{way}'
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [EDGE, "run", "--config", str(config)]
        subprocess.run(
            command,
            env=environment(service, Path(folder) / "spool"),
            check=True,
            capture_output=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        captures = wait_for_captures(service)
    people = sum(len(visit.people) for visit in visits)
    return {
        "captures": round(len(captures) / people, 2),
        "later": round(count_later(captures) / people, 2),
        "kilobytes": round(sum(capture["size"] for capture in captures) / 1000 / people),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "skipped": count_skipped(captures),
        "below": count_below(film, began, visits, captures),
        **figures(visits, known, sightings(captures, began)),
    }


def count_later(captures: Iterable[Mapping[str, Any]]) -> int:
    """Count the captures whose track has sent one before; all of a camera that follows nobody have
    no track."""
    tracks = [capture["track"] for capture in captures if capture["track"]]
    return len(tracks) - len(set(tracks))


def count_below(
    film: Path,
    began: datetime,
    visits: Sequence[Visit],
    captures: Iterable[Mapping[str, Any]],
) -> str:
    """Count the people whose best capture scores less than the best frame of their visit; "" if
    several come together."""
    if any(len(visit.people) > 1 for visit in visits):
        return ""
    vision, below = load_vision(), 0
    sent_s = {round((moment_of(capture) - began).total_seconds(), 2) for capture in captures}
    with av.open(str(film)) as container:
        frames = [(frame.time, frame.to_image()) for frame in container.decode(video=0)]
    for visit in visits:
        seen = [(at_s, picture) for at_s, picture in frames if visit.from_s <= at_s < visit.to_s]
        portrait = Image.open(photos()[visit.people[0]][1]).convert("RGB")
        scores = passages.score_pictures(vision, portrait, [picture for _, picture in seen])
        sent = [
            score
            for (at_s, _), score in zip(seen, scores, strict=True)
            if any(abs(at_s - one_s) < 0.02 for one_s in sent_s)
        ]
        below += max(sent, default=0.0) < max(scores) - passages.TOLERATED
    return f"{below} of {len(visits)}"


@cache
def load_vision() -> FacePipeline:
    return FacePipeline(read_pack())


def moment_of(capture: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(capture["captured_at"])


def count_skipped(captures: Iterable[Mapping[str, Any]]) -> int:
    return sum(
        one["resolution"] == "skipped" for capture in captures for one in capture["sightings"]
    )


def sightings(captures: Iterable[Mapping[str, Any]], began: datetime) -> list[tuple[float, str]]:
    """Return the second of the film and the face of each sighting that has one."""
    return [
        ((moment_of(capture) - began).total_seconds(), one["face"])
        for capture in captures
        for one in capture["sightings"]
        if one["resolution"] in ("matched", "stranger")
    ]


def figures(
    visits: Sequence[Visit], known: set[str], seen: Sequence[tuple[float, str]]
) -> dict[str, str | int]:
    """Count who was named rightly, which strangers were kept, which were kept twice, and which
    names are false."""
    right = enrolled = kept = strangers = many = false = 0
    for visit in visits:
        faces = {face for at_s, face in seen if visit.from_s - 0.5 <= at_s < visit.to_s + AFTER_S}
        names = {face for face in faces if face in known or face.startswith("passer-by")}
        here, others = known & set(visit.people), set(visit.people) - known
        right, enrolled = right + len(names & here), enrolled + len(here)
        kept, strangers = kept + min(len(faces - names), len(others)), strangers + len(others)
        many, false = many + max(0, len(faces - names) - len(others)), false + len(names - here)
    return {
        "right": f"{right} of {enrolled}",
        "strangers": f"{kept} of {strangers}",
        "many": many,
        "false": false,
    }


def enrol(service: Service, known: Iterable[str]) -> None:
    passers_by = sorted(studio.FAIRFACE.glob("*.jpg"))[:PASSERS_BY]
    faces = {
        **{who: photos()[who][0] for who in known},
        **{f"passer-by-{at}": file for at, file in enumerate(passers_by)},
    }
    with Connection(service.url) as connection:
        keys = credentials.read_credentials(service.data)["shop"]
        V1(connection, keys.api_key).call("PATCH", "/v1/settings", CHOICE)
        client = Sunmi(connection, keys)
        for who, photo in faces.items():
            reply = client.add_face(GROUP, who, photo.read_bytes())
            if reply.code != DONE and who in photos():
                raise SystemExit(f"bench.films: {photo} was not enrolled: {reply}")


def wait_for_captures(service: Service) -> list[dict[str, Any]]:
    """Wait until the service has looked at all captures; return them."""
    with Connection(service.url) as connection:
        client = V1(connection, key_of(service))
        for _ in range(LONGEST_S):
            found: list[dict[str, Any]] = client.captures(CAMERA)["captures"]
            if all(one["state"] != "stored" for one in found):
                return found
            time.sleep(1)
    raise SystemExit(f"bench.films: the captures were not resolved within {LONGEST_S} s")


def lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Make the page's table: a film is named in its first row."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|---" * len(HEAD) + "|"
    film = None
    for row in rows:
        shown = row["film"] if row["film"] != film else ""
        film = row["film"]
        keys = (
            "send",
            "captures",
            "later",
            "kilobytes",
            "below",
            "cpu_s",
            "right",
            "strangers",
            "many",
            "false",
        )
        yield (
            " ".join(
                f"| {cell}" if cell != "" else "|" for cell in (shown, *(row[key] for key in keys))
            )
            + " |"
        )


if __name__ == "__main__":
    main()
