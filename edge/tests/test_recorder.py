"""Many channels of a recorder with one account give a wrong password once: recorders lock a user
after about five."""

import threading
from collections.abc import Callable, Iterator

import pytest
from regulars_edge.clock import Clock
from regulars_edge.errors import EdgeError, PasswordRefused, SourceFailed
from regulars_edge.http import Http, Timeouts
from regulars_edge.setup.onvif import Device, Talk
from regulars_edge.sources.wrong_password import Refusals
from rig.recorder import Recorder
from rig.sources import stream

from testing.reported import replays

pytest.importorskip("av")

CHANNELS = 16
LOGIN = {"user": "admin", "password": "former"}


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder(CHANNELS)
    yield recorder
    recorder.stop()


def open_stream(recorder: Recorder, number: int) -> None:
    next(stream(f"rtsp://admin:former@{recorder.host}/ch{number}").frames(threading.Event()))


def take_picture(recorder: Recorder, number: int) -> None:
    url = f"http://admin:former@{recorder.host}/ch{number}"
    next(stream(url, source="snapshot").frames(threading.Event()))


def ask_by_onvif(recorder: Recorder, number: int) -> None:
    device = Device("127.0.0.1", f"http://{recorder.host}/ch{number}", "nvr")
    list(Talk(Http(Clock(), Timeouts()), device, "admin", "former").list_cameras())


Way = Callable[[Recorder, int], object]


def come_together(recorder: Recorder, *ways: Way) -> list[EdgeError]:
    """Let each channel come in a thread of its own, by these ways in turn; return their errors."""
    errors: list[EdgeError] = []

    def come(number: int) -> None:
        try:
            ways[number % len(ways)](recorder, number)
        except EdgeError as error:
            errors.append(error)

    threads = [threading.Thread(target=come, args=(number,)) for number in range(CHANNELS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@replays(71, "rroller/dahua 729", "rroller/dahua 577", "geerlingguy/pi-nvr 11")
@pytest.mark.parametrize(
    "ways",
    [(open_stream,), (take_picture,), (ask_by_onvif,), (open_stream, take_picture)],
    ids=["streams", "pictures", "onvif", "both"],
)
def test_channels_that_come_together_give_a_wrong_password_once(
    recorder: Recorder, ways: tuple[Way, ...]
) -> None:
    errors = come_together(recorder, *ways)
    assert len(recorder.logins) == 1
    assert [type(error) for error in errors] == [PasswordRefused] * CHANNELS


def test_pictures_that_come_back_together_give_a_changed_password_once(recorder: Recorder) -> None:
    sources = [
        stream(f"http://admin:former@{recorder.host}/ch{number}", source="snapshot")
        for number in range(CHANNELS)
    ]
    come_back(recorder, lambda _, number: sources[number].take_picture())


def test_streams_that_come_back_together_give_a_changed_password_once(recorder: Recorder) -> None:
    come_back(recorder, open_stream)


def come_back(recorder: Recorder, way: Way) -> None:
    """Let each channel log in, meet an outage of all, and come back when the password is
    another."""
    recorder.takes = True
    come_together(recorder, way)
    assert set(recorder.logins) == recorder.asked
    recorder.is_away = True
    assert len(come_together(recorder, way)) == CHANNELS, "an outage of all"
    recorder.is_away = recorder.takes = False
    recorder.logins.clear()
    recorder.asked.clear()
    recorder.all_asked.clear()
    errors = come_together(recorder, way)
    assert len(recorder.logins) == 1
    assert [type(error) for error in errors] == [PasswordRefused] * CHANNELS


def test_a_channel_that_has_no_right_holds_up_none_of_the_others(recorder: Recorder) -> None:
    recorder.takes, recorder.without_right = True, {"/ch3"}
    recorder.all_asked.set()
    take_picture(recorder, 1)
    (error,) = come_together(recorder, take_picture)
    assert isinstance(error, PasswordRefused)
    assert "/ch3" in str(error)


def test_whoever_waits_too_long_for_another_login_says_so_and_gives_nothing() -> None:
    refusals = Refusals(wait_s=0.01)
    with refusals.open_login("rtsp://nvr/ch1", **LOGIN):
        with refusals.open_login("rtsp://nvr/ch1", **LOGIN):
            pass  # of the same thread
        found: list[EdgeError] = []

        def come() -> None:
            try:
                with refusals.open_login("http://nvr/shot.jpg", **LOGIN):
                    raise AssertionError("it came in")
            except SourceFailed as error:
                found.append(error)

        thread = threading.Thread(target=come)
        thread.start()
        thread.join()
    assert "has not answered another login of this user" in str(found[0])
    with refusals.open_login("http://nvr/shot.jpg", **LOGIN):
        pass
