"""Templates of aligned faces: unit vectors whose dot product is the similarity of faces."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from chalicelib.book.vision.machine import Work
from chalicelib.book.vision.packs.manifest import EmbeddingRole, Network
from chalicelib.book.vision.packs.session import Sessions
from chalicelib.book.vision.pictures.crop import stack_pictures


def plan_embeddings(
    sessions: Sessions,
    role: EmbeddingRole,
    aligned: Sequence[tuple[Network, Sequence[NDArray[np.uint8]]]],
) -> Work[NDArray[np.float32]]:
    """Return the work that embeds faces: (n, role.dimensions) rows of length 1, in their order.

    Nothing is embedded until the work is done (`CpuSlots.do_works`). `aligned` has each of the
    role's networks, with the faces as pictures of the size that it takes. If it is `mirrored`, the
    embeddings of a face and of its mirror image are added. Both have the identity; light and turn
    of the head differ, and so weigh less.
    """

    looks = []  # a look is a face or its mirror image
    for network, faces in aligned:
        for face in faces:
            looks.append(partial(_embed_look, sessions, network, np.asarray(face)))
            if network.mirrored:
                mirror_image = np.asarray(face[:, ::-1])
                looks.append(partial(_embed_look, sessions, network, mirror_image))
    face_counts = [(network, len(faces)) for network, faces in aligned]
    return Work(looks, join=partial(_join_looks, sessions, role, face_counts))


def _embed_look(
    sessions: Sessions, network: Network, look: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Return one network's embedding, (1, dimensions), of a face or its mirror image."""
    outputs = sessions.run(network.file, _scale_pixels(network, look))
    return scale_to_unit(outputs[network.output])


def _join_looks(
    sessions: Sessions,
    role: EmbeddingRole,
    face_counts: Sequence[tuple[Network, int]],
    looks: list[NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Return the faces' templates, made of the embeddings of all looks: a face or its mirror image.

    `looks` has a (1, dimensions) row for each, those of the first network first. If a network sees
    mirror images, too, each face is followed by its own. `face_counts` says how many faces each
    network saw. Looks of a face are added up; then the networks' parts are joined.
    """
    looks_left, parts = iter(looks), []
    for network, face_count in face_counts:
        look_count = 1 + network.mirrored
        own_looks = np.array([*islice(looks_left, face_count * look_count)], np.float32)
        # (faces, looks of each, numbers), of which a face's looks are added up
        looks_of_faces = own_looks.reshape(face_count, look_count, network.dimensions)
        parts.append(scale_to_unit(looks_of_faces.sum(axis=1)))
    # Both files may be missing: a pack then names none ("").
    centre = sessions.read_array(role.centre) if role.centre else None
    basis = sessions.read_array(role.basis) if role.basis else None
    return join_parts(role, parts, centre, basis)


def _scale_pixels(network: Network, face: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a picture as the network takes it: pixels less its mean, by its deviation."""
    pixels = stack_pictures([face], network.channels)
    if (network.mean, network.deviation) == ((0.0,), (1.0,)):
        return pixels
    mean = np.array(network.mean, np.float32).reshape(-1, 1, 1)
    deviation = np.array(network.deviation, np.float32).reshape(-1, 1, 1)
    return np.asarray((pixels - mean) / deviation, np.float32)


def join_parts(
    role: EmbeddingRole,
    parts: Sequence[NDArray[np.float32]],
    centre: NDArray[np.float32] | None,
    basis: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """Return the templates joined from each network's embeddings, side by side.

    `parts` has (n, dimensions) of each network. First `centre`, the mean embedding, is taken from
    them. Then each is times the root of its network's weight, so that the score of two templates is
    the weighted mean of the networks' scores. `basis` keeps only the directions in which they
    differ.
    """
    if centre is not None:
        begins = np.cumsum([network.dimensions for network in role.networks[:-1]])
        parts = [
            scale_to_unit(part - part_centre)
            for part, part_centre in zip(parts, np.split(centre, begins), strict=True)
        ]
    weighted = [
        np.float32(np.sqrt(network.weight)) * part
        for network, part in zip(role.networks, parts, strict=True)
    ]
    joined = scale_to_unit(np.concatenate(weighted, axis=1))
    return joined if basis is None else scale_to_unit(joined @ basis)


def scale_to_unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows with length 1 each."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, np.finfo(np.float32).tiny), dtype=np.float32)
