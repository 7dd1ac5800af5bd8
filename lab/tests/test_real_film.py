"""The edge uploader's choice of frames, on a film of people who walk past a camera."""

import threading

from regulars_edge.choose.by_face import BestShot
from regulars_edge.choose.faces import Detector, FaceFinder
from regulars_edge.sources.video import VideoFileSource

from regulars_lab import studio


def test_best_shots_are_far_fewer_than_frames_and_each_has_a_face() -> None:
    detector, film = Detector(), studio.FOLDER / studio.FILM
    looked = [frame for frame in VideoFileSource(film, 0.5).frames(threading.Event()) if frame]
    chosen = list(BestShot(FaceFinder(detector, 20), 10.0).choose(looked))
    assert 1 <= len(chosen) < len(looked) / 3
    assert all(detector.find_faces(frame.image()) for frame in chosen)
