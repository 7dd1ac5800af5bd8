"""The stand-in for the service as a process of its own: what it holds is not counted as the
uploader's memory."""

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

from rig.standin import KEY, StandIn

CONTEXT = multiprocessing.get_context("spawn")


class Choosy(dict[str, str]):
    """Refuses one picture in 128, by its digest: half of them by its place in the batch, half of
    them without."""

    def __contains__(self, sha256: object) -> bool:
        return str(sha256)[:2] in ("00", "01")

    def __getitem__(self, sha256: str) -> str:
        return "index" if sha256[:2] == "00" else "batch"


class StandInApart:
    """`now_ms.value` is its clock, which is to be set."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms: Any = CONTEXT.Value("q", now_ms)
        self._line, theirs = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=_serve, args=(self.now_ms, theirs), daemon=True)
        self._process.start()
        self.url: str = self._line.recv()
        self.key = KEY

    def captures(self) -> list[dict[str, Any]]:
        self._line.send("captures")
        return self._line.recv()

    def stop(self) -> None:
        self._line.send("stop")
        self._process.join(timeout=30)


def _serve(now_ms: Any, line: Connection) -> None:
    stand_in = StandIn(now_ms=lambda: int(now_ms.value))
    stand_in.refuse_sha256 = Choosy()
    line.send(stand_in.url)
    while line.recv() == "captures":
        line.send(stand_in.captures())
    stand_in.stop()
