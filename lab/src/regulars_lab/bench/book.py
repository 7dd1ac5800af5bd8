"""How true the book of strangers is: captures of people who came several times, and of others who
came once.

    python -m regulars_lab.bench.book [--json FILE] [--faces FOLDER] [--persons 250] [--draw 1 ...]
    [--scene spread ...]
        [--masked 0.1] [--passers-by FOLDER] [--orders 5] [--out FOLDER]

FOLDER has `people`, a folder a person with several pictures, of which six are taken at most, and
`strangers`, with one picture each: Labelled Faces in the Wild, which stands beside the checkout and
is for measuring only. Each draw takes as many of both, always the same ones, and their pictures are
played through the service (`regulars evaluate --book`). With --masked, a mask is drawn into that
share of the pictures but the first of each person.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.rules.decision import DEFAULT_FPIR
from regulars.demo.album import SUFFIXES
from regulars_lab.bench.measuring import SHARED, pack, parser
from regulars_lab.conditions import draw_mask
from regulars_lab.evaluate.book import SCENES
from regulars_lab.evaluate.book_run import evaluate_book
from regulars_lab.measuring import labelled
from regulars_lab.measuring.looking import ANY_PICTURE, choose_main_face

FACES = SHARED / "data" / "lfw"
MOST_PICTURES = 6


def main() -> None:
    options = parser("book", __doc__)
    options.add_argument(
        "--faces", type=Path, default=FACES, help="people/ and strangers/ (default: %(default)s)"
    )
    options.add_argument(
        "--persons", type=int, default=250, help="of either kind (default: %(default)s)"
    )
    options.add_argument(
        "--draw", type=int, nargs="+", default=[1], help="numbers of draws (default: 1)"
    )
    options.add_argument(
        "--scene", nargs="+", choices=SCENES, default=["spread"], help="(default: spread)"
    )
    options.add_argument(
        "--masked", type=float, default=0.0, help="share in masks (default: %(default)s)"
    )
    options.add_argument(
        "--passers-by", type=Path, help="pictures of further people who come once each"
    )
    options.add_argument(
        "--orders", type=int, default=5, help="orders to play of each draw (default: %(default)s)"
    )
    options.add_argument(
        "--out",
        type=Path,
        default=Path("build/book"),
        help="folder for the page (default: %(default)s)",
    )
    arguments = options.parse_args()
    wear = FacePipeline(pack()) if arguments.masked else None
    with tempfile.TemporaryDirectory() as scratch:
        folders, chance = [], random.Random(0)
        for draw in arguments.draw:
            folder = Path(scratch) / f"draw {draw}"
            for name, files in _draw_people(
                arguments.faces, arguments.persons, draw, arguments.passers_by
            ):
                (folder / name).mkdir(parents=True)
                for number, file in enumerate(files):
                    place = folder / name / file.name
                    if wear is None or number == 0 or chance.random() >= arguments.masked:
                        place.symlink_to(file.resolve())
                    else:
                        _draw_masked(wear, file, place)
            folders.append(labelled.read_folder(folder))
        evaluate_book(
            folders,
            pack(),
            DEFAULT_FPIR,
            orders=arguments.orders,
            out=arguments.out,
            json_file=arguments.json,
            scenes=arguments.scene,
        )


def _draw_masked(vision: FacePipeline, file: Path, place: Path) -> None:
    """Write the picture with a mask on its main face; as it is if it shows none."""
    image = vision.read_picture(file.read_bytes(), ANY_PICTURE)
    faces = vision.detect(image)
    if faces:
        image = draw_mask(image, choose_main_face(faces, image.shape[1], image.shape[0]))
    Image.fromarray(image).save(place, quality=95)


def _draw_people(
    faces: Path, persons: int, draw: int, passers_by: Path | None
) -> Iterator[tuple[str, list[Path]]]:
    """Yield the people who come, each with some pictures."""
    drawn = random.Random(draw)
    for kind in ("people", "strangers"):
        folders = sorted((faces / kind).iterdir())
        for folder in drawn.sample(folders, min(persons, len(folders))):
            yield folder.name, sorted(folder.iterdir())[:MOST_PICTURES]
    for file in sorted(passers_by.iterdir()) if passers_by else ():
        if file.suffix.lower() in SUFFIXES:
            yield file.stem, [file]


if __name__ == "__main__":
    main()
