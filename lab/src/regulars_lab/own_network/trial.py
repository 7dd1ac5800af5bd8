"""Whether a network is given faces as it learnt to see them: its colours, the scale of its pixels,
its alignment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.book.vision.describe.embed import plan_embeddings, scale_to_unit
from chalicelib.book.vision.detect.align import align_face
from chalicelib.book.vision.packs.manifest import EmbeddingRole, Network
from chalicelib.book.vision.packs.packs import Pack
from chalicelib.book.vision.packs.session import Sessions
from chalicelib.book.vision.pipeline import FacePipeline
from chalicelib.domain.errors import Unusable
from chalicelib.domain.pictures import DetectedFace
from regulars.errors import UnusableNetwork
from regulars_lab.measuring.labelled import LabelledFolder
from regulars_lab.measuring.looking import ANY_PICTURE, choose_main_face
from regulars_lab.own_network.network import vary_network

TRIED_PERSONS = 40
"""Persons by two pictures each, on which other ways to take a face are tried."""

CLEARLY_BETTER = 1.2
"""Factor of the separation from which on another way is called the right one."""

Found = tuple[NDArray[np.uint8], DetectedFace]
"""A picture, and the face that it is of."""


def try_other_ways(draft: Pack, people: LabelledFolder) -> None:
    """Take faces as the manifest says, and in other usual ways.

    Raises UnusableNetwork if another is clearly better.

    A wrong order of colours, scale of pixels or alignment makes a network worse, and is no error by
    itself.
    """
    faces, owners = _find_pairs(FacePipeline(draft), people)
    if len(owners) < TRIED_PERSONS:
        return  # by so few pairs, chance decides
    sessions = Sessions(draft)

    def measure_network(network: Network) -> float:
        role = EmbeddingRole(model="draft", number=0, networks=(network,))
        crops = [
            align_face(image, face.landmarks, network.points, network.size_px)
            for image, face in faces
        ]
        work = plan_embeddings(sessions, role, [(network, crops)])
        return measure_separation(work.join([part() for part in work.parts]), owners)

    for network in draft.manifest.embedding.networks:
        stated_separation = measure_network(network)
        best_separation, difference = max(
            (measure_network(other_network), difference)
            for difference, other_network in vary_network(network)
        )
        if best_separation > CLEARLY_BETTER * stated_separation:
            raise UnusableNetwork(
                f"{network.file} tells {len(owners) // 2} of your people apart better with "
                f"{difference}: by "
                f"{best_separation:.1f} standard deviations, and by {stated_separation:.1f} as its "
                "manifest says. "
                "Correct the manifest"
            )


def _find_pairs(
    vision: FacePipeline, people: LabelledFolder
) -> tuple[list[Found], NDArray[np.intp]]:
    """Find the faces of the first TRIED_PERSONS people on two pictures each; return them and whose
    they are."""
    files: dict[int, list[Path]] = {}
    for file, person in zip(people.files, people.person_of, strict=True):
        files.setdefault(person, []).append(file)
    faces, owners = list[Found](), list[int]()
    for person, own_paths in files.items():
        if len(own_paths) > 1 and len(owners) < 2 * TRIED_PERSONS:
            found_faces = [
                face for file in own_paths[:2] if (face := _find_face(vision, file)) is not None
            ]
            if len(found_faces) == 2:
                faces += found_faces
                owners += [person, person]
    return faces, np.array(owners, np.intp)


def _find_face(vision: FacePipeline, file: Path) -> Found | None:
    try:
        image = vision.read_picture(file.read_bytes(), ANY_PICTURE)
    except Unusable:
        return None
    faces = vision.detect(image)
    return (image, choose_main_face(faces, image.shape[1], image.shape[0])) if faces else None


def measure_separation(embeddings: NDArray[np.float32], owners: NDArray[np.intp]) -> float:
    """Return d': the distance of the mean scores of one person's and of two persons' pictures, in
    deviations."""
    centred = scale_to_unit(embeddings - embeddings.mean(axis=0))
    scores = centred @ centred.T
    pairs = np.triu(np.ones((len(embeddings), len(embeddings)), bool), 1)
    same = owners[:, None] == owners[None]
    mated, non_mated = scores[pairs & same], scores[pairs & ~same]
    return float(
        (mated.mean() - non_mated.mean()) / np.sqrt((mated.var() + non_mated.var()) / 2 + 1e-12)
    )
