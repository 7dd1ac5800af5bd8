"""The curve of the program's pack."""

from chalicelib.book.vision.packs import packs

CURVE = packs.read_pack().manifest.impostor_curve
