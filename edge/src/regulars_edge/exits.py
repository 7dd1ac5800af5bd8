"""The exit codes."""

from __future__ import annotations

OK, INCOMPLETE, MISUSED, OPERATOR, GAVE_UP, IN_USE, NO_SPOOL, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130
HELP = """\
exit codes:
  0  success; for `upload`: the service has every picture
  1  incomplete: pictures were refused, unreadable, or wait for another shop;
     for `check`: something needs a fix
  2  invalid command line or configuration
  3  the service rejects the key or the camera: fix it; the pictures are kept
  4  the service was unreachable for --give-up-after minutes, or nobody opened --page: run it again
  5  another uploader uses the spool
  6  the spool is full, not writable or has a damaged database: run it again
"""
