"""Which pictures are read in tests."""

from chalicelib.domain.pictures import PictureRules

KINDS = frozenset({"JPEG", "PNG", "BMP", "WEBP", "HEIC"})
RULES = PictureRules(KINDS, 1 << 25, 8192, 8192)
