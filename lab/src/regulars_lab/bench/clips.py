"""The edge uploader on films of people: what it uploads of each, at which cost, and whom the service recognises then.

    python -m regulars_lab.bench.clips [--write docs/lab/edge.md] [--json FILE]

The films are the clips beside the checkout (../shared/data/faces/video), and one that is made here: eight people whose
portraits are at hand pass one after the other, of whom the first four are enrolled by another photo. Each film goes by
`regulars-edge run`, in a process of its own, to a `regulars serve` that is new, with each way to choose.
"""

from __future__ import annotations

import csv
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
from PIL import Image

from regulars.clients import DONE, V1, Connection, Sunmi
from regulars.demo.run import labelled_folder
from regulars.serve.service import Service, running
from regulars.tenants import credentials
from regulars_lab.bench.edge import EDGE, environment, key_of
from regulars_lab.bench.measuring import parser, write

CAMERA = "clip"
GROUP = "regular"
PEOPLE, ENROLLED = 8, 4
SIZE_PX, RATE, PASSES_S, EMPTY_S = (1280, 720), 10, 3, 1
WAYS = (
    ("all", 1.0, ""),
    ("motion", 0.5, ""),
    ("faces", 0.5, ""),
    ("best_shot", 0.2, ""),
    ("best_shot", 0.2, "crop_room = 0.5\n"),
)
SHOWN = {
    "face-demographics-walking-and-pause": "three people who come and pause",
    "face-demographics-walking": "two who walk by, too small or blurred",
    "people-detection": "people who cross a room",
}
"""What is seen in the films beside the checkout."""
BEGIN, END = "<!-- made by `make clips-edge` -->\n", "<!-- end -->\n"
LONGEST_S = 300


@dataclass(frozen=True)
class Clip:
    """`people`: in the film; `known`: those of them who are enrolled, each by a photo that is not in the film."""

    name: str
    file: Path
    people: int
    known: Mapping[str, Path]

    @property
    def seconds(self) -> float:
        with av.open(str(self.file)) as film:
            return (film.duration or 0) / 1e6


def main() -> None:
    options = parser("clips", __doc__)
    options.add_argument("--write", type=Path, help="put the table into this page, between its two marks")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [played(clip, *way) for clip in clips(Path(folder)) for way in WAYS]
    table = "\n".join(lines(rows)) + "\n"
    print(table)
    write(rows, arguments.json)
    if arguments.write:
        before, _, rest = arguments.write.read_text().partition(BEGIN)
        arguments.write.write_text(before + BEGIN + table + END + rest.partition(END)[2])


def clips(folder: Path) -> Iterator[Clip]:
    pictures = labelled_folder()
    with (pictures / "labels.csv").open() as file:
        labels = {row["file"]: row["identity"] for row in csv.DictReader(file)}
    photos: dict[str, list[Path]] = {}
    for name, who in labels.items():
        if name.startswith("people/") and "partial" not in name:
            photos.setdefault(who, []).append(pictures / name)
    people = dict(islice(((who, files) for who, files in sorted(photos.items()) if len(files) > 1), PEOPLE))
    if len(people) < PEOPLE:
        raise SystemExit(f"bench.clips: {pictures} has two photos of {len(people)} people, and {PEOPLE} are needed")
    film = walk(folder / "entrance.mp4", [files[1] for files in people.values()])
    yield Clip("entrance", film, PEOPLE, {who: files[0] for who, files in islice(people.items(), ENROLLED)})
    for file in sorted((pictures / "video").glob("*.mp4")):
        seen = labels.get(f"video/{file.name}", "")
        yield Clip(file.stem, file, len(seen.split("|")) if seen else 0, {})


