"""The data folders that releases left, which this code opens (tests/releases)."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "releases"
ENDING = ".tar.xz"
