"""Entry point of `python -m regulars`, the same as the command `regulars`."""

import sys

from regulars.cli import main

sys.exit(main())
