"""Rules as rows: calls in their order, each with the code that it gets and, where it matters, what
its data shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.api.sunmi.client import CameraClient


@dataclass(frozen=True)
class Call:
    endpoint: str
    fields: Mapping[str, str]
    pic: bytes | None = field(repr=False)
    code: int
    shows: Mapping[str, Any]


class call:  # noqa: N801 - reads as a verb: call("getFace", faceid="7").gets(0)
    def __init__(
        self, endpoint: str, fields: Mapping[str, str] | None = None, /, **named: str | bytes
    ) -> None:
        self._endpoint = endpoint
        pic = named.pop("pic", None)
        assert not isinstance(pic, str)
        self._pic = pic
        self._fields = {**(fields or {}), **{name: str(value) for name, value in named.items()}}

    def gets(self, code: int, **shows: Any) -> Call:
        return Call(self._endpoint, self._fields, self._pic, code, shows)


def walk(camera: CameraClient, calls: Sequence[Call]) -> None:
    for one in calls:
        answer = camera.call(one.endpoint, one.fields, one.pic)
        assert answer["code"] == one.code, (one, answer)
        assert bool(answer.get("msg")) == (one.code != 0)
        data = answer.get("data", {})
        assert {name: data.get(name, "left out") for name in one.shows} == one.shows, one
