"""People who walk through a picture of 1000 x 1000 pixels, as boxes; and who of them crosses."""

import itertools
from collections.abc import Callable, Sequence

from regulars_edge.count.line import CountLine, Way, parse_line
from regulars_edge.count.people import Body
from regulars_edge.count.tracks import BodyTracks

SIZE_PX = (1000, 1000)
ACROSS = parse_line([[0.0, 0.5], [1.0, 0.5]])
WIDTH, HEIGHT = 90.0, 200.0
Walk = Callable[[float], tuple[float, float] | None]
"""Where the middle of somebody is at a time in s, in pixels; None: not in the picture."""


def body(x: float, y: float, score: float = 0.9, size: float = 1.0) -> Body:
    width, height = size * WIDTH, size * HEIGHT
    return Body((x - width / 2, y - height / 2, width, height), score)


def straight(x: float, first_y: float, last_y: float, speed: float, begins: float = 0.0) -> Walk:
    """Walk down or up, `speed` in pixels a second."""
    way = 1 if last_y > first_y else -1

    def walk(at: float) -> tuple[float, float] | None:
        y = first_y + way * speed * (at - begins)
        return (x, y) if at >= begins and way * (last_y - y) >= 0 else None

    return walk


def path(*stops: tuple[float, float], x: float = 500) -> Walk:
    """Walk from stop to stop: at a time in s, where."""

    def walk(at: float) -> tuple[float, float] | None:
        for (begins, first), (ends, last) in itertools.pairwise(stops):
            if begins <= at <= ends:
                return x, first + (last - first) * (at - begins) / (ends - begins)
        return None

    return walk


def seen(walks: Sequence[Walk], at: float) -> list[Body]:
    places = [walk(at) for walk in walks]
    return [body(*place) for place in places if place is not None]


def crossings(
    find: Callable[[float], list[Body]],
    looks_a_second: float = 5,
    seconds: float = 20,
    line: CountLine = ACROSS,
    begins: float = 0.0,
) -> list[Way]:
    """Return who crosses, in order; `begins`: when the first look is, in s."""
    tracks, placed, ways = BodyTracks(), line.place_in(SIZE_PX), list[Way | None]()
    for number in range(round(seconds * looks_a_second)):
        at = begins + number / looks_a_second
        before = list(tracks.live)
        now = tracks.follow_bodies(find(at), round(at * 1000))
        gone = [track for track in before if track not in tracks.live]
        ways += [track.find_last_crossing(placed, SIZE_PX) for track in gone]
        ways += [track.find_crossing(placed) for track in now]
    return [way for way in ways if way is not None]