def walk(file: Path, portraits: list[Path]) -> Path:
    """Let each portrait come nearer through the picture, one after the other, with nobody in between."""
    noise = Image.effect_noise(SIZE_PX, 8).convert("RGB")
    with av.open(str(file), "w") as film:
        stream = film.add_stream("libx264", rate=RATE)
        (stream.width, stream.height), stream.pix_fmt = SIZE_PX, "yuv420p"
        for path in portraits:
            portrait = Image.open(path).convert("RGB")
            for number in range((PASSES_S + EMPTY_S) * RATE):
                picture = noise.copy()
                share = number / (PASSES_S * RATE)
                if share < 1:
                    side = round(220 + 200 * share)
                    picture.paste(portrait.resize((side, side)), (round(100 + 700 * share), round(60 + 200 * share)))
                for packet in stream.encode(av.VideoFrame.from_image(picture)):
                    film.mux(packet)
        for packet in stream.encode(None):
            film.mux(packet)
    return file


def played(clip: Clip, send: str, interval_s: float, more: str) -> dict[str, Any]:
    """Send the film in one way to a service that is new; return what came of it."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as service:
        enrol(service, clip.known)
        config = Path(folder) / "edge.toml"
        config.write_text(
            f'[server]\nurl = "{service.url}"\nmake_cameras = true\n[metrics]\nport = 0\n'
            f'[[camera]]\nname = "{CAMERA}"\nsource = "video"\nfile = "{clip.file}"\nsend = "{send}"\n'
            f"interval_s = {interval_s}\n{more}"
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [EDGE, "run", "--config", str(config)]
        subprocess.run(command, env=environment(service, Path(folder) / "spool"), check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        captures = resolved(service)
    sightings = [one for capture in captures for one in capture["sightings"]]
    seen = {
        kind: [one for one in sightings if one["resolution"] == kind] for kind in ("matched", "stranger", "skipped")
    }
    faces = {one["face"] for one in (*seen["matched"], *seen["stranger"])}
    return {
        "clip": clip.name,
        "seconds": round(clip.seconds, 1),
        "people": clip.people,
        "known": len(clip.known),
        "send": f"`{send}`, {'crops' if more else f'{interval_s:g} s'}",
        "pictures": len(captures),
        "kilobytes": round(sum(capture["size"] for capture in captures) / 1000),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "sightings": {kind: len(found) for kind, found in seen.items()},
        "recognised": len(faces & set(clip.known)),
        "strangers": len(faces - set(clip.known)),
    }


def enrol(service: Service, known: Mapping[str, Path]) -> None:
    with Connection(service.url) as connection:
        client = Sunmi(connection, credentials.read(service.data)["camera"])
        for who, photo in known.items():
            reply = client.add_face(GROUP, who, photo.read_bytes())
            if reply.code != DONE:
                raise SystemExit(f"bench.clips: {photo} was not enrolled: {reply}")


def resolved(service: Service) -> list[dict[str, Any]]:
    """Wait until the service has looked at all captures; return them."""
    with Connection(service.url) as connection:
        client = V1(connection, key_of(service))
        for _ in range(LONGEST_S):
            found: list[dict[str, Any]] = client.captures(CAMERA)["captures"]
            if all(one["state"] != "stored" for one in found):
                return found
            time.sleep(1)
    raise SystemExit(f"bench.clips: the captures were not resolved within {LONGEST_S} s")


HEAD = ("film", "send", "pictures", "kB", "CPU s", "matched, stranger, skipped", "strangers known")


def lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Make the page's table: a film is named in its first row. Who was enrolled and known again is in the JSON."""
    yield f"| {' | '.join(HEAD)} |"
    yield "|---" * len(HEAD) + "|"
    film = None
    for row in rows:
        shown = f"{SHOWN.get(row['clip'], row['clip'])}, {row['seconds']:g} s" if row["clip"] != film else ""
        film = row["clip"]
        kinds = ", ".join(str(count) for count in row["sightings"].values())
        others = f"{row['strangers']} of {row['people'] - row['known']}" if row["people"] else str(row["strangers"])
        cells = (shown, row["send"], row["pictures"], row["kilobytes"], f"{row['cpu_s']:g}", kinds, others)
        yield " ".join(f"| {cell}" if cell != "" else "|" for cell in cells) + " |"


if __name__ == "__main__":
    main()
