"""A camera that streams: pushes a film of three seconds to the RTSP address that it is given."""

from __future__ import annotations

import sys
import time

import av
from PIL import Image


def main(url: str) -> None:
    for _ in range(100):
        try:
            return push(url)
        except av.error.ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit(f"nobody listens at {url}")


def push(url: str) -> None:
    with av.open(url, "w", format="rtsp", options={"rtsp_transport": "tcp"}) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(30):
            for packet in stream.encode(av.VideoFrame.from_image(Image.new("RGB", (160, 120), (number * 5, 0, 0)))):
                container.mux(packet)
            time.sleep(0.05)


main(sys.argv[1])
