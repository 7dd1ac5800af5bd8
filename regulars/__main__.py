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
        print(f"regulars: the library {missing} is not installed: {_way(missing)}", file=sys.stderr)
        return 1


def _way(missing: str) -> str:
    if missing == "regulars_client":
        return "add the client's wheel, as by `pipx inject regulars ./dist/regulars_client-0.1.0-py3-none-any.whl`"
    return "install with the extra `box`, as by `pipx install './dist/regulars-0.1.0-py3-none-any.whl[box]'`"


if __name__ == "__main__":
    sys.exit(main())
