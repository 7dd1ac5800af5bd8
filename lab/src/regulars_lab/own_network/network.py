"""A network that an operator brings: its manifest, and whether the file is what the manifest
says."""

from __future__ import annotations

import multiprocessing
import re
import resource
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, ValidationError, convert, field
from msgspec.structs import replace
from numpy.typing import NDArray

from chalicelib.book.vision.packs import packs
from chalicelib.book.vision.packs.manifest import CHANNELS, WHITE, Network
from regulars.errors import UnusableNetwork

MANIFEST, CENTRE, BASIS = "manifest.toml", "centre.npy", "basis.npy"
OF_A_PACK = (MANIFEST, CENTRE, BASIS, packs.CALIBRATION, packs.BESIDE_A_CURVE)
"""Files that a pack has beside its networks, and licences whose names begin with LICENSE."""

MOST_BYTES = 2 * 1000**3
"""Size of a network's file. An ONNX file of 2 GiB or more cannot be read by anyone."""

RUN_LIMIT_S = 60.0
"""Seconds for loading a network and running it once: a large one takes ten."""
MOST_MEMORY = 16 * 1024**3
"""Bytes of address space for that, of which onnxruntime reserves more than it uses."""
EXTERNAL = b"location"
"""Key of ONNX for the name of another file with weights."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")

Pixels = tuple[tuple[float, ...], tuple[float, ...]]

USUAL_PIXELS: dict[str, Pixels] = {
    "0 to 255": ((0.0,), (1.0,)),
    "0 to 1": ((0.0,), (WHITE,)),
    "-1 to 1": ((127.5,), (127.5,)),
    "ImageNet's": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}
"""Mean and deviation of pixels as most networks take them."""

USUAL_POINTS = {
    "ArcFace's": (
        (0.3419, 0.4616),
        (0.6565, 0.4598),
        (0.5002, 0.6405),
        (0.371, 0.8247),
        (0.6315, 0.8233),
    ),
    "Open Model Zoo's": (
        (0.3156, 0.4616),
        (0.6826, 0.4616),
        (0.5003, 0.6405),
        (0.3495, 0.8247),
        (0.6534, 0.8247),
    ),
    "dlib's": (
        (0.317, 0.3107),
        (0.6699, 0.3107),
        (0.4934, 0.5104),
        (0.3361, 0.6868),
        (0.6507, 0.6868),
    ),
}
"""Places of the five landmarks in a crop as most networks take it, as parts of its side."""


class Offer(Struct, frozen=True, forbid_unknown_fields=True):
    """Manifest of an operator's networks: the pack's name, the right to use them, their maker, how
    they take a face."""

    pack: str
    licence: str
    upstream: str
    networks: tuple[Network, ...] = field(name="network")

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.pack):
            raise ValueError("a pack's name has up to 40 of a-z, 0-9 and -")
        for name, text in (("licence", self.licence), ("upstream", self.upstream)):
            if not text.strip():
                raise ValueError(f"{name} is empty")


def read_offer(folder: Path) -> Offer:
    """Read the manifest of a folder with an operator's network.

    Raises UnusableNetwork that says what is wrong.
    """
    file = folder / MANIFEST
    if not file.is_file():
        raise UnusableNetwork(
            f"{folder} has no {MANIFEST}, which describes the network (docs/models.md)"
        )
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        if not str(table.get("licence", "")).strip():
            raise UnusableNetwork(
                f"{file} names no licence: say by which right you use the network, such as "
                'licence = "Vendor Ltd, contract 4711 of 3 May 2026, for commercial use"'
            )
        offer = convert(table, Offer)
    except (ValidationError, ValueError, RecursionError) as error:
        raise UnusableNetwork(f"{file} is wrong: {error}") from error
    for network in offer.networks:
        _check_place(network, folder)
        _check_points(network)
    if not offer.networks:
        raise UnusableNetwork(f"{file} describes no network: it has a [[network]] for each")
    return offer


def _check_place(network: Network, folder: Path) -> None:
    """Raise UnusableNetwork unless the network's file is in the folder, of a size and a name that a
    pack can have.

    A pack is the folder that is made of the operator's: networks, manifest, calibration, licences.
    A network cannot be called as one of its other files.
    """
    name = network.file
    if not any(path.name == name and path.is_file() for path in folder.iterdir()):
        raise UnusableNetwork(
            f"{folder / MANIFEST} names {name}, and there is no such file beside it"
        )
    if name.lower() in OF_A_PACK or name.lower().startswith("license"):
        raise UnusableNetwork(
            f"{name} is the name of a file that the pack will have of its own: rename the network's"
        )
    if (size := (folder / name).stat().st_size) > MOST_BYTES:
        raise UnusableNetwork(
            f"{name} has {size:,} bytes: a network's file has {MOST_BYTES:,} at most"
        )


def _check_points(network: Network) -> None:
    """Raise UnusableNetwork unless the landmarks' places are those of an upright face within the
    crop."""
    left_eye, right_eye, nose, left_mouth, right_mouth = network.points
    are_inside = all(
        0 <= coordinate <= network.size_px for point in network.points for coordinate in point
    )
    across = left_eye[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
    down = max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    if not (are_inside and across and down):
        raise UnusableNetwork(
            f"points of {network.file} are the pixels of both eyes, the nose tip and both corners "
            "of the mouth in a "
            f"crop of {network.size_px} by {network.size_px}, left before right: these are of no "
            "upright face"
        )


def check_file(network: Network, model: bytes, limit_s: float = RUN_LIMIT_S) -> None:
    """Run the network once on grey pixels, and compare its input and output with its manifest.

    It runs in a process of its own, since a network may have a loop without end or ask for any
    memory. Raises UnusableNetwork if it is no ONNX file, has weights in another file, takes longer
    than `limit_s` or more than MOST_MEMORY, its input or output has another shape, or a number is
    not finite.
    """
    spawning = multiprocessing.get_context("spawn")
    with spawning.Pool(1, initializer=_limit_memory) as pool:  # which ends the process, too
        try:
            pool.apply_async(_run_once, (network, model)).get(limit_s)
        except multiprocessing.TimeoutError as error:
            raise UnusableNetwork(
                f"{network.file} did not answer within {limit_s:.0f} s: it has a loop without end, "
                "or ends its process"
            ) from error


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def _run_once(network: Network, model: bytes) -> None:
    """Do what `check_file` promises, in its process."""
    from chalicelib.book.vision.packs.session import session_of

    try:
        session = session_of(model)
    except Exception as error:  # onnxruntime's own, which have no other base
        text = f"{network.file} is no ONNX file that onnxruntime can run: {error}"
        if EXTERNAL in model:
            text = (
                f"{network.file} has weights in another file: save it with all of them in the "
                "one file"
            )
        raise UnusableNetwork(text) from None  # its cause cannot leave the process
    inputs = session.get_inputs()
    outputs = {output.name: output for output in session.get_outputs()}
    shape = [3, network.size_px, network.size_px]
    if (
        len(inputs) != 1
        or inputs[0].type != "tensor(float)"
        or not _fits(inputs[0].shape, [1, *shape])
    ):
        takes = ", ".join(f"{tensor.name} {tensor.shape} of {tensor.type}" for tensor in inputs)
        raise UnusableNetwork(
            f"{network.file} takes {takes}: it has to take one picture of float32, "
            f"{['n', *shape]}. Is size_px right?"
        )
    if network.output not in outputs:
        raise UnusableNetwork(
            f"{network.file} has no output {network.output}: its outputs are {', '.join(outputs)}"
        )
    grey = np.full((1, *shape), (WHITE / 2 - network.mean[0]) / network.deviation[0], np.float32)
    try:
        (embedding,) = session.run([network.output], {inputs[0].name: grey})
    except Exception as error:
        raise UnusableNetwork(f"{network.file} fails when it runs: {error}") from None
    if embedding.shape != (1, network.dimensions):
        raise UnusableNetwork(
            f"{network.file} gives {list(embedding.shape)} at {network.output}: its manifest has "
            "dimensions = "
            f"{network.dimensions}, so [1, {network.dimensions}] is right"
        )
    if not np.isfinite(embedding).all():
        raise UnusableNetwork(
            f"{network.file} gives numbers at {network.output} that are not finite"
        )


def _fits(shape: Sequence[Any], sizes: Sequence[int]) -> bool:
    """Return whether a network's shape, in which a text or None is any number, takes what is
    asked."""
    return len(shape) == len(sizes) and all(
        not isinstance(length, int) or length == size
        for length, size in zip(shape, sizes, strict=True)
    )


def vary_network(network: Network) -> Iterator[tuple[str, Network]]:
    """Yield other ways to take a face, each of which differs in one thing, and what that is."""
    other = next(channels for channels in CHANNELS if channels != network.channels)
    yield f'channels = "{other}"', replace(network, channels=other)
    for name, (mean, deviation) in USUAL_PIXELS.items():
        present_pixels = [
            _spread_to_channels(numbers) for numbers in (network.mean, network.deviation)
        ]
        if not np.allclose(
            present_pixels,
            [_spread_to_channels(mean), _spread_to_channels(deviation)],
            rtol=0.05,
            atol=3,
        ):
            difference = f"pixels {name}, mean = {list(mean)} and deviation = {list(deviation)}"
            yield difference, replace(network, mean=mean, deviation=deviation)
    for name, parts in USUAL_POINTS.items():
        points = tuple(
            (round(x * network.size_px, 2), round(y * network.size_px, 2)) for x, y in parts
        )
        if np.abs(np.array(points) - np.array(network.points)).max() > 0.03 * network.size_px:
            yield (
                f"{name} points, {[list(point) for point in points]}",
                replace(network, points=points),
            )


def _spread_to_channels(numbers: Sequence[float]) -> NDArray[np.float64]:
    return np.broadcast_to(np.asarray(numbers, np.float64), 3)
