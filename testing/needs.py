"""Programs that some tests need and that no package registry of Python brings: without one, its
tests are skipped.

CONTRIBUTING names the packages in one line, and the last lines of a run say what was missing.
"""

import os
import shutil

import pytest

PACKAGES = {
    "caddy": "caddy",
    "chromium-headless-shell": "chromium-headless-shell",
    "javac": "default-jdk-headless",
    "mosquitto": "mosquitto",
    "mosquitto_passwd": "mosquitto",
    "nginx": "nginx-light",
    "node": "nodejs",
    "openssl": "openssl",
    "ssh-keygen": "openssh-client",
    "systemd-analyze": "systemd",
}
"""The program, and Debian's package that has it."""

INSTALL = f"apt-get install {' '.join(sorted({*PACKAGES.values()}))}"


def needed(*programs: str) -> str:
    """Return the path of the first of these programs; skip the test if one of them is missing."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"  # where Debian puts servers
    found = {program: shutil.which(program, path=path) for program in programs}
    if missing := [PACKAGES.get(program, program) for program in programs if not found[program]]:
        pytest.skip(f"needs apt-get install {' '.join(missing)}")
    return str(found[programs[0]])
