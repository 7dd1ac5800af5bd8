"""Entry point of the command `regulars`, and of `python -m regulars`."""

from __future__ import annotations

import sys

_OWN_PACKAGES = ("app", "chalicelib", "regulars")


def main() -> int:
    """Run the command line.

    If a library is not installed, print the command that installs it, and return 1.

    A missing module of our own is a fault of the installation, and is raised.
    """
    try:
        from regulars.cli import main

        return main()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in _OWN_PACKAGES:
            raise
        command = 'pipx install --force regulars --pip-args="--constraint dist/regulars.lock"'
        print(
            f"regulars: the library {missing} is not installed: install again, as by `{command}`",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
