"""How true the book of strangers is: captures of people who came several times, and of others who came once.

    python -m bench.book [--json FILE] [--faces FOLDER] [--persons 250] [--orders 5] [--out FOLDER]

FOLDER has `people`, a folder a person with several pictures, of which six are taken at most, and `strangers`, with one
picture each: Labelled Faces in the Wild, which stands beside the checkout and is for measuring only. Draws as many
of both, always the same ones, and plays their pictures through the service (`regulars evaluate --book`).
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from bench.measuring import pack, parser
from chalicelib.core.decision import DEFAULT_FPIR
from regulars.evaluate import labelled
from regulars.evaluate.book_run import evaluate_book

FACES = Path(__file__).parents[2] / "shared" / "data" / "lfw"
MOST_PICTURES = 6


def main() -> None:
    options = parser("book", __doc__)
    options.add_argument("--faces", type=Path, default=FACES, help="people/ and strangers/ (default: %(default)s)")
    options.add_argument("--persons", type=int, default=250, help="of either kind (default: %(default)s)")
    options.add_argument("--orders", type=int, default=5, help="orders to play (default: %(default)s)")
    options.add_argument(
        "--out", type=Path, default=Path("build/book"), help="folder for the page (default: %(default)s)"
    )
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        _draw(arguments.faces, arguments.persons, Path(scratch))
        evaluate_book(
            labelled.read(Path(scratch)),
            pack(),
            DEFAULT_FPIR,
            orders=arguments.orders,
            out=arguments.out,
            json_file=arguments.json,
        )


def _draw(faces: Path, persons: int, into: Path) -> None:
    """Link the drawn people's pictures into a folder, a folder a person."""
    drawn = random.Random(1)
    for kind in ("people", "strangers"):
        folders = sorted((faces / kind).iterdir())
        for folder in drawn.sample(folders, min(persons, len(folders))):
            (into / folder.name).mkdir()
            for file in sorted(folder.iterdir())[:MOST_PICTURES]:
                (into / folder.name / file.name).symlink_to(file.resolve())


if __name__ == "__main__":
    main()
