"""The main jobs of v1 by the client that openapi-python-client makes; run with the client on the
path."""

import json
import sys
from io import BytesIO
from pathlib import Path

from regulars_v_1_client import AuthenticatedClient
from regulars_v_1_client.api.cameras import add_camera
from regulars_v_1_client.api.captures import take_capture
from regulars_v_1_client.api.faces import enrol_face, get_face, list_faces
from regulars_v_1_client.api.looking import verify
from regulars_v_1_client.models import (
    CaptureTakenForm,
    NewCamera,
    NewFaceForm,
    PicturesToVerifyForm,
)
from regulars_v_1_client.types import File


def jobs(url: str, key: str, ann: str, again: str, ben: str) -> dict[str, object]:
    v1 = AuthenticatedClient(base_url=url, token=key)

    def file(path: str) -> File:
        return File(BytesIO(Path(path).read_bytes()), "picture.jpg", "image/jpeg")

    camera = add_camera.sync(client=v1, body=NewCamera(name="gate"))
    enrolled = [
        enrol_face.sync(
            client=v1, body=NewFaceForm(picture=file(path), group="stranger", name=name)
        )
        for name, path in (("Ann", ann), ("Ben", ben))
    ]
    capture = take_capture.sync(
        client=v1, body=CaptureTakenForm(picture=file(again), camera=camera.id)
    )
    same = verify.sync(
        client=v1, body=PicturesToVerifyForm(picture=file(again), face=enrolled[0].id)
    )
    first = list_faces.sync(client=v1, group="stranger", limit=1)
    following = list_faces.sync(client=v1, group="stranger", limit=1, token=first.next_token)
    return {
        "camera": capture.camera,
        "match": same.match,
        "pages": [face.name for face in (*first.faces, *following.faces)],
        "code": get_face.sync("7", client=v1).code,
    }


if __name__ == "__main__":
    print(json.dumps(jobs(*sys.argv[1:])))
