"""Unit templates of aligned faces."""

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
    """Embed faces by each of the role's networks: (n, role.dimensions) unit rows, in order.

    `aligned`: each network, and the faces as the (size, size, 3) pictures that it takes. The
    networks' unit embeddings, less the role's centre and made unit again, lie side by side. Each is
    times the root of its weight, so a template's score is the weighted mean of theirs. The role's
    basis keeps the directions in which they differ.

    With `mirrored`, a network's embeddings of the face and its mirror image are added. Identity is
    in both; light and turn of the head differ and weigh less. InsightFace evaluates LFW this way.
    It takes twice the time.
    """

    def embed_look(network: Network, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        return scale_to_unit(
            sessions.run(network.file, _scale_pixels(network, face))[network.output]
        )

    def join_rows(rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        rows_left, parts = iter(rows), []
        for network, faces in aligned:
            look_count = 1 + network.mirrored
            network_rows = np.array([*islice(rows_left, len(faces) * look_count)], np.float32)
            parts.append(
                scale_to_unit(
                    network_rows.reshape(len(faces), look_count, network.dimensions).sum(axis=1)
                )
            )
        centre, basis = (
            sessions.read_array(file) if file else None for file in (role.centre, role.basis)
        )
        return join_parts(role, parts, centre, basis)

    looks = [
        partial(embed_look, network, np.asarray(look))
        for network, faces in aligned
        for face in faces
        for look in ((face, face[:, ::-1]) if network.mirrored else (face,))
    ]
    return Work(looks, join_rows)


def _scale_pixels(network: Network, face: NDArray[np.uint8]) -> NDArray[np.float32]:
    pixels = stack_pictures([face], network.channels)
    if (network.mean, network.deviation) == ((0.0,), (1.0,)):
        return pixels
    mean, deviation = (
        np.array(numbers, np.float32).reshape(-1, 1, 1)
        for numbers in (network.mean, network.deviation)
    )
    return np.asarray((pixels - mean) / deviation, np.float32)


def join_parts(
    role: EmbeddingRole,
    parts: Sequence[NDArray[np.float32]],
    centre: NDArray[np.float32] | None,
    basis: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """Make templates of the networks' unit embeddings, (n, dimensions) each, as `plan_embeddings`
    says."""
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
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, np.finfo(np.float32).tiny), dtype=np.float32)
