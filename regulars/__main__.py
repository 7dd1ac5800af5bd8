"""Entry point of the command `regulars`, and of `python -m regulars`."""

from __future__ import annotations

import sys
from importlib import metadata

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
    version = metadata.version("regulars")
    if missing == "regulars_client":
        return f"add the client's wheel, as by `pipx inject regulars ./dist/regulars_client-{version}-py3-none-any.whl`"
    extra = "box,mqtt" if missing == "paho" else "box"
    return (
        f"install with the extra `{extra}`, as by `pipx install './dist/regulars-{version}-py3-none-any.whl[{extra}]'`"
    )


if __name__ == "__main__":
    sys.exit(main())
