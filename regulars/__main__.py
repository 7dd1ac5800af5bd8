"""Entry point of the command `regulars`, and of `python -m regulars`."""

from __future__ import annotations

import sys

_OURS = ("app", "chalicelib", "regulars")


def main() -> int:
    """Run the command line. A library that was not installed with it gives one line that says how to get it."""
    try:
        from regulars.cli import main

        return main()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in _OURS:
            raise
        way = (
            "add the client's wheel, as by `pipx inject regulars regulars-client"
            if missing == "regulars_client"
            else "install again, as by `pipx install --force regulars"
        )
        lock = '--pip-args="--constraint dist/regulars.lock"`'
        print(f"regulars: the library {missing} is not installed: {way} {lock}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
