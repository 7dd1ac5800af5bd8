"""Vectors to search: random ones, ones with the spectrum of real templates, and real ones. Unit
length, float32.

**Random**: normal numbers, scaled to length 1. No rotation helps there; no gallery looks like that.

**Face-like**: 4,163 templates that face-pack-3 made of real pictures have 0.666 of their energy in
the leading 64 directions, 0.797 in 96, 0.881 in 128, 0.928 in 160, all of it in 352 of 384, and two
persons' cosines have a standard deviation of 0.091. Normal numbers with these variances (the same
within each span) in a random basis have the same. Real cosines have a heavier tail, since people
come in kinds: 0.1 % of pairs lie above 0.367. Each vector therefore belongs to one of twelve kinds,
whose centre takes 0.22 of its energy; that puts 0.1 % of pairs there too.

**LFW**: templates of one picture each of 2,876 persons (Labelled Faces in the Wild, beside the
checkout), by the models that REGULARS_MODELS names. They come first, shuffled. All further vectors
lie around one of them: cosine 0.6, the rest noise with the covariance of all. So two around the
same one have a cosine of 0.36, as people who look alike. The templates take some minutes; they are
kept in the system's folder for temporary files, in `regulars-bench-lfw`.

A mate is the vector of the same person in another picture: a mix with fresh noise of the same
spectrum, cosine 0.75.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regulars_lab.bench.measuring import SHARED, pack

DIMENSIONS = 384
FACES = SHARED / "data" / "lfw"
KINDS = ("random", "face-like", *(("lfw",) if FACES.is_dir() else ()))
MATE_COSINE = 0.75

_SPANS = (
    (64, 0.666),
    (96, 0.797),
    (128, 0.881),
    (160, 0.928),
    (192, 0.951),
    (256, 0.979),
    (320, 0.996),
    (352, 1.0),
)
_CENTRES = 12
_CENTRE_ENERGY = 0.22
_AROUND = 0.6
_BLOCK = 65_536


class Maker:
    """Makes vectors of one kind; the same seed makes the same."""

    def __init__(self, kind: str, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._spectral = kind != "random"
        self._energy = {"random": 0.0, "face-like": _CENTRE_ENERGY, "lfw": _AROUND**2}[kind]
        basis, _ = np.linalg.qr(self._random.standard_normal((DIMENSIONS, DIMENSIONS)))
        self._shape = (np.sqrt(spectrum())[:, None] * basis.T).astype(np.float32)
        self._next = np.empty((0, DIMENSIONS), np.float32)
        """what comes before any noise"""
        if kind == "lfw":
            self._centres = self._next = self._random.permutation(real_templates())
            _, sizes, directions = np.linalg.svd(
                self._next - self._next.mean(axis=0), full_matrices=False
            )
            self._shape = (sizes[:, None] * directions).astype(np.float32)
        elif self._spectral:
            centres = self._noise(_CENTRES)
            self._centres = _unit(centres - centres.mean(axis=0))

    def vectors(self, count: int) -> NDArray[np.float32]:
        """(count, DIMENSIONS)"""
        made = np.empty((count, DIMENSIONS), dtype=np.float32)
        ready = min(count, len(self._next))
        made[:ready], self._next = self._next[:ready], self._next[ready:]
        for begin in range(ready, count, _BLOCK):
            made[begin : begin + _BLOCK] = self._block(min(_BLOCK, count - begin))
        return made

    def mates(self, of: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, DIMENSIONS) the same persons once more."""
        noise = _unit(self._noise(len(of)))
        noise = _unit(noise - (noise * of).sum(axis=1, keepdims=True) * of)
        return _unit(np.float32(MATE_COSINE) * of + np.float32(np.sqrt(1 - MATE_COSINE**2)) * noise)

    def _block(self, count: int) -> NDArray[np.float32]:
        noise = self._noise(count)
        if not self._energy:
            return _unit(noise)
        centres = self._centres[self._random.integers(0, len(self._centres), count)]
        return _unit(
            np.float32(np.sqrt(self._energy)) * centres
            + np.float32(np.sqrt(1 - self._energy)) * _unit(noise)
        )

    def _noise(self, count: int) -> NDArray[np.float32]:
        numbers = self._random.standard_normal((count, DIMENSIONS), dtype=np.float32)
        return numbers @ self._shape if self._spectral else numbers


@cache
def real_templates() -> NDArray[np.float32]:
    """Compute the templates of one picture each of the persons in FACES, or read what an earlier
    run kept."""
    from regulars_lab.measuring.looking import (
        see_all,  # here: it brings what only looks at pictures
    )

    folders = [
        folder for kind in ("people", "strangers") for folder in sorted((FACES / kind).iterdir())
    ]
    kept = Path(tempfile.gettempdir()) / "regulars-bench-lfw"
    seen = see_all(
        pack(), [min(folder.iterdir()) for folder in folders], kept, lambda _: None, os.cpu_count()
    )
    found = np.array([one.embedding for one in seen if one.embedding is not None], np.float32)
    if found.shape[1] != DIMENSIONS:
        raise SystemExit(
            f"lfw: the models of REGULARS_MODELS make {found.shape[1]} dimensions, not {DIMENSIONS}"
        )
    return _unit(found)


def spectrum() -> NDArray[np.float64]:
    """(DIMENSIONS,) the energy of each direction."""
    energies = np.zeros(DIMENSIONS)
    begin, before = 0, 0.0
    for end, energy in _SPANS:
        energies[begin:end] = (energy - before) / (end - begin)
        begin, before = end, energy
    return energies


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
