"""A camera that streams: pushes a film in real time to the RTSP address that it is given, for so
many seconds.

It prints when its first frame was taken, by CLOCK_BOOTTIME in milliseconds. Each frame shows its
number (rig/film.py).
"""

import sys
import time

import av
from film import RATE, SIZE_PX, numbered


def main(url: str, seconds: float) -> None:
    for _ in range(1200):
        try:
            return push(url, round(seconds * RATE))
        except av.error.ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit(f"nobody listens at {url}")


def push(url: str, frames: int) -> None:
    with av.open(url, "w", format="rtsp", options={"rtsp_transport": "tcp"}) as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        (stream.width, stream.height), stream.pix_fmt, stream.gop_size = (
            SIZE_PX,
            "yuv420p",
            2 * RATE,
        )
        began = time.clock_gettime(time.CLOCK_BOOTTIME)
        print(round(began * 1000), flush=True)
        for number in range(frames):
            time.sleep(max(0.0, began + number / RATE - time.clock_gettime(time.CLOCK_BOOTTIME)))
            for packet in stream.encode(av.VideoFrame.from_image(numbered(number))):
                container.mux(packet)


main(sys.argv[1], float(sys.argv[2]))
