"""What the emulated Python does with the unpacked package: `python -I emulated_function.py FOLDER
PICTURE...`.

It prints JSON: the name of the search kernel that passed its self-check, the model pack, and the
embedding of the first face of each picture.
"""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    import app  # noqa: F401 - the functions' own module, which must import
    from chalicelib.book.models import KEPT_PICTURE
    from chalicelib.book.search.scan.scan import load_kernel
    from chalicelib.book.vision.packs import packs
    from chalicelib.book.vision.pipeline import FacePipeline

    pack = packs.find(None)
    pipeline = FacePipeline(pack)
    embeddings = []
    for name in sys.argv[2:]:
        image = pipeline.read_picture(Path(name).read_bytes(), KEPT_PICTURE)
        embeddings.append(pipeline.embed(image, pipeline.detect(image)[:1])[0].tolist())
    sys.stdout.write(
        json.dumps(
            {
                "kernel": "compiled" if load_kernel() else "none",
                "pack": pack.manifest.name,
                "embeddings": embeddings,
            }
        )
    )
