"""The exit codes."""

from __future__ import annotations

OK, INCOMPLETE, MISUSED, OPERATOR, GAVE_UP, IN_USE, NO_SPOOL, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130
HELP = """\
exit codes:
  0  done; for `upload`: every picture is at the service
  1  not all of it: pictures were refused, could not be read, or wait for another shop;
     for `check`: there is work to do
  2  the command line or the configuration is wrong
  3  the service refuses the key or the camera: see to it, the pictures are kept
  4  the service could not be reached for as long as --give-up-after says, or nobody came to --page;
     run it again
  5  another uploader uses the spool
  6  the spool is full, cannot be written, or its books turned out damaged; run it again
"""
