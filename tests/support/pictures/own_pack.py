"""A pack of one's own: the product's under another name, whose embeddings are those of the face
without its mirror image.
"""

import json
import re
from pathlib import Path

from chalicelib.book.vision.packs import packs

NAME, MODEL, NUMBER = "ours", "face_reid_0095,dlib_resnet_v1", 7


def own_pack(models: Path, *, without: tuple[str, ...] = ()) -> Path:
    """Make the pack in the folder `models`, and return its folder.

    `without`: roles that it lacks.
    """
    product = packs.PACKS / packs.DEFAULT_PACK
    folder = models / NAME
    folder.mkdir(parents=True)
    text = (product / "manifest.toml").read_text()
    named = text.replace(f'pack = "{packs.DEFAULT_PACK}"', f'pack = "{NAME}"')
    product_model = packs.read_pack().manifest.embedding.model
    embeds = named.replace(f'model = "{product_model}"', f'model = "{MODEL}"')
    numbered, numbers = re.subn(r"(?m)^number = \d+$", f"number = {NUMBER}", embeds)
    assert numbers == 1
    (folder / "manifest.toml").write_text(
        _without(numbered.replace("\nmirrored = true\nweight", "\nweight"), without)
    )
    curve = json.loads((product / "calibration.json").read_text())[product_model]
    (folder / "calibration.json").write_text(json.dumps({MODEL: {**curve, "usual": None}}))
    for file in packs.read_pack().files:
        (folder / file.name).symlink_to(product / file.name)
    return folder


def _without(manifest: str, roles: tuple[str, ...]) -> str:
    head, *tables = re.split(r"(?m)^(?=\[)", manifest)
    gone = tuple(
        f"{bracket}role.{role}{end}"
        for role in roles
        for bracket in ("[", "[[")
        for end in ("]", ".")
    )
    return "".join([head, *(table for table in tables if not table.startswith(gone))])
