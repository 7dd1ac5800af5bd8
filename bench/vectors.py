"""Vectors to search: random ones, and ones with the spectrum of real templates. Unit length, float32.

**Random**: normal numbers, scaled to length 1. No rotation helps there; no gallery looks like that.

**Face-like**: 13,233 templates that `face_reid_0095` made of real pictures have 0.69 of their energy in the leading 64
directions, 0.855 in 96, 0.964 in 128, all of it in 160 of 256, and two persons' cosines have a standard deviation of
0.093. Normal numbers with these variances (the same within each span, which is what 0.093 implies) in a random basis
have the same. Real cosines have a heavier tail, since people come in kinds: 0.1 % of pairs lie above 0.335. Each vector
therefore belongs to one of twelve kinds, whose centre takes 0.14 of its energy; that puts 0.1 % of pairs there too.
A mate is the vector of the same person in another picture: a mix with fresh noise of the same spectrum, cosine 0.75.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 256
KINDS = ("random", "face-like")
MATE_COSINE = 0.75

_SPANS = ((64, 0.69), (96, 0.855), (128, 0.964), (160, 1.0))
_CENTRES = 12
_CENTRE_ENERGY = 0.14
_BLOCK = 65_536


class Maker:
    """Makes vectors of one kind; the same seed makes the same."""

    def __init__(self, kind: str, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._face_like = kind == "face-like"
        basis, _ = np.linalg.qr(self._random.standard_normal((DIMENSIONS, DIMENSIONS)))
        self._shape = (np.sqrt(spectrum())[:, None] * basis.T).astype(np.float32)
        centres = self._noise(_CENTRES) if self._face_like else np.zeros((1, DIMENSIONS), np.float32)
        self._centres = _unit(centres - centres.mean(axis=0)) if self._face_like else centres

    def vectors(self, count: int) -> NDArray[np.float32]:
        """(count, 256)"""
        made = np.empty((count, DIMENSIONS), dtype=np.float32)
        for begin in range(0, count, _BLOCK):
            made[begin : begin + _BLOCK] = self._block(min(_BLOCK, count - begin))
        return made

    def mates(self, of: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 256) the same persons once more."""
        noise = _unit(self._noise(len(of)))
        noise = _unit(noise - (noise * of).sum(axis=1, keepdims=True) * of)
        return _unit(np.float32(MATE_COSINE) * of + np.float32(np.sqrt(1 - MATE_COSINE**2)) * noise)

    def _block(self, count: int) -> NDArray[np.float32]:
        noise = self._noise(count)
        if not self._face_like:
            return _unit(noise)
        centres = self._centres[self._random.integers(0, _CENTRES, count)]
        return _unit(
            np.float32(np.sqrt(_CENTRE_ENERGY)) * centres + np.float32(np.sqrt(1 - _CENTRE_ENERGY)) * _unit(noise)
        )

    def _noise(self, count: int) -> NDArray[np.float32]:
        numbers = self._random.standard_normal((count, DIMENSIONS), dtype=np.float32)
        return numbers @ self._shape if self._face_like else numbers


def spectrum() -> NDArray[np.float64]:
    """(256,) the energy of each direction."""
    energies = np.zeros(DIMENSIONS)
    begin, before = 0, 0.0
    for end, energy in _SPANS:
        energies[begin:end] = (energy - before) / (end - begin)
        begin, before = end, energy
    return energies


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
