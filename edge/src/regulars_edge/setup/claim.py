"""`regulars-edge claim`: by a code here, or on the page that asks for one."""

from __future__ import annotations

import argparse


def claim(arguments: argparse.Namespace) -> int:
    """Take a camera over; return the exit code. Raises what the way that was chosen raises."""
    if arguments.page is not None:
        from regulars_edge.setup.first_page import serve_first_page

        return serve_first_page(arguments)
    from regulars_edge.setup.command import claim_by_code

    return claim_by_code(arguments)
